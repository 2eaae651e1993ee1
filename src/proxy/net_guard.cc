#include "proxy/net_guard.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>

namespace av::proxy {
namespace {

constexpr std::array<std::uint8_t, 12> kV4Mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
bool has_prefix(const IpAddress& address, const std::array<std::uint8_t, 12>& prefix) {
  return std::equal(prefix.begin(), prefix.end(), address.bytes.begin());
}

IpAddress mapped(std::span<const std::uint8_t> v4) {
  IpAddress address;
  std::copy(kV4Mapped.begin(), kV4Mapped.end(), address.bytes.begin());
  std::copy(v4.begin(), v4.end(), address.bytes.begin() + 12);
  return address;
}

// IANA special-purpose registries (RFC 6890 and successors): nothing here is the public internet.
// IPv6 outside 2000::/3 is not listed: none of it is but 64:ff9b::/96, which is what it carries.
constexpr std::string_view kPrivateRanges[] = {
    "0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10",   "127.0.0.0/8",     "169.254.0.0/16",
    "172.16.0.0/12",  "192.0.0.0/24",   "192.0.2.0/24",    "192.31.196.0/24", "192.52.193.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",   "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",     "2001::/23",       "2001:db8::/32",
    "2002::/16",      "3fff::/20"};
// AWS, Azure, Alibaba, Oracle, Google, Tencent, Scaleway. Others use the first.
constexpr std::string_view kMetadata[] = {
    "169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200",
    "fd00:ec2::254",   "fd00:ec2::23",  "192.0.0.192",    "fd20:ce::254",  "169.254.0.23",
    "169.254.10.10",   "169.254.42.42", "fd00:42::42"};
constexpr std::string_view kMetadataNames[] = {
    "metadata",          "metadata.google.internal",   "metadata.goog",
    "instance-data",     "instance-data.ec2.internal", "metadata.tencentyun.com",
    "metadata.azure.com"};

const std::vector<Cidr>& private_ranges() {
  static const std::vector<Cidr> ranges = [] {
    std::vector<Cidr> list;
    for (const std::string_view text : kPrivateRanges) {
      list.push_back(*parse_cidr(text));
    }
    return list;
  }();
  return ranges;
}

const std::vector<IpAddress>& metadata_addresses() {
  static const std::vector<IpAddress> addresses = [] {
    std::vector<IpAddress> list;
    for (const std::string_view text : kMetadata) {
      list.push_back(*parse_ip(text));
    }
    return list;
  }();
  return addresses;
}

// Where an IPv6 prefix carries an IPv4 address.
struct Carrier {
  Cidr prefix;
  std::size_t offset;          // of the four bytes
  std::uint8_t mask = 0;       // Teredo inverts the bytes
  bool skips_octet_8 = false;  // RFC 6052 section 2.2: octet 8 stands between them
};

const std::vector<Carrier>& carriers() {
  static const std::vector<Carrier> list = {
      {*parse_cidr("64:ff9b::/96"), 12},    // NAT64 (RFC 6052 section 2.1)
      {*parse_cidr("64:ff9b:1::/48"), 12},  // local NAT64 (RFC 8215) of each length
      {*parse_cidr("64:ff9b:1::/48"), 9},
      {*parse_cidr("64:ff9b:1::/48"), 7, 0, true},
      {*parse_cidr("64:ff9b:1::/48"), 6, 0, true},
      {*parse_cidr("2002::/16"), 2},         // 6to4 (RFC 3056)
      {*parse_cidr("2001::/32"), 4},         // Teredo (RFC 4380): server,
      {*parse_cidr("2001::/32"), 12, 0xff},  // and client
      {*parse_cidr("::/96"), 12},            // IPv4-compatible (RFC 4291 section 2.5.5.1)
      {*parse_cidr("::ffff:0:0:0/96"), 12},  // IPv4-translated (RFC 2765)
  };
  return list;
}

bool is_global_ipv6(const IpAddress& address) {
  return (address.bytes[0] & 0xe0U) == 0x20U || carriers().front().prefix.contains(address);
}

// RFC 5214 section 6.1: "[00-00]5E-FE" or, for a global IPv4 address, "[02-00]5E-FE", then the
// address, under any prefix.
bool is_isatap(const IpAddress& address) {
  return (address.bytes[8] & 0xfdU) == 0 && address.bytes[9] == 0 && address.bytes[10] == 0x5e &&
         address.bytes[11] == 0xfe;
}

IpAddress carried(const IpAddress& address, const Carrier& carrier) {
  std::array<std::uint8_t, 4> v4{};
  std::size_t at = carrier.offset;
  for (std::uint8_t& byte : v4) {
    at += carrier.skips_octet_8 && at == 8 ? 1 : 0;
    byte = address.bytes[at++] ^ carrier.mask;
  }
  return mapped(v4);
}

// What the address itself is, whatever it carries.
AddressClass own_class(const IpAddress& address) {
  const auto& metadata = metadata_addresses();
  if (std::find(metadata.begin(), metadata.end(), address) != metadata.end()) {
    return AddressClass::kMetadata;
  }
  const bool is_private = (!address.is_v4() && !is_global_ipv6(address)) ||
                          std::any_of(private_ranges().begin(), private_ranges().end(),
                                      [&](const Cidr& range) { return range.contains(address); });
  return is_private ? AddressClass::kPrivate : AddressClass::kPublic;
}

// Every address of this machine: a listener on all of them is reached by each.
std::vector<IpAddress> own_addresses() {
  std::vector<IpAddress> addresses;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    return addresses;
  }
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) {
      continue;
    }
    if (entry->ifa_addr->sa_family == AF_INET) {
      const auto* const v4 = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
      std::array<std::uint8_t, 4> bytes{};
      std::memcpy(bytes.data(), &v4->sin_addr, bytes.size());
      addresses.push_back(mapped(bytes));
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr);
      IpAddress address;
      std::memcpy(address.bytes.data(), &v6->sin6_addr, address.bytes.size());
      addresses.push_back(address);
    }
  }
  ::freeifaddrs(list);
  return addresses;
}

