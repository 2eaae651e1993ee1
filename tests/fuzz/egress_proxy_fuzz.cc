// Any text as the URL of a proxy, as NO_PROXY, as an address range: what is accepted can be used,
// and its label, which is shown, holds nothing of user and password.

#include <cstdint>
#include <string_view>

#include "fuzz/require.h"
#include "proxy/egress_proxy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av::proxy;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto proxy = EgressProxy::parse(text)) {
    require(proxy->port() != 0 &&
            av::vault::canonical_host(proxy->host()).value() == proxy->host());
    require(proxy->label().find('@') == std::string::npos);
    const auto again = EgressProxy::parse(proxy->label());
    require(again && again->label() == proxy->label() && !again->has_credentials());
    const auto clean = [](std::string_view bytes) {
      for (const char c : bytes) {
        require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
      }
    };
    proxy->user().reveal(clean);
    proxy->password().reveal(clean);
  }
  const NoProxyList list(text);
  const bool all = list.matches({"a.example.com", 443});
  require(!all || list.matches({"b.a.example.com", 443}));
  if (const auto range = parse_cidr(text)) {
    require(range->contains(range->base) && range->prefix <= 128);
    (void)classify(range->base);
  }
  return 0;
}
