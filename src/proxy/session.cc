#include "proxy/session.h"

#include <array>

#include "proxy/agent_api.h"
#include "proxy/authenticator.h"
#include "proxy/exchange.h"
#include "proxy/h2_server.h"
#include "proxy/http1_downstream.h"
#include "proxy/http1_parser.h"
#include "proxy/local_reply.h"
#include "proxy/refusals.h"

namespace av::proxy {
namespace {

constexpr Millis kHandshakeTimeout{10'000};
constexpr Millis kHeadTimeout{30'000};
constexpr Millis kWriteTimeout{30'000};
constexpr Millis kLinger{1'000};
constexpr Millis kFirstHeadTimeout{10'000};
constexpr Millis kPeekAgain{10};
constexpr std::size_t kMaxNewcomers = 256;
constexpr char kTlsHandshakeRecord = 0x16;  // RFC 8446 section 5.1

Fault proxy_auth_required() {
  Fault fault;
  fault.status = 407;
  fault.code = "proxy_authentication_required";
  fault.message = "the proxy wants the token of this run";
  fault.help = "use the HTTPS_PROXY that agent-vault run has set";
  return fault;
}

}  // namespace

Awaitable<void> run_session(Worker& worker, UniqueFd socket) {
  Session session(worker, std::move(socket));
  co_await session.run();
}

Session::Session(Worker& worker, UniqueFd socket)
    : worker_(worker), stream_(worker.io.get_executor(), std::move(socket), worker.deadlines) {
  ++worker_.sessions;
  // Whoever has the token shows it at once; the one that has waited longest makes room. Without
  // this, connections that say nothing could use up the descriptors.
  if (worker_.newcomers.size() >= kMaxNewcomers) {
    Session* const oldest = worker_.newcomers.front();
    oldest->no_longer_newcomer();
    oldest->stream_.close_truncated();
  }
  place_ = worker_.newcomers.insert(worker_.newcomers.end(), this);
  open_ = worker_.open_sessions.insert(worker_.open_sessions.end(), this);
}

Session::~Session() {
  no_longer_newcomer();
  worker_.open_sessions.erase(open_);
  --worker_.sessions;
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
  if (worker_.draining) {
    co_return Io::kClosed;
  }
  idle_ = true;
  const Io io = co_await stream_.wait_readable(timeout);
  idle_ = false;
  co_return io;
}

void Session::no_longer_newcomer() {
  if (newcomer_) {
    worker_.newcomers.erase(place_);
    newcomer_ = false;
  }
}

Awaitable<void> Session::run() {
  Turns turns(worker_.io.get_executor());
  for (bool more = true; more;) {
    co_await turns.take();
    const Next next = co_await read_head();
    if (next != Next::kHead) {
      break;
    }
    if (head_.method == "CONNECT") {
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

// More of a head, without waiting: size 0 and kOk when nothing is there.
IoResult Session::try_fill_head() {
  const std::span<char> space = buffer_.space();
  if (in_tunnel_) {
    const IoResult read = stream_.try_read(space.data(), space.size());
    buffer_.filled(read.size);
    return read;
  }
  // Before TLS, bytes behind the head stay in the socket: they may be the beginning of a TLS
  // handshake, and OpenSSL reads from the socket itself.
  const std::size_t had = buffer_.size();
  const IoResult peeked = stream_.peek(space.data(), space.size());
  if (peeked.status != Io::kOk || peeked.size == 0) {
    return peeked;
  }
  HeadScanner scanner;
  const std::string_view all(buffer_.view().data(), had + peeked.size);
  const bool complete = scanner.scan(all) == HeadScanner::State::kComplete;
  const std::size_t take = complete ? scanner.size() - had : peeked.size;
  const IoResult taken = stream_.try_read(space.data(), take);
  buffer_.filled(taken.size);
  return taken;
}

// Until more of a head may be there.
Awaitable<Io> Session::wait_for_head() {
  if (!buffer_.empty() || stream_.has_pending()) {
    return stream_.wait_readable(kHeadTimeout);
  }
  // Between requests: hold no buffer while there is nothing to hold.
  buffer_.release();
  return wait_idle(newcomer_ ? kFirstHeadTimeout : worker_.options.idle_timeout);
}

Awaitable<Session::Next> Session::read_head() {
  HeadScanner scanner;
  HeadScanner::State state = scanner.scan(buffer_.view());
  // Where nothing is known to be there, the first attempt would only find that out.
  bool wait = buffer_.empty() && !stream_.has_pending();
  while (state == HeadScanner::State::kMore) {
    IoResult got;
    if (wait) {
      got.status = co_await wait_for_head();
    }
    const bool idle_is_over = got.status == Io::kTimeout && buffer_.empty();
    if (got.status == Io::kOk || idle_is_over) {
      got = try_fill_head();  // it may have come in the same moment
    }
    if (idle_is_over && got.status == Io::kOk && got.size == 0) {
      co_return Next::kClosed;
    }
    if (got.status == Io::kTimeout && !buffer_.empty()) {
      Fault fault = bad_request("the request head did not arrive in time");
      fault.status = 408;
      fault.code = "request_timeout";
      (void)co_await refuse(std::move(fault));
      co_return Next::kRefused;
    }
    if (got.status != Io::kOk) {
      co_return Next::kClosed;
    }
    wait = got.size == 0;
    state = scanner.scan(buffer_.view());
  }
  std::optional<HeadError> error;
  if (state == HeadScanner::State::kComplete) {
    error = parse_request_head(buffer_.view().substr(0, scanner.size()), head_);
    buffer_.consume(scanner.size());
    if (!error) {
      error = check_request_head(head_);
    }
  } else {
    head_.reset();
    error = state == HeadScanner::State::kTooLong
                ? HeadError{431, "head_too_large", "the request head is larger than 64 KiB"}
                : HeadError{400, "bad_request", "line ending other than CR LF"};
  }
  if (error) {
    (void)co_await refuse(head_fault(*error));
    co_return Next::kRefused;
  }
  co_return Next::kHead;
}

std::optional<Fault> Session::not_permitted() const {
  const Field* const field = head_.find("proxy-authorization");
  if (field == nullptr || !authenticate(worker_.grant, field->value)) {
    return proxy_auth_required();
  }
  if (worker_.grant_end != GrantEnd::kNone) {
    return grant_fault(worker_.grant_end);
  }
  return std::nullopt;
}

// A request outside a tunnel: absolute form for the proxy, origin form for the agent's API.
Awaitable<bool> Session::serve_outer_request() {
  if (head_.target.starts_with('/')) {
    const Field* const field = head_.find("authorization");
    const bool authorised = field != nullptr && authenticate(worker_.grant, field->value) &&
                            worker_.grant_end == GrantEnd::kNone;
    const bool close = !head_.keep_alive || head_.body != BodyKind::kNone || worker_.draining;
    const std::string response =
        to_http1(agent_api_reply(worker_, head_, authorised), close, head_.method == "HEAD");
    const Io io = co_await stream_.write_all(response, kWriteTimeout);
    co_return io == Io::kOk && !close;
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
    const Io waited = co_await wait_idle(worker_.options.idle_timeout);
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
    const bool secure = co_await accept_tls(tunnel);
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
    H2Server server(worker_, stream_, buffer_, tunnel);
    http2_ = &server;
    co_await server.run();
    http2_ = nullptr;
    co_return;
  }
  Turns turns(worker_.io.get_executor());
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
  auto context = worker_.leaves.context_for(tunnel.authority.host);
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

// HTTP/2 with prior knowledge begins with a request of a method that nobody else uses (RFC 9113
// section 3.4).
Awaitable<bool> Session::begins_with_http2() {
  static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  std::array<char, kPreface.size()> seen{};
  Timer pause(worker_.io.get_executor());
  const auto give_up = worker_.clock.steady() + kFirstHeadTimeout;
  for (;;) {
    const IoResult peeked = stream_.peek(seen.data(), seen.size());
    const std::string_view bytes(seen.data(), peeked.size);
    if (peeked.status != Io::kOk || !kPreface.starts_with(bytes) ||
        worker_.clock.steady() >= give_up) {
      co_return false;
    }
    if (bytes.size() == kPreface.size()) {
      co_return true;
    }
    co_await sleep_for(pause, kPeekAgain);  // the socket stays readable: waiting for it would spin
  }
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
  audit_refusal(worker_, "CONNECT", fault);
}

Awaitable<bool> Session::exchange(vault::RequestIdentity identity) {
  Http1Downstream client(stream_, buffer_, head_, worker_.draining);
  Exchange exchange(worker_, client, std::move(identity));
  co_return co_await exchange.run();
}

// Errors before a request has an identity. The connection ends: what follows on it is in doubt.
Awaitable<bool> Session::refuse(Fault fault) {
  audit_refusal(worker_, head_.method, fault);
  const std::string response = to_http1(fault_reply(fault), /*close=*/true, head_.method == "HEAD");
  (void)co_await stream_.write_all(response, kWriteTimeout);
  co_return false;
}

}  // namespace av::proxy
