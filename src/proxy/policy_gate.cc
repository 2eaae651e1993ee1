#include "proxy/policy_gate.h"

#include <algorithm>
#include <variant>

#include "core/ascii.h"
#include "core/crypto.h"
#include "proxy/body_codings.h"
#include "proxy/refusals.h"
#include "proxy/request_identity.h"
#include "proxy/worker.h"
#include "vault/approval_preview.h"

namespace av::proxy {
namespace {

constexpr HeldBody::Patience kForRules{Millis{30'000}, Millis{300'000}};
// What a reviewer is shown has come: nobody is asked about a body whose beginning is still to be
// made up.
constexpr HeldBody::Patience kForPreview{Millis{10'000}, Millis{60'000}};
constexpr Millis kLookAtClient{500};

Fault policy_fault(int status, std::string_view code, std::string message, std::string help) {
  Fault fault;
  fault.status = status;
  fault.code = code;
  fault.message = std::move(message);
  fault.help = std::move(help);
  fault.transient = status == 429 || status == 503;
  return fault;
}

// Whether the bytes mean what they look like: in UTF-16, UTF-7 or EBCDIC they do not.
bool has_plain_charset(const RequestHead& head) {
  for (const Field& field : head.fields) {
    if (!iequals(field.name, "content-type")) {
      continue;
    }
    const std::string type = ascii::lower(field.value);
    for (std::size_t at = type.find("charset"); at != std::string::npos;
         at = type.find("charset", at + 1)) {
      std::string_view rest =
          std::string_view(type).substr(at + std::string_view("charset").size());
      rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
      if (!rest.starts_with('=')) {
        return false;
      }
      rest.remove_prefix(std::min(rest.find_first_not_of("= \t\"'"), rest.size()));
      const std::string_view name = rest.substr(0, rest.find_first_of(" \t\"';,"));
      if (name != "utf-8" && name != "utf8" && name != "us-ascii") {
        return false;
      }
    }
  }
  return true;
}

std::string url_of(const vault::RequestIdentity& identity, bool with_query) {
  std::string url(vault::to_string(identity.scheme));
  url += "://" + vault::to_string(identity.authority, identity.scheme);
  return url + (with_query ? identity.target.to_string() : identity.target.path);
}

}  // namespace

PolicyGate::PolicyGate(Worker& worker, Downstream& client, vault::AuditRecord& record)
    : worker_(worker),
      client_(client),
      record_(record),
      snapshot_(worker.snapshot),
      key_ring_(worker.key_ring) {}

PolicyGate::~PolicyGate() {
  forget_body();
  if (!asked_.empty()) {
    worker_.waiting.erase(asked_);
    worker_.options.approvals->withdraw(asked_, vault::ApprovalState::kCancelled);
  }
}

// Asks Policy with what is known by now.
Outcome<vault::AllowedRequest> PolicyGate::decide(const vault::RequestIdentity& identity) {
  vault::PolicyInput input;
  input.snapshot = snapshot_;
  input.principal = &worker_.grant.principal;
  input.unmatched = worker_.options.unmatched_override;
  input.limits = worker_.options.limits.get();
  input.now_ms = worker_.clock.wall_ms();
  input.counted = counted_;
  vault::Decision decision = vault::Policy::decide(input, identity, body_ ? &*body_ : nullptr);
  needs_body_ = std::holds_alternative<vault::NeedsBody>(decision);
  held_.reset();
  if (auto* const held = std::get_if<vault::HeldRequest>(&decision)) {
    counted_ = true;
    record_.rule = held->rules().front()->name;
    held_.emplace(std::move(*held));
    return policy_fault(503, "approval_unavailable", "this request must be approved", {});
  }
  if (const auto* const deny = std::get_if<vault::Deny>(&decision)) {
    record_.decision = "deny";
    record_.service = deny->service;
    record_.rule = deny->rule;
    return denial_with_proposal(*deny, identity, *snapshot_, worker_.grant.principal, input.now_ms);
  }
  if (needs_body_) {
    return policy_fault(500, "internal", "a rule wants the body", {});
  }
  vault::AllowedRequest allowed = std::get<vault::AllowedRequest>(std::move(decision));
  record_.rule = allowed.rule() == nullptr ? std::string() : allowed.rule()->name;
  return allowed;
}

Outcome<vault::AllowedRequest> PolicyGate::decide_again(const vault::RequestIdentity& identity) {
  take_newest_policy();
  counted_ = true;
  return decide(identity);
}

Awaitable<Outcome<vault::AllowedRequest>> PolicyGate::wait(const vault::RequestIdentity& identity) {
  Outcome<vault::AllowedRequest> allowed = co_await settle(identity);
  forget_body();
  co_return allowed;
}

Awaitable<Outcome<vault::AllowedRequest>> PolicyGate::settle(
    const vault::RequestIdentity& identity) {
  Outcome<vault::AllowedRequest> allowed = policy_fault(500, "internal", "not decided", {});
  if (needs_body_) {
    const Outcome<void> read = co_await read_body_for_rules();
    if (!read) {
      co_return read.error();
    }
    take_newest_policy();  // a body may take its time
    allowed = decide(identity);
  }
  if (!held_) {
    co_return allowed;
  }
  if (!has_grants(identity)) {
    std::vector<std::string> asked;
    for (const vault::Rule* rule : held_->rules()) {
      asked.push_back(rule->uid);
    }
    const Outcome<void> approved = co_await ask(identity);
    if (!approved) {
      record_.decision = approved.error().status == 403 ? "deny" : "error";
      co_return approved.error();
    }
    // The vault may have changed while a human thought about it: what holds now counts, but for
    // the questions that have been answered.
    take_newest_policy();
    allowed = decide(identity);
    if (!held_ && !needs_body_) {
      co_return allowed;
    }
    const bool answered =
        !needs_body_ && std::all_of(held_->rules().begin(), held_->rules().end(), [&](auto* rule) {
          return std::find(asked.begin(), asked.end(), rule->uid) != asked.end();
        });
    if (!answered) {
      co_return policy_fault(503, "policy_changed",
                             "the rules were changed while this request waited for approval",
                             "send it again");
    }
  }
  std::optional<vault::AllowedRequest> request =
      std::move(*held_).decided(vault::ApprovalState::kAllowed);
  held_.reset();
  co_return std::move(*request);
}

// Nobody looks at it any more.
void PolicyGate::forget_body() {
  body_.reset();
  worker_.state.held_bytes -= decoded_.size();
  decoded_ = SecretBuffer();
}

// Into decoded_. False: damaged, not all there, or more than rules look at; what there is stays.
bool PolicyGate::decode(std::string_view coded, const CodingList& codings) {
  ContentDecoder decoder(codings);
  decoder.supply(coded);
  bool fits = true;
  for (std::span<char> piece = decoder.next(); fits && !piece.empty(); piece = decoder.next()) {
    decoded_.append(std::string_view(piece.data(), piece.size()));
    worker_.state.held_bytes += piece.size();
    fits = decoded_.size() <= vault::BodyView::kMaxSize &&
           worker_.state.held_bytes <= HeldBody::kMaxTotal;
  }
  return fits && !decoder.failed() && decoder.finished();
}

void PolicyGate::take_newest_policy() {
  snapshot_ = worker_.snapshot;
  key_ring_ = worker_.key_ring;
}

// Until the end, or until more than `limit` is here.
Awaitable<Outcome<void>> PolicyGate::read_body(std::size_t limit, HeldBody::Patience patience) {
  if (client_.head().expect_continue && !client_.body().buffered()) {
    ResponsePlan go_on;
    go_on.status = 100;
    go_on.reason = "Continue";
    (void)co_await client_.put_interim(go_on);
  }
  HeldBody& body = client_.hold_body(worker_.state.held_bytes);
  const HeldBody::Fill fill = co_await body.fill(limit, patience, worker_.clock);
  switch (fill) {
    case HeldBody::Fill::kWhole:
    case HeldBody::Fill::kMore:
      co_return Outcome<void>();
    case HeldBody::Fill::kTimeout:
      co_return policy_fault(408, "request_timeout", "the request body did not arrive in time",
                             "a rule looks at bodies before they are sent");
    case HeldBody::Fill::kTooMany:
      co_return policy_fault(503, "too_many_held_bodies",
                             "too many request bodies are held for rules to look at",
                             "send fewer requests at one time");
    case HeldBody::Fill::kMalformed:
      co_return bad_request_body();
    case HeldBody::Fill::kBroken:
      break;
  }
  co_return policy_fault(400, "bad_request", "the request ended before its body did", {});
}

Awaitable<Outcome<void>> PolicyGate::read_body_for_rules() {
  const RequestHead& head = client_.head();
  vault::BodyView view;
  view.state = vault::BodyView::State::kUnreadable;
  const std::optional<CodingList> codings = content_codings(head.fields);
  if (head.websocket_upgrade || !codings || has_coded_messages(head.fields) ||
      !has_plain_charset(head)) {
    body_ = view;
    co_return Outcome<void>();
  }
  const Outcome<void> read = co_await read_body(vault::BodyView::kMaxSize, kForRules);
  if (!read) {
    co_return read.error();
  }
  const std::string_view bytes = client_.hold_body(worker_.state.held_bytes).view();
  const bool whole = bytes.size() <= vault::BodyView::kMaxSize;
  if (whole && !*codings) {
    view = {vault::BodyView::State::kWhole, bytes};
  } else if (whole && decode(bytes, *codings)) {
    view = {vault::BodyView::State::kWhole, decoded_.view()};
  }
  body_ = view;
  co_return Outcome<void>();
}

// Earlier decisions that cover this request too, for each rule that asks.
bool PolicyGate::has_grants(const vault::RequestIdentity& identity) {
  const std::string url = url_of(identity, /*with_query=*/false);
  const auto& rules = held_->rules();
  // A use that is taken while another rule has no grant is lost: first those that may have none.
  const auto may_have = [&](const vault::Rule* rule) {
    return std::any_of(snapshot_->grants.begin(), snapshot_->grants.end(),
                       [&](const vault::ApprovalGrant& g) { return g.rule_uid == rule->uid; });
  };
  return std::all_of(rules.begin(), rules.end(), may_have) &&
         std::all_of(rules.begin(), rules.end(),
                     [&](const vault::Rule* rule) { return take_grant(*rule, url); });
}

bool PolicyGate::take_grant(const vault::Rule& rule, const std::string& url) {
  const std::int64_t now = worker_.clock.wall_ms();
  for (const vault::ApprovalGrant& grant : snapshot_->grants) {
    const bool covers =
        grant.rule_uid == rule.uid && grant.agent_uid == worker_.grant.principal.agent_uid &&
        grant.method == record_.method && grant.url_no_query == url && grant.expires_ms > now;
    if (!covers) {
      continue;
    }
    if (grant.uses == 0) {
      record_.detail = "approved before (" + grant.id + ")";
      return true;
    }
    if (worker_.options.limits == nullptr) {
      continue;
    }
    const auto key = vault::LimitKey::of(snapshot_->vault_uid, grant.id, {}, 0);
    const auto taken = worker_.options.limits->take(key, grant.uses, 0, now);
    if (taken && taken->granted) {
      record_.detail = "approved before (" + grant.id + ", use " + std::to_string(taken->used) +
                       " of " + std::to_string(grant.uses) + ")";
      return true;
    }
  }
  return false;
}

void PolicyGate::describe_body(vault::ApprovalRequest& request) {
  const RequestHead& head = client_.head();
  const HeldBody* const body = client_.held_body();
  request.has_body = head.body != BodyKind::kNone || head.websocket_upgrade;
  if (body == nullptr) {
    request.body_complete = !request.has_body;
    return;
  }
  const std::optional<CodingList> codings = content_codings(head.fields);
  if (!codings) {
    request.preview = "(in a coding that cannot be shown)";
    request.body_size = body->view().size();
    return;
  }
  bool whole = body->whole();
  if (*codings && decoded_.empty()) {
    whole = decode(body->view(), *codings) && whole;
  }
  const std::string_view shown = *codings ? decoded_.view() : body->view();
  vault::BodyPreview preview = vault::preview_of_body(shown);
  request.preview = std::move(preview.text);
  request.body_complete = whole && preview.complete;
  const bool length_known = head.body == BodyKind::kLength && !*codings;
  request.body_size = length_known ? head.content_length : shown.size();
}

vault::ApprovalRequest PolicyGate::describe(const vault::RequestIdentity& identity) {
  vault::ApprovalRequest request;
  request.id = "apr_" + crypto::random_hex(8);
  request.vault = snapshot_->vault_name;
  request.run = worker_.grant.principal.run_id;
  request.agent = worker_.grant.principal.agent;
  request.agent_uid = worker_.grant.principal.agent_uid;
  std::uint32_t timeout = vault::Rule::kMaxTimeoutSeconds;
  for (const vault::Rule* rule : held_->rules()) {
    request.rule += (request.rule.empty() ? "" : ", ") + rule->name;
    request.rule_uids.push_back(rule->uid);
    timeout = std::min(timeout, rule->timeout_seconds);
  }
  request.method = vault::preview_of_line(identity.method);
  request.url = vault::preview_of_line(url_of(identity, /*with_query=*/true));
  request.url_no_query = url_of(identity, /*with_query=*/false);
  if (const Field* const type = client_.head().find("content-type")) {
    request.content_type = vault::preview_of_line(std::string_view(type->value).substr(0, 200));
  }
  describe_body(request);
  request.created_ms = worker_.clock.wall_ms();
  request.expires_ms = request.created_ms + std::int64_t{timeout} * 1000;
  return request;
}

Awaitable<Outcome<void>> PolicyGate::ask(const vault::RequestIdentity& identity) {
  static const std::string kHelp = "the owner of the vault decides with: agent-vault approval list";
  if (worker_.options.approvals == nullptr) {
    co_return policy_fault(503, "approval_unavailable", "nobody can be asked for approval", kHelp);
  }
  const RequestHead& head = client_.head();
  if (client_.held_body() == nullptr && head.body != BodyKind::kNone && !head.websocket_upgrade) {
    const Outcome<void> read = co_await read_body(vault::kPreviewSize, kForPreview);
    if (!read) {
      co_return read.error();
    }
  }
  vault::ApprovalRequest request = describe(identity);
  const Millis timeout{request.expires_ms - request.created_ms};
  asked_ = request.id;
  record_.detail = "approval " + asked_;
  worker_.waiting[asked_] = this;
  // The answer comes on another thread, perhaps when this exchange is gone.
  Worker* const worker = &worker_;
  const std::string id = asked_;
  const vault::ApprovalDesk::Answer answer = [worker, id](vault::ApprovalState state) {
    asio::post(worker->io, [worker, id, state] {
      if (const auto it = worker->waiting.find(id); it != worker->waiting.end()) {
        it->second->answered(state);
      }
    });
  };
  const Status asked = worker_.options.approvals->ask(std::move(request), answer);
  if (!asked) {
    worker_.waiting.erase(asked_);
    asked_.clear();
    Fault fault = policy_fault(429, "approval_queue_full", asked.error().message, kHelp);
    fault.retry_after = std::chrono::duration_cast<std::chrono::seconds>(timeout).count();
    co_return fault;
  }
  co_return co_await wait_for_answer(timeout);
}

Awaitable<Outcome<void>> PolicyGate::wait_for_answer(Millis timeout) {
  const auto until = worker_.clock.steady() + timeout;
  Signal& answered = answered_.emplace(worker_.io.get_executor());
  vault::ApprovalState state = vault::ApprovalState::kPending;
  while (state == vault::ApprovalState::kPending) {
    if (answer_) {
      state = *answer_;
    } else if (worker_.clock.steady() >= until) {
      state = vault::ApprovalState::kExpired;
    } else if (client_.gone()) {
      state = vault::ApprovalState::kCancelled;
    } else {
      (void)co_await answered.wait(kLookAtClient);
    }
  }
  worker_.waiting.erase(asked_);
  if (!answer_) {
    worker_.options.approvals->withdraw(asked_, state);
  }
  asked_.clear();
  record_.detail += ' ';
  record_.detail += vault::to_string(state);
  if (state == vault::ApprovalState::kAllowed) {
    co_return Outcome<void>();
  }
  if (state == vault::ApprovalState::kCancelled) {
    co_return policy_fault(503, "approval_unavailable", "nobody could be asked for approval",
                           "the owner of the vault sees: agent-vault approval list --all");
  }
  co_return approval_fault(state, *held_->rules().front());
}

void PolicyGate::answered(vault::ApprovalState answer) {
  answer_ = answer;
  if (answered_) {
    answered_->notify();
  }
}

}  // namespace av::proxy
