// Tokens made of a stored secret: client credentials (RFC 6749 section 4.4), a signed assertion
// (RFC 7523 section 2.1), an installation of a GitHub App.

#include <algorithm>

#include "core/clock.h"
#include "core/crypto.h"
#include "core/encoding.h"
#include "oauth/answer.h"
#include "oauth/jwt.h"
#include "oauth/token_request.h"

namespace av::oauth {
namespace {

constexpr std::string_view kJwtGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
// Salesforce takes no longer one; it is used at once.
constexpr std::int64_t kAssertionS = 180;
// GitHub: at most ten minutes ahead, and its clock may be behind ours.
constexpr std::int64_t kAppBehindS = 60;
constexpr std::int64_t kAppAheadS = 540;

class ClaimWriter {
 public:
  void text(std::string_view name, std::string_view value) {
    add(name, '"' + encoding::json_escaped(value) + '"');
  }
  void number(std::string_view name, std::int64_t value) { add(name, std::to_string(value)); }
  [[nodiscard]] std::string object() const { return "{" + out_ + "}"; }

 private:
  void add(std::string_view name, const std::string& json) {
    out_ += (out_.empty() ? "\"" : ",\"") + std::string(name) + "\":" + json;
  }
  std::string out_;
};

TokenResult by_client_credentials(HttpPort& http, const vault::OauthClient& client,
                                  const vault::OauthSecrets& secrets) {
  BodyWriter body(client.json_body);
  body.add("grant_type", "client_credentials");
  if (!client.scopes.empty()) {
    body.add("scope", joined_scopes(client));
  }
  body.add(client.token_params);
  SentSecrets sent;
  sent.add(secrets.client_secret);
  return ask_for_tokens(http, client_request(client, secrets, client.token_url, std::move(body)),
                        sent);
}

TokenResult by_assertion(HttpPort& http, const vault::OauthClient& client,
                         const vault::OauthSecrets& secrets, std::int64_t now_s) {
  ClaimWriter claims;
  claims.text("iss", client.client_id);
  // Google takes a `sub` for the person in whose place the account acts; without one it is itself.
  if (!client.subject.empty()) {
    claims.text("sub", client.subject);
  } else if (client.provider != "google") {
    claims.text("sub", client.client_id);
  }
  claims.text("aud", client.audience.empty() ? client.token_url : client.audience);
  claims.number("iat", now_s);
  claims.number("exp", now_s + kAssertionS);
  claims.text("jti", crypto::random_hex(16));
  if (!client.scopes.empty()) {
    claims.text("scope", joined_scopes(client));  // where Google looks for it
  }
  const auto assertion = sign_jwt(secrets.private_key, claims.object(), client.key_id);
  if (!assertion) {
    return failure_of_ours(assertion.error());
  }
  BodyWriter body(client.json_body);
  body.add("grant_type", kJwtGrant);
  body.add("assertion", *assertion);
  if (!client.scopes.empty()) {
    body.add("scope", joined_scopes(client));
  }
  body.add(client.token_params);
  SentSecrets sent;
  sent.add(*assertion);
  sent.add(secrets.client_secret);
  // The assertion says who the client is; a secret beside it only where there is one.
  vault::OauthClient asking = client;
  if (secrets.client_secret.empty()) {
    asking.auth = vault::ClientAuth::kNone;
    asking.client_id.clear();
  }
  return ask_for_tokens(http, client_request(asking, secrets, client.token_url, std::move(body)),
                        sent);
}

// {"token": "ghs_...", "expires_at": "2026-01-31T08:09:10Z", "permissions": {"contents": "read"}}
TokenResult installation_token(const HttpAnswer& answer, std::int64_t now_s) {
  TokenFailure wrong;
  wrong.code = "no_access_token";
  wrong.message = "the answer has no token";
  TokenResult out = wrong;
  read_answer(answer, [&](const std::optional<JsonView>& object) {
    const auto found = object ? object->find("token") : std::nullopt;
    auto token = found ? found->secret() : Secret();
    const bool good = token && !token->empty() && token->size() <= (std::size_t{64} << 10) &&
                      token->reveal([](std::string_view bytes) {
                        return std::all_of(bytes.begin(), bytes.end(),
                                           [](char c) { return c > ' ' && c < '\x7f'; });
                      });
    if (!good) {
      return;
    }
    Tokens tokens;
    tokens.access_token = std::move(*token);
    const auto until = parse_rfc3339(text_of(*object, "expires_at"));
    constexpr std::int64_t kMost = std::int64_t{366} * 24 * 3600;
    if (until && *until / 1000 > now_s && *until / 1000 - now_s <= kMost) {
      tokens.expires_in_s = *until / 1000 - now_s;
    }
    const auto permissions = object->find("permissions");
    for (const JsonView& one : permissions ? permissions->children() : std::vector<JsonView>()) {
      if (tokens.scopes.size() < 100) {
        tokens.scopes.push_back(code_word(one.name()) + ":" + code_word(one.text()));
      }
    }
    out = std::move(tokens);
  });
  return out;
}

TokenResult by_github_app(HttpPort& http, const vault::OauthClient& client,
                          const vault::OauthSecrets& secrets, std::int64_t now_s) {
  ClaimWriter claims;
  claims.number("iat", now_s - kAppBehindS);
  claims.number("exp", now_s + kAppAheadS);
  claims.text("iss", client.client_id);
  const auto assertion = sign_jwt(secrets.private_key, claims.object(), client.key_id);
  if (!assertion) {
    return failure_of_ours(assertion.error());
  }
  HttpRequest request;
  request.url = client.token_url;
  request.accept = "application/vnd.github+json";
  request.authorization = bearer_authorization(*assertion);
  if (!client.token_params.empty()) {
    BodyWriter body(/*json=*/true);
    body.add(client.token_params);
    request.content_type = body.content_type();
    request.body = body.finish();
  }
  if (const auto good = vault::check_endpoint(request.url, "token_url"); !good) {
    return failure_of_ours(good.error());
  }
  const auto answer = http.send(request);
  if (!answer) {
    return failure_of_port(answer.error());
  }
  if (answer->status >= 200 && answer->status <= 299) {
    return installation_token(*answer, now_s);
  }
  TokenFailure failure = read_token_answer(*answer).error();  // it is no success
  if (answer->status == 404) {
    failure.kind = TokenFailure::Kind::kClient;  // no such installation of this app
  }
  SentSecrets sent;
  sent.add(*assertion);
  sent.hide(failure);
  return failure;
}

}  // namespace

Expected<std::string> github_app_token_url(std::string_view installation_id, std::string_view api) {
  if (installation_id.empty() || installation_id.size() > 20 ||
      installation_id.find_first_not_of("0123456789") != std::string_view::npos) {
    return make_error(ErrorCode::kInvalid, "the installation's id is a number",
                      "it ends the address of the installation's settings on GitHub");
  }
  while (api.ends_with('/')) {
    api.remove_suffix(1);
  }
  std::string url =
      std::string(api) + "/app/installations/" + std::string(installation_id) + "/access_tokens";
  AV_CHECK(vault::check_endpoint(url, "the API's address"));
  return url;
}

TokenResult TokenEndpoint::mint(std::int64_t now_s) {
  switch (client_.flow) {
    case vault::OauthFlow::kClientCredentials:
      return by_client_credentials(http_, client_, secrets_);
    case vault::OauthFlow::kJwtBearer:
      return by_assertion(http_, client_, secrets_, now_s);
    case vault::OauthFlow::kGithubApp:
      return by_github_app(http_, client_, secrets_, now_s);
    case vault::OauthFlow::kCode:
    case vault::OauthFlow::kDevice:
    case vault::OauthFlow::kPasted:
      break;
  }
  return failure_of_ours(make_error(ErrorCode::kInvalid, "this flow makes no tokens of its own"));
}

}  // namespace av::oauth
