#include "proxy/egress_proxy.h"

#include <algorithm>
#include <charconv>

#include "core/ascii.h"

namespace av::proxy {
namespace {

// RFC 1929 section 2: each has one byte for its length.
constexpr std::size_t kMaxSocksField = 255;
constexpr std::size_t kMaxUrl = 4096;

Error bad_url(std::string what) {
  return make_error(ErrorCode::kInvalid, "the upstream proxy: " + std::move(what),
                    "write it as http://host:3128, https://host:443 or socks5h://host:1080");
}

// Percent-decoded, straight into wiped memory. Control characters could end a header line.
Expected<Secret> decoded(std::string_view text) {
  SecretBuffer out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == '%') {
      const int high = i + 2 < text.size() ? ascii::hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? ascii::hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return bad_url("a percent sign in the user or password is not followed by two digits");
      }
      c = static_cast<unsigned char>(high * 16 + low);
      i += 2;
    }
    if (ascii::is_control(static_cast<char>(c))) {
      return bad_url("the user or password holds a control character");
    }
    out.push_back(static_cast<char>(c));
  }
  return out.to_secret();
}

struct SchemeName {
  std::string_view name;
  EgressProxy::Kind kind;
  std::uint16_t port;
};
constexpr SchemeName kSchemes[] = {{"http", EgressProxy::Kind::kHttp, 80},
                                   {"https", EgressProxy::Kind::kHttps, 443},
                                   {"socks5", EgressProxy::Kind::kSocks5, 1080},
                                   {"socks5h", EgressProxy::Kind::kSocks5Remote, 1080}};

const SchemeName& scheme_of(EgressProxy::Kind kind) {
  return *std::find_if(std::begin(kSchemes), std::end(kSchemes),
                       [kind](const SchemeName& scheme) { return scheme.kind == kind; });
}

}  // namespace

Expected<EgressProxy> EgressProxy::parse(std::string_view url) {
  if (url.size() > kMaxUrl) {
    return bad_url("the URL is too long");
  }
  EgressProxy proxy;
  const std::size_t colon = url.find("://");
  if (colon != std::string_view::npos) {
    const std::string name = ascii::lower(url.substr(0, colon));
    const auto* const found =
        std::find_if(std::begin(kSchemes), std::end(kSchemes),
                     [&](const SchemeName& scheme) { return scheme.name == name; });
    if (found == std::end(kSchemes)) {
      return bad_url("its scheme is not http, https, socks5 or socks5h");
    }
    proxy.kind_ = found->kind;
    url.remove_prefix(colon + 3);
  }
  if (url.ends_with('/')) {
    url.remove_suffix(1);
  }
  // Passwords with a raw "@" exist; hosts with one do not.
  const std::size_t at = url.rfind('@');
  if (at != std::string_view::npos) {
    AV_CHECK(proxy.set_credentials(url.substr(0, at)));
    url.remove_prefix(at + 1);
  }
  if (url.empty() || url.find_first_of("/?#") != std::string_view::npos) {
    return bad_url("it has no host, or a path");
  }
  auto authority = vault::parse_authority(url, scheme_of(proxy.kind_).port);
  if (!authority) {
    return bad_url("its host or port is malformed");
  }
  proxy.host_ = std::move(authority->host);
  proxy.port_ = authority->port;
  return proxy;
}

Status EgressProxy::set_credentials(std::string_view user_information) {
  const std::size_t colon = user_information.find(':');
  const std::string_view written =
      colon == std::string_view::npos ? std::string_view() : user_information.substr(colon + 1);
  AV_TRY(user_, decoded(user_information.substr(0, colon)));
  AV_TRY(password_, decoded(written));
  AV_TRY(password_as_written_, Secret::copy_of(written));
  has_credentials_ = !user_.empty() || !password_.empty();
  const bool socks = kind_ == Kind::kSocks5 || kind_ == Kind::kSocks5Remote;
  if (socks && has_credentials_ &&
      (user_.empty() || user_.size() > kMaxSocksField || password_.size() > kMaxSocksField)) {
    return bad_url("SOCKS wants a user, and user and password of at most 255 bytes");
  }
  // RFC 7617 section 2: "a user-id containing a colon character is invalid".
  const bool colon_in_user =
      user_.reveal([](std::string_view user) { return user.find(':') != std::string_view::npos; });
  if (!socks && colon_in_user) {
    return bad_url("a user with a colon cannot be sent");
  }
  return {};
}

std::string EgressProxy::label() const {
  return std::string(scheme_of(kind_).name) + "://" + host_ + ':' + std::to_string(port_);
}

NoProxyList::NoProxyList(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(", \t");
    add(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

void NoProxyList::add(std::string_view text) {
  if (text == "*") {
    everything_ = true;
    return;
  }
  Entry entry;
  // A bare IPv6 address has colons that are no port.
  if (const auto range = parse_cidr(text); range && !text.empty()) {
    entry.range = *range;
    entries_.push_back(std::move(entry));
    return;
  }
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && !text.ends_with(']')) {
    const std::string_view digits = text.substr(colon + 1);
    const auto [end, ec] =
        std::from_chars(digits.data(), digits.data() + digits.size(), entry.port);
    if (ec != std::errc() || end != digits.data() + digits.size() || entry.port == 0) {
      return;
    }
    text = text.substr(0, colon);
  }
  if (const auto range = parse_cidr(text); range && !text.empty()) {
    entry.range = *range;
  } else {
    if (text.starts_with("*.")) {
      text.remove_prefix(1);
    }
    if (text.starts_with('.')) {
      text.remove_prefix(1);
    }
    auto host = vault::canonical_host(text);
    if (!host) {
      return;
    }
    entry.host = std::move(*host);
  }
  entries_.push_back(std::move(entry));
}

bool NoProxyList::matches(const vault::Authority& target) const {
  if (everything_) {
    return true;
  }
  const auto address = parse_ip(target.host);
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    if (entry.port != 0 && entry.port != target.port) {
      return false;
    }
    if (entry.range) {
      return address && entry.range->contains(*address);
    }
    const std::string_view host = target.host;
    return host == entry.host || (host.size() > entry.host.size() && host.ends_with(entry.host) &&
                                  host[host.size() - entry.host.size() - 1] == '.');
  });
}

const EgressProxy* EgressOptions::proxy_for(vault::Scheme scheme,
                                            const vault::Authority& target) const {
  const EgressProxy* const proxy = scheme == vault::Scheme::kHttps ? https.get() : http.get();
  if (proxy == nullptr) {
    return nullptr;
  }
  const auto address = parse_ip(target.host);
  const bool here = address ? is_loopback(*address) : is_localhost_name(target.host);
  return here || no_proxy.matches(target) ? nullptr : proxy;
}

}  // namespace av::proxy
