#include "proxy/session.h"

#include "proxy/agent_api.h"
#include "proxy/authenticator.h"
#include "proxy/exchange.h"
#include "proxy/http1_parser.h"

namespace av::proxy {
namespace {

constexpr Millis kHandshakeTimeout{10'000};
constexpr Millis kHeadTimeout{30'000};
constexpr Millis kWriteTimeout{30'000};
constexpr Millis kLinger{1'000};
constexpr Millis kFirstHeadTimeout{10'000};
constexpr std::size_t kMaxNewcomers = 256;
constexpr char kTlsHandshakeRecord = 0x16;  // RFC 8446 section 5.1

Fault bad_request(std::string message) {
  Fault fault;
  fault.status = 400;
  fault.code = "bad_request";
  fault.message = std::move(message);
  return fault;
}

Fault misdirected(std::string message) {
  Fault fault;
  fault.status = 421;
  fault.code = "misdirected_request";
  fault.message = std::move(message);
  fault.help = "the host of CONNECT, of TLS (SNI) and of the request must be one and the same";
  return fault;
}

Fault proxy_auth_required() {
  Fault fault;
  fault.status = 407;
  fault.code = "proxy_authentication_required";
  fault.message = "the proxy wants the token of this run";
  fault.help = "use the HTTPS_PROXY that agent-vault run has set";
  return fault;
}

Outcome<vault::Target> canonical(std::string_view target, std::string_view method) {
  if (target == "*" && method != "OPTIONS") {
    return bad_request("only OPTIONS may ask about *");
  }
  if (target == "*") {
    vault::Target star;
    star.path = "*";
    return star;
  }
  auto canonical = vault::canonical_target(target);
  if (!canonical) {
    return bad_request(canonical.error().message);
  }
  return std::move(*canonical);
}

}  // namespace

Awaitable<void> run_session(Worker& worker, Socket socket) {
  Session session(worker, std::move(socket));
  co_await session.run();
}

Session::Session(Worker& worker, Socket socket)
    : worker_(worker), stream_(std::move(socket), worker.deadlines) {
  ++worker_.sessions;
  // Whoever has the token shows it at once; the one that has waited longest makes room. Without
  // this, connections that say nothing could use up the descriptors.
  if (worker_.newcomers.size() >= kMaxNewcomers) {
    Session* const oldest = worker_.newcomers.front();
    oldest->no_longer_newcomer();
    oldest->stream_.close_truncated();
  }
  place_ = worker_.newcomers.insert(worker_.newcomers.end(), this);
}

Session::~Session() {
  no_longer_newcomer();
  --worker_.sessions;
}

void Session::no_longer_newcomer() {
  if (newcomer_) {
    worker_.newcomers.erase(place_);
    newcomer_ = false;
  }
}

Awaitable<void> Session::run() {
  for (bool more = true; more;) {
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

// Before TLS, bytes behind the head stay in the socket: they may be the beginning of a TLS
// handshake, and OpenSSL reads from the socket itself.
Awaitable<Io> Session::fill_head_in_clear() {
  for (;;) {
    const std::span<char> space = buffer_.space();
    const std::size_t had = buffer_.size();
    const IoResult peeked = stream_.peek(space.data(), space.size());
    if (peeked.status != Io::kOk) {
      co_return peeked.status;
    }
    if (peeked.size != 0) {
      HeadScanner scanner;
      const std::string_view all(buffer_.view().data(), had + peeked.size);
      const bool complete = scanner.scan(all) == HeadScanner::State::kComplete;
      const std::size_t take = complete ? scanner.size() - had : peeked.size;
      const IoResult taken = stream_.try_read(space.data(), take);
      buffer_.filled(taken.size);
      co_return taken.status;
    }
    const Io waited = co_await stream_.wait_readable(kHeadTimeout);
    if (waited != Io::kOk) {
      co_return waited;
    }
  }
}

Awaitable<Session::Next> Session::read_head() {
  HeadScanner scanner;
  for (;;) {
    const HeadScanner::State state = scanner.scan(buffer_.view());
    if (state == HeadScanner::State::kMore) {
      if (buffer_.empty()) {
        // Between requests: hold no buffer while there is nothing to hold.
        const bool pending = stream_.is_tls() && SSL_pending(stream_.ssl()) > 0;
        if (!pending) {
          buffer_.release();
          const Io waited = co_await stream_.wait_readable(
              newcomer_ ? kFirstHeadTimeout : worker_.options.idle_timeout);
          if (waited != Io::kOk) {
            co_return Next::kClosed;
          }
        }
      }
      const Io io = in_tunnel_ ? co_await fill(stream_, buffer_, kHeadTimeout)
                               : co_await fill_head_in_clear();
      if (io == Io::kTimeout && !buffer_.empty()) {
        Fault fault = bad_request("the request head did not arrive in time");
        fault.status = 408;
        fault.code = "request_timeout";
        (void)co_await refuse(std::move(fault));
        co_return Next::kRefused;
      }
      if (io != Io::kOk) {
        co_return Next::kClosed;
      }
      continue;
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
      Fault fault;
      fault.status = error->status;
      fault.code = error->code;
      fault.message = error->message;
      (void)co_await refuse(std::move(fault));
      co_return Next::kRefused;
    }
    co_return Next::kHead;
  }
}

bool Session::authenticated() const {
  const Field* const field = head_.find("proxy-authorization");
  return field != nullptr && authenticate(worker_.grant, field->value);
}

// A request outside a tunnel: absolute form for the proxy, origin form for the agent's API.
Awaitable<bool> Session::serve_outer_request() {
  if (head_.target.starts_with('/')) {
    const Field* const field = head_.find("authorization");
    const bool authorised = field != nullptr && authenticate(worker_.grant, field->value);
    const bool close = !head_.keep_alive || head_.body != BodyKind::kNone;
    const std::string response = agent_api_response(worker_, head_, authorised, close);
    const Io io = co_await stream_.write_all(response, kWriteTimeout);
    co_return io == Io::kOk && !close;
  }
  if (!authenticated()) {
    co_return co_await refuse(proxy_auth_required());
  }
  no_longer_newcomer();
  auto identity = identity_of_absolute_form();
  if (!identity) {
    co_return co_await refuse(std::move(identity.error()));
  }
  co_return co_await exchange(std::move(*identity));
}

Awaitable<bool> Session::open_tunnel() {
  if (!authenticated()) {
    (void)co_await refuse(proxy_auth_required());
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
    const Io waited = co_await stream_.wait_readable(worker_.options.idle_timeout);
    if (waited != Io::kOk) {
      co_return;
    }
    peeked = stream_.peek(&first, 1);
  }
  if (peeked.status != Io::kOk) {
    co_return;
  }
  vault::Scheme scheme = vault::Scheme::kHttp;
  if (first == kTlsHandshakeRecord) {
    scheme = vault::Scheme::kHttps;
    auto context = worker_.leaves.context_for(authority.host);
    if (!context) {
      Fault fault;
      fault.status = 0;
      fault.code = "internal";
      head_.method = "CONNECT";
      audit_refusal(fault);
      co_return;
    }
    const Io io = co_await stream_.accept_tls(*context, kHandshakeTimeout);
    if (io != Io::kOk) {
      Fault fault;
      fault.status = 0;
      fault.code = "client_tls_failed";
      fault.message = "the client did not complete TLS: " + stream_.tls_error();
      head_.method = "CONNECT";
      audit_refusal(fault);
      co_return;
    }
    in_tunnel_ = true;
  } else if (first < 'A' || first > 'Z') {
    Fault fault;
    fault.status = 0;
    fault.code = "unsupported_protocol";
    head_.method = "CONNECT";
    audit_refusal(fault);
    co_return;
  } else {
    in_tunnel_ = true;
  }
  for (bool more = true; more;) {
    const Next next = co_await read_head();
    if (next != Next::kHead) {
      co_return;
    }
    more = co_await serve_tunnel_request(scheme, authority);
  }
}

bool Session::sni_agrees(const vault::Authority& authority) const {
  const char* const name = SSL_get_servername(stream_.ssl(), TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) {
    return true;  // older clients, and IP literals, send none: CONNECT and Host still agree
  }
  const auto canonical = vault::canonical_host(name);
  return canonical && *canonical == authority.host;
}

Awaitable<bool> Session::serve_tunnel_request(vault::Scheme scheme,
                                              const vault::Authority& authority) {
  auto identity = identity_in_tunnel(scheme, authority);
  if (!identity) {
    co_return co_await refuse(std::move(identity.error()));
  }
  co_return co_await exchange(std::move(*identity));
}

Outcome<vault::RequestIdentity> Session::identity_in_tunnel(
    vault::Scheme scheme, const vault::Authority& authority) const {
  if (scheme == vault::Scheme::kHttps && !sni_agrees(authority)) {
    return misdirected("the name in TLS (SNI) is not " + authority.host);
  }
  vault::RequestIdentity identity;
  identity.scheme = scheme;
  identity.authority = authority;
  identity.method = head_.method;
  std::string_view target = head_.target;
  if (head_.method == "CONNECT" || (!target.starts_with('/') && target != "*")) {
    return bad_request("inside a tunnel the request target must be a path");
  }
  if (!head_.host.empty()) {
    const auto host = vault::parse_authority(head_.host, vault::default_port(scheme));
    if (!host || *host != authority) {
      return misdirected("the Host field is not " + vault::to_string(authority, scheme));
    }
  }
  AV_TRY(identity.target, canonical(target, head_.method));
  return identity;
}

Outcome<vault::RequestIdentity> Session::identity_of_absolute_form() const {
  vault::RequestIdentity identity;
  std::string_view rest = head_.target;
  // RFC 9110 section 4.2: the scheme is case-insensitive.
  if (rest.size() > 7 && iequals(rest.substr(0, 7), "http://")) {
    identity.scheme = vault::Scheme::kHttp;
    rest.remove_prefix(7);
  } else if (rest.size() > 8 && iequals(rest.substr(0, 8), "https://")) {
    identity.scheme = vault::Scheme::kHttps;
    rest.remove_prefix(8);
  } else {
    return bad_request("the proxy serves CONNECT, http:// and https:// targets");
  }
  const std::size_t end = rest.find_first_of("/?#");
  auto authority =
      vault::parse_authority(rest.substr(0, end), vault::default_port(identity.scheme));
  if (!authority) {
    return bad_request(authority.error().message);
  }
  identity.authority = std::move(*authority);
  identity.method = head_.method;
  if (!head_.host.empty()) {
    const auto host = vault::parse_authority(head_.host, vault::default_port(identity.scheme));
    if (!host || *host != identity.authority) {
      return misdirected("the Host field is not " +
                         vault::to_string(identity.authority, identity.scheme));
    }
  }
  std::string target(end == std::string_view::npos ? std::string_view() : rest.substr(end));
  if (!target.starts_with('/')) {
    target.insert(0, 1, '/');
  }
  AV_TRY(identity.target, canonical(target, head_.method));
  return identity;
}

Awaitable<bool> Session::exchange(vault::RequestIdentity identity) {
  Exchange exchange(worker_, ClientSide{stream_, buffer_, head_}, std::move(identity));
  co_return co_await exchange.run();
}

// Errors before a request has an identity. The connection ends: what follows on it is in doubt.
Awaitable<bool> Session::refuse(Fault fault) {
  audit_refusal(fault);
  const std::string response = fault_response(fault, /*close=*/true, head_.method == "HEAD");
  (void)co_await stream_.write_all(response, kWriteTimeout);
  co_return false;
}

void Session::audit_refusal(const Fault& fault) {
  vault::AuditRecord record;
  record.time_ms = worker_.clock.wall_ms();
  record.event = "request";
  record.vault = worker_.snapshot->vault_name;
  record.agent = worker_.grant.principal.agent;
  record.run = worker_.grant.principal.run_id;
  record.request = worker_.next_request++;
  record.method = std::string(head_.method.substr(0, 32));
  record.decision = fault.status == 407 || fault.status == 421 ? "deny" : "error";
  record.status = fault.status;
  record.error = fault.code;
  (void)worker_.audit.append(record);
}

}  // namespace av::proxy
