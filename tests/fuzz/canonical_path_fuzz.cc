// Any text as a request target: what is accepted is canonical, stays so, and means one path.

#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "vault/canonical.h"
#include "vault/matcher.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av::vault;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto target = canonical_target(text);
  if (!target) {
    require(target.error().code == av::ErrorCode::kInvalid);
    return 0;
  }
  const auto again = canonical_target(target->to_string());
  require(again && again->path == target->path && again->query == target->query &&
          again->has_query == target->has_query);
  require(target->path == "*" || target->path.front() == '/');
  require(target->path.substr(0, 2) != "//");
  for (const char c : target->to_string()) {
    require(c > ' ' && c < 0x7f && c != '#');
  }
  require(target->path.find('\\') == std::string::npos);
  const std::string padded = target->path + "/";
  require(padded.find("/./") == std::string::npos && padded.find("/../") == std::string::npos);
  require(path_matches("", target->path));
  require(path_matches("/*", target->path) == (target->path != "*"));
  return 0;
}
