#pragma once
// Session: one connection of a client, from accept to close. Authenticates, opens CONNECT tunnels,
// establishes the identity of each request and hands it to an Exchange.

#include <optional>
#include <string>

#include "proxy/body.h"
#include "proxy/fault.h"
#include "proxy/head.h"
#include "proxy/stream.h"
#include "proxy/worker.h"
#include "vault/canonical.h"

namespace av::proxy {

class Session {
 public:
  Session(Worker& worker, Socket socket);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Awaitable<void> run();

 private:
  enum class Next : std::uint8_t { kHead, kClosed, kRefused };

  Awaitable<Next> read_head();
  Awaitable<Io> fill_head_in_clear();
  Awaitable<bool> serve_outer_request();
  Awaitable<bool> open_tunnel();
  Awaitable<void> serve_tunnel(vault::Authority authority);
  Awaitable<bool> serve_tunnel_request(vault::Scheme scheme, const vault::Authority& authority);
  Awaitable<bool> exchange(vault::RequestIdentity identity);
  Awaitable<bool> refuse(Fault fault);

  [[nodiscard]] bool authenticated() const;
  [[nodiscard]] Outcome<vault::RequestIdentity> identity_in_tunnel(
      vault::Scheme scheme, const vault::Authority& authority) const;
  [[nodiscard]] Outcome<vault::RequestIdentity> identity_of_absolute_form() const;
  [[nodiscard]] bool sni_agrees(const vault::Authority& authority) const;
  void audit_refusal(const Fault& fault);
  void no_longer_newcomer();

  Worker& worker_;
  Stream stream_;
  ReadBuffer buffer_;
  RequestHead head_;
  bool in_tunnel_ = false;
  bool newcomer_ = true;
  std::list<Session*>::iterator place_;  // among the worker's newcomers
};

// For the accept loop: owns the session for its whole life.
Awaitable<void> run_session(Worker& worker, Socket socket);

}  // namespace av::proxy
