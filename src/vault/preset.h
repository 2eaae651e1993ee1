#pragma once
// Presets: ready-made services for common APIs. The table is data (presets.toml, embedded at
// build).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/service.h"

namespace av::vault {

struct Preset {
  std::string id;                 // "openai"
  std::string title;              // "OpenAI API"
  std::string obtain;             // where a person gets the key
  std::vector<Service> services;  // one or more (github: api.github.com and github.com)
  [[nodiscard]] std::vector<std::string> credential_keys() const;
};

[[nodiscard]] const std::vector<Preset>& presets();
[[nodiscard]] const Preset* find_preset(std::string_view id);
// The preset whose services use this credential key; null when none or several do.
[[nodiscard]] const Preset* preset_for_credential(std::string_view key);

// The preset and its service for this host (canonical): the catalogue's suggestion for whoever has
// to ask for access.
struct PresetMatch {
  const Preset* preset = nullptr;  // null: none is known
  const Service* service = nullptr;
};
[[nodiscard]] PresetMatch preset_for_host(std::string_view host);

}  // namespace av::vault
