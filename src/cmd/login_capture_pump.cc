// The part of LoginCapture that belongs to the thread that owns the store: it asks, and keeps what
// has come.

#include <algorithm>
#include <utility>

#include "cmd/audit_action.h"
#include "cmd/login_capture.h"
#include "cmd/login_fault.h"
#include "cmd/output.h"
#include "core/crypto.h"
#include "oauth/token_endpoint.h"
#include "vault/placeholder.h"

namespace av::cmd {
namespace {

using proxy::Fault;
using proxy::LoginReply;

constexpr std::string_view kRule = "login capture";

std::string account_of(const vault::OauthClient& client) {
  const std::string email = label_of(client, "email");
  return email.empty() ? std::string() : " (account " + email + ")";
}

// What of the refusals is the provider's own word: the rest says that its answer is none.
bool is_own_word(const oauth::TokenFailure& failure) {
  for (const std::string_view ours : {"not_json", "no_access_token", "bad_token", "token_type"}) {
    if (failure.code == ours) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<std::string> LoginCapture::in_state(State state) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [mark, login] : logins_) {
    if (login.state == state) {
      out.push_back(mark);
    }
  }
  return out;
}

void LoginCapture::pump(const Around& around) {
  for (const std::string& mark : in_state(State::kNew)) {
    ask(around, mark);
  }
  expire();
  for (const std::string& mark : in_state(State::kAnswered)) {
    take_answer(around, mark);
  }
  forget();
}

void LoginCapture::end(const Around& around) {
  for (const std::string& mark : in_state(State::kAnswered)) {
    take_answer(around, mark);
  }
  for (const std::string& mark : in_state(State::kAsking)) {
    options_.desk->withdraw(logins_.at(mark).approval, vault::ApprovalState::kCancelled);
  }
}

// The desk and the store are not used under the lock; only this thread takes logins away.
void LoginCapture::ask(const Around& around, const std::string& mark) {
  Login* login = nullptr;
  {
    const std::lock_guard lock(mutex_);
    login = &logins_.at(mark);
  }
  auto plan = plan_login(*around.context.store,
                         {*login->endpoint, login->request, around.vault, around.principal});
  if (!plan) {
    refuse(mark, not_captured(plan.error().message));
    return;
  }
  vault::ApprovalRequest request;
  request.id = "apr_" + crypto::random_hex(8);
  request.vault = around.vault;
  request.run = options_.run;
  request.agent = around.agent;
  request.agent_uid = around.agent_uid;
  request.rule = kRule;
  request.method = login->method;
  request.url = login->url;
  request.url_no_query = login->url;
  request.has_body = true;
  request.body_size = login->request.shown.size();
  request.preview = login->request.shown;
  request.effect = plan->effect;
  request.created_ms = clock_.wall_ms();
  request.expires_ms = request.created_ms + kAskMs;
  const std::string id = request.id;
  {
    const std::lock_guard lock(mutex_);
    login->state = State::kAsking;
    login->plan = std::move(*plan);
    login->approval = id;
    login->until_ms = request.expires_ms;
  }
  const Status asked = options_.desk->ask(
      std::move(request), [this, mark](vault::ApprovalState state) { decided(mark, state); });
  if (!asked) {
    refuse(mark, not_captured("nobody can be asked: " + asked.error().message));
    return;
  }
  notice(around.context, "a program of this run logs in at " + login->endpoint->title +
                             ": agent-vault approval show " + id + ", then allow or deny");
}

// Told by the desk, on the owner's thread.
void LoginCapture::decided(const std::string& mark, vault::ApprovalState state) {
  if (state != vault::ApprovalState::kAllowed) {
    refuse(mark, not_captured(state == vault::ApprovalState::kExpired
                                  ? "nobody has allowed this login in time"
                                  : "this login was not allowed"));
    return;
  }
  std::vector<Consent> waiting;
  {
    const std::lock_guard lock(mutex_);
    Login& login = logins_.at(mark);
    waiting = std::exchange(login.waiting, {});
    login.state = State::kAllowed;
  }
  // The first who is still there redeems it. Whoever comes meanwhile finds it allowed and takes it,
  // so it is taken here as there: by consent().
  for (Consent& done : waiting) {
    consent(mark, std::move(done));
  }
}

void LoginCapture::refuse(const std::string& mark, Fault fault) {
  std::vector<Consent> waiting;
  {
    const std::lock_guard lock(mutex_);
    Login& login = logins_.at(mark);
    login.state = State::kRefused;
    login.refusal = fault;
    waiting = std::exchange(login.waiting, {});
  }
  for (const Consent& done : waiting) {
    (void)done(fault);
  }
}

void LoginCapture::expire() {
  std::vector<std::pair<std::string, std::string>> late;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [mark, login] : logins_) {
      if (login.state == State::kAsking && clock_.wall_ms() >= login.until_ms) {
        late.emplace_back(mark, login.approval);
      }
    }
  }
  for (const auto& [mark, approval] : late) {
    options_.desk->withdraw(approval, vault::ApprovalState::kExpired);
    decided(mark, vault::ApprovalState::kExpired);
  }
}

