#pragma once
// TextTree: a JSON or TOML text as one kind of tree that remembers where each part stood, so that a
// complaint about a field can point at it. Internal to the codecs; holds no secrets.

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/expected.h"

namespace av::vault {

struct TextTree {
  using Json = nlohmann::ordered_json;
  struct Position {
    std::size_t line = 0;  // from 1; 0: unknown
    std::size_t column = 0;
  };

  std::string text;
  bool is_toml = false;
  Json root;
  // By path. A member of an object is where its key stands.
  std::map<std::string, Position> positions;

  static std::string member(const std::string& path, std::string_view key) {
    return path + '\x1f' + std::string(key);
  }
  static std::string element(const std::string& path, std::size_t index) {
    return member(path, std::to_string(index));
  }
  // kInvalid: "line 3, column 5: `message`"; for TOML followed by the line and a caret under it.
  [[nodiscard]] Error error_at(const std::string& path, std::string_view message,
                               std::string hint = {}) const;
};

// The text's own grammar, no member named twice, at most 32 levels, at most 16 MiB.
[[nodiscard]] Expected<TextTree> parse_json_text(std::string_view text);
[[nodiscard]] Expected<TextTree> parse_toml_text(std::string_view text);
// Told apart by the first characters: "{", "[ {", "[ ]" and "[ [" with a blank are JSON.
[[nodiscard]] Expected<TextTree> parse_json_or_toml_text(std::string_view text);

}  // namespace av::vault
