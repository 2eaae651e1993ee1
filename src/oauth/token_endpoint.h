#pragma once
// TokenEndpoint: every request for a token, and what its answer means. Blocking; touches nothing
// but the port. RFC 6749 sections 4-6, RFC 7523, RFC 8628 section 3.4, RFC 7009.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"
#include "oauth/http_port.h"
#include "vault/oauth.h"

namespace av::oauth {

struct Tokens {
  Secret access_token;   // printable ASCII without blanks (RFC 6750 section 2.1), never empty
  Secret refresh_token;  // empty: the one that was used goes on being good
  Secret id_token;       // empty: none
  std::int64_t expires_in_s = 0;    // 0: the answer does not say, or says nonsense
  std::vector<std::string> scopes;  // empty: those that were asked for
};

struct TokenFailure {
  enum class Kind : std::uint8_t {
    kUnreachable,  // no answer: whether the provider has acted on the request is unknown
    kTransient,    // it says that it cannot now, or what came is not an answer: worth another try
    kPermanent,    // invalid_grant and its kin: a person must connect again
    kPending,      // device: authorization_pending
    kSlowDown,     // device: slow_down
    kClient,       // invalid_client, unauthorized_client, invalid_scope...: the setup is wrong
  };
  Kind kind = Kind::kTransient;
  std::string code;                // "invalid_grant", "http_503", "not_json", "no_access_token"...
  std::string message;             // for people; printable, bounded, without any part of a secret
  std::int64_t retry_after_s = 0;  // 0: not said
  // A refresh token of an answer that has no usable access token; null: none. The one that was used
  // may be void.
  std::shared_ptr<const Secret> refresh_token;
};
// "The words of the provider (invalid_client)".
[[nodiscard]] inline std::string words_of(const TokenFailure& failure) {
  if (failure.message.empty() || failure.code.empty() ||
      failure.message.find(failure.code) != std::string::npos) {
    return failure.message.empty() ? failure.code : failure.message;
  }
  return failure.message + " (" + failure.code + ")";
}
using TokenResult = Expected<Tokens, TokenFailure>;

class TokenEndpoint {
 public:
  // All must outlive this. `now_s`: wall clock, for what is signed.
  TokenEndpoint(HttpPort& http, const vault::OauthClient& client,
                const vault::OauthSecrets& secrets)
      : http_(http), client_(client), secrets_(secrets) {}

  [[nodiscard]] TokenResult exchange_code(std::string_view code, std::string_view redirect_uri,
                                          const Secret& verifier);
  [[nodiscard]] TokenResult refresh();  // with secrets.refresh_token
  [[nodiscard]] TokenResult poll_device(const Secret& device_code);
  // By the client's flow: kClientCredentials, kJwtBearer, kGithubApp.
  [[nodiscard]] TokenResult mint(std::int64_t now_s);
  // RFC 7009; nothing is done when there is no revocation URL. The refresh token, else the access
  // token.
  [[nodiscard]] Status revoke(const Secret& access_token);

 private:
  HttpPort& http_;
  const vault::OauthClient& client_;
  const vault::OauthSecrets& secrets_;
};

// Where a GitHub App gets tokens of one of its installations; `api`, for an own server, ends in
// /api/v3. kInvalid: the id is no number, or the API no URL.
[[nodiscard]] Expected<std::string> github_app_token_url(
    std::string_view installation_id, std::string_view api = "https://api.github.com");

// What an answer of a token endpoint means. For tests and fuzzing.
[[nodiscard]] TokenResult read_token_answer(const HttpAnswer& answer);

}  // namespace av::oauth
