#pragma once
// Requests of a client to its provider, and what may be told of the answers. Internal to this
// library.

#include <string>
#include <string_view>
#include <vector>

#include "oauth/body_writer.h"
#include "oauth/http_port.h"
#include "oauth/token_endpoint.h"
#include "vault/oauth.h"

namespace av::oauth {

// The secrets of one request, so that nothing that quotes them is shown: as they are, as a form or
// an Authorization has them, and in base64. Holds views.
class SentSecrets {
 public:
  void add(const Secret& secret) { secrets_.push_back(&secret); }
  // What stands behind the scheme.
  void add_authorization(const HttpRequest& request);
  // Whether six characters in a row of one (or all of a shorter one) stand in the text, in
  // whatever case.
  [[nodiscard]] bool stand_in(std::string_view text) const;
  // Takes the provider's words out of a failure that quotes one.
  void hide(TokenFailure& failure) const;

 private:
  std::vector<const Secret*> secrets_;
  std::vector<std::string_view> shown_;
};

// A POST of `body` to `url` with the client's id and secret, as its auth method says.
// `id_always`: the id stands in the body also beside an Authorization (RFC 8628 sections 3.1, 3.4).
[[nodiscard]] HttpRequest client_request(const vault::OauthClient& client,
                                         const vault::OauthSecrets& secrets, std::string url,
                                         BodyWriter body, bool id_always = false);

// What the port's own errors mean.
[[nodiscard]] TokenFailure failure_of_port(const Error& error);
// An error of our own on the way.
[[nodiscard]] TokenFailure failure_of_ours(const Error& error);

// Sends and reads. The URL is checked once more: what was pinned may have been edited.
[[nodiscard]] TokenResult ask_for_tokens(HttpPort& http, const HttpRequest& request,
                                         const SentSecrets& sent);

[[nodiscard]] std::string joined_scopes(const vault::OauthClient& client);

}  // namespace av::oauth
