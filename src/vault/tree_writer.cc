#include "vault/tree_writer.h"

#include "core/encoding.h"

namespace av::vault {
namespace {

using Json = TextTree::Json;

std::string toml_string(const std::string& text) {
  std::string out = "\"" + encoding::json_escaped(text) + "\"";
  // JSON leaves it as it is, TOML forbids it.
  for (std::size_t at = out.find('\x7f'); at != std::string::npos; at = out.find('\x7f', at)) {
    out.replace(at, 1, "\\u007F");
  }
  return out;
}

std::string toml_key(const std::string& key) {
  const bool bare = !key.empty() && key.find_first_not_of(
                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789_-") == std::string::npos;
  return bare ? key : toml_string(key);
}

std::string toml_inline(const Json& node) {
  std::string out;
  if (node.is_object()) {
    for (const auto& [key, value] : node.items()) {
      out += (out.empty() ? "{ " : ", ") + toml_key(key) + " = " + toml_inline(value);
    }
    return out.empty() ? "{}" : out + " }";
  }
  if (node.is_array()) {
    for (const Json& item : node) {
      out += (out.empty() ? "" : ", ") + toml_inline(item);
    }
    return "[" + out + "]";
  }
  return node.is_string() ? toml_string(node.get<std::string>()) : dump_json(node, false);
}

}  // namespace

std::string dump_json(const Json& tree, bool pretty) {
  return tree.dump(pretty ? 2 : -1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

std::string toml_fields(const Json& table) {
  std::string out;
  for (const auto& [key, value] : table.items()) {
    out += toml_key(key) + " = " + toml_inline(value) + "\n";
  }
  return out;
}

}  // namespace av::vault
