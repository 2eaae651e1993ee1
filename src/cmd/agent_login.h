#pragma once
// Subscription logins of known agents (`oauth import codex|claude`): what is kept of one, and what
// the agent finds in its place during a run.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/child_env.h"
#include "core/expected.h"
#include "oauth/import.h"
#include "proxy/local_login.h"
#include "store/store.h"
#include "vault/policy.h"
#include "vault/service.h"

namespace av::cmd {

inline constexpr std::string_view kCodexLoginKey = "CODEX_LOGIN";
inline constexpr std::string_view kClaudeLoginKey = "CLAUDE_LOGIN";

// What is not secret about the account, for OauthClient::labels.
[[nodiscard]] vault::OauthParams labels_of(const oauth::ImportedLogin& login);
// Where the login is used.
[[nodiscard]] std::vector<vault::Service> services_of_login(bool codex, const std::string& key);

// The login of a program as a run has it: by services of the vault that use its credential.
struct AgentLogin {
  std::string key;
  vault::OauthClient client;
  std::string placeholder;
};
struct AgentLogins {
  std::optional<AgentLogin> codex;
  std::optional<AgentLogin> claude;
};
[[nodiscard]] AgentLogins logins_of(store::Store& store, const vault::PolicySnapshot& snapshot,
                                    const Placeholders& placeholders);

// The files in which the programs keep their logins, good for a year from `now_ms` on.
[[nodiscard]] std::string codex_auth_file(const AgentLogin& login, std::int64_t now_ms);
[[nodiscard]] std::string claude_credentials_file(const AgentLogin& login, std::int64_t now_ms);
// What CLAUDE_CODE_OAUTH_TOKEN holds where there is no such file.
[[nodiscard]] std::string claude_access_token(const AgentLogin& login);
// The endpoints at which they would refresh them.
[[nodiscard]] std::vector<proxy::LocalLogin> local_logins(const AgentLogins& logins,
                                                          std::int64_t now_ms);

}  // namespace av::cmd
