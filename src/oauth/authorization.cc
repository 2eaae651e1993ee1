#include "oauth/authorization.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/crypto.h"
#include "core/encoding.h"
#include "oauth/answer.h"
#include "oauth/token_request.h"

namespace av::oauth {
namespace {

// RFC 7636 section 7.1: "The code verifier ... MUST be ... at least 256 bits of entropy".
constexpr std::size_t kRandomBytes = 32;
constexpr std::int64_t kMostDeviceS = std::int64_t{24} * 3600;
constexpr std::int64_t kDefaultDeviceS = 600;
constexpr std::int64_t kDefaultIntervalS = 5;  // RFC 8628 section 3.2
constexpr std::int64_t kMostIntervalS = 300;
constexpr std::size_t kMostUserCode = 32;

Expected<Secret> random_text() {
  AV_TRY(const Secret bytes, crypto::random_secret(kRandomBytes));
  SecretBuffer text;
  bytes.reveal(
      [&](std::string_view view) { encoding::append_base64(text, view, encoding::Base64::kUrl); });
  return text.to_secret();
}

std::string challenge_of(const Secret& verifier) {
  const crypto::Digest digest =
      verifier.reveal([](std::string_view text) { return crypto::sha256(text); });
  return encoding::base64({reinterpret_cast<const char*>(digest.data()), digest.size()},
                          encoding::Base64::kUrl);
}

class UrlWriter {
 public:
  explicit UrlWriter(std::string base) : url_(std::move(base)) {
    separator_ = url_.find('?') == std::string::npos ? '?' : '&';
  }
  void add(std::string_view name, std::string_view value) {
    url_ += separator_ + encoding::percent(name) + "=" + encoding::percent(value);
    separator_ = '&';
  }
  [[nodiscard]] std::string take() { return std::move(url_); }

 private:
  std::string url_;
  char separator_;
};

TokenFailure bad_device_answer(std::string_view what) {
  TokenFailure out;
  out.code = "bad_device_answer";
  out.message = "the provider's answer about the device has no usable " + std::string(what);
  return out;
}

std::string checked_url(const JsonView& object, std::string_view name) {
  std::string url = text_of(object, name);
  return vault::check_endpoint(url, name) ? url : std::string();
}

Expected<DeviceAttempt, TokenFailure> device_attempt(const JsonView& object) {
  DeviceAttempt out;
  const auto code = object.find("device_code");
  auto secret = code ? code->secret() : Expected<Secret>(Secret());
  const bool visible = secret && secret->reveal([](std::string_view bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
  });
  if (!visible || secret->empty() || secret->size() > (std::size_t{64} << 10)) {
    return bad_device_answer("device_code");
  }
  out.device_code = std::move(*secret);
  out.user_code = text_of(object, "user_code");
  // A person reads it aloud and types it; and a terminal shows it.
  // Nobody's message to them fits in it.
  if (out.user_code.empty() || out.user_code.size() > kMostUserCode ||
      !std::all_of(out.user_code.begin(), out.user_code.end(), [](char c) {
        return c == ' ' || c == '-' || (c != '_' && ascii::is_word(c));
      })) {
    return bad_device_answer("user_code");
  }
  out.verification_uri = checked_url(object, "verification_uri");
  if (out.verification_uri.empty()) {
    out.verification_uri = checked_url(object, "verification_url");  // Google
  }
  if (out.verification_uri.empty()) {
    return bad_device_answer("verification_uri");
  }
  out.verification_uri_complete = checked_url(object, "verification_uri_complete");
  const std::int64_t lasts = seconds_of(object, "expires_in");
  out.expires_in_s = std::min(lasts == 0 ? kDefaultDeviceS : lasts, kMostDeviceS);
  const std::int64_t interval = seconds_of(object, "interval");
  out.interval_s = std::min(interval == 0 ? kDefaultIntervalS : interval, kMostIntervalS);
  return out;
}

}  // namespace

Expected<CodeAttempt> begin_code(const vault::OauthClient& client, std::string redirect_uri,
                                 bool openid) {
  AV_CHECK(vault::check_oauth_client(client));
  AV_CHECK(vault::check_endpoint(client.authorization_url, "authorization_url"));
  AV_CHECK(vault::check_endpoint(redirect_uri, "redirect_uri"));
  CodeAttempt out;
  out.redirect_uri = std::move(redirect_uri);
  AV_TRY(out.state, random_text());
  AV_TRY(out.verifier, random_text());
  UrlWriter url(client.authorization_url);
  url.add("response_type", "code");
  url.add("client_id", client.client_id);
  url.add("redirect_uri", out.redirect_uri);
  if (!client.scopes.empty()) {
    url.add("scope", joined_scopes(client));
  }
  out.state.reveal([&](std::string_view text) { url.add("state", text); });
  if (client.pkce) {
    url.add("code_challenge", challenge_of(out.verifier));
    url.add("code_challenge_method", "S256");
  }
  if (openid) {
    AV_TRY(out.nonce, random_text());
    out.nonce.reveal([&](std::string_view text) { url.add("nonce", text); });
  }
  for (const auto& [name, value] : client.authorize_params) {
    url.add(name, value);
  }
  out.url = url.take();
  return out;
}

Expected<DeviceAttempt, TokenFailure> begin_device(HttpPort& http, const vault::OauthClient& client,
                                                   const vault::OauthSecrets& secrets) {
  if (const auto good = vault::check_endpoint(client.device_url, "device_url"); !good) {
    return failure_of_ours(good.error());
  }
  BodyWriter body(client.json_body);
  if (!client.scopes.empty()) {
    body.add("scope", joined_scopes(client));
  }
  body.add(client.token_params);  // resource, audience
  SentSecrets sent;
  sent.add(secrets.client_secret);
  const HttpRequest request =
      client_request(client, secrets, client.device_url, std::move(body), /*id_always=*/true);
  sent.add_authorization(request);
  const auto answer = http.send(request);
  if (!answer) {
    return failure_of_port(answer.error());
  }
  Expected<DeviceAttempt, TokenFailure> out = bad_device_answer("content");
  bool is_answer = false;
  if (answer->status >= 200 && answer->status <= 299) {
    read_answer(*answer, [&](const std::optional<JsonView>& object) {
      is_answer = object && error_words(*object, /*failed=*/false).code.empty();
      if (is_answer) {
        out = device_attempt(*object);
      }
    });
  }
  if (!is_answer) {
    // Read as what it is: a refusal, with the codes that both endpoints share.
    TokenResult refusal = read_token_answer(*answer);
    if (!refusal) {
      out = std::move(refusal.error());
    }
  }
  if (!out) {
    sent.hide(out.error());
  }
  return out;
}

}  // namespace av::oauth
