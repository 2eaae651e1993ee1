#pragma once
// ServerState: what all workers of one server have in common. Belongs to the server's thread.

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/certificate_authority.h"
#include "proxy/guarded_values.h"
#include "proxy/io.h"
#include "proxy/metrics.h"
#include "proxy/name_pool.h"
#include "proxy/proxy_server.h"
#include "proxy/tls_profile.h"
#include "vault/audit.h"

namespace av::proxy {

class Session;

// One TLS server context per host, made on first use. Minting takes a fraction of a millisecond,
// less than the handshake that follows.
class LeafCache {
 public:
  static constexpr std::size_t kMaxEntries = 512;

  LeafCache(std::shared_ptr<const CertificateAuthority> authority, const Clock& clock)
      : authority_(std::move(authority)), clock_(clock) {}
  // Valid until the next call; SSL objects made from it keep it alive.
  Expected<SSL_CTX*> context_for(const std::string& host);
  [[nodiscard]] const CertificateAuthority& authority() const { return *authority_; }

 private:
  struct Entry {
    ossl::SslCtx context;
    std::int64_t made_ms = 0;
  };
  std::shared_ptr<const CertificateAuthority> authority_;
  const Clock& clock_;
  std::map<std::string, Entry> entries_;
};

struct ServerState {
  ServerState(asio::io_context& context, ProxyOptions proxy_options,
              std::shared_ptr<const CertificateAuthority> authority, vault::AuditLog& audit_log,
              const Clock& wall_clock)
      : io(context),
        options(std::move(proxy_options)),
        audit(audit_log),
        clock(wall_clock),
        leaves(std::move(authority), wall_clock),
        guards(std::make_shared<GuardTable>()),
        roots(std::make_shared<UpstreamRoots>(options.upstream_ca_files)),
        metrics(options.metrics != nullptr ? options.metrics : std::make_shared<Metrics>()),
        flush_timer(context.get_executor()) {}

  // Records of several exchanges go out in one write.
  void flush_audit_soon() {
    if (flush_timer && !flush_armed) {  // none any more while the last frames are taken down
      flush_armed = true;
      flush_timer->expires_after(Millis{5});
      flush_timer->async_wait([this](const error_code& /*ec*/) {
        flush_armed = false;
        audit.flush();
      });
    }
  }

  asio::io_context& io;
  ProxyOptions options;
  vault::AuditLog& audit;
  const Clock& clock;
  LeafCache leaves;
  std::shared_ptr<GuardTable> guards;  // what is looked for in responses
  std::shared_ptr<UpstreamRoots> roots;
  std::shared_ptr<Metrics> metrics;
  std::optional<Timer> flush_timer;  // goes before the io_context does
  bool flush_armed = false;
  std::uint64_t next_request = 1;
  std::uint16_t port = 0;  // of the first listener
  std::vector<Endpoint> own_listeners;
  NamePool names;  // of an isolated run
  std::size_t sessions = 0;
  std::size_t session_limit = 1024;
  // Connections that have not shown a token yet, oldest first.
  std::list<Session*> newcomers;
  std::size_t handshakes = 0;  // of TLS, that are under way
  bool draining = false;
  std::size_t held_bytes = 0;  // of request bodies that rules or the API look at
};

}  // namespace av::proxy
