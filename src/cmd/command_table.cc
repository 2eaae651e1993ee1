#include <array>
#include <vector>

#include "cmd/cli.h"
#include "cmd/version.h"

namespace av::cmd {

std::span<const Command> command_table() {
  static const std::vector<Command> table = [] {
    std::vector<Command> all;
    for (const auto group :
         {run_commands(),        serve_commands(),      login_commands(),    container_commands(),
          vault_commands(),      credential_commands(), service_commands(),  member_commands(),
          store_commands(),      oauth_commands(),      rule_commands(),     agent_commands(),
          user_commands(),       approval_commands(),   proposal_commands(), log_commands(),
          audit_commands(),      key_commands(),        unlock_commands(),   doctor_commands(),
          completion_commands(), shell_init_commands(), version_commands()}) {
      all.insert(all.end(), group.begin(), group.end());
    }
    return all;
  }();
  return table;
}

std::span<const Group> command_groups() {
  static constexpr std::array<Group, 14> kGroups = {{
      {"vault", "vaults, and the credentials and services in them"},
      {"vault credential", "store, list and change credentials"},
      {"vault service", "which requests get which credential, and how"},
      {"vault member", "which people may use a vault, and how"},
      {"vault store", "external stores: 1Password, Bitwarden, HashiCorp Vault and more"},
      {"oauth", "credentials that a provider gives and that are refreshed"},
      {"rule", "which requests are blocked, limited, held for a human or allowed"},
      {"agent", "who uses the vaults: names, tokens, scopes and limits"},
      {"user", "people: accounts, passwords, roles, invites"},
      {"approval", "requests that wait for a human"},
      {"proposal", "what agents ask for: access that a person allows or refuses"},
      {"audit", "check, export and prune the audit log"},
      {"key", "the key that the store is encrypted with"},
      {"ca", "the certificate authority of the store"},
  }};
  return kGroups;
}

std::span<const Alias> command_aliases() {
  static constexpr std::array<Alias, 8> kAliases = {{
      {"vault creds", "vault credential"},
      {"vault run", "run"},
      {"vault proposal", "proposal"},
      {"credential", "vault credential"},
      {"creds", "vault credential"},
      {"auth login", "login"},
      {"auth logout", "logout"},
      {"account whoami", "whoami"},
  }};
  return kAliases;
}

}  // namespace av::cmd