bool is_unspecified(const IpAddress& address) {
  return address == IpAddress{} || address == mapped(std::array<std::uint8_t, 4>{});
}

std::optional<unsigned> parse_number(std::string_view text, unsigned limit) {
  unsigned value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || value > limit) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

bool IpAddress::is_v4() const {
  return has_prefix(*this, kV4Mapped);
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_v4()) {
    inet_ntop(AF_INET, bytes.data() + 12, text.data(), text.size());
  } else {
    inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
  }
  return text.data();
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  const std::string copy(text);
  std::array<std::uint8_t, 4> v4{};
  if (inet_pton(AF_INET, copy.c_str(), v4.data()) == 1) {
    return mapped(v4);
  }
  IpAddress address;
  if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) {
    return address;
  }
  return std::nullopt;
}

bool Cidr::contains(const IpAddress& address) const {
  const std::size_t whole = prefix / 8;
  if (!std::equal(base.bytes.begin(), base.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  address.bytes.begin())) {
    return false;
  }
  const unsigned rest = prefix % 8;
  if (rest == 0) {
    return true;
  }
  const unsigned mask = 0xffU << (8U - rest) & 0xffU;
  return (base.bytes[whole] & mask) == (address.bytes[whole] & mask);
}

Expected<Cidr> parse_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_ip(text.substr(0, slash));
  if (!address) {
    return make_error(ErrorCode::kInvalid, "not an address range: " + std::string(text),
                      "write it as 10.0.0.0/8, fd00::/8 or a single address");
  }
  const unsigned width = address->is_v4() ? 32 : 128;
  unsigned prefix = width;
  if (slash != std::string_view::npos) {
    const auto number = parse_number(text.substr(slash + 1), width);
    if (!number) {
      return make_error(ErrorCode::kInvalid, "the prefix length is not between 0 and " +
                                                 std::to_string(width) + ": " + std::string(text));
    }
    prefix = *number;
  }
  return Cidr{*address, prefix + (128 - width)};
}