void LoginCapture::forget() {
  const std::lock_guard lock(mutex_);
  std::erase_if(logins_, [&](const auto& item) {
    const Login& login = item.second;
    const bool settled = login.state == State::kAllowed || login.state == State::kKept ||
                         login.state == State::kRefused;
    return settled && clock_.wall_ms() - login.since_ms > kRememberMs;
  });
}

void LoginCapture::take_answer(const Around& around, const std::string& mark) {
  Login* login = nullptr;
  {
    const std::lock_guard lock(mutex_);
    login = &logins_.at(mark);
  }
  // Nobody else touches it in this state.
  oauth::HttpAnswer answer;
  answer.status = login->answer.status;
  answer.content_type = login->answer.content_type;
  answer.retry_after = login->answer.retry_after;
  answer.body = std::move(login->answer.body);
  State next = State::kAllowed;
  proxy::Outcome<LoginReply> reply =
      not_kept("the answer of the provider: " + login->answer.trouble);
  auto tokens = oauth::read_token_answer(answer);
  if (login->answer.trouble.empty() && tokens) {
    reply = store_login(around, *login, answer, std::move(*tokens));
    next = reply ? State::kKept : State::kRefused;
  } else if (login->answer.trouble.empty()) {
    const oauth::TokenFailure& failure = tokens.error();
    const oauth::ProgramAnswer shown = oauth::program_refusal(answer, failure);
    LoginReply refused;
    refused.status = answer.status >= 400 ? answer.status : 200;
    if (answer.status >= 300 && answer.status < 400) {
      refused.status = 502;
    } else if (answer.status < 300 && !is_own_word(failure)) {
      refused.status = 502;
    }
    refused.content_type = shown.content_type;
    refused.body = shown.body;
    refused.retry_after = answer.retry_after;
    refused.detail = "a login, refused by the provider: " + failure.code;
    reply = std::move(refused);
  }
  Kept done;
  {
    const std::lock_guard lock(mutex_);
    login->state = next;
    if (next == State::kKept) {
      login->reply = *reply;
      login->reply.placeholders = nullptr;
    } else if (next == State::kRefused) {
      login->refusal = reply.error();
    }
    done = std::move(login->done);
  }
  done(std::move(reply));
}

proxy::Outcome<LoginReply> LoginCapture::store_login(const Around& around, Login& login,
                                                     const oauth::HttpAnswer& answer,
                                                     oauth::Tokens tokens) {
  const std::int64_t now = clock_.wall_ms();
  const oauth::StandIns stand_ins{vault::make_placeholder({}), vault::make_placeholder({}),
                                  vault::make_placeholder({})};
  auto shown = oauth::program_answer(answer, tokens, stand_ins, now);
  if (!shown) {
    return not_kept(shown.error().message);
  }
  const std::string access = oauth::stand_in_of(tokens.access_token, stand_ins.access, now);
  const std::string refresh =
      tokens.refresh_token.empty()
          ? stand_ins.refresh
          : oauth::stand_in_of(tokens.refresh_token, stand_ins.refresh, now);
  const vault::OauthConnection connection = login_connection(
      *login.endpoint, login.url, login.request, std::move(tokens), options_.run, now);
  const std::string& key = login.plan.key;
  vault::AuditRecord record =
      action("oauth.capture", around.vault,
             login.approval + ": " + login.endpoint->title + account_of(connection.client), {key});
  record.agent = around.agent;
  record.run = options_.run;
  const Status stored = audited(around.context, std::move(record), [&] {
    return around.context.store->connect_login(around.vault, key, connection, login.plan.services,
                                               login.plan.replaces_ms);
  });
  if (!stored) {
    return not_kept("the login could not be stored: " + stored.error().message, 503);
  }
  if (!around.reload()) {
    warn(around.context, "the services of " + key + " are not in force yet");
  }
  std::vector<std::string> keys = login.plan.others;
  keys.push_back(key);
  for (const std::string* const text : {&stand_ins.access, &stand_ins.refresh, &stand_ins.id}) {
    for (const std::string& owner : keys) {
      placeholders_.emplace_back(*text, owner);
    }
  }
  LoginReply reply;
  reply.content_type = shown->content_type;
  reply.body = shown->body;
  reply.detail = "a login, kept as " + key;
  reply.placeholders = std::make_shared<const vault::PlaceholderIndex>(placeholders_);
  {
    const std::lock_guard lock(mutex_);
    known_.push_back({group_of(*login.endpoint),
                      {stand_ins.access, stand_ins.refresh, stand_ins.id},
                      oauth::refreshed_answer(access, refresh, connection.granted_scopes)});
  }
  notice(around.context, "the login at " + login.endpoint->title + " is kept as " + key +
                             account_of(connection.client));
  return reply;
}

}  // namespace av::cmd
