#include "vault/text_tree.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/encoding.h"

namespace av::vault {
namespace {

using Json = TextTree::Json;
using Position = TextTree::Position;

constexpr std::size_t kMaxText = std::size_t{16} << 20;
constexpr int kMaxDepth = 32;

Error located(Position at, std::string_view message, std::string hint) {
  std::string text;
  if (at.line != 0) {
    text = "line " + std::to_string(at.line) + ", column " + std::to_string(at.column) + ": ";
  }
  text += message;
  return make_error(ErrorCode::kInvalid, std::move(text), std::move(hint));
}

Position position_of(std::string_view text, std::size_t offset) {
  Position at{1, 1};
  for (const char c : text.substr(0, offset)) {
    if (c == '\n') {
      ++at.line;
      at.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xc0U) != 0x80U) {
      ++at.column;  // one per character, not per byte
    }
  }
  return at;
}

// "\n  <the line>\n  <spaces>^", or nothing when the line would not fit.
std::string caret_lines(std::string_view text, Position at) {
  constexpr std::size_t kWidest = 160;
  for (std::size_t line = 1; line < at.line; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      return {};
    }
    text.remove_prefix(end + 1);
  }
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  if (at.line == 0 || line.empty() || line.size() > kWidest || at.column > line.size() + 1) {
    return {};
  }
  std::string shown(line);
  std::replace(shown.begin(), shown.end(), '\t', ' ');
  return "\n  " + encoding::printable(shown) + "\n  " + std::string(at.column - 1, ' ') + "^";
}

// Walks a text that is known to be JSON and notes where its parts are. The parser that made it so
// tells neither positions nor repeated keys.
class JsonIndexer {
 public:
  JsonIndexer(std::string_view text, std::map<std::string, Position>& positions)
      : text_(text), positions_(positions) {}

  Status run() {
    if (text_.substr(0, 3) == "\xef\xbb\xbf") {
      skip(3);
    }
    blanks();
    positions_[std::string()] = here_;
    return value({}, 0);
  }

 private:
  void skip(std::size_t count) {
    for (; count > 0; --count, ++offset_) {
      const char c = text_[offset_];
      if (c == '\n') {
        ++here_.line;
        here_.column = 1;
      } else if ((static_cast<unsigned char>(c) & 0xc0U) != 0x80U) {
        ++here_.column;
      }
    }
  }
  void blanks() {
    while (offset_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[offset_]) != std::string_view::npos) {
      skip(1);
    }
  }
  [[nodiscard]] char peek() const { return offset_ < text_.size() ? text_[offset_] : '\0'; }
  std::string_view string_token() {
    std::size_t end = offset_ + 1;
    while (end < text_.size() && text_[end] != '"') {
      end += text_[end] == '\\' ? 2 : 1;
    }
    const std::string_view token = text_.substr(offset_, end + 1 - offset_);
    skip(token.size());
    return token;
  }

  Status value(const std::string& path, int depth) {
    if (depth > kMaxDepth) {
      return located(here_, "nested too deeply", {});
    }
    switch (peek()) {
      case '{':
        return object(path, depth);
      case '[':
        return array(path, depth);
      case '"':
        (void)string_token();
        return {};
      default:
        while (offset_ < text_.size() &&
               std::string_view(",]} \t\r\n").find(peek()) == std::string_view::npos) {
          skip(1);
        }
        return {};
    }
  }

  Status object(const std::string& path, int depth) {
    skip(1);
    for (blanks(); peek() == '"'; blanks()) {
      const Position at = here_;
      const Json key = Json::parse(string_token(), nullptr, /*allow_exceptions=*/false);
      const std::string name = key.is_string() ? key.get<std::string>() : std::string();
      const std::string inner = TextTree::member(path, name);
      if (!positions_.emplace(inner, at).second) {
        return located(at, "field \"" + encoding::printable(name.substr(0, 80)) + "\" is repeated",
                       {});
      }
      blanks();
      skip(1);  // the colon
      blanks();
      AV_CHECK(value(inner, depth + 1));
      blanks();
      if (peek() == ',') {
        skip(1);
      }
    }
    skip(1);
    return {};
  }

  Status array(const std::string& path, int depth) {
    skip(1);
    blanks();
    for (std::size_t index = 0; peek() != ']'; ++index) {
      const std::string inner = TextTree::element(path, index);
      positions_[inner] = here_;
      AV_CHECK(value(inner, depth + 1));
      blanks();
      if (peek() == ',') {
        skip(1);
        blanks();
      }
    }
    skip(1);
    return {};
  }

  std::string_view text_;
  std::size_t offset_ = 0;
  Position here_{1, 1};
  std::map<std::string, Position>& positions_;
};

// Brackets outside strings; asked before the parser is let loose on the text.
bool nested_too_deeply(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) {
        return true;
      }
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

Position toml_position(const toml::source_region& region) {
  return Position{region.begin.line, region.begin.column};
}