Expected<ResolveOverride> parse_resolve(std::string_view text) {
  const auto fail = [&] {
    return make_error(ErrorCode::kInvalid, "not HOST:PORT:ADDRESS[:PORT]: " + std::string(text),
                      "for example api.example.com:443:127.0.0.1:8443");
  };
  // The host may be a bracketed literal; the port is what follows the first colon outside brackets.
  const std::size_t bracket = text.starts_with('[') ? text.find(']') : 0;
  const std::size_t host_end =
      bracket == std::string_view::npos ? std::string_view::npos : text.find(':', bracket);
  const std::size_t port_end =
      host_end == std::string_view::npos ? host_end : text.find(':', host_end + 1);
  if (port_end == std::string_view::npos) {
    return fail();
  }
  auto from = vault::parse_authority(text.substr(0, port_end), 0);
  if (!from) {
    return fail();
  }
  std::string_view rest = text.substr(port_end + 1);
  std::optional<IpAddress> address = parse_ip(rest);
  std::uint16_t port = from->port;
  if (!address) {
    const std::size_t colon = rest.rfind(':');
    if (colon == std::string_view::npos) {
      return fail();
    }
    address = parse_ip(rest.substr(0, colon));
    const auto number = parse_number(rest.substr(colon + 1), 65535);
    if (!number || *number == 0) {
      return fail();
    }
    port = static_cast<std::uint16_t>(*number);
  }
  if (!address) {
    return fail();
  }
  return ResolveOverride{std::move(*from), *address, port};
}

std::string to_string(const Endpoint& endpoint) {
  const std::string ip = endpoint.address.to_string();
  return (endpoint.address.is_v4() ? ip : '[' + ip + ']') + ':' + std::to_string(endpoint.port);
}

AddressClass classify(const IpAddress& address) {
  AddressClass result = own_class(address);
  if (address.is_v4()) {
    return result;
  }
  for (const Carrier& carrier : carriers()) {
    if (carrier.prefix.contains(address)) {
      result = std::max(result, own_class(carried(address, carrier)));
    }
  }
  if (is_isatap(address)) {
    result = std::max(result, own_class(mapped(std::span(address.bytes).subspan(12))));
  }
  return result;
}

bool is_metadata_name(std::string_view canonical_host) {
  return std::find(std::begin(kMetadataNames), std::end(kMetadataNames), canonical_host) !=
         std::end(kMetadataNames);
}

bool is_localhost_name(std::string_view canonical_host) {
  return canonical_host == "localhost" || canonical_host.ends_with(".localhost");
}

bool is_loopback(const IpAddress& address) {
  static const Cidr v4 = *parse_cidr("127.0.0.0/8");
  static const IpAddress v6 = *parse_ip("::1");
  return address == v6 || v4.contains(address);
}

void NetGuard::add_own_listener(const Endpoint& listener) {
  own_listeners_.push_back(listener);
  if (is_unspecified(listener.address)) {
    for (const IpAddress& address : own_addresses()) {
      own_listeners_.push_back(Endpoint{address, listener.port});
    }
  }
}

bool NetGuard::is_own_listener(const Endpoint& target) const {
  return std::any_of(own_listeners_.begin(), own_listeners_.end(), [&](const Endpoint& listener) {
    if (listener.port != target.port) {
      return false;
    }
    // Linux takes a connection to the unspecified address as one to loopback, and all of
    // 127/8 reaches a listener on every address.
    return listener.address == target.address || is_unspecified(target.address) ||
           (is_unspecified(listener.address) && is_loopback(target.address));
  });
}

bool NetGuard::allows_name(std::string_view canonical_host) const {
  return !is_metadata_name(canonical_host) || allows(metadata_addresses().front());
}

const ResolveOverride* NetGuard::override_for(const vault::Authority& authority) const {
  for (const ResolveOverride& entry : options_.resolve) {
    if (entry.from == authority) {
      return &entry;
    }
  }
  return nullptr;
}

bool NetGuard::allows(const IpAddress& address) const {
  switch (classify(address)) {
    case AddressClass::kPublic:
      return true;
    case AddressClass::kPrivate:
      return std::any_of(options_.allow_net.begin(), options_.allow_net.end(),
                         [&](const Cidr& range) { return range.contains(address); });
    case AddressClass::kMetadata:
      return std::any_of(
          options_.allow_net.begin(), options_.allow_net.end(),
          [&](const Cidr& range) { return range.prefix == 128 && range.contains(address); });
  }
  return false;
}

}  // namespace av::proxy
