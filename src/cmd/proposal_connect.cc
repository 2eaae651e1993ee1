// A proposal's OAuth slot at the terminal: through the browser, or with tokens that a person has.

#include "cmd/cli.h"
#include "cmd/oauth_flow.h"
#include "cmd/oauth_options.h"
#include "cmd/output.h"
#include "cmd/proposal_cmd.h"
#include "cmd/remote_json.h"
#include "cmd/term.h"
#include "core/encoding.h"
#include "oauth/connection.h"
#include "oauth/slot_client.h"

namespace av::cmd {
namespace {

Status ask_client(vault::OauthClient& client, vault::OauthSecrets& secrets) {
  const std::string known = encoding::printable(client.client_id);
  AV_TRY(const std::optional<std::string> typed,
         ask_line("client id" + (known.empty() ? "" : " (" + known + ")") + ": "));
  if (!typed) {
    return make_error(ErrorCode::kInvalid, "no client id was given",
                      "nothing was changed; the proposal still waits");
  }
  if (!typed->empty()) {
    client.client_id = *typed;
  }
  AV_TRY(secrets.client_secret, read_hidden("client secret (empty when it has none): "));
  if (secrets.client_secret.empty()) {
    client.auth = vault::ClientAuth::kNone;
  } else if (client.auth == vault::ClientAuth::kNone) {
    client.auth = vault::ClientAuth::kPost;
  }
  return {};
}

}  // namespace

Status connect_slot(Context& context, const vault::CredentialSlot& slot, const RunWords& reach,
                    store::Store::ProposalApproval& approval) {
  if (context.remote() != nullptr) {
    return remote_json::not_here("connecting a credential",
                                 "open the proposal's link in a browser");
  }
  AV_TRY(vault::OauthClient client, oauth::client_of_slot(*slot.oauth));
  vault::OauthSecrets secrets;
  const bool browser = !client.authorization_url.empty();
  client.flow = browser ? vault::OauthFlow::kCode : vault::OauthFlow::kPasted;
  notice(context, slot.key + " is an OAuth credential; what you give, and the tokens, go to " +
                      encoding::printable(client.token_url));
  AV_CHECK(ask_client(client, secrets));
  AV_CHECK(vault::check_oauth_client(client));
  AV_TRY(const auto http, provider_http(context, reach));
  oauth::Tokens tokens;
  if (browser) {
    AV_TRY(RedirectListener listener, RedirectListener::open(0));
    AV_TRY(tokens,
           tokens_by_browser(context, *http, client, secrets, listener, BrowserChoice{true}));
  } else {
    AV_TRY(secrets.refresh_token, read_hidden("refresh token of " + slot.key + ": "));
    if (secrets.refresh_token.empty()) {
      return make_error(ErrorCode::kInvalid, "no refresh token of " + slot.key + " was given",
                        "nothing was changed; the proposal still waits");
    }
    AV_TRY(tokens, refreshed_tokens(*http, client, secrets));
  }
  approval.connections.push_back(
      {slot.key, oauth::connection_of(std::move(client), std::move(secrets), std::move(tokens),
                                      context.clock->wall_ms())});
  return {};
}

}  // namespace av::cmd
