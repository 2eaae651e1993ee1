// Any text as a host and as an authority: what is accepted is canonical and stays so.

#include <cstdint>
#include <string_view>

#include "fuzz/require.h"
#include "vault/canonical.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av::vault;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto host = canonical_host(text)) {
    require(canonical_host(*host).value() == *host);
    for (const char c : *host) {
      require((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
              c == ':' || c == '[' || c == ']');
    }
    require(parse_authority(*host, 443).value() == Authority{*host, 443});
  }
  if (const auto authority = parse_authority(text, 0)) {
    require(authority->port != 0);
    // With the other scheme's default the port is always written out, or is that default.
    const auto again = parse_authority(to_string(*authority, Scheme::kHttp), 80);
    require(again && *again == *authority);
  }
  return 0;
}
