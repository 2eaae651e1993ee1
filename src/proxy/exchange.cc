#include "proxy/exchange.h"

#include <optional>

#include "proxy/body_filter.h"
#include "proxy/login_stage.h"
#include "proxy/refusals.h"
#include "proxy/response_plan.h"
#include "proxy/token_refresh.h"
#include "proxy/tunnel.h"
#include "proxy/value_fetch.h"
#include "proxy/websocket_handshake.h"
#include "vault/host_mapping.h"

namespace av::proxy {
namespace {

// Bytes may stop for this long in the middle of a body; server-sent events do.
constexpr Millis kBodyStall{30 * 60'000};
// How much of an unwanted request body is read to keep the connection.
constexpr std::uint64_t kMaxDrain = std::uint64_t{256} << 10;
constexpr Millis kDrainTimeout{2'000};
// While an upstream is silent, the client is looked at this often: nobody pays for an answer that
// nobody waits for.
constexpr Millis kLookAtClient{2'000};
constexpr int kMaxInterimResponses = 64;
constexpr int kMaxAttempts = 3;

const PatternSet* patterns_of(const OutboundRequest& request) {
  return request.credential() == nullptr ? nullptr : &request.credential()->patterns();
}

}  // namespace

Exchange::Exchange(Worker& worker, Downstream& client, vault::RequestIdentity identity)
    : worker_(worker),
      client_(client),
      identity_(std::move(identity)),
      upload_(worker.io.get_executor(), client, worker.clock),
      gate_(worker, client, record_),
      started_(worker.clock.steady()) {
  record_.time_ms = worker_.clock.wall_ms();
  record_.vault = gate_.snapshot()->vault_name;
  record_.agent = worker_.grant.principal.agent;
  record_.run = worker_.grant.principal.run_id;
  record_.request = worker_.state.next_request++;
  record_.method = identity_.method;
  record_.scheme = vault::to_string(identity_.scheme);
  record_.host = identity_.authority.host;
  record_.port = identity_.authority.port;
  record_.path = identity_.target.path;
  record_.decision = "allow";
  client_.when_gone([this] {
    client_broke_ = true;
    if (live_ != nullptr) {
      live_->abort();
    }
  });
}

Exchange::~Exchange() {
  client_.when_gone(nullptr);
  record_.event = "request";
  record_.latency_us =
      std::chrono::duration_cast<std::chrono::microseconds>(worker_.clock.steady() - started_)
          .count();
  record_.bytes_in = upload_.bytes();
  record_.bytes_out = client_.bytes_sent();
  worker_.state.metrics->note(record_);
  // The use of a credential is on record already (audit_use); nothing is left to refuse here.
  if (record_.decision == "allow" && !record_.credentials.empty()) {
    worker_.audit.append_later(record_);
    worker_.state.flush_audit_soon();
  } else {
    (void)worker_.audit.append(record_);
  }
}

namespace {

// A mapping of any host covers what nobody has thought of: where its stores have nothing for the
// host, the request is as it would be without.
bool is_as_unmatched(const Fault& fault, const vault::AllowedRequest& allowed,
                     const Worker& worker) {
  const auto unmatched = worker.options.unmatched_override.value_or(allowed.snapshot().unmatched);
  return is_not_in_store(fault) && allowed.service() != nullptr &&
         allowed.service()->name == vault::mapping_name(vault::kAnyHost) &&
         unmatched == vault::UnmatchedPolicy::kPassthrough;
}

}  // namespace

Awaitable<bool> Exchange::run() {
  // A program's own login at a provider: what it asks for, before anything else.
  std::optional<LoginStage> login;
  if (LoginStage::concerns(worker_, identity_)) {
    login.emplace(worker_, client_, record_);
    const auto looked = co_await login->look(identity_);
    if (!looked) {
      co_return co_await refuse(looked.error());
    }
    if (login->reply() != nullptr) {
      co_return co_await answer(*login->reply());
    }
  }
  // What a program would refresh its stand-in login with is answered here.
  if (const LocalLogin* const local = find_local_login(worker_.grant.logins, identity_)) {
    record_.status = 200;
    record_.detail = "a stand-in login, answered by the broker";
    const LocalReply reply = json_reply(200, local->answer);
    co_return co_await answer(reply);
  }
  // Policy: from the head, and where a rule wants it from the body or a human.
  auto allowed = gate_.decide(identity_);
  if (gate_.must_wait()) {
    allowed = co_await gate_.wait(identity_);
  }
  if (!allowed) {
    co_return co_await refuse(allowed.error());
  }
  // Consent to a login, which goes out as the program sent it.
  if (login && login->captures()) {
    const auto consent = co_await login->wait_for_consent();
    if (!consent) {
      co_return co_await refuse(consent.error());
    }
    // What rules have asked about before is answered; a new refusal counts.
    auto again = gate_.decide_again(identity_);
    if (!again && !gate_.must_wait()) {
      co_return co_await refuse(again.error());
    }
    allowed = std::move(again ? *again : *allowed).without_service();
  }
  if (allowed->service() != nullptr) {
    record_.service = allowed->service()->name;
  }
  // Refresh: access tokens that end soon, for a moment or, once they have ended, as long as it
  // takes.
  if (auto stale = worker_.resolver.stale(*allowed, now()); !stale.empty()) {
    (void)co_await refresh_tokens(worker_, std::move(stale), vault::RefreshReason::kDue);
  }
  // Fetch: what external stores keep, when it is not in memory.
  if (auto missing = worker_.resolver.missing(*allowed, now()); !missing.empty()) {
    const Outcome<void> fetched = co_await fetch_values(worker_, std::move(missing));
    if (!fetched && !is_as_unmatched(fetched.error(), *allowed, worker_)) {
      co_return co_await refuse(fetched.error());
    }
    if (!fetched) {
      allowed = std::move(*allowed).without_service();
      record_.service.clear();
    }
  }
  // Resolve, inject, audit: without waiting.
  auto request = admit(std::move(*allowed));
  if (!request) {
    co_return co_await refuse(request.error());
  }
  // Forward: a connection of this origin and credential, the head, the body. Once more when the
  // server takes the access token no longer and there is a newer one.
  auto upstream = co_await send_request(*request);
  if (upstream && token_rejected(*request)) {
    std::vector<StaleToken> rejected = request->credential()->tokens();
    const bool fresh =
        co_await refresh_tokens(worker_, std::move(rejected), vault::RefreshReason::kRejected);
    if (fresh && !client_gone()) {
      live_ = nullptr;
      upstream->reset();
      response_.reset();
      request = admit_again(Injector::withdraw(std::move(*request)));
      if (!request) {
        co_return co_await refuse(request.error());
      }
      upstream = co_await send_request(*request);
    }
  }
  if (!upstream) {
    co_return co_await refuse(upstream.error());
  }
  if (whole_) {
    client_.release_held_body();  // it will not be sent again
  }
  // Keep what a login brought; the program gets stand-ins.
  if (login && login->captures()) {
    live_ = nullptr;  // the tokens are issued, whether the program waits for them or not
    const auto kept = co_await login->keep(response_, **upstream);
    co_await upload_.stop(Millis{0});
    if (!kept) {
      co_return co_await refuse(kept.error());
    }
    co_return co_await answer(*login->reply());
  }
  // Scrub and stream the response.
  const bool reusable = co_await relay_response(*request, **upstream);
  co_await upload_.stop(Millis{0});
  live_ = nullptr;
  if (body_filter_->status() != RequestBodyFilter::Status::kOk) {
    note_refusal(body_filter_->fault());  // found when the answer was on its way already
  }
  co_return reusable;
}

Outcome<OutboundRequest> Exchange::admit(vault::AllowedRequest allowed) {
  AV_TRY(lane_, take_lane(worker_, *gate_.snapshot()));
  // Before anything is decrypted.
  guard_.emplace(allowed, worker_.grant.placeholders.get());
  AV_CHECK(guard_->check_head(allowed.identity().target, client_.head()));
  AV_TRY(ResolvedPtr resolved, resolve(allowed));
  AV_TRY(options_, prepare_body(resolved.get()));
  AV_TRY(OutboundRequest request,
         Injector::inject(std::move(allowed), std::move(resolved), client_.head(), options_));
  AV_CHECK(audit_use(request));
  return request;
}

// With a newer access token, when nothing but the head depends on it. That it is used is on record.
Outcome<OutboundRequest> Exchange::admit_again(vault::AllowedRequest allowed) {
  AV_TRY(ResolvedPtr resolved, resolve(allowed));
  record_.detail = "repeated with a refreshed token";
  return Injector::inject(std::move(allowed), std::move(resolved), client_.head(), options_);
}

Outcome<ResolvedPtr> Exchange::resolve(const vault::AllowedRequest& allowed) {
  return worker_.resolver.resolve(allowed, gate_.key_ring(), now());
}

CredentialResolver::Now Exchange::now() const {
  return {worker_.deadlines.now_ms(), worker_.clock.wall_ms()};
}

// Whether the answer is a 401 to a request that can be sent again as it is, but for its token.
bool Exchange::token_rejected(const OutboundRequest& request) const {
  return response_.status == 401 && worker_.options.tokens != nullptr && whole_ &&
         !options_.body_rewritten && request.credential() != nullptr &&
         !request.credential()->tokens().empty();
}

// A body that is here already is looked at before anything is sent, and goes out with the head.
Outcome<InjectOptions> Exchange::prepare_body(const ResolvedCredential* values) {
  RequestBodyFilter& filter = body_filter_.emplace(*guard_, values, client_.head());
  InjectOptions options;
  options.plain_websocket = guard_->needs_plain_websocket();
  options.body_rewritten = filter.changes_length();
  BodySource& body = client_.body();
  std::vector<Field> trailers;
  // After the head of a WebSocket's opening comes no body, but what the tunnel carries.
  const bool websocket = client_.head().websocket_upgrade;
  whole_ = websocket || (body.buffered() && body.trailers(trailers) && trailers.empty());
  BodySource::Piece piece;
  if (filter.status() == RequestBodyFilter::Status::kOk && whole_ && !websocket && !body.ended() &&
      body.poll(piece)) {
    whole_ = piece.state == BodySource::State::kEnd;
    first_ = std::string_view(piece.data.data(), piece.data.size());
    upload_.count(first_.size());
    if (whole_ && filter.changes_length()) {
      whole_ = first_.size() <= RequestBodyFilter::kWholeLimit &&
               filter.render_whole(first_, rewritten_) != RequestBodyFilter::Whole::kStream;
      if (whole_) {
        first_ = rewritten_.view();
        options.body_length = first_.size();
      } else {
        upload_.begin_with(first_);
        first_ = {};
      }
    } else if (filter.active()) {
      filter.supply(first_, whole_);
      first_ = filter.next();
    }
  }
  if (filter.status() != RequestBodyFilter::Status::kOk) {
    return filter.fault();
  }
  return options;
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

// Sends the request and reads the response's head into response_.
Awaitable<Outcome<UpstreamExchangePtr>> Exchange::send_request(const OutboundRequest& request) {
  // A body that is here already goes out with the head and can be sent again.
  bool http2 = client_.head().http2;
  for (int attempt = 1;; ++attempt) {
    auto acquired = co_await worker_.pool.acquire(request, http2, attempt > 1);
    if (!acquired) {
      co_return std::move(acquired);
    }
    UpstreamExchangePtr upstream = std::move(*acquired);
    // A grant may have ended while there was no connection yet that could have been cut.
    if (client_broke_ || worker_.grant_end != GrantEnd::kNone) {
      co_return upstream_fault(Io::kClosed, identity_);
    }
    record_.upstream = upstream->address();
    live_ = upstream.get();
    const Io sent = co_await upstream->send(request, first_, /*end=*/whole_);
    Outcome<void> answered = upstream_fault(sent, identity_);
    if (sent == Io::kOk) {
      if (!whole_) {
        upload_.start(*upstream, *body_filter_, request.fields());
      }
      answered = co_await read_response_head(*upstream, request);
    }
    if (answered) {
      co_return std::move(upstream);
    }
    co_await upload_.stop(Millis{0});
    live_ = nullptr;
    const UpstreamExchange::Retry retry = upstream->retry();
    const bool again =
        whole_ && response_.status == 0 && answered.error().code == "upstream_closed" &&
        !client_gone() &&
        (retry == UpstreamExchange::Retry::kYes || retry == UpstreamExchange::Retry::kOverHttp1 ||
         (retry == UpstreamExchange::Retry::kIfIdempotent && is_idempotent(identity_.method)));
    http2 = http2 && retry != UpstreamExchange::Retry::kOverHttp1;
    if (again && attempt < kMaxAttempts) {
      continue;
    }
    if (body_filter_->status() != RequestBodyFilter::Status::kOk) {
      co_return body_filter_->fault();
    }
    co_return upload_.malformed() ? bad_request_body() : std::move(answered.error());
  }
}

bool Exchange::client_gone() {
  client_broke_ = client_broke_ || upload_.client_broke() || (!upload_.running() && client_.gone());
  return client_broke_;
}

// The final response's head; 1xx responses on the way are passed on (RFC 9110 section 15.2).
Awaitable<Outcome<void>> Exchange::read_response_head(UpstreamExchange& upstream,
                                                      const OutboundRequest& request) {
  std::uint64_t seen = upload_.bytes();
  int interim_responses = 0;
  auto give_up = worker_.clock.steady() + worker_.options.header_timeout;
  for (;;) {
    const UpstreamExchange::HeadResult result =
        co_await upstream.next_head(response_, kLookAtClient);
    const auto now = worker_.clock.steady();
    switch (result.got) {
      case UpstreamExchange::Got::kTimeout:
        if (upload_.running() && upload_.bytes() != seen) {
          seen = upload_.bytes();  // the upload is still going on: the server owes nothing yet
          give_up = now + worker_.options.header_timeout;
        }
        if (now >= give_up || client_gone()) {
          co_return upstream_fault(Io::kTimeout, identity_);
        }
        continue;
      case UpstreamExchange::Got::kClosed:
        co_return upstream_fault(result.io, identity_);
      case UpstreamExchange::Got::kMalformed:
        co_return invalid_response(identity_.authority.host, result.what);
      case UpstreamExchange::Got::kHead:
        break;
    }
    if (const char* const wrong =
            wrong_upgrade(client_.head(), response_, request.websocket_key())) {
      co_return invalid_response(identity_.authority.host, wrong);
    }
    if (response_.status >= 200 || response_.status == 101) {
      co_return Outcome<void>();
    }
    if (++interim_responses > kMaxInterimResponses || now >= give_up) {
      co_return upstream_fault(Io::kReset, identity_);
    }
    const ResponsePlan interim = plan_interim(response_, patterns_of(request));
    const Io io = co_await client_.put_interim(interim);
    if (io != Io::kOk) {
      client_broke_ = true;
      co_return upstream_fault(Io::kClosed, identity_);
    }
  }
}

Awaitable<bool> Exchange::relay_response(const OutboundRequest& request,
                                         UpstreamExchange& upstream) {
  const PatternSet* const patterns = patterns_of(request);
  const ResponsePlan plan = plan_response(response_, patterns, request.service());
  if (plan.refused) {
    co_await upload_.stop(Millis{0});
    co_return co_await refuse(uninspectable(identity_.authority.host));
  }
  record_.status = response_.status;
  client_.put_head(plan);
  if (response_.status == 101) {
    const bool extensions = response_.find("sec-websocket-extensions") != nullptr;
    ClientMessageFilter up(*guard_, request.credential(), extensions);
    ServerMessageFilter down(patterns, extensions);
    co_await tunnel_websocket(worker_.io.get_executor(), client_, upstream, up, down);
    if (up.status() != ClientMessageFilter::Status::kOk) {
      note_refusal(up.fault());
    }
    co_return false;
  }
  const bool complete = co_await relay_body(plan, patterns, upstream);
  if (!complete) {
    // A cut body must not look complete: no orderly end for the client either.
    client_.cut();
    co_return false;
  }
  if (upload_.running()) {
    // The answer came before the request was read (413, say). Let the client finish reading it.
    co_await upload_.stop(client_.linger());
    co_return false;
  }
  if (upload_.complete()) {
    upstream.release();
  }
  co_return client_.reusable();
}

// Streams the body: coding off where it must be searched, scrub. Framing is the two ends' business.
Awaitable<bool> Exchange::relay_body(const ResponsePlan& plan, const PatternSet* patterns,
                                     UpstreamExchange& upstream) {
  BodySource& body = upstream.body();
  BodyFilter filter(patterns, plan.decode, plan.messages);
  Turns turns(worker_.io.get_executor());
  for (bool end = plan.body == BodyKind::kNone; !end;) {
    co_await turns.take();
    BodySource::Piece piece;
    if (!body.poll(piece)) {
      // What is here goes out before anything is waited for.
      const Io io = co_await client_.flush();
      if (io != Io::kOk) {
        co_return false;
      }
      piece = co_await next_piece(body);
    }
    if (piece.state == BodySource::State::kBroken || piece.state == BodySource::State::kMalformed) {
      // The client sees a cut body, never one that looks complete.
      note_broken_body(piece.state == BodySource::State::kMalformed ? "upstream_protocol"
                                                                    : "upstream_truncated");
      (void)co_await client_.flush();
      co_return false;
    }
    end = piece.state == BodySource::State::kEnd;
    filter.supply(piece.data, end);
    for (std::string_view clean = filter.next(); !clean.empty(); clean = filter.next()) {
      const Io io = co_await client_.put_body(clean);
      if (io != Io::kOk) {
        co_return false;
      }
    }
    if (filter.failed()) {
      note_broken_body("upstream_protocol");
      co_return false;
    }
  }
  if (upstream.truncated()) {
    note_broken_body("upstream_truncated");
    (void)co_await client_.flush();
    co_return false;
  }
  std::vector<Field> fields;
  if (plan.body != BodyKind::kNone && !body.trailers(fields)) {
    note_broken_body("upstream_protocol");
    co_return false;
  }
  if (filter.hits() != 0) {
    worker_.state.metrics->note_masked(filter.hits());
  }
  const HeadText trailers = scrubbed_trailers(fields, patterns);
  const Io io = co_await client_.put_end(trailers);
  co_return io == Io::kOk;
}

// The next piece of the response, however long it takes, unless the client leaves.
Awaitable<BodySource::Piece> Exchange::next_piece(BodySource& body) {
  auto give_up = worker_.clock.steady() + kBodyStall;
  std::uint64_t seen = upload_.bytes();
  for (;;) {
    BodySource::Piece piece = co_await body.next(kLookAtClient);
    if (upload_.bytes() != seen) {
      seen = upload_.bytes();  // the other direction is alive
      give_up = worker_.clock.steady() + kBodyStall;
    }
    const bool waiting = piece.state == BodySource::State::kBroken && piece.io == Io::kTimeout;
    if (!waiting || worker_.clock.steady() >= give_up || client_gone()) {
      co_return piece;
    }
  }
}

void Exchange::note_refusal(const Fault& fault) {
  record_.error = fault.code;
  record_.detail = fault.detail;
  record_.decision = fault.status == 403 ? "deny" : "error";
}

void Exchange::note_broken_body(const char* code) {
  record_.error = code;
  record_.decision = "error";
}

Awaitable<bool> Exchange::refuse(const Fault& fault) {
  record_.status = fault.status;
  record_.error = fault.code;
  record_.detail = fault.detail;
  if (record_.decision == "allow") {
    record_.decision = fault.status == 403 ? "deny" : "error";
  }
  if (client_broke_ || upload_.client_broke()) {
    co_return false;
  }
  const LocalReply reply = fault_reply(fault);
  co_return co_await answer(reply);
}

// With a response of our own.
Awaitable<bool> Exchange::answer(const LocalReply& reply) {
  // Over HTTP/2 the rest of a request is in nobody's way.
  const bool readable = !client_.head().http2 && !upload_.malformed() &&
                        (client_.body().ended() || !client_.head().expect_continue);
  bool drained = false;
  if (readable) {
    drained = co_await drain_request_body();
  }
  co_return co_await client_.put_reply(reply, drained);
}

// Reads a small rest of the request's body, so that the connection can go on.
Awaitable<bool> Exchange::drain_request_body() {
  std::uint64_t drained = 0;
  BodySource& body = client_.body();
  while (!body.ended()) {
    const BodySource::Piece piece = co_await body.next(kDrainTimeout);
    drained += piece.data.size();
    upload_.count(piece.data.size());
    if (piece.state == BodySource::State::kMalformed || piece.state == BodySource::State::kBroken ||
        drained > kMaxDrain) {
      co_return false;
    }
  }
  co_return true;
}

}  // namespace av::proxy
