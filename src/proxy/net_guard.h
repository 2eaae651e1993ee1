#pragma once
// NetGuard: which addresses the broker may connect to. A name is resolved once, every address is
// checked, and the connection goes to a checked address: a second answer of the resolver cannot
// change where a credential goes.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "vault/canonical.h"

namespace av::proxy {

// An IPv4 or IPv6 address. IPv4 is kept as v4-mapped IPv6, so there is one comparison.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};
  [[nodiscard]] bool is_v4() const;
  [[nodiscard]] std::string to_string() const;  // "192.0.2.1", "2001:db8::1"
  bool operator==(const IpAddress&) const = default;
};
[[nodiscard]] std::optional<IpAddress> parse_ip(std::string_view text);  // brackets allowed

// "10.0.0.0/8", "fd00::/8", or one address.
struct Cidr {
  IpAddress base;
  unsigned prefix = 128;  // in the 128-bit space
  [[nodiscard]] bool contains(const IpAddress& address) const;
};
[[nodiscard]] Expected<Cidr> parse_cidr(std::string_view text);

// --resolve HOST:PORT:ADDR[:PORT]. The user names the address by hand, so the private-range guard
// does not apply to it; the metadata guard does.
struct ResolveOverride {
  vault::Authority from;
  IpAddress address;
  std::uint16_t port = 0;
};
[[nodiscard]] Expected<ResolveOverride> parse_resolve(std::string_view text);

struct NetOptions {
  std::vector<ResolveOverride> resolve;
  std::vector<Cidr> allow_net;
};

enum class AddressClass : std::uint8_t {
  kPublic,
  kPrivate,   // loopback, private, link-local, CGNAT, multicast, reserved, 0/8, ::
  kMetadata,  // cloud metadata services: need an entry of their own, of exactly that address
};
[[nodiscard]] AddressClass classify(const IpAddress& address);

class NetGuard {
 public:
  explicit NetGuard(NetOptions options) : options_(std::move(options)) {}
  // The override for this authority, if the user gave one.
  [[nodiscard]] const ResolveOverride* override_for(const vault::Authority& authority) const;
  // Whether a connection to this address may be made.
  [[nodiscard]] bool allows(const IpAddress& address) const;

 private:
  NetOptions options_;
};

}  // namespace av::proxy
