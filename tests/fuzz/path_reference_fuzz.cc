// References to Vault and Infisical: what is accepted has one spelling, and no part of it could be
// read as another request.

#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "source/hashi_reference.h"
#include "source/infisical_reference.h"

using namespace av;

namespace {

void look_at(const source::Failure& failure) {
  require(failure.why == source::Failure::Why::kInvalid);
  require(!failure.message.empty() && failure.message.size() < 1024);
  for (const char c : failure.message) {
    require(static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
  }
}

// In a URL as it stands: unreserved characters, escapes, and what separates.
void look_at_item(std::string_view item) {
  require(!item.empty() && item.size() <= 2048);
  for (const char c : item) {
    require((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            std::string_view("-._~%/?=:").find(c) != std::string_view::npos);
  }
  require(!item.starts_with('/') && item.find("//") == std::string_view::npos);
  require(item.find("/../") == std::string_view::npos && !item.starts_with("../"));
}

void look_at_path(std::string_view path) {
  require(path.size() <= 513 && !path.starts_with('/') &&
          path.find("//") == std::string_view::npos);
  for (const char c : path) {
    require(static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string vault = "vault://" + text;
  if (const auto got = source::parse_hashi(vault); got) {
    look_at_item(got->item);
    require(!got->field.empty());
    const auto item = source::hashi_item(got->item);
    require(item.has_value());
    look_at_path(item->path);
    require(!item->path.starts_with("sys/") && !item->path.starts_with("auth/"));
    const auto again = source::parse_hashi("vault://" + got->item + "#x");
    require(again && again->item == got->item);
  } else {
    look_at(got.error());
  }
  if (const auto got = source::hashi_folder(vault); got) {
    look_at_path(*got);
  } else {
    look_at(got.error());
  }
  const std::string infisical = "infisical://" + text;
  if (const auto got = source::parse_infisical(infisical); got) {
    look_at_item(got->item);
    const auto item = source::infisical_item(got->item);
    require(item && !item->name.empty() && item->name.find('/') == std::string::npos);
    require(item->dynamic == !got->field.empty());
    look_at_path(item->folder);
    if (!item->dynamic) {
      const auto again = source::parse_infisical("infisical://" + got->item);
      require(again && again->item == got->item);
    }
  } else {
    look_at(got.error());
  }
  if (const auto got = source::infisical_folder(infisical); got) {
    look_at_path(got->folder);
  } else {
    look_at(got.error());
  }
  return 0;
}
