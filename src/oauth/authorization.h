#pragma once
// Authorization: the way of a person through a browser to a code (RFC 6749 section 4.1, RFC 7636,
// RFC 9207), and the device's way without one (RFC 8628).

#include <cstdint>
#include <string>
#include <string_view>

#include "core/expected.h"
#include "core/secret.h"
#include "oauth/http_port.h"
#include "oauth/token_endpoint.h"
#include "vault/oauth.h"

namespace av::oauth {

// One attempt; kept by whoever started it until its answer comes, never longer than kAttemptMs.
struct CodeAttempt {
  static constexpr std::int64_t kAttemptMs = std::int64_t{10} * 60 * 1000;
  Secret state;     // 256 bits, base64url; one use
  Secret verifier;  // 256 bits, base64url
  Secret nonce;     // for OpenID Connect; empty otherwise
  std::string redirect_uri;
  std::string url;  // for the browser: has the state and the challenge, neither verifier nor secret
};
// `openid`: with a nonce.
[[nodiscard]] Expected<CodeAttempt> begin_code(const vault::OauthClient& client,
                                               std::string redirect_uri, bool openid = false);

// The query that came back to the redirect URI, or the whole URL as a person pastes it. The code
// when state (in constant time) and issuer are right and the provider did not refuse.
// kNotPermitted: state, issuer; kInvalid: malformed, or a parameter twice; kConflict: the provider
// said no (its words, made printable).
[[nodiscard]] Expected<Secret> code_from_redirect(const vault::OauthClient& client,
                                                  const CodeAttempt& attempt,
                                                  std::string_view query_or_url);

struct DeviceAttempt {
  Secret device_code;
  std::string user_code;
  std::string verification_uri;           // https, or http to loopback
  std::string verification_uri_complete;  // may be empty
  std::int64_t expires_in_s = 0;
  std::int64_t interval_s = 5;
};
[[nodiscard]] Expected<DeviceAttempt, TokenFailure> begin_device(
    HttpPort& http, const vault::OauthClient& client, const vault::OauthSecrets& secrets);

}  // namespace av::oauth
