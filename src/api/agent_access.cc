#include "api/agent_access.h"

#include <algorithm>

#include "core/encoding.h"
#include "vault/names.h"
#include "vault/token.h"

namespace av::api {

Expected<bool> may_see(Call& call, const vault::Agent& agent) {
  if (call.actor.owner) {
    return true;
  }
  AV_TRY(const auto vaults, call.store().list_vaults());
  for (const store::VaultInfo& info : vaults) {
    if (agent.may_use_vault(info.name)) {
      AV_TRY(const Role role, call.role_in(info.name));
      if (role >= Role::kMember) {
        return true;
      }
    }
  }
  return false;
}

proxy::Outcome<vault::Agent> find_agent(Call& call, const std::string& name, bool manage) {
  const proxy::Fault unknown = fault(404, "not_found", "no agent of this name that you may see");
  if (!vault::check_slug("agent", name)) {
    return unknown;
  }
  auto agent = call.store().get_agent(name);
  if (!agent) {
    return agent.error().code == ErrorCode::kNotFound ? unknown : fault_of(agent.error());
  }
  const auto visible = may_see(call, *agent);
  if (!visible) {
    return fault_of(visible.error());
  }
  if (!*visible) {
    return unknown;
  }
  if (!manage || call.actor.owner) {
    return std::move(*agent);
  }
  bool admin = !agent->vaults.empty();  // one of all vaults is the owner's
  for (const std::string& vault : agent->vaults) {
    const auto role = call.role_in(vault);
    if (!role) {
      return fault_of(role.error());
    }
    admin = admin && *role == Role::kAdmin;
  }
  if (!admin) {
    return fault(403, "forbidden", "only an admin of all vaults of the agent may change it");
  }
  return std::move(*agent);
}

Expected<MintedSession> mint_session(Call& call, const vault::Agent& agent,
                                     std::int64_t ttl_seconds, std::string_view label) {
  if (!agent.may_use_vault(call.vault()) || agent.revoked_ms != 0) {
    return make_error(
        ErrorCode::kNotPermitted,
        "the agent '" + agent.name + "' may not act in the vault '" + call.vault() + "'");
  }
  MintedSession minted;
  minted.id = "ses_" + crypto::random_hex(10);
  minted.expires_ms = call.now_ms() + ttl_seconds * 1000;
  AV_TRY(minted.token, vault::make_token(vault::kSessionToken));
  store::SessionInfo session;
  session.id = minted.id;
  session.agent = agent.name;
  session.agent_uid = agent.uid;
  session.vault = call.vault();
  session.expires_ms = minted.expires_ms;
  session.minted_by = call.actor.kind == Actor::Kind::kUser ? call.actor.uid : std::string();
  std::string detail = minted.id + " of " + agent.name + ", " + std::to_string(ttl_seconds) + " s";
  if (!label.empty()) {
    detail += ", " + encoding::printable(label.substr(0, 100));
  }
  AV_CHECK(call.audited(call.action("session.create", detail), [&] {
    return call.store().create_session(session, vault::hash_of(minted.token));
  }));
  return minted;
}

Expected<vault::Agent> agent_for_sessions(Call& call) {
  const crypto::Digest digest = crypto::sha256(call.actor.uid);
  const std::string name = "sessions-" + encoding::hex(std::span(digest).first(6));
  Expected<vault::Agent> known = call.store().get_agent(name);
  if (known || known.error().code != ErrorCode::kNotFound) {
    return known;
  }
  vault::Agent agent;
  agent.name = name;
  AV_TRY(const Secret token, vault::make_token(vault::kAgentToken));
  AV_CHECK(call.audited(call.action("agent.create", name),
                        [&] { return call.store().create_agent(agent, vault::hash_of(token)); }));
  return call.store().get_agent(name);
}

}  // namespace av::api
