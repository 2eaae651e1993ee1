#pragma once
// Logins of other programs: the files in which Codex and Claude Code keep theirs.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/expected.h"
#include "core/secret.h"
#include "vault/oauth.h"

namespace av::oauth {

struct ImportedLogin {
  vault::OauthClient client;    // flow kPasted, public client of that program
  vault::OauthSecrets secrets;  // refresh token
  Secret access_token;
  std::int64_t expires_ms = 0;
  std::string account;  // Codex: the ChatGPT account's id, which goes with each request
  // Codex: claims of the id_token that the program shows and needs to find in a stand-in.
  std::string plan;
  std::string email;
};
// ~/.codex/auth.json of a ChatGPT login. kInvalid when it holds an API key only (saying so).
[[nodiscard]] Expected<ImportedLogin> import_codex(const Secret& file);
// ~/.claude/.credentials.json. `plan` is its subscriptionType.
[[nodiscard]] Expected<ImportedLogin> import_claude(const Secret& file);
// What a token of that login says about the account, unverified; adds what is not known yet.
void read_account(const Secret& token, ImportedLogin& out);
// The public client of a program; empty id: of neither.
[[nodiscard]] vault::OauthClient program_client(std::string_view program);
// The JSON key of a service account of Google: a client of flow kJwtBearer and its private key, no
// token yet; scopes are the caller's to add. kNotPermitted when its token_uri is not Google's (or
// of this machine).
[[nodiscard]] Expected<ImportedLogin> import_service_account(const Secret& file);

}  // namespace av::oauth
