#include "api/agent_access.h"

#include <algorithm>

#include "core/encoding.h"
#include "vault/agent.h"
#include "vault/names.h"
#include "vault/token.h"

namespace av::api {

namespace {

std::string name_for_sessions(const Call& call) {
  const crypto::Digest digest = crypto::sha256(call.actor.uid);
  return std::string(vault::kAutomaticAgent) + encoding::hex(std::span(digest).first(6));
}

// Sessions that a person has made end with the person.
std::string minter_of(const Call& call) {
  return call.actor.is_user() ? call.actor.uid : std::string();
}

}  // namespace

Expected<bool> may_see(Call& call, const vault::Agent& agent) {
  if (call.actor.owner) {
    return true;
  }
  if (vault::is_automatic_agent(agent.name)) {
    return agent.name == name_for_sessions(call);
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

Expected<KeptSession> mint_session(Call& call, const vault::Agent& agent, std::int64_t ttl_seconds,
                                   std::string_view label, std::string_view id_prefix) {
  if (!agent.may_use_vault(call.vault()) || agent.revoked_ms != 0) {
    return make_error(
        ErrorCode::kNotPermitted,
        "the agent '" + agent.name + "' may not act in the vault '" + call.vault() + "'");
  }
  KeptSession minted;
  minted.id = std::string(id_prefix) + crypto::random_hex(10);
  minted.expires_ms = call.now_ms() + ttl_seconds * 1000;
  AV_TRY(minted.token, vault::make_token(vault::kSessionToken));
  store::SessionInfo session;
  session.id = minted.id;
  session.agent = agent.name;
  session.agent_uid = agent.uid;
  session.vault = call.vault();
  session.expires_ms = minted.expires_ms;
  session.minted_by = minter_of(call);
  std::string detail = minted.id + " of " + agent.name + ", " + std::to_string(ttl_seconds) + " s";
  if (!label.empty()) {
    detail += ", " + encoding::printable(label.substr(0, 100));
  }
  AV_CHECK(call.audited(call.action("session.create", detail), [&] {
    return call.store().create_session(session, vault::hash_of(minted.token));
  }));
  return minted;
}

Expected<const KeptSession*> container_session(Call& call, const vault::Agent& agent,
                                               std::int64_t ttl_seconds) {
  const std::string key = call.actor.uid + "\n" + agent.uid + "\n" + call.vault();
  if (const KeptSession* const kept = call.containers().find(key)) {
    const auto holds = call.store().session_of_token(vault::hash_of(kept->token));
    if (holds && holds->vault == call.vault() && agent.may_use_vault(call.vault()) &&
        kept->expires_ms - call.now_ms() > ttl_seconds * 500) {
      return kept;
    }
    call.containers().forget(key);
  }
  AV_TRY(auto sessions, call.store().list_sessions(agent.name));
  std::erase_if(sessions, [&](const store::SessionInfo& session) {
    return !session.id.starts_with(kContainerId) || session.vault != call.vault() ||
           session.minted_by != minter_of(call);
  });
  // The oldest is first.
  for (std::size_t i = 0; i + kMostContainerSessions <= sessions.size(); ++i) {
    AV_CHECK(call.audited(call.action("session.end", sessions[i].id),
                          [&] { return call.store().end_session(sessions[i].id); }));
  }
  AV_TRY(KeptSession minted, mint_session(call, agent, ttl_seconds, "container", kContainerId));
  return &call.containers().keep(key, std::move(minted));
}

Expected<vault::Agent> agent_for_sessions(Call& call) {
  const std::string name = name_for_sessions(call);
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
