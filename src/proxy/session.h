#pragma once
// Session: one connection of a client, from accept to close. Authenticates, opens CONNECT tunnels,
// establishes the identity of each request and hands it to an Exchange.

#include <optional>
#include <string>

#include "proxy/body.h"
#include "proxy/fault.h"
#include "proxy/head.h"
#include "proxy/request_identity.h"
#include "proxy/stream.h"
#include "proxy/worker.h"
#include "vault/canonical.h"

namespace av::proxy {

class H2Server;

// The name in the certificate under which the proxy of `serve` takes connections with TLS. Who
// comes trusts nothing but the store's authority, so the name need not be one of the machine's.
inline constexpr std::string_view kProxyTlsName = "proxy.agent-vault.internal";

// What a listener is for.
enum class Door : std::uint8_t {
  kProxy,
  kApi,     // of `serve`: under TLS where ProxyOptions::api_tls is set
  kDirect,  // of an isolated run: what connects takes us for the server that it wanted
  kSsh,     // the same, for ssh, which is told that there is no way
};

class Session {
 public:
  Session(Worker& worker, UniqueFd socket, Door door);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Awaitable<void> run();

  // The worker is stopping. What is under way goes on; a connection that is between two messages
  // ends, and one of HTTP/2 takes no more requests (RFC 9113 section 6.8).
  void drain();

 private:
  enum class Next : std::uint8_t { kHead, kClosed, kRefused };

  Awaitable<Next> read_head();
  IoResult try_fill_head();
  Awaitable<Io> wait_for_head();
  Awaitable<Io> wait_idle(Millis timeout);
  Awaitable<bool> begin();
  Awaitable<bool> begins_with_tls();
  Awaitable<bool> serve_outer_request();
  Awaitable<bool> serve_api_request();
  Awaitable<bool> open_tunnel();
  Awaitable<void> serve_tunnel(vault::Authority authority);
  Awaitable<bool> accept_tls(TunnelIdentity& tunnel);
  Awaitable<bool> begins_with_http2();
  Awaitable<void> serve_direct();
  Awaitable<void> dismiss_ssh();
  Awaitable<bool> serve_tunnel_request(const TunnelIdentity& tunnel);
  Awaitable<bool> exchange(vault::RequestIdentity identity);
  Awaitable<bool> refuse(Fault fault);

  // Whether the head shows the token of a grant that still holds. On a server of many the session
  // is the worker's of that grant from then on; a connection belongs to one token.
  [[nodiscard]] std::optional<Fault> not_permitted();
  void move_to(Worker& worker);
  void audit_tunnel_failure(std::string_view code);
  void no_longer_newcomer();

  Worker* worker_;
  Door door_;
  Stream stream_;
  ReadBuffer buffer_;
  RequestHead head_;
  bool in_tunnel_ = false;
  bool idle_ = false;
  H2Server* http2_ = nullptr;  // while it runs
  bool newcomer_ = true;
  std::list<Session*>::iterator place_;  // among the worker's newcomers
  std::list<Session*>::iterator open_;   // among all of the worker's
};

// For the accept loop: owns the session for its whole life.
Awaitable<void> run_session(Worker& worker, UniqueFd socket, Door door = Door::kProxy);

}  // namespace av::proxy
