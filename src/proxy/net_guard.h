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

// Where a connection goes.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};
[[nodiscard]] std::string to_string(const Endpoint& endpoint);  // "192.0.2.1:443", "[::1]:443"

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

// In order of how much is needed to be let through.
enum class AddressClass : std::uint8_t {
  kPublic,
  kPrivate,   // all that the IANA registries (RFC 6890) do not call global; needs --allow-net
  kMetadata,  // cloud metadata services: need an entry of their own, of exactly that address
};
// An IPv6 address that carries an IPv4 address to which a translator or a tunnel could deliver it
// (NAT64, 6to4, Teredo, ISATAP...) is at least of that address's class.
[[nodiscard]] AddressClass classify(const IpAddress& address);

// Names under which cloud machines find their metadata service. For names that somebody else looks
// up; what we look up ourselves is judged by its address.
[[nodiscard]] bool is_metadata_name(std::string_view canonical_host);
// "localhost" and below (RFC 6761 section 6.3).
[[nodiscard]] bool is_localhost_name(std::string_view canonical_host);
[[nodiscard]] bool is_loopback(const IpAddress& address);

class NetGuard {
 public:
  explicit NetGuard(NetOptions options) : options_(std::move(options)) {}
  // A listener of the broker's own: no option opens the way to it.
  void add_own_listener(const Endpoint& listener);

  // The override for this authority, if the user gave one.
  [[nodiscard]] const ResolveOverride* override_for(const vault::Authority& authority) const;
  // Whether a connection to this address may be made.
  [[nodiscard]] bool allows(const IpAddress& address) const;
  // Whether a name that somebody else will look up may be asked for.
  [[nodiscard]] bool allows_name(std::string_view canonical_host) const;
  [[nodiscard]] bool is_own_listener(const Endpoint& target) const;

 private:
  NetOptions options_;
  std::vector<Endpoint> own_listeners_;
};

}  // namespace av::proxy
