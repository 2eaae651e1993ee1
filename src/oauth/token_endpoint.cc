#include "oauth/token_endpoint.h"

#include "oauth/token_request.h"

namespace av::oauth {
namespace {

constexpr std::string_view kDeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

}  // namespace

TokenResult TokenEndpoint::exchange_code(std::string_view code, std::string_view redirect_uri,
                                         const Secret& verifier) {
  BodyWriter body(client_.json_body);
  body.add("grant_type", "authorization_code");
  body.add("code", code);
  body.add("redirect_uri", redirect_uri);
  if (client_.pkce) {
    body.add("code_verifier", verifier);
  }
  body.add(client_.token_params);
  auto own_code = Secret::copy_of(code);
  if (!own_code) {
    return failure_of_ours(own_code.error());
  }
  SentSecrets sent;
  sent.add(*own_code);
  sent.add(verifier);
  sent.add(secrets_.client_secret);
  return ask_for_tokens(
      http_, client_request(client_, secrets_, client_.token_url, std::move(body)), sent);
}

TokenResult TokenEndpoint::refresh() {
  if (secrets_.refresh_token.empty()) {
    TokenFailure failure;
    failure.kind = TokenFailure::Kind::kPermanent;
    failure.code = "no_refresh_token";
    failure.message = "the provider gave no refresh token";
    return failure;
  }
  BodyWriter body(client_.json_body);
  body.add("grant_type", "refresh_token");
  body.add("refresh_token", secrets_.refresh_token);
  body.add(client_.token_params);
  SentSecrets sent;
  sent.add(secrets_.refresh_token);
  sent.add(secrets_.client_secret);
  return ask_for_tokens(
      http_, client_request(client_, secrets_, client_.token_url, std::move(body)), sent);
}

TokenResult TokenEndpoint::poll_device(const Secret& device_code) {
  BodyWriter body(client_.json_body);
  body.add("grant_type", kDeviceGrant);
  body.add("device_code", device_code);
  body.add(client_.token_params);
  SentSecrets sent;
  sent.add(device_code);
  sent.add(secrets_.client_secret);
  return ask_for_tokens(http_,
                        client_request(client_, secrets_, client_.token_url, std::move(body),
                                       /*id_always=*/true),
                        sent);
}

}  // namespace av::oauth
