// Revocation (RFC 7009), and what some providers have in its place.

#include "core/encoding.h"
#include "oauth/answer.h"
#include "oauth/provider.h"
#include "oauth/token_request.h"

namespace av::oauth {
namespace {

Error refused(std::string words) {
  return make_error(ErrorCode::kConflict, "the provider did not revoke the token: " + words,
                    "revoke it in the provider's own settings");
}

RevokeStyle style_of(const vault::OauthClient& client) {
  const Provider* provider = find_provider(client.provider);
  // Another URL than the catalogue's is somebody's own server: what the standard says.
  return provider != nullptr && provider->client.revocation_url == client.revocation_url
             ? provider->revoke
             : RevokeStyle::kToken;
}

// "https://api.github.com/app/installations/1/access_tokens" -> ".../installation/token".
std::string installation_url(std::string_view token_url) {
  const std::size_t app = token_url.find("/app/installations/");
  return app == std::string_view::npos
             ? std::string()
             : std::string(token_url.substr(0, app)) + "/installation/token";
}

HttpRequest bearer_request(std::string_view method, std::string url, const Secret& token) {
  HttpRequest out;
  out.method = method;
  out.url = std::move(url);
  out.authorization = bearer_authorization(token);
  return out;
}

// https://docs.github.com/rest/apps/oauth-applications: the token in the body, the client as Basic.
HttpRequest github_request(const vault::OauthClient& client, const vault::OauthSecrets& secrets,
                           const Secret& token) {
  BodyWriter body(/*json=*/true);
  body.add("access_token", token);
  HttpRequest out;
  out.method = "DELETE";
  out.url = client.revocation_url + "/" + encoding::percent(client.client_id) + "/token";
  out.accept = "application/vnd.github+json";
  out.authorization = basic_authorization(client.client_id, secrets.client_secret);
  out.content_type = body.content_type();
  out.body = body.finish();
  return out;
}

struct Outcome {
  Status status;
  bool other_kind = false;  // RFC 7009 section 2.2.1: unsupported_token_type
};

Outcome outcome_of(const HttpAnswer& answer, const SentSecrets& sent) {
  const bool failed = answer.status < 200 || answer.status > 299;
  ErrorWords words;
  read_answer(answer, [&](const std::optional<JsonView>& object) {
    words = object ? error_words(*object, failed) : ErrorWords();
  });
  if (!failed && words.code.empty()) {
    return {};
  }
  // "invalid tokens do not cause an error response": some say so nevertheless. It is gone already.
  if (words.code == "invalid_token" || words.code == "token_revoked" ||
      words.code == "token_expired" || words.code == "invalid_auth") {
    return {};
  }
  std::string said = words.code.empty() ? "status " + std::to_string(answer.status) : words.code;
  if (!words.message.empty()) {
    said += ", " + words.message;
  }
  if (sent.stand_in(said)) {
    said = "status " + std::to_string(answer.status);
  }
  return {refused(std::move(said)), words.code == "unsupported_token_type"};
}

Expected<Outcome> send(HttpPort& http, const HttpRequest& request, const SentSecrets& sent) {
  AV_CHECK(vault::check_endpoint(request.url, "revocation_url"));
  SentSecrets all = sent;
  all.add_authorization(request);
  AV_TRY(const HttpAnswer answer, http.send(request));
  return outcome_of(answer, all);
}

HttpRequest token_request(const vault::OauthClient& client, const vault::OauthSecrets& secrets,
                          const Secret& token, std::string_view hint) {
  BodyWriter body(client.json_body);
  body.add("token", token);
  if (!hint.empty()) {
    body.add("token_type_hint", hint);
  }
  return client_request(client, secrets, client.revocation_url, std::move(body));
}

}  // namespace

Status TokenEndpoint::revoke(const Secret& access_token) {
  SentSecrets sent;
  sent.add(access_token);
  sent.add(secrets_.refresh_token);
  sent.add(secrets_.client_secret);
  if (client_.flow == vault::OauthFlow::kGithubApp) {
    std::string url = installation_url(client_.token_url);
    if (url.empty() || access_token.empty()) {
      return {};
    }
    AV_TRY(const Outcome done,
           send(http_, bearer_request("DELETE", std::move(url), access_token), sent));
    return done.status;
  }
  if (client_.revocation_url.empty()) {
    return {};
  }
  const RevokeStyle style = style_of(client_);
  const bool refresh = style == RevokeStyle::kToken && !secrets_.refresh_token.empty();
  if (!refresh && access_token.empty()) {
    return {};
  }
  if (refresh) {
    AV_TRY(const Outcome done,
           send(http_, token_request(client_, secrets_, secrets_.refresh_token, "refresh_token"),
                sent));
    if (!done.other_kind || access_token.empty()) {
      return done.status;
    }
  }
  HttpRequest request;
  switch (style) {
    case RevokeStyle::kToken:
      request = token_request(client_, secrets_, access_token, "access_token");
      break;
    case RevokeStyle::kAccessToken:
      request = token_request(client_, secrets_, access_token, {});  // it knows no hint either
      break;
    case RevokeStyle::kBearer:
      request = bearer_request("POST", client_.revocation_url, access_token);
      break;
    case RevokeStyle::kGithub:
      request = github_request(client_, secrets_, access_token);
      break;
  }
  AV_TRY(const Outcome done, send(http_, request, sent));
  return done.status;
}

}  // namespace av::oauth
