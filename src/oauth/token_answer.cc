// What an answer of a token endpoint means (RFC 6749 section 5, and what providers make of it).

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "core/ascii.h"
#include "oauth/answer.h"
#include "oauth/token_endpoint.h"

namespace av::oauth {
namespace {

using Kind = TokenFailure::Kind;

constexpr std::size_t kMostToken = std::size_t{64} << 10;
constexpr std::size_t kMostScope = 512;
constexpr std::size_t kMostScopes = 200;
constexpr std::int64_t kMostRetryAfter = std::int64_t{24} * 3600;

// The grant is gone: only a person can give another.
constexpr std::array<std::string_view, 29> kPermanent = {
    "invalid_grant",              // RFC 6749 section 5.2
    "access_denied",              // RFC 8628 section 3.5: the person said no
    "expired_token",              // RFC 8628 section 3.5: nobody came in time
    "bad_refresh_token",          // GitHub, HubSpot
    "bad_verification_code",      // GitHub: the code
    "bad_auth_code",              // HubSpot
    "incorrect_device_code",      // GitHub
    "refresh_token_expired",      // OpenAI, and the next two
    "refresh_token_reused",       //
    "refresh_token_invalidated",  //
    "refresh_token_revoked",
    "invalid_refresh_token",
    "token_revoked",
    "token_expired",
    "invalid_token",
    "invalid_code",  // Slack, and the next six
    "code_expired",
    "code_already_used",
    "bad_code",
    "account_inactive",
    "user_deactivated",
    "invalid_auth",          //
    "interaction_required",  // OpenID Connect Core section 3.1.2.6; Microsoft answers refreshes so
    "login_required",
    "consent_required",
    "account_selection_required",
    "mfa_required",
    "user_suspended",
    "authorization_revoked"};
constexpr std::array<std::string_view, 14> kTransient = {"temporarily_unavailable",
                                                         "server_error",
                                                         "service_unavailable",
                                                         "internal_error",
                                                         "internal_server_error",
                                                         "fatal_error",
                                                         "ratelimited",
                                                         "rate_limited",
                                                         "rate_limit_exceeded",
                                                         "rate_limit_error",
                                                         "too_many_requests",
                                                         "request_timeout",
                                                         "timeout",
                                                         "overloaded_error"};

bool among(std::span<const std::string_view> list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

Kind kind_of(const ErrorWords& words) {
  if (words.code == "authorization_pending") {
    return Kind::kPending;
  }
  if (words.code == "slow_down") {
    return Kind::kSlowDown;
  }
  if (among(kPermanent, words.code)) {
    return Kind::kPermanent;
  }
  if (among(kTransient, words.code)) {
    return Kind::kTransient;
  }
  // Atlassian says unauthorized_client, Zoom and others invalid_request, Twitch only this.
  const std::string message = ascii::lower(words.message);
  for (const std::string_view said :
       {"refresh_token is invalid", "invalid refresh token", "refresh token is invalid",
        "unknown or invalid refresh token", "refresh token expired", "refresh token has expired",
        "invalid token!"}) {
    if (message.find(said) != std::string::npos) {
      return Kind::kPermanent;
    }
  }
  return Kind::kClient;
}

TokenFailure failure(Kind kind, std::string code, std::string message) {
  TokenFailure out;
  out.kind = kind;
  out.code = std::move(code);
  out.message = std::move(message);
  return out;
}

TokenFailure unusable(std::string code, std::string message) {
  return failure(Kind::kTransient, std::move(code), std::move(message));
}

// RFC 9110 section 10.2.3, in seconds; a date is left to our own back-off.
std::int64_t retry_after(const HttpAnswer& answer) {
  const std::string_view text = ascii::trim(answer.retry_after);
  std::int64_t value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || at != text.data() + text.size() || value < 0) {
    return 0;
  }
  return std::min(value, kMostRetryAfter);
}

bool is_token(const Secret& token, char least) {
  return token.size() <= kMostToken && token.reveal([&](std::string_view bytes) {
    return std::all_of(bytes.begin(), bytes.end(),
                       [&](char c) { return c >= least && c < '\x7f'; });
  });
}

// Absent, null and "" are none. `least`: blanks may stand in a refresh token (RFC 6749 appendix
// A.17), never in what becomes a field value (RFC 6750 section 2.1).
Expected<Secret, TokenFailure> token_of(const JsonView& object, std::string_view name, char least) {
  const auto found = object.find(name);
  if (!found || found->is(JsonView::Kind::kNull)) {
    return Secret();
  }
  auto secret = found->secret();
  if (!secret || !is_token(*secret, least)) {
    return unusable("bad_token",
                    "the answer's " + std::string(name) +
                        " is no text that a request could carry, or is larger than 64 KiB");
  }
  return std::move(*secret);
}

void add_scopes(std::string_view text, std::vector<std::string>& out) {
  for (const std::string_view one : ascii::words(text, " ,")) {
    const bool good = one.size() <= kMostScope && std::all_of(one.begin(), one.end(), [](char c) {
                        return c > ' ' && c < '\x7f' && c != '"' && c != '\\';
                      });
    if (good && out.size() < kMostScopes) {
      out.emplace_back(one);
    }
  }
}

std::vector<std::string> scopes_of(const JsonView& object) {
  std::vector<std::string> out;
  auto found = object.find("scope");
  if (!found) {
    found = object.find("scopes");  // HubSpot
  }
  if (found && found->is(JsonView::Kind::kArray)) {  // Twitch
    for (const JsonView& one : found->children()) {
      add_scopes(one.text(), out);
    }
  } else if (found) {
    add_scopes(found->text(), out);
  }
  return out;
}

bool good_type(const JsonView& object, bool slack) {
  const auto found = object.find("token_type");
  if (!found || found->is(JsonView::Kind::kNull)) {
    return true;  // Slack's user tokens of old, Notion's: a bearer's nevertheless
  }
  const std::string type = ascii::lower(found->text());
  return type == "bearer" || (slack && (type == "bot" || type == "user"));
}

TokenResult tokens_of(const JsonView& object, bool slack) {
  if (!good_type(object, slack)) {
    return failure(Kind::kClient, "token_type", "the provider gave a token that is not a bearer's");
  }
  Tokens out;
  AV_TRY(out.access_token, token_of(object, "access_token", '!'));
  AV_TRY(out.refresh_token, token_of(object, "refresh_token", ' '));
  AV_TRY(out.id_token, token_of(object, "id_token", '!'));
  out.expires_in_s = seconds_of(object, "expires_in");
  out.scopes = scopes_of(object);
  return out;
}

TokenResult read_success(const JsonView& object) {
  const auto ok = object.find("ok");
  const bool slack = ok && ok->boolean() == true;
  AV_TRY(Tokens tokens, tokens_of(object, slack));
  if (!tokens.access_token.empty()) {
    return tokens;
  }
  // Slack, when only a user's scopes were asked for.
  const auto user = object.find("authed_user");
  if (slack && user && user->is(JsonView::Kind::kObject)) {
    AV_TRY(tokens, tokens_of(*user, slack));
    if (!tokens.access_token.empty()) {
      return tokens;
    }
  }
  return unusable("no_access_token", "the answer has no access token");
}

std::string status_text(int status) {
  return "the provider answered with status " + std::to_string(status);
}

TokenFailure read_failure(const HttpAnswer& answer, const std::optional<JsonView>& object) {
  const std::string http = "http_" + std::to_string(answer.status);
  if (answer.status < 400) {
    return unusable(http, "the provider answered with a redirect or no answer at all (status " +
                              std::to_string(answer.status) + "), which is not followed");
  }
  ErrorWords words = object ? error_words(*object, /*failed=*/true) : ErrorWords();
  const bool later =
      answer.status >= 500 || answer.status == 429 || answer.status == 408 || answer.status == 425;
  const std::string message =
      words.message.empty() ? status_text(answer.status) : std::move(words.message);
  words.message = message;
  const Kind said = kind_of(words);
  const bool device = said == Kind::kPending || said == Kind::kSlowDown;
  if (later && !device) {
    return unusable(words.code.empty() ? http : words.code, message);
  }
  if (words.code.empty()) {
    words.code = http;
    // Without a word, a 401 is about the client (RFC 6749 section 5.2); a 400 or 403 may be a
    // firewall's.
    const Kind silent = answer.status == 401 ? Kind::kClient : Kind::kTransient;
    return failure(said == Kind::kPermanent ? said : silent, http, message);
  }
  return failure(said, words.code, message);
}

TokenResult read_object(const HttpAnswer& answer, const std::optional<JsonView>& object) {
  if (answer.status < 200 || answer.status > 299) {
    return read_failure(answer, object);
  }
  if (!object) {
    return unusable("not_json", "the answer is neither JSON nor a form");
  }
  // GitHub and Slack answer so with status 200.
  const ErrorWords words = error_words(*object, /*failed=*/false);
  if (!words.code.empty()) {
    return failure(kind_of(words), words.code,
                   words.message.empty() ? "the provider refused" : words.message);
  }
  return read_success(*object);
}

// Of an answer that is no good otherwise.
std::shared_ptr<const Secret> left_over(const JsonView& object) {
  auto token = token_of(object, "refresh_token", ' ');
  if (const auto user = object.find("authed_user"); token && token->empty() && user) {
    token = token_of(*user, "refresh_token", ' ');
  }
  return token && !token->empty() ? std::make_shared<const Secret>(std::move(*token)) : nullptr;
}

}  // namespace

TokenResult read_token_answer(const HttpAnswer& answer) {
  TokenResult out = unusable("not_json", "the answer was not read");
  read_answer(answer, [&](const std::optional<JsonView>& object) {
    out = read_object(answer, object);
    if (!out && object && answer.status >= 200 && answer.status <= 299) {
      out.error().refresh_token = left_over(*object);
    }
  });
  if (!out) {
    out.error().retry_after_s = retry_after(answer);
  }
  return out;
}

}  // namespace av::oauth
