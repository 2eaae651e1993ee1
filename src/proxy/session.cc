#include "proxy/session.h"

#include "proxy/api_door.h"
#include "proxy/authenticator.h"
#include "proxy/exchange.h"
#include "proxy/h2_server.h"
#include "proxy/http1_downstream.h"
#include "proxy/local_reply.h"
#include "proxy/refusals.h"
#include "proxy/tenants.h"

namespace av::proxy {
namespace {

constexpr Millis kHandshakeTimeout{10'000};
constexpr Millis kFirstByteTimeout{10'000};
constexpr Millis kWriteTimeout{30'000};
constexpr Millis kLinger{1'000};
constexpr std::size_t kMaxNewcomers = 256;
// Each holds some 45 KiB until it is done, and costs who begins it nothing.
constexpr std::size_t kMaxHandshakes = 2048;
constexpr char kTlsHandshakeRecord = 0x16;  // RFC 8446 section 5.1

Fault too_many_connections() {
  Fault fault;
  fault.status = 503;
  fault.code = "too_many_connections";
  fault.message = "this agent has as many connections open as one agent may have";
  fault.help = "close some, or use them again";
  fault.retry_after = 1;
  fault.transient = true;
  return fault;
}

}  // namespace

Awaitable<void> run_session(Worker& worker, UniqueFd socket, Door door) {
  Session session(worker, std::move(socket), door);
  co_await session.run();
}

Session::Session(Worker& worker, UniqueFd socket, Door door)
    : worker_(&worker),
      door_(door),
      stream_(worker.io.get_executor(), std::move(socket), worker.deadlines) {
  ++worker_->state.sessions;
  // Whoever has the token shows it at once; the one that has waited longest makes room. Without
  // this, connections that say nothing could use up the descriptors.
  if (worker_->state.newcomers.size() >= kMaxNewcomers) {
    Session* const oldest = worker_->state.newcomers.front();
    oldest->no_longer_newcomer();
    oldest->stream_.close_truncated();
  }
  place_ = worker_->state.newcomers.insert(worker_->state.newcomers.end(), this);
  open_ = worker_->open_sessions.insert(worker_->open_sessions.end(), this);
}

Session::~Session() {
  no_longer_newcomer();
  worker_->open_sessions.erase(open_);
  --worker_->state.sessions;
}

void Session::drain() {
  if (http2_ != nullptr) {
    http2_->shut_down();
  } else if (idle_) {
    stream_.hurry_read();  // a request that is on its way is still answered
  }
}

// Until there is something to read, at a point where nothing is lost when the connection ends.
Awaitable<Io> Session::wait_idle(Millis timeout) {
  if (worker_->state.draining) {
    co_return Io::kClosed;
  }
  idle_ = true;
  const Io io = co_await stream_.wait_readable(timeout);
  idle_ = false;
  co_return io;
}

void Session::no_longer_newcomer() {
  if (newcomer_) {
    worker_->state.newcomers.erase(place_);
    newcomer_ = false;
  }
}

// TLS with ourselves, where there is any: the API's, or around everything that goes to the proxy.
Awaitable<bool> Session::begin() {
  SSL_CTX* context = nullptr;
  if (door_ == Door::kApi) {
    if (!worker_->options.api_tls) {
      co_return true;
    }
    context = worker_->options.api_tls();
    in_tunnel_ = true;  // nothing but messages comes from here on
  } else {
    if (worker_->tenants == nullptr) {
      co_return true;  // of a run: it does not leave the machine
    }
    const bool tls = co_await begins_with_tls();
    if (!tls) {
      co_return true;
    }
    static const std::string kName(kProxyTlsName);
    context = worker_->state.leaves.context_for(kName).value_or(nullptr);
  }
  if (context == nullptr) {
    co_return false;
  }
  const Io io = co_await stream_.accept_tls(context, kHandshakeTimeout);
  co_return io == Io::kOk;
}

// Waits for the first byte, as for a head.
Awaitable<bool> Session::begins_with_tls() {
  for (;;) {
    char first = 0;
    const IoResult peeked = stream_.peek(&first, 1);
    if (peeked.status != Io::kOk || peeked.size != 0) {
      co_return peeked.size != 0 && first == kTlsHandshakeRecord;
    }
    const Io waited = co_await wait_idle(kFirstByteTimeout);
    if (waited != Io::kOk) {
      stream_.close_truncated();  // it has nothing to say
      co_return false;
    }
  }
}

Awaitable<void> Session::run() {
  if (door_ == Door::kDirect || door_ == Door::kSsh) {
    no_longer_newcomer();  // it is of the run, and nobody else can be
    if (door_ == Door::kDirect) {
      co_await serve_direct();
    } else {
      co_await dismiss_ssh();
    }
    co_await stream_.close_gently(kLinger);
    co_return;
  }
  const bool begun = co_await begin();
  if (!begun) {
    co_return;
  }
  Turns turns(worker_->io.get_executor());
  for (bool more = true; more;) {
    co_await turns.take();
    const Next next = co_await read_head();
    if (next != Next::kHead) {
      break;
    }
    if (head_.method == "CONNECT" && door_ == Door::kProxy) {
      more = false;
      const bool opened = co_await open_tunnel();
      if (!opened) {
        break;
      }
    } else {
      more = co_await serve_outer_request();
    }
  }
  co_await stream_.close_gently(kLinger);
}

std::optional<Fault> Session::not_permitted() {
  const Field* const field = head_.find("proxy-authorization");
  if (field == nullptr) {
    return proxy_auth_required();
  }
  if (worker_->tenants != nullptr) {
    auto worker = worker_->tenants->find(field->value);
    if (!worker) {
      return std::move(worker.error());
    }
    // One agent must not use up what all have.
    if ((*worker)->open_sessions.size() >= worker_->state.session_limit / 4) {
      return too_many_connections();
    }
    move_to(**worker);
  }
  const auto shown = authenticate(worker_->grant, field->value);
  if (!shown) {
    return proxy_auth_required();
  }
  if (auto other = worker_->check_vault(*shown)) {
    return other;
  }
  if (worker_->grant_end != GrantEnd::kNone) {
    return grant_fault(worker_->grant_end);
  }
  return std::nullopt;
}

void Session::move_to(Worker& worker) {
  worker.open_sessions.splice(worker.open_sessions.end(), worker_->open_sessions, open_);
  stream_.belong_to(worker.deadlines);
  worker_ = &worker;
}

// A request to the broker itself.
Awaitable<bool> Session::serve_api_request() {
  const Field* const field = head_.find("authorization");
  std::shared_ptr<const vault::Principal> run;
  if (worker_->tenants == nullptr && field != nullptr && worker_->grant_end == GrantEnd::kNone) {
    if (const auto shown = authenticate(worker_->grant, field->value)) {
      if (auto other = worker_->check_vault(*shown)) {
        co_return co_await refuse(std::move(*other));
      }
      run = std::make_shared<const vault::Principal>(worker_->grant.principal);
    }
  }
  const ApiOutcome outcome =
      co_await serve_api(*worker_, stream_, buffer_, head_, door_ == Door::kProxy, std::move(run));
  if (outcome.known) {
    no_longer_newcomer();
  }
  const bool close = !head_.keep_alive || !outcome.reusable || worker_->state.draining;
  SecretBuffer response;
  append_http1(response, outcome.reply, close, head_.method == "HEAD");
  const Io io = co_await stream_.write_all(response.view(), kWriteTimeout);
  co_return io == Io::kOk && !close;
}

// A request outside a tunnel: absolute form for the proxy, origin form for the agent's API.
Awaitable<bool> Session::serve_outer_request() {
  if (worker_->options.api != nullptr && head_.target.starts_with('/')) {
    co_return co_await serve_api_request();
  }
  if (door_ == Door::kApi || head_.target.starts_with('/')) {
    co_return co_await refuse(bad_request(
        door_ == Door::kApi ? "this port answers the API only, it is not the proxy"
                            : "this proxy has no API; ask it for http:// and https://"));
  }
  if (auto fault = not_permitted()) {
    co_return co_await refuse(std::move(*fault));
  }
  no_longer_newcomer();
  auto identity = identity_of_absolute_form(head_);
  if (!identity) {
    co_return co_await refuse(std::move(identity.error()));
  }
  co_return co_await exchange(std::move(*identity));
}

Awaitable<bool> Session::open_tunnel() {
  if (auto fault = not_permitted()) {
    (void)co_await refuse(std::move(*fault));
    co_return false;
  }
  no_longer_newcomer();
  auto authority = vault::parse_authority(head_.target, 0);
  if (!authority) {
    (void)co_await refuse(bad_request("CONNECT wants host:port: " + authority.error().message));
    co_return false;
  }
  if (!buffer_.empty()) {
    // Read together with the body of an earlier request: the tunnel's first bytes would be in our
    // buffer and not in the socket, where TLS looks for them.
    (void)co_await refuse(bad_request("CONNECT must be the first request of a connection"));
    co_return false;
  }
  static constexpr std::string_view kEstablished = "HTTP/1.1 200 Connection established\r\n\r\n";
  const Io sent = co_await stream_.write_all(kEstablished, kWriteTimeout);
  if (sent != Io::kOk) {
    co_return false;
  }
  co_await serve_tunnel(std::move(*authority));
  co_return true;
}

// What the client begins with decides: TLS is terminated, HTTP in clear is served, anything else
// cannot be inspected and is closed.
Awaitable<void> Session::serve_tunnel(vault::Authority authority) {
  char first = 0;
  IoResult peeked = stream_.peek(&first, 1);
  while (peeked.status == Io::kOk && peeked.size == 0) {
    const Io waited = co_await wait_idle(worker_->options.idle_timeout);
    if (waited != Io::kOk) {
      co_return;
    }
    peeked = stream_.peek(&first, 1);
  }
  if (peeked.status != Io::kOk) {
    co_return;
  }
  TunnelIdentity tunnel;
  tunnel.authority = std::move(authority);
  bool http2 = false;
  if (first == kTlsHandshakeRecord) {
    if (worker_->state.handshakes >= kMaxHandshakes) {
      co_return;
    }
    ++worker_->state.handshakes;
    const bool secure = co_await accept_tls(tunnel);
    --worker_->state.handshakes;
    if (!secure) {
      co_return;
    }
    http2 = chosen_protocol(stream_.ssl()) == "h2";
  } else if (first < 'A' || first > 'Z') {
    audit_tunnel_failure("unsupported_protocol");
    co_return;
  } else {
    tunnel.scheme = vault::Scheme::kHttp;
    if (first == 'P') {
      http2 = co_await begins_with_http2();
    }
  }
  in_tunnel_ = true;
  if (http2) {
    H2Server server(*worker_, stream_, buffer_, tunnel);
    http2_ = &server;
    co_await server.run();
    http2_ = nullptr;
    co_return;
  }
  Turns turns(worker_->io.get_executor());
  for (bool more = true; more;) {
    co_await turns.take();
    const Next next = co_await read_head();
    if (next != Next::kHead) {
      co_return;
    }
    more = co_await serve_tunnel_request(tunnel);
  }
}

Awaitable<bool> Session::accept_tls(TunnelIdentity& tunnel) {
  auto context = worker_->state.leaves.context_for(tunnel.authority.host);
  if (!context) {
    audit_tunnel_failure("internal");
    co_return false;
  }
  const Io io = co_await stream_.accept_tls(*context, kHandshakeTimeout);
  if (io != Io::kOk) {
    audit_tunnel_failure("client_tls_failed");
    co_return false;
  }
  if (const char* const name = SSL_get_servername(stream_.ssl(), TLSEXT_NAMETYPE_host_name)) {
    tunnel.sni = name;
  }
  co_return true;
}

Awaitable<bool> Session::serve_tunnel_request(const TunnelIdentity& tunnel) {
  auto identity = identity_in_tunnel(tunnel, head_);
  if (!identity) {
    co_return co_await refuse(std::move(identity.error()));
  }
  co_return co_await exchange(std::move(*identity));
}

void Session::audit_tunnel_failure(std::string_view code) {
  Fault fault;
  fault.status = 0;
  fault.code = code;
  audit_refusal(*worker_, "CONNECT", fault);
}

Awaitable<bool> Session::exchange(vault::RequestIdentity identity) {
  Http1Downstream client(stream_, buffer_, head_, worker_->state.draining);
  Exchange exchange(*worker_, client, std::move(identity));
  co_return co_await exchange.run();
}

// Errors before a request has an identity. The connection ends: what follows on it is in doubt.
Awaitable<bool> Session::refuse(Fault fault) {
  audit_refusal(*worker_, head_.method, fault);
  const std::string response = to_http1(fault_reply(fault), /*close=*/true, head_.method == "HEAD");
  (void)co_await stream_.write_all(response, kWriteTimeout);
  co_return false;
}

}  // namespace av::proxy
