#pragma once
// Worker: the state that all sessions of one thread share. No locks: everything here is touched by
// its thread only. The owner's thread talks to it by posting to the io_context.

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "proxy/certificate_authority.h"
#include "proxy/connector.h"
#include "proxy/credential_resolver.h"
#include "proxy/deadline.h"
#include "proxy/io.h"
#include "proxy/proxy_server.h"
#include "proxy/upstream_pool.h"
#include "vault/audit.h"

namespace av::proxy {

class PolicyGate;
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

// Why the grant of a worker is not valid any more. A run's own end is not among the reasons: its
// port ends with it.
enum class GrantEnd : std::uint8_t { kNone, kRevoked, kExpired };

struct Worker {
  Worker(asio::io_context& context, ProxyOptions proxy_options,
         std::shared_ptr<const CertificateAuthority> authority, SessionGrant session_grant,
         vault::AuditLog& audit_log, const Clock& wall_clock)
      : io(context),
        options(std::move(proxy_options)),
        grant(std::move(session_grant)),
        audit(audit_log),
        clock(wall_clock),
        leaves(std::move(authority), wall_clock),
        connector(context.get_executor(), deadlines, connector_options(options)),
        pool(context.get_executor(), deadlines, connector),
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

  static ConnectorOptions connector_options(const ProxyOptions& options) {
    ConnectorOptions out;
    out.net = options.net;
    out.upstream_ca_files = options.upstream_ca_files;
    out.egress = options.egress;
    out.connect_timeout = options.connect_timeout;
    return out;
  }

  asio::io_context& io;
  ProxyOptions options;
  SessionGrant grant;
  vault::AuditLog& audit;
  const Clock& clock;
  DeadlineList deadlines;
  LeafCache leaves;
  Connector connector;
  UpstreamPool pool;
  std::optional<Timer> flush_timer;  // goes before the io_context does
  bool flush_armed = false;
  CredentialResolver resolver;
  // Replaced by publish(); an exchange keeps the pair that it began with.
  vault::SnapshotPtr snapshot;
  std::shared_ptr<const vault::KeyRing> key_ring;
  std::uint64_t next_request = 1;
  std::uint16_t port = 0;  // of the first listener
  std::size_t sessions = 0;
  std::size_t session_limit = 1024;
  // Connections that have not shown the token yet, oldest first.
  std::list<Session*> newcomers;
  // All of them: they are told when draining begins.
  std::list<Session*> open_sessions;
  bool draining = false;
  // Requests that wait for a human, by the id that the human sees.
  std::map<std::string, PolicyGate*> waiting;
  std::size_t held_bytes = 0;  // of request bodies that rules look at
  GrantEnd grant_end = GrantEnd::kNone;

  // Looks whether the grant still holds by the snapshot and the clock. When it has just ended,
  // everything is cut: what the clients and the upstreams have open, exchanges, WebSockets, streams
  // of HTTP/2. Not from a coroutine of a session.
  void check_grant();
  void note_grant_end();
};

}  // namespace av::proxy
