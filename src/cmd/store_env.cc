#include "cmd/store_env.h"

#include <array>
#include <cstdlib>

#include "source/kinds.h"

namespace av::cmd {
namespace {

constexpr std::string_view kEnvScheme = "env";
// In the place of a value that is for nobody inside, within the text of a variable.
constexpr std::string_view kRemoved = "__removed_by_agent_vault__";

// Where the programs and libraries of a store look for what opens it, beside the variables of the
// kind's own settings. What ends in "*" is the beginning of names.
struct Openers {
  std::string_view scheme;
  std::array<std::string_view, 8> variables;
};
constexpr std::array kOpeners = {
    Openers{
        "vault",
        {"VAULT_TOKEN", "BAO_TOKEN", "VAULT_WRAPPED_TOKEN", "VAULT_SECRET_ID", "BAO_SECRET_ID"}},
    Openers{"op",
            {"OP_SERVICE_ACCOUNT_TOKEN", "OP_CONNECT_TOKEN", "OP_SESSION", "OP_SESSION_*",
             "OP_SECRET_KEY"}},
    Openers{"bw", {"BW_SESSION", "BW_PASSWORD", "BW_CLIENTID", "BW_CLIENTSECRET"}},
    Openers{"bws", {"BWS_ACCESS_TOKEN"}},
    Openers{"infisical",
            {"INFISICAL_TOKEN", "INFISICAL_CLIENT_SECRET", "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET",
             "INFISICAL_JWT", "INFISICAL_MACHINE_*"}},
    Openers{"pass", {"PASSWORD_STORE_GPG_OPTS"}}};

void remove_openers(EnvBlock& env, const source::Kind& kind) {
  for (const source::Setting& setting : kind.settings) {
    if (setting.secret && !setting.variable.empty()) {
      env.unset(setting.variable);
    }
  }
  for (const Openers& openers : kOpeners) {
    for (const std::string_view name : openers.variables) {
      if (openers.scheme != kind.scheme || name.empty()) {
        continue;
      }
      if (name.ends_with('*')) {
        env.unset_beginning(name.substr(0, name.size() - 1));
      } else {
        env.unset(name);
      }
    }
  }
}

// What a variable of this process holds, wherever else it stands; it may be a credential's value.
void remove_variable(EnvBlock& env, const std::string& name, std::string_view in_place) {
  const char* const value = std::getenv(name.c_str());
  env.unset(name);
  if (value != nullptr) {
    env.replace_everywhere(value, in_place);
  }
}

Status remove_pairing(EnvBlock& env, store::Store& store, const std::string& uid) {
  const auto opened = store.open_store(uid);
  if (!opened) {
    // Damaged: no run can use it, and none fails for it. Locked keys have failed long before.
    return opened.error().code == ErrorCode::kCorrupt ? Status() : Status(opened.error());
  }
  for (const auto& [name, secret] : opened->secrets) {
    secret.reveal([&](std::string_view bytes) { env.replace_everywhere(bytes, kRemoved); });
  }
  return {};
}

}  // namespace

Status remove_store_variables(EnvBlock& env, store::Store& store, const std::string& vault,
                              const Placeholders& placeholders) {
  AV_TRY(const auto stores, store.list_stores(vault));
  for (const auto& info : stores) {
    const source::Kind* const kind = source::find_kind(info.store.kind);
    if (kind == nullptr) {
      continue;
    }
    remove_openers(env, *kind);
    AV_CHECK(remove_pairing(env, store, info.store.uid));
    if (kind->scheme != kEnvScheme) {
      continue;
    }
    AV_TRY(const auto sources, store.list_sources(vault));
    for (const auto& source : sources) {
      if (source.ref.store_uid == info.store.uid) {
        const auto placeholder = placeholders.find(source.key);
        remove_variable(env, source.ref.item,
                        placeholder == placeholders.end() ? kRemoved : placeholder->second);
      }
    }
    AV_TRY(const auto mappings, store.list_mappings(vault));
    for (const vault::HostMapping& mapping : mappings) {
      if (mapping.ref.store_uid == info.store.uid) {
        remove_variable(env, mapping.ref.item, kRemoved);
      }
    }
  }
  return {};
}

}  // namespace av::cmd
