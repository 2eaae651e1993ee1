#pragma once
// EgressProxy: the user's own proxy on the way out, as HTTPS_PROXY and its kin name it, and which
// requests go through it. Immutable; safe to read from any thread. Nothing here does I/O.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"
#include "proxy/net_guard.h"
#include "vault/canonical.h"

namespace av::proxy {

class EgressProxy {
 public:
  enum class Kind : std::uint8_t {
    kHttp,          // CONNECT in clear
    kHttps,         // CONNECT under TLS
    kSocks5,        // RFC 1928; names are looked up here
    kSocks5Remote,  // socks5h: names are looked up by the proxy
  };

  // "[SCHEME://][USER[:PASSWORD]@]HOST[:PORT][/]". Without a scheme: http. Ports default to 80, 443
  // and 1080. Errors do not quote the text: it may hold a password.
  static Expected<EgressProxy> parse(std::string_view url);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] const std::string& host() const { return host_; }  // canonical
  [[nodiscard]] std::uint16_t port() const { return port_; }
  // Whether the proxy looks names up, and we never see the address.
  [[nodiscard]] bool looks_up_names() const { return kind_ != Kind::kSocks5; }
  [[nodiscard]] std::string label() const;  // "http://proxy.example:3128", without credentials
  [[nodiscard]] bool has_credentials() const { return has_credentials_; }
  [[nodiscard]] const Secret& user() const { return user_; }
  [[nodiscard]] const Secret& password() const { return password_; }
  // The password as it stands in the URL, percent-encoded.
  [[nodiscard]] const Secret& password_as_written() const { return password_as_written_; }

 private:
  EgressProxy() = default;
  Status set_credentials(std::string_view user_information);
  Kind kind_ = Kind::kHttp;
  std::string host_;
  std::uint16_t port_ = 0;
  bool has_credentials_ = false;
  Secret user_;
  Secret password_;
  Secret password_as_written_;
};

// NO_PROXY: a list, separated by commas or spaces, of hosts (which cover what is below them, with
// or without a leading dot), addresses, CIDR ranges, each with an optional port; "*" is everything.
// What cannot be read is passed over, as other programs do.
class NoProxyList {
 public:
  NoProxyList() = default;
  explicit NoProxyList(std::string_view text);
  [[nodiscard]] bool matches(const vault::Authority& target) const;

 private:
  struct Entry {
    std::string host;  // and below; empty: a range
    std::optional<Cidr> range;
    std::uint16_t port = 0;  // 0: any
  };
  void add(std::string_view text);
  std::vector<Entry> entries_;
  bool everything_ = false;
};

struct EgressOptions {
  std::shared_ptr<const EgressProxy> https;  // for https targets; null: none
  std::shared_ptr<const EgressProxy> http;
  NoProxyList no_proxy;

  // Null: connect directly. What is on this machine by name or address is never asked of a proxy:
  // its loopback is another one.
  [[nodiscard]] const EgressProxy* proxy_for(vault::Scheme scheme,
                                             const vault::Authority& target) const;
};

}  // namespace av::proxy
