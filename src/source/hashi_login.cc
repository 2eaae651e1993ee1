#include "source/hashi_login.h"

#include <algorithm>
#include <utility>

#include "source/jwt_file.h"
#include "source/reference_path.h"

namespace av::source {
namespace {

using Why = Failure::Why;

// auth{client_token, lease_duration, renewable}: of a login, a renewal, an unwrapped token.
Result<LoginToken> read_auth(const RestAnswer& answer, std::int64_t from_ms) {
  const auto auth = answer.find({"auth"});
  if (const auto mfa = answer.find({"auth", "mfa_requirement"});
      mfa && mfa->is(vault::JsonView::Kind::kObject)) {
    return failure(Why::kDenied, "Vault asks for a second factor to log in",
                   "a machine cannot give one: use an auth role without MFA");
  }
  LoginToken out;
  AV_TRY(out.value, token_of(auth ? auth->find("client_token") : std::nullopt, "Vault"));
  const auto seconds = answer.find({"auth", "lease_duration"});
  const auto renewable = answer.find({"auth", "renewable"});
  out.renewable = renewable && renewable->boolean().value_or(false);
  set_life(out, from_ms, seconds_to_ms(seconds ? seconds->integer().value_or(0) : 0));
  return out;
}

}  // namespace

HashiLogin::HashiLogin(const HashiClient& client, const Clock& clock, HashiLoginSettings settings,
                       vault::StoreSecrets secrets,
                       std::function<Status(const vault::StoreSecrets&)> keep)
    : client_(client),
      clock_(clock),
      settings_(std::move(settings)),
      keep_(std::move(keep)),
      secrets_(std::move(secrets)) {}

std::string_view HashiLogin::method() const {
  switch (settings_.auth) {
    case HashiAuth::kToken:
      return "token";
    case HashiAuth::kAppRole:
      return "approle";
    case HashiAuth::kKubernetes:
      return "kubernetes";
    case HashiAuth::kJwt:
      return "jwt";
  }
  return {};
}

Result<Secret> HashiLogin::secret(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = secrets_.find(name);
  return found == secrets_.end() ? Secret() : kept(found->second.clone());
}

Result<Secret> HashiLogin::assertion() const {
  if (settings_.token_file.empty()) {
    AV_TRY(Secret jwt, secret("jwt"));
    return checked_jwt(std::move(jwt), "the secret jwt");
  }
  return read_jwt_file(settings_.token_file);
}

Result<LoginToken> HashiLogin::make(const LoginToken* before) const {
  if (before == nullptr || !before->renewable) {
    return given() ? look_up_given() : log_in();
  }
  auto out = renewed(*before);
  // At its longest life a token gains no more: a renewal then gives what is left.
  if (out && (out->ttl_ms == 0 || out->ttl_ms >= before->ttl_ms / 2)) {
    out->ttl_ms = std::max(out->ttl_ms, before->ttl_ms);
    return out;
  }
  if (!out && out.error().why != Why::kDenied && out.error().why != Why::kInvalid) {
    return out;
  }
  if (!given()) {
    return log_in();
  }
  // Used as it is, to its end.
  LoginToken same;
  AV_TRY(same.value, kept(before->value.clone()));
  same.ttl_ms = before->ttl_ms;
  same.ends_ms = out ? out->ends_ms : before->ends_ms;
  same.serial = before->serial;
  return same;
}

Result<LoginToken> HashiLogin::renewed(const LoginToken& before) const {
  const std::int64_t from = steady_ms(clock_);
  AV_TRY(const RestAnswer answer,
         client_.call("POST", "/v1/auth/token/renew-self", &before.value, JsonBody().finish()));
  if (!answer.good()) {
    return client_.failure_of(answer, "renewing its token", {&before.value});
  }
  AV_TRY(LoginToken out, read_auth(answer, from));
  out.ours = before.ours;
  out.serial = before.serial;
  return out;
}

Result<LoginToken> HashiLogin::look_up_given() const {
  LoginToken out;
  AV_TRY(out.value, secret("token"));
  if (out.value.empty()) {
    return failure(Why::kInvalid, "the store has no token", "pair it again");
  }
  const std::int64_t from = steady_ms(clock_);
  AV_TRY(const RestAnswer answer, client_.call("GET", "/v1/auth/token/lookup-self", &out.value));
  if (!answer.good()) {
    // A token without the policy "default" may be good all the same, of a life unknown.
    return out;
  }
  const auto ttl = answer.find({"data", "ttl"});
  const auto renewable = answer.find({"data", "renewable"});
  out.renewable = renewable && renewable->boolean().value_or(false);
  set_life(out, from, seconds_to_ms(ttl ? ttl->integer().value_or(0) : 0));
  if (!out.renewable) {
    out.due_ms = 0;
  }
  return out;
}

Result<RestAnswer> HashiLogin::ask_to_log_in() const {
  JsonBody body;
  Sent sent;
  Secret proof;
  if (settings_.auth == HashiAuth::kAppRole) {
    AV_TRY(proof, secret("secret_id"));
    body.add("role_id", settings_.role_id);
    if (!proof.empty()) {  // a role may go without: bind_secret_id=false
      body.add("secret_id", proof);
    }
  } else {
    AV_TRY(proof, assertion());
    body.add("role", settings_.role).add("jwt", proof);
  }
  sent.push_back(&proof);
  AV_TRY(RestAnswer answer,
         client_.call("POST", "/v1/auth/" + percent_path(settings_.mount) + "/login", nullptr,
                      body.finish(), sent));
  if (!answer.good()) {
    // 400 for what it does not know, 403 for what it does not let in.
    Failure denied = client_.failure_of(answer, "the login by " + std::string(method()), sent);
    denied.why = Why::kDenied;
    denied.hint = "check the role, what it is bound to, and auth_mount";
    return denied;
  }
  return answer;
}

Result<LoginToken> HashiLogin::log_in() const {
  const std::int64_t from = steady_ms(clock_);
  AV_TRY(const RestAnswer answer, ask_to_log_in());
  AV_TRY(LoginToken out, read_auth(answer, from));
  out.ours = true;
  return out;
}

// A wrapping token says which request's answer is inside. One that was put in the place of ours by
// somebody who has opened that comes from another path ("sys/wrapping/wrap").
bool HashiLogin::may_wrap(std::string_view creation_path) const {
  if (settings_.auth == HashiAuth::kToken) {
    return creation_path == "auth/token/create" || creation_path == "auth/token/create-orphan" ||
           creation_path.starts_with("auth/token/create/");
  }
  const std::string before = "auth/" + settings_.mount + "/role/";
  constexpr std::string_view kBehind = "/secret-id";
  if (!creation_path.starts_with(before) || !creation_path.ends_with(kBehind) ||
      creation_path.size() <= before.size() + kBehind.size()) {
    return false;
  }
  const std::string_view role =
      creation_path.substr(before.size(), creation_path.size() - before.size() - kBehind.size());
  return role.find('/') == std::string_view::npos;
}

Result<void> HashiLogin::check_wrapped(const Secret& wrapped) const {
  const Sent sent = {&wrapped};
  JsonBody body;
  body.add("token", wrapped);
  // Asked without being logged in, which the API allows; the token itself is not used up by it.
  AV_TRY(const RestAnswer answer,
         client_.call("POST", "/v1/sys/wrapping/lookup", nullptr, body.finish(), sent));
  if (!answer.good()) {
    const std::string said = answer.said({"errors"}, sent);
    return failure(
        Why::kDenied,
        "the wrapping token does not hold any longer" + (said.empty() ? "" : ": " + said),
        "when it was not too old, somebody else has unwrapped it: have what was inside "
        "revoked, and wrapped anew");
  }
  const std::string path = answer.said({"data", "creation_path"}, sent);
  if (!may_wrap(path)) {
    return failure(Why::kDenied,
                   "the wrapping token holds the answer of " + (path.empty() ? "nothing" : path) +
                       ", which is not what was to be wrapped",
                   "somebody may have put it in the place of the right one");
  }
  return {};
}

Result<void> HashiLogin::unwrap() {
  const bool token = settings_.auth == HashiAuth::kToken;
  const std::string_view name = token ? "wrapped_token" : "wrapped_secret_id";
  AV_TRY(const Secret wrapped, secret(name));
  if (wrapped.empty()) {
    return {};
  }
  AV_CHECK(check_wrapped(wrapped));
  AV_TRY(const RestAnswer answer,
         client_.call("POST", "/v1/sys/wrapping/unwrap", &wrapped, JsonBody().finish()));
  if (!answer.good()) {
    return client_.failure_of(answer, "unwrapping", {&wrapped});
  }
  const auto inside =
      token ? answer.find({"auth", "client_token"}) : answer.find({"data", "secret_id"});
  AV_TRY(Secret opened, token_of(inside, "Vault"));

  const std::lock_guard lock(mutex_);
  secrets_.insert_or_assign(token ? "token" : "secret_id", std::move(opened));
  secrets_.erase(secrets_.find(name));
  if (const auto stored = keep_(secrets_); !stored) {
    return failure(Why::kInvalid, "what was unwrapped could not be kept: " + stored.error().message,
                   "a wrapping token opens once: ask for a new one");
  }
  return {};
}

}  // namespace av::source
