#include "proxy/exchange.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <optional>
#include <variant>

#include "proxy/body_filter.h"
#include "proxy/refusals.h"
#include "proxy/response_plan.h"
#include "proxy/tunnel.h"

namespace av::proxy {
namespace {

// Bytes may stop for this long in the middle of a body; server-sent events do.
constexpr Millis kBodyStall{30 * 60'000};
constexpr Millis kWriteStall{10 * 60'000};
// How much of an unwanted request body is read to keep the connection.
constexpr std::uint64_t kMaxDrain = std::uint64_t{256} << 10;
constexpr Millis kDrainTimeout{2'000};
// While an upstream is silent, the client is looked at this often: nobody pays for an answer that
// nobody waits for.
constexpr Millis kLookAtClient{2'000};
constexpr int kMaxInterimResponses = 64;

const PatternSet* patterns_of(const OutboundRequest& request) {
  return request.credential() == nullptr ? nullptr : &request.credential()->patterns();
}

// RFC 9110 section 9.2.2.
bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE" ||
         method == "PUT" || method == "DELETE";
}

}  // namespace

Exchange::Exchange(Worker& worker, ClientSide client, vault::RequestIdentity identity)
    : worker_(worker),
      client_(client),
      identity_(std::move(identity)),
      snapshot_(worker.snapshot),
      key_ring_(worker.key_ring),
      request_body_(client.stream, client.buffer, client.head.body, client.head.content_length),
      started_(worker.clock.steady()),
      pump_done_(worker.io.get_executor()) {
  record_.time_ms = worker_.clock.wall_ms();
  record_.vault = snapshot_->vault_name;
  record_.agent = worker_.grant.principal.agent;
  record_.run = worker_.grant.principal.run_id;
  record_.request = worker_.next_request++;
  record_.method = identity_.method;
  record_.scheme = vault::to_string(identity_.scheme);
  record_.host = identity_.authority.host;
  record_.port = identity_.authority.port;
  record_.path = identity_.target.path;
  record_.decision = "allow";
}

Exchange::~Exchange() {
  record_.event = "request";
  record_.latency_us =
      std::chrono::duration_cast<std::chrono::microseconds>(worker_.clock.steady() - started_)
          .count();
  record_.bytes_in = pumped_;
  // The use of a credential is on record already (audit_use); nothing is left to refuse here.
  (void)worker_.audit.append(record_);
}

Awaitable<bool> Exchange::run() {
  // Policy, resolve, audit, inject: without waiting, in admit().
  auto request = admit();
  if (!request) {
    co_return co_await refuse(request.error());
  }
  // Forward: a connection of this origin and credential, the head, the body.
  auto upstream = co_await send_request(*request);
  if (!upstream) {
    co_return co_await refuse(upstream.error());
  }
  // Scrub and stream the response.
  UpstreamPtr connection = std::move(*upstream);
  co_return co_await relay_response(*request, std::move(connection));
}

Outcome<OutboundRequest> Exchange::admit() {
  auto decision = vault::Policy::decide(snapshot_, worker_.grant.principal, identity_,
                                        worker_.options.unmatched_override);
  if (const auto* deny = std::get_if<vault::Deny>(&decision)) {
    record_.decision = "deny";
    record_.service = deny->service;
    return denial_fault(*deny, identity_);
  }
  vault::AllowedRequest allowed = std::get<vault::AllowedRequest>(std::move(decision));
  if (allowed.service() != nullptr) {
    record_.service = allowed.service()->name;
  }
  AV_TRY(ResolvedPtr resolved,
         worker_.resolver.resolve(allowed, *key_ring_, worker_.deadlines.now_ms()));
  AV_TRY(OutboundRequest request,
         Injector::inject(std::move(allowed), std::move(resolved), client_.head));
  AV_CHECK(audit_use(request));
  return request;
}

Outcome<void> Exchange::audit_use(const OutboundRequest& request) {
  if (request.credential() == nullptr) {
    return {};
  }
  record_.credentials = request.credential()->keys();
  record_.event = "request.begin";
  if (const Status written = worker_.audit.append(record_); !written) {
    Fault fault;
    fault.status = 503;
    fault.code = "audit_unavailable";
    fault.message = "the audit log cannot be written: " + written.error().message;
    fault.help = "no credential is used without a record; free some disk space";
    fault.transient = true;
    return fault;
  }
  return {};
}

Awaitable<Outcome<UpstreamPtr>> Exchange::acquire(const OutboundRequest& request, bool fresh) {
  const vault::RequestIdentity& identity = request.identity();
  std::string key =
      UpstreamPool::key(identity.scheme, identity.authority,
                        request.credential() == nullptr ? "" : request.credential()->identity());
  if (!fresh && !request.websocket()) {
    if (UpstreamPtr pooled = worker_.pool.take(key)) {
      co_return std::move(pooled);
    }
  }
  auto connection = co_await worker_.connector.connect(request, AlpnOffer::kHttp1);
  if (connection) {
    (*connection)->key = std::move(key);
  }
  co_return std::move(connection);
}

// Sends the request and reads the response's head into response_.
Awaitable<Outcome<UpstreamPtr>> Exchange::send_request(const OutboundRequest& request) {
  // A body that is here already goes out with the head and can be sent again.
  const bool whole = request_body_.buffered();
  SecretBuffer message;
  message.append(request.head());
  if (whole && request.body() != BodyKind::kNone) {
    const auto piece = co_await request_body_.next(kBodyStall);
    pumped_ += piece.data.size();
    message.append(std::string_view(piece.data.data(), piece.data.size()));
  }
  for (bool retried = false;; retried = true) {
    auto acquired = co_await acquire(request, /*fresh=*/retried);
    if (!acquired) {
      co_return std::move(acquired);
    }
    UpstreamPtr upstream = std::move(*acquired);
    record_.upstream = upstream->address;
    const Io sent = co_await upstream->stream.write_all(message.view(), kWriteStall);
    Outcome<void> answered = upstream_fault(sent, identity_);
    if (sent == Io::kOk) {
      if (!whole) {
        pump_running_ = true;
        asio::co_spawn(worker_.io.get_executor(), pump_request_body(*upstream), asio::detached);
      }
      answered = co_await read_response_head(*upstream, patterns_of(request));
    }
    if (answered) {
      co_return std::move(upstream);
    }
    co_await stop_pump(*upstream, Millis{0});
    // RFC 9112 section 9.3.1: an idle connection may close just as it is used. Once more, when a
    // repetition cannot do anything twice.
    const bool stale = upstream->reused && response_.status == 0 && whole &&
                       is_idempotent(identity_.method) &&
                       answered.error().code == "upstream_closed";
    if (stale && !retried) {
      continue;
    }
    if (body_malformed_) {
      Fault fault;
      fault.status = 400;
      fault.code = "bad_request";
      fault.message = "the request body has malformed framing";
      co_return fault;
    }
    co_return std::move(answered.error());
  }
}

// Copies the request body upstream while the response is on its way. Ends quietly when either side
// is gone: whoever waits for the response reports it.
Awaitable<void> Exchange::pump_request_body(UpstreamConnection& upstream) {
  SecretBuffer out;
  for (bool more = true; more;) {
    const auto piece = co_await request_body_.next(kBodyStall);
    if (piece.state == BodyReader::State::kMalformed || piece.state == BodyReader::State::kBroken) {
      request_sent_ = false;
      if (!pump_stopping_) {
        body_malformed_ = piece.state == BodyReader::State::kMalformed;
        client_broke_ = !body_malformed_;
      }
      upstream.stream.close();
      break;
    }
    more = piece.state == BodyReader::State::kData;
    pumped_ += piece.data.size();
    std::string_view bytes(piece.data.data(), piece.data.size());
    if (client_.head.body == BodyKind::kChunked) {
      out.clear();
      append_chunk(out, bytes, !more);
      bytes = out.view();
    }
    const Io io = co_await upstream.stream.write_all(bytes, kWriteStall);
    if (io != Io::kOk) {
      request_sent_ = false;
      break;
    }
  }
  pump_running_ = false;
  pump_done_.cancel();
}

// Ends the pump: its upstream is closed, and a client that goes on sending is read for `patience`
// at most. Nothing of the exchange may go away before.
Awaitable<void> Exchange::stop_pump(UpstreamConnection& upstream, Millis patience) {
  upstream.stream.close();
  const auto end = worker_.clock.steady() + patience;
  while (pump_running_) {
    if (worker_.clock.steady() >= end) {
      // From here on a read that gives up is our doing. Every round anew: a client that dribbles
      // bytes makes the pump wait again.
      pump_stopping_ = true;
      client_.stream.hurry_read(Millis{0});
    }
    co_await sleep_for(pump_done_, DeadlineList::kTick);
  }
}

bool Exchange::client_gone() {
  client_broke_ = client_broke_ || (!pump_running_ && client_.stream.peer_gone());
  return client_broke_;
}

// The final response's head; 1xx responses on the way are passed on (RFC 9110 section 15.2).
Awaitable<Outcome<void>> Exchange::read_response_head(UpstreamConnection& upstream,
                                                      const PatternSet* patterns) {
  HeadScanner scanner;
  std::uint64_t seen = pumped_;
  int interim_responses = 0;
  auto give_up = worker_.clock.steady() + worker_.options.header_timeout;
  for (;;) {
    const HeadScanner::State state = scanner.scan(upstream.buffer.view());
    if (state == HeadScanner::State::kMore) {
      const Io io = co_await fill(upstream.stream, upstream.buffer, kLookAtClient);
      const auto now = worker_.clock.steady();
      if (pump_running_ && pumped_ != seen) {
        seen = pumped_;  // the upload is still going on: the server owes nothing yet
        give_up = now + worker_.options.header_timeout;
      }
      if (io == Io::kTimeout && now < give_up && !client_gone()) {
        continue;
      }
      if (io != Io::kOk || now >= give_up) {
        co_return upstream_fault(io == Io::kOk ? Io::kTimeout : io, identity_);
      }
      continue;
    }
    std::optional<HeadError> error;
    if (state == HeadScanner::State::kComplete) {
      const std::string_view head = upstream.buffer.view().substr(0, scanner.size());
      error = parse_response_head(head, response_);
      if (!error) {
        error = check_response_head(response_, identity_.method);
      }
    } else {
      error = HeadError{502, "upstream_protocol", "malformed or endless response head"};
    }
    if (!error && response_.status == 101 &&
        (!client_.head.websocket_upgrade || !response_.websocket_upgrade)) {
      error = HeadError{502, "upstream_protocol", "an upgrade that nobody asked for"};
    }
    if (error) {
      Fault fault;
      fault.status = 502;
      fault.code = "upstream_protocol";
      fault.message = identity_.authority.host + " sent an invalid response: " + error->message;
      co_return fault;
    }
    upstream.buffer.consume(scanner.size());
    scanner.reset();
    if (response_.status >= 200 || response_.status == 101) {
      co_return Outcome<void>();
    }
    if (++interim_responses > kMaxInterimResponses) {
      co_return upstream_fault(Io::kReset, identity_);
    }
    if (client_.head.minor_version == 1) {
      const std::string interim = interim_response(response_, patterns);
      const Io io = co_await send_to_client(interim);
      if (io != Io::kOk) {
        client_broke_ = true;
        co_return upstream_fault(Io::kClosed, identity_);
      }
    }
  }
}

Awaitable<Io> Exchange::send_to_client(std::string_view bytes) {
  record_.bytes_out += bytes.size();
  return client_.stream.write_all(bytes, kWriteStall);
}

Awaitable<bool> Exchange::relay_response(const OutboundRequest& request, UpstreamPtr upstream) {
  record_.status = response_.status;
  const PatternSet* const patterns = patterns_of(request);
  ResponsePlan plan = plan_response(response_, client_.head, patterns, worker_.draining);
  if (plan.refused) {
    co_await stop_pump(*upstream, Millis{0});
    Fault fault;
    fault.status = 502;
    fault.code = "response_uninspectable";
    fault.message = identity_.authority.host +
                    " answered in a form (a coding, a range, an extension) that cannot be searched "
                    "for the credential";
    co_return co_await refuse(fault);
  }
  if (response_.status == 101) {
    const Io io = co_await send_to_client(plan.head);
    if (io == Io::kOk) {
      const std::uint64_t sent =
          co_await tunnel_websocket(worker_.io.get_executor(), client_.stream, client_.buffer,
                                    upstream->stream, upstream->buffer, patterns);
      record_.bytes_out += sent;
    }
    co_return false;
  }
  const bool complete = co_await relay_body(plan, patterns, *upstream);
  if (complete && upstream->stream.truncated()) {
    note_broken_body("upstream_truncated");
  }
  if (!complete || upstream->stream.truncated()) {
    // A cut body must not look complete: no orderly end for the client either.
    client_.stream.close_truncated();
  }
  const bool reusable = complete && response_.keep_alive && !pump_running_ && request_sent_ &&
                        upstream->buffer.empty() && request_body_.ended();
  if (reusable) {
    worker_.pool.put(std::move(upstream), worker_.deadlines.now_ms());
  }
  if (pump_running_) {
    // The answer came before the request was read (413, say). Let the client finish reading it.
    co_await stop_pump(*upstream, kDrainTimeout);
    co_return false;
  }
  co_return complete&& plan.client_keep_alive&& request_body_.ended();
}

// Streams the body: framing off, coding off where it must be searched, scrub, framing on.
Awaitable<bool> Exchange::relay_body(ResponsePlan& plan, const PatternSet* patterns,
                                     UpstreamConnection& upstream) {
  BodyReader body(upstream.stream, upstream.buffer, response_.body, response_.content_length);
  BodyFilter filter(patterns, plan.decode);
  std::string out = std::move(plan.head);  // goes out with the first piece of the body
  for (;;) {
    BodyReader::Piece piece;
    if (!body.poll(piece)) {
      // What is here goes out before anything is waited for.
      const Io io = co_await send_to_client(out);
      if (io != Io::kOk) {
        co_return false;
      }
      out.clear();
      piece = co_await next_piece(body);
    }
    const bool end = piece.state == BodyReader::State::kEnd;
    if (piece.state == BodyReader::State::kBroken || piece.state == BodyReader::State::kMalformed) {
      // The client sees a cut body, never one that looks complete.
      note_broken_body(piece.state == BodyReader::State::kMalformed ? "upstream_protocol"
                                                                    : "upstream_truncated");
      co_return false;
    }
    filter.supply(piece.data, end);
    for (std::string_view clean = filter.next(); !clean.empty(); clean = filter.next()) {
      if (out.empty() && !plan.chunked) {
        // Straight from the buffer that it was read into: nothing is copied.
        const Io io = co_await send_to_client(clean);
        if (io != Io::kOk) {
          co_return false;
        }
        continue;
      }
      append_body(out, clean, plan);
      if (out.size() >= ReadBuffer::kSize) {
        const Io io = co_await send_to_client(out);
        if (io != Io::kOk) {
          co_return false;
        }
        out.clear();
      }
    }
    if (filter.failed() || (end && !append_body_end(out, body.trailers(), patterns, plan))) {
      note_broken_body("upstream_protocol");
      co_return false;
    }
    if (end) {
      const Io io = co_await send_to_client(out);
      co_return io == Io::kOk;
    }
  }
}

// The next piece of the response, however long it takes, unless the client leaves.
Awaitable<BodyReader::Piece> Exchange::next_piece(BodyReader& body) {
  const auto give_up = worker_.clock.steady() + kBodyStall;
  for (;;) {
    BodyReader::Piece piece = co_await body.next(kLookAtClient);
    const bool waiting = piece.state == BodyReader::State::kBroken && piece.io == Io::kTimeout;
    if (!waiting || worker_.clock.steady() >= give_up || client_gone()) {
      co_return piece;
    }
  }
}

void Exchange::note_broken_body(const char* code) {
  record_.error = code;
  record_.decision = "error";
}

Awaitable<bool> Exchange::refuse(const Fault& fault) {
  record_.status = fault.status;
  record_.error = fault.code;
  if (record_.decision == "allow") {
    record_.decision = fault.status == 403 ? "deny" : "error";
  }
  if (client_broke_) {
    co_return false;
  }
  const bool readable =
      !body_malformed_ && (request_body_.ended() || !client_.head.expect_continue);
  const bool drained = readable && co_await drain_request_body();
  const bool keep = drained && client_.head.keep_alive && !worker_.draining;
  const std::string response = fault_response(fault, !keep, identity_.method == "HEAD");
  const Io io = co_await send_to_client(response);
  co_return io == Io::kOk&& keep;
}

// Reads a small rest of the request's body, so that the connection can go on.
Awaitable<bool> Exchange::drain_request_body() {
  std::uint64_t drained = 0;
  while (!request_body_.ended()) {
    const auto piece = co_await request_body_.next(kDrainTimeout);
    drained += piece.data.size();
    pumped_ += piece.data.size();
    if (piece.state == BodyReader::State::kMalformed || piece.state == BodyReader::State::kBroken ||
        drained > kMaxDrain) {
      co_return false;
    }
  }
  co_return true;
}

}  // namespace av::proxy
