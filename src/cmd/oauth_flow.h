#pragma once
// The ways by which a person's tokens come in: through the browser, with a code on another device,
// or made of a stored secret.

#include <cstdint>
#include <string>

#include "cmd/command.h"
#include "cmd/redirect_listener.h"
#include "core/expected.h"
#include "oauth/http_port.h"
#include "oauth/token_endpoint.h"
#include "store/store.h"
#include "vault/oauth.h"

namespace av::cmd {

struct BrowserChoice {
  bool open = true;  // else the person pastes the address that the browser ended at
};

// Each tells the person on stderr what to do. What comes has been checked, and is not stored yet.
[[nodiscard]] Expected<oauth::Tokens> tokens_by_browser(Context& context, oauth::HttpPort& http,
                                                        const vault::OauthClient& client,
                                                        const vault::OauthSecrets& secrets,
                                                        RedirectListener& listener,
                                                        BrowserChoice browser);
[[nodiscard]] Expected<oauth::Tokens> tokens_by_device(Context& context, oauth::HttpPort& http,
                                                       const vault::OauthClient& client,
                                                       const vault::OauthSecrets& secrets,
                                                       BrowserChoice browser);
[[nodiscard]] Expected<oauth::Tokens> minted_tokens(Context& context, oauth::HttpPort& http,
                                                    const vault::OauthClient& client,
                                                    const vault::OauthSecrets& secrets);
// By the one refresh token that there is.
[[nodiscard]] Expected<oauth::Tokens> refreshed_tokens(oauth::HttpPort& http,
                                                       const vault::OauthClient& client,
                                                       const vault::OauthSecrets& secrets);

[[nodiscard]] Error error_of(const oauth::TokenFailure& failure);

}  // namespace av::cmd
