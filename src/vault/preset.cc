#include "vault/preset.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "vault/presets_toml.h"
#include "vault/service_reader.h"
#include "vault/text_tree.h"

namespace av::vault {
namespace {

using Json = TextTree::Json;

Expected<Preset> read_preset(const TextTree& tree, const Json& node, const std::string& path) {
  Preset preset;
  for (const auto& [name, value] : node.items()) {
    if (name == "id" && value.is_string()) {
      preset.id = value.get<std::string>();
    } else if (name == "title" && value.is_string()) {
      preset.title = value.get<std::string>();
    } else if (name == "obtain" && value.is_string()) {
      preset.obtain = value.get<std::string>();
    } else if (name == "services" && value.is_array()) {
      const std::string list = TextTree::member(path, name);
      for (std::size_t i = 0; i < value.size(); ++i) {
        AV_TRY(Service service, read_service(tree, value[i], TextTree::element(list, i)));
        preset.services.push_back(std::move(service));
      }
    } else {
      return tree.error_at(TextTree::member(path, name), "not a field of a preset");
    }
  }
  if (preset.id.empty() || preset.title.empty() || preset.obtain.empty() ||
      preset.services.empty()) {
    return tree.error_at(path, "a preset needs id, title, obtain and services");
  }
  return preset;
}

Expected<std::vector<Preset>> read_presets() {
  AV_TRY(const TextTree tree, parse_toml_text(presets_toml()));
  std::vector<Preset> out;
  const Json& list = tree.root.at("preset");
  const std::string path = TextTree::member({}, "preset");
  for (std::size_t i = 0; i < list.size(); ++i) {
    AV_TRY(Preset preset, read_preset(tree, list[i], TextTree::element(path, i)));
    out.push_back(std::move(preset));
  }
  return out;
}

}  // namespace

std::vector<std::string> Preset::credential_keys() const {
  std::vector<std::string> keys;
  for (const Service& service : services) {
    for (std::string& key : service.credential_keys()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        keys.push_back(std::move(key));
      }
    }
  }
  return keys;
}

const std::vector<Preset>& presets() {
  static const std::vector<Preset> table = [] {
    auto read = read_presets();
    if (!read) {
      // The table is part of the program; a test reads all of it.
      std::fprintf(stderr, "agent-vault: presets.toml: %s\n", read.error().message.c_str());
      std::abort();
    }
    return std::move(*read);
  }();
  return table;
}

const Preset* find_preset(std::string_view id) {
  const auto& table = presets();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Preset& p) { return p.id == id; });
  return found == table.end() ? nullptr : &*found;
}

const Preset* preset_for_credential(std::string_view key) {
  const Preset* only = nullptr;
  for (const Preset& preset : presets()) {
    const std::vector<std::string> keys = preset.credential_keys();
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) {
      if (only != nullptr) {
        return nullptr;
      }
      only = &preset;
    }
  }
  return only;
}

PresetMatch preset_for_host(std::string_view host) {
  PresetMatch wildcard;
  const std::size_t dot = std::min(host.find('.'), host.size());
  for (const Preset& preset : presets()) {
    for (const Service& service : preset.services) {
      if (service.host == host) {
        return {&preset, &service};
      }
      if (wildcard.preset == nullptr && service.host.starts_with("*.") &&
          std::string_view(service.host).substr(1) == host.substr(dot)) {
        wildcard = {&preset, &service};
      }
    }
  }
  return wildcard;
}

}  // namespace av::vault
