#pragma once
// TlsSessionCache: sessions of upstreams to resume (RFC 8446 section 2.2), so that a new connection
// to a known server costs neither signatures nor certificates.
//
// A resumed session is not verified again by OpenSSL: its key must therefore name everything that
// the verification depended on (roots, client certificate, host, port, ALPN). Belongs to one
// worker; shared with the SSL objects that put sessions into it.

#include <cstddef>
#include <ctime>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/ossl.h"

namespace av::proxy {

class TlsSessionCache : public std::enable_shared_from_this<TlsSessionCache> {
 public:
  static constexpr std::size_t kMaxKeys = 256;  // the least recently used goes
  static constexpr std::size_t kMaxPerKey = 4;  // the oldest goes
  // Whatever the server says: a certificate that has been withdrawn should not live on for a week.
  static constexpr std::time_t kMaxAge = 8 * 3600;

  // A session to offer, or null. TLS 1.3 tickets are given out once (RFC 8446 appendix C.4).
  [[nodiscard]] ossl::SslSession take(const std::string& key);
  void put(const std::string& key, ossl::SslSession session);
  // After a failed handshake: a server that chokes on its own ticket gets a full one next time.
  void drop(const std::string& key);
  [[nodiscard]] std::size_t keys() const { return index_.size(); }

  // From now on the sessions of `ssl`, whose context is from attach_to(), are kept under `key`.
  void watch(SSL* ssl, const std::string& key);
  // Makes a client context report its sessions.
  static void attach_to(SSL_CTX* context);

 private:
  struct Entry {
    std::string key;
    std::vector<ossl::SslSession> sessions;  // the youngest last
  };
  using Place = std::list<Entry>::iterator;
  std::list<Entry> entries_;  // the most recently used first
  std::map<std::string_view, Place> index_;
};

}  // namespace av::proxy
