#include "proxy/login_stage.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "proxy/body_codings.h"
#include "proxy/held_body.h"
#include "proxy/late_answer.h"
#include "proxy/refusals.h"
#include "proxy/worker.h"

namespace av::proxy {
namespace {

// Codes, verifiers and secrets; a client assertion is the largest of them.
constexpr std::size_t kMostRequest = std::size_t{64} << 10;
constexpr HeldBody::Patience kForRequest{Millis{10'000}, Millis{30'000}};
constexpr Millis kForAnswer{30'000};
constexpr Millis kForStore{60'000};
constexpr Millis kLookAtClient{500};

Fault login_fault(int status, std::string_view code, std::string message, std::string help) {
  Fault fault;
  fault.status = status;
  fault.code = code;
  fault.message = std::move(message);
  fault.help = std::move(help);
  fault.transient = status == 503;
  return fault;
}

Fault program_left() {
  return login_fault(503, "approval_unavailable", "the program left before anybody had decided",
                     {});
}

std::size_t count_of(const RequestHead& head, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(head.fields.begin(), head.fields.end(),
                    [&](const Field& field) { return iequals(field.name, name); }));
}

std::string_view value_of(const Head& head, std::string_view name) {
  const Field* const field = head.find(name);
  return field == nullptr ? std::string_view() : field->value;
}

// What `more` decodes to goes behind `out`; false: damaged, or too much.
bool decode(ContentDecoder& decoder, std::string_view more, SecretBuffer& out) {
  decoder.supply(more);
  for (std::span<char> piece = decoder.next(); !piece.empty(); piece = decoder.next()) {
    if (out.size() + piece.size() > LoginKeeper::kMostAnswer) {
      return false;
    }
    out.append(std::string_view(piece.data(), piece.size()));
  }
  return !decoder.failed();
}

}  // namespace

LoginStage::~LoginStage() {
  if (under_way_) {
    worker_.options.logins->abandon(login_);
  }
}

bool LoginStage::concerns(const Worker& worker, const vault::RequestIdentity& identity) {
  return worker.options.logins != nullptr && worker.options.logins->concerns(identity);
}

// Into the client's held body, where everybody after finds it again.
Awaitable<Outcome<void>> LoginStage::read_request(std::string_view& trouble) {
  const RequestHead& head = client_.head();
  if (head.body == BodyKind::kNone) {
    co_return Outcome<void>();
  }
  if (head.expect_continue && !client_.body().buffered()) {
    ResponsePlan go_on;
    go_on.status = 100;
    go_on.reason = "Continue";
    (void)co_await client_.put_interim(go_on);
  }
  HeldBody& body = client_.hold_body(worker_.state.held_bytes);
  const HeldBody::Fill fill = co_await body.fill(kMostRequest, kForRequest, worker_.clock);
  switch (fill) {
    case HeldBody::Fill::kWhole:
      co_return Outcome<void>();
    case HeldBody::Fill::kMore:
      trouble = "its body is larger than 64 KiB";
      co_return Outcome<void>();
    case HeldBody::Fill::kTimeout:
      co_return login_fault(408, "request_timeout", "the request body did not arrive in time", {});
    case HeldBody::Fill::kTooMany:
      co_return login_fault(503, "too_many_held_bodies", "too many request bodies are held",
                            "send fewer requests at one time");
    case HeldBody::Fill::kMalformed:
      co_return bad_request_body();
    case HeldBody::Fill::kBroken:
      break;
  }
  co_return login_fault(400, "bad_request", "the request ended before its body did", {});
}

Awaitable<Outcome<void>> LoginStage::look(const vault::RequestIdentity& identity) {
  std::string_view trouble;
  const Outcome<void> read = co_await read_request(trouble);
  if (!read) {
    co_return read.error();
  }
  const RequestHead& head = client_.head();
  if (head.websocket_upgrade) {
    trouble = "it opens a WebSocket";
  } else if (head.find("content-encoding") != nullptr) {
    trouble = "its body is compressed";
  } else if (count_of(head, "content-type") > 1) {
    trouble = "it has two content types";
  }
  const HeldBody* const body = client_.held_body();
  LoginText text{identity, value_of(head, "content-type"), value_of(head, "authorization"),
                 body == nullptr ? std::string_view() : body->view(), trouble};
  Outcome<LoginStep> step = worker_.options.logins->look(text);
  if (!step) {
    co_return std::move(step.error());
  }
  switch (step->what) {
    case LoginStep::What::kPass:
      break;
    case LoginStep::What::kAnswer:
      set_reply(step->reply);
      break;
    case LoginStep::What::kCapture:
      login_ = std::move(step->login);
      break;
  }
  co_return Outcome<void>();
}

Awaitable<Outcome<void>> LoginStage::wait_for_consent() {
  using Answer = LateAnswer<Outcome<void>>;
  const auto answer = std::make_shared<Answer>(worker_.io.get_executor());
  Answer::Waiting waiting(*answer);
  const LoginKeeper::Consent done = [answer](Outcome<void> said) {
    return Answer::tell(answer, std::move(said));
  };
  worker_.options.logins->consent(login_, done);
  while (!waiting.value()) {
    // Somebody may allow it yet, and the program can send the same code again: so a yes must not
    // come to nobody.
    if (client_.gone() && waiting.leave()) {
      co_return program_left();
    }
    (void)co_await waiting.wait(kLookAtClient);
  }
  Outcome<void> said = std::move(*waiting.value());
  under_way_ = said.has_value();
  if (said && client_.gone()) {
    co_return program_left();  // and the yes is given back
  }
  if (said) {
    record_.detail = "a login, allowed";
  }
  co_return said;
}

Awaitable<std::string> LoginStage::read_answer(const ResponseHead& head, UpstreamExchange& upstream,
                                               SecretBuffer& out) {
  const std::optional<CodingList> codings = content_codings(head.fields);
  if (!codings || head.status == 101) {
    co_return std::string("it is in a form that cannot be read");
  }
  std::optional<ContentDecoder> decoder;
  if (*codings) {
    decoder.emplace(*codings);
  }
  const auto give_up = worker_.clock.steady() + kForAnswer;
  std::size_t coded = 0;
  BodySource& body = upstream.body();
  for (bool end = head.body == BodyKind::kNone; !end;) {
    const BodySource::Piece piece = co_await body.next(kLookAtClient);
    const bool waiting = piece.state == BodySource::State::kBroken && piece.io == Io::kTimeout;
    if (worker_.clock.steady() >= give_up ||
        (piece.state == BodySource::State::kBroken && !waiting) ||
        piece.state == BodySource::State::kMalformed) {
      co_return std::string("it broke off");
    }
    end = piece.state == BodySource::State::kEnd;
    const std::string_view more(piece.data.data(), piece.data.size());
    coded += more.size();
    bool good = coded <= LoginKeeper::kMostAnswer;
    if (good && decoder) {
      good = decode(*decoder, more, out);
    } else if (good) {
      out.append(more);
    }
    if (!good) {
      co_return std::string("it is damaged, or larger than 256 KiB");
    }
  }
  if (upstream.truncated() || (decoder && coded != 0 && !decoder->finished())) {
    co_return std::string("it broke off");
  }
  co_return std::string();
}

Awaitable<Outcome<void>> LoginStage::keep(const ResponseHead& head, UpstreamExchange& upstream) {
  using Answer = LateAnswer<Outcome<LoginReply>>;
  LoginAnswer said;
  said.status = head.status;
  said.content_type = value_of(head, "content-type");
  said.retry_after = value_of(head, "retry-after");
  SecretBuffer body;
  said.trouble = co_await read_answer(head, upstream, body);
  if (auto whole = body.to_secret()) {
    said.body = std::move(*whole);
  } else {
    said.trouble = "there is no memory for it";
  }
  const auto answer = std::make_shared<Answer>(worker_.io.get_executor());
  Answer::Waiting waiting(*answer);
  const LoginKeeper::Kept done = [answer](Outcome<LoginReply> reply) {
    Answer::tell(answer, std::move(reply));
  };
  under_way_ = false;  // it is the keeper's now
  worker_.options.logins->keep(login_, std::move(said), done);
  const auto give_up = worker_.clock.steady() + kForStore;
  while (!waiting.value() && worker_.clock.steady() < give_up) {
    (void)co_await waiting.wait(kLookAtClient);
  }
  if (!waiting.value()) {
    co_return login_fault(503, "login_not_kept", "the login could not be stored in time",
                          "send the same request again");
  }
  Outcome<LoginReply>& reply = *waiting.value();
  if (!reply) {
    co_return std::move(reply.error());
  }
  if (reply->placeholders != nullptr) {
    worker_.know_placeholders(reply->placeholders);
  }
  set_reply(*reply);
  co_return Outcome<void>();
}

void LoginStage::set_reply(const LoginReply& from) {
  LocalReply& reply = reply_.emplace();
  reply.status = from.status;
  reply.body.append(from.body);
  reply.fields.add("Content-Type", from.content_type);
  reply.fields.add("Cache-Control", "no-store");
  reply.fields.add("Pragma", "no-cache");
  if (!from.retry_after.empty()) {
    reply.fields.add("Retry-After", from.retry_after);
  }
  reply.fields.add("Content-Length", std::to_string(reply.body.size()));
  record_.status = from.status;
  record_.detail = from.detail;
}

}  // namespace av::proxy