// Each dotted key is a level more, and the library's own limit counts brackets only.
bool has_endless_key(std::string_view text) {
  constexpr int kMaxDots = 100;
  int dots = 0;
  for (const char c : text) {
    if (c == '.') {
      if (++dots > kMaxDots) {
        return true;
      }
    } else if (std::string_view("=,{}[]#\n").find(c) != std::string_view::npos) {
      dots = 0;
    }
  }
  return false;
}

Json from_toml(const toml::node& node, const std::string& path,
               std::map<std::string, Position>& positions, int depth = 0) {
  if (depth > kMaxDepth) {
    return nullptr;  // far below anything that we read
  }
  if (const toml::table* table = node.as_table()) {
    // The library sorts keys; people expect their own order back.
    std::vector<std::pair<const toml::key*, const toml::node*>> members;
    for (const auto& [key, value] : *table) {
      members.emplace_back(&key, &value);
    }
    std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) {
      return a.first->source().begin < b.first->source().begin;
    });
    Json out = Json::object();
    for (const auto& [key, value] : members) {
      const std::string inner = TextTree::member(path, key->str());
      positions[inner] = toml_position(key->source());
      out[std::string(key->str())] = from_toml(*value, inner, positions, depth + 1);
    }
    return out;
  }
  if (const toml::array* array = node.as_array()) {
    Json out = Json::array();
    for (const toml::node& item : *array) {
      const std::string inner = TextTree::element(path, out.size());
      positions[inner] = toml_position(item.source());
      out.push_back(from_toml(item, inner, positions, depth + 1));
    }
    return out;
  }
  if (const auto* text = node.as_string()) {
    return text->get();
  }
  if (const auto* number = node.as_integer()) {
    return number->get();
  }
  if (const auto* flag = node.as_boolean()) {
    return flag->get();
  }
  if (const auto* number = node.as_floating_point(); number && std::isfinite(number->get())) {
    return number->get();
  }
  return nullptr;  // dates mean nothing to us: no field of a TOML file takes a null either
}

Error too_large() {
  return make_error(ErrorCode::kInvalid, "the text is larger than 16 MiB");
}

// Its first line that says something is "- ..." or "name: ...", which TOML's never is.
bool looks_like_yaml(std::string_view text) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos || line[begin] == '#') {
      continue;
    }
    line.remove_prefix(begin);
    const std::size_t colon = line.find(':');
    return line.starts_with("- ") || line.starts_with("---") ||
           (colon != std::string_view::npos && colon < line.find('='));
  }
  return false;
}

}  // namespace

Error TextTree::error_at(const std::string& path, std::string_view message,
                         std::string hint) const {
  const auto found = positions.find(path);
  const Position at = found == positions.end() ? Position{} : found->second;
  Error error = located(at, message, std::move(hint));
  if (is_toml) {
    error.message += caret_lines(text, at);
  }
  return error;
}

Expected<TextTree> parse_json_text(std::string_view text) {
  if (text.size() > kMaxText) {
    return too_large();
  }
  if (nested_too_deeply(text)) {
    return make_error(ErrorCode::kInvalid, "the JSON is nested too deeply");
  }
  TextTree tree;
  tree.text = text;
  try {
    tree.root = Json::parse(text);
  } catch (const Json::parse_error& e) {
    // Its own text repeats what it read; the position is enough.
    return located(position_of(text, e.byte == 0 ? 0 : e.byte - 1), "not valid JSON here", {});
  } catch (const Json::exception&) {
    return make_error(ErrorCode::kInvalid, "not valid JSON");
  }
  AV_CHECK(JsonIndexer(tree.text, tree.positions).run());
  return tree;
}

Expected<TextTree> parse_toml_text(std::string_view text) {
  if (text.size() > kMaxText) {
    return too_large();
  }
  if (has_endless_key(text)) {
    return make_error(ErrorCode::kInvalid, "the TOML has a key of more than 100 parts");
  }
  TextTree tree;
  tree.text = text;
  tree.is_toml = true;
  try {
    const toml::table table = toml::parse(text);
    tree.positions[std::string()] = Position{1, 1};
    tree.root = from_toml(table, {}, tree.positions);
  } catch (const toml::parse_error& e) {
    const Position at = toml_position(e.source());
    Error error =
        located(at, "not valid TOML: " + encoding::printable(e.description()),
                looks_like_yaml(text) ? "YAML is not read: write it as JSON or TOML" : "");
    error.message += caret_lines(text, at);
    return error;
  }
  return tree;
}

Expected<TextTree> parse_json_or_toml_text(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return parse_toml_text(text);
  }
  // "[" alone begins a JSON list; "[[" and "[name]" are TOML.
  const std::size_t second = text.find_first_not_of(kBlanks, first + 1);
  const bool is_list =
      text[first] == '[' && second != std::string_view::npos &&
      (text[second] == '{' || text[second] == ']' || (text[second] == '[' && second != first + 1));
  return text[first] == '{' || is_list ? parse_json_text(text) : parse_toml_text(text);
}

}  // namespace av::vault
