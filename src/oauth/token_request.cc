#include "oauth/token_request.h"

#include <algorithm>

#include "core/encoding.h"
#include "vault/quoting.h"

namespace av::oauth {
namespace {

constexpr std::size_t kLeastForm = 6;

bool quotes(std::string_view text, std::string_view form) {
  const auto copy = Secret::copy_of(form);
  return !copy || vault::quotes(text, *copy);
}

// In base64 a secret looks different at each of three places; what depends on its neighbours is
// cut off.
bool quotes_base64(std::string_view text, std::string_view secret) {
  for (std::size_t from = 0; from < 3 && from < secret.size(); ++from) {
    const std::string_view rest = secret.substr(from);
    for (const auto alphabet : {encoding::Base64::kStandard, encoding::Base64::kUrl}) {
      SecretBuffer form;
      encoding::append_base64(form, rest.substr(0, rest.size() / 3 * 3), alphabet);
      if (form.size() >= kLeastForm && quotes(text, form.view())) {
        return true;
      }
    }
  }
  return false;
}

bool quotes_form(std::string_view text, std::string_view secret) {
  SecretBuffer form;
  encoding::append_percent(form, secret);
  return quotes(text, form.view()) || quotes_base64(text, secret);
}

}  // namespace

void SentSecrets::add_authorization(const HttpRequest& request) {
  const std::string_view value = request.authorization.view();
  shown_.push_back(value.substr(std::min(value.find(' ') + 1, value.size())));
}

bool SentSecrets::stand_in(std::string_view text) const {
  for (const Secret* secret : secrets_) {
    if (vault::quotes(text, *secret) ||
        secret->reveal([&](std::string_view bytes) { return quotes_form(text, bytes); })) {
      return true;
    }
  }
  return std::any_of(shown_.begin(), shown_.end(),
                     [&](std::string_view form) { return !form.empty() && quotes(text, form); });
}

void SentSecrets::hide(TokenFailure& failure) const {
  if (stand_in(failure.code)) {
    failure.code = "error";
  }
  if (stand_in(failure.message)) {
    failure.message = "the provider refused, quoting what had been sent to it";
  }
}

HttpRequest client_request(const vault::OauthClient& client, const vault::OauthSecrets& secrets,
                           std::string url, BodyWriter body, bool id_always) {
  HttpRequest out;
  out.url = std::move(url);
  // RFC 6749 section 2.3: "The client MUST NOT use more than one authentication method in each
  // request."
  const bool basic = client.auth == vault::ClientAuth::kBasic;
  if (basic) {
    out.authorization = basic_authorization(client.client_id, secrets.client_secret);
  }
  if ((!basic || id_always) && !client.client_id.empty()) {
    body.add("client_id", client.client_id);
  }
  if (client.auth == vault::ClientAuth::kPost && !secrets.client_secret.empty()) {
    body.add("client_secret", secrets.client_secret);
  }
  out.content_type = body.content_type();
  out.body = body.finish();
  return out;
}

TokenFailure failure_of_port(const Error& error) {
  using Kind = TokenFailure::Kind;
  TokenFailure out;
  out.kind = error.code == ErrorCode::kNetwork        ? Kind::kUnreachable
             : error.code == ErrorCode::kNotPermitted ? Kind::kClient
                                                      : Kind::kTransient;
  out.code = to_string(error.code);
  out.message = error.message;
  return out;
}

TokenFailure failure_of_ours(const Error& error) {
  TokenFailure out;
  out.kind = error.code == ErrorCode::kInternal ? TokenFailure::Kind::kTransient
                                                : TokenFailure::Kind::kClient;
  out.code = to_string(error.code);
  out.message = error.message;
  return out;
}

TokenResult ask_for_tokens(HttpPort& http, const HttpRequest& request, const SentSecrets& sent) {
  if (const auto good = vault::check_endpoint(request.url, "token_url"); !good) {
    return failure_of_ours(good.error());
  }
  SentSecrets all = sent;
  all.add_authorization(request);
  const auto answer = http.send(request);
  if (!answer) {
    TokenFailure failure = failure_of_port(answer.error());
    all.hide(failure);
    return failure;
  }
  TokenResult out = read_token_answer(*answer);
  if (!out) {
    all.hide(out.error());
  }
  return out;
}

std::string joined_scopes(const vault::OauthClient& client) {
  std::string out;
  for (const std::string& scope : client.scopes) {
    out += (out.empty() ? "" : client.scope_separator) + scope;
  }
  return out;
}

}  // namespace av::oauth
