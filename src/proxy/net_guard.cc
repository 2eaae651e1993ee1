#include "proxy/net_guard.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>

namespace av::proxy {
namespace {

constexpr std::array<std::uint8_t, 12> kV4Mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
// RFC 6052 section 2.1: the well-known NAT64 prefix carries an IPv4 address in its last 32 bits.
constexpr std::array<std::uint8_t, 12> kNat64 = {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};

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
constexpr std::string_view kPrivateRanges[] = {
    "0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10",   "127.0.0.0/8",     "169.254.0.0/16",
    "172.16.0.0/12",  "192.0.0.0/24",   "192.0.2.0/24",    "192.31.196.0/24", "192.52.193.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",   "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",     "::/128",          "::1/128",
    "::/96",          "100::/64",       "2001::/23",       "2001:db8::/32",   "2002::/16",
    "3fff::/20",      "5f00::/16",      "fc00::/7",        "fe80::/10",       "fec0::/10",
    "ff00::/8",       "64:ff9b:1::/48"};
constexpr std::string_view kMetadata[] = {"169.254.169.254", "169.254.170.2",   "169.254.170.23",
                                          "168.63.129.16",   "100.100.100.200", "fd00:ec2::254",
                                          "fd00:ec2::23",    "192.0.0.192"};

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

AddressClass classify(const IpAddress& address) {
  if (has_prefix(address, kNat64)) {
    return classify(mapped(std::span(address.bytes).subspan(12)));
  }
  const auto& metadata = metadata_addresses();
  if (std::find(metadata.begin(), metadata.end(), address) != metadata.end()) {
    return AddressClass::kMetadata;
  }
  for (const Cidr& range : private_ranges()) {
    if (range.contains(address)) {
      return AddressClass::kPrivate;
    }
  }
  return AddressClass::kPublic;
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
