// What JsonView accepts is what another parser accepts, and reads the same.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fuzz/require.h"
#include "vault/json_view.h"

namespace {

using av::vault::JsonDocument;
using av::vault::JsonView;

void compare(const JsonView& view, const nlohmann::json& other) {
  switch (view.kind()) {
    case JsonView::Kind::kNull:
      require(other.is_null());
      break;
    case JsonView::Kind::kBool:
      require(other.is_boolean() && view.boolean() == other.get<bool>());
      break;
    case JsonView::Kind::kNumber:
      require(other.is_number());
      if (const auto number = view.integer(); number && other.is_number_integer()) {
        require(*number == other.get<std::int64_t>());
      }
      break;
    case JsonView::Kind::kString: {
      require(other.is_string() && view.text() == other.get<std::string>());
      const auto secret = view.secret();
      require(secret.has_value());
      secret->reveal([&](std::string_view bytes) { require(bytes == view.text()); });
      break;
    }
    case JsonView::Kind::kArray: {
      const auto children = view.children();
      require(other.is_array() && other.size() == children.size());
      for (std::size_t i = 0; i < children.size(); ++i) {
        compare(children[i], other[i]);
      }
      break;
    }
    case JsonView::Kind::kObject: {
      const auto children = view.children();
      require(other.is_object() && other.size() == children.size());
      for (const JsonView& child : children) {
        require(other.contains(child.name()));
        compare(child, other[child.name()]);
      }
      break;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = av::init_secret_arena();
  (void)arena;
  if (size > 64 * 1024) {
    return 0;
  }
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto document = JsonDocument::parse(text);
  if (!document) {
    return 0;
  }
  const auto other = nlohmann::json::parse(text, nullptr, false);
  // A number such as 1e999 is well-formed, but more than the other one can hold.
  if (other.is_discarded()) {
    require(text.find_first_of("eE") != std::string::npos || size > 300);
    return 0;
  }
  compare(document->root(), other);
  require(JsonDocument::parse(document->root().source()).has_value());
  return 0;
}
