// Agents and their tokens; the agents of a vault.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "api/agent_access.h"
#include "api/call.h"
#include "api/route.h"
#include "core/encoding.h"
#include "store/agent_lanes.h"
#include "vault/names.h"
#include "vault/token.h"

namespace av::api {
namespace {

Json time_json(std::int64_t ms) {
  return ms == 0 ? Json(nullptr) : Json(format_utc(ms));
}

Json vaults_json(const vault::Agent& agent) {
  Json vaults = Json::array();
  for (const std::string& vault : agent.vaults) {
    vaults.push_back({{"vault_name", vault}, {"vault_role", "proxy"}});
  }
  return vaults;
}

// The fields of both published APIs.
Json agent_json(const vault::Agent& agent) {
  return {
      {"id", agent.uid},
      {"name", agent.name},
      {"identifier", agent.name},
      {"role", "no-access"},
      {"status", agent.revoked_ms == 0 ? "active" : "revoked"},
      {"vaults", vaults_json(agent)},
      {"all_vaults", agent.vaults.empty()},
      {"services", agent.services},
      {"credentials", agent.credentials},
      {"max_concurrent", agent.max_concurrent},
      {"limit", agent.limit.count == 0 ? Json(nullptr)
                                       : Json{{"count", agent.limit.count},
                                              {"window", vault::to_string(agent.limit.window)}}},
      {"created_at", format_utc(agent.created_ms)},
      {"createdAt", format_utc(agent.created_ms)},
      {"rotated_at", time_json(agent.rotated_ms)},
      {"revoked_at", time_json(agent.revoked_ms)}};
}

// The only reply that has the token.
Reply with_token(const Json& fields, const Secret& token, int status) {
  std::string head = fields.dump();
  head.pop_back();
  SecretBuffer out;
  out.append(head + ",\"av_agent_token\":\"");
  out.append(token);
  out.append("\"}\n");
  return secret_reply("application/json", std::move(out), status);
}

vault::AuditRecord about(Call& call, std::string_view event, const std::string& name) {
  vault::AuditRecord record = call.action(event, name);
  record.agent = name;
  return record;
}

Reply list(Call& call) {
  AV_TRY(const auto agents, call.store().list_agents());
  Json items = Json::array();
  for (const vault::Agent& agent : agents) {
    AV_TRY(const bool visible, may_see(call, agent));
    if (visible) {
      items.push_back(agent_json(agent));
    }
  }
  return json_reply({{"agents", items}});
}

// "vaults": names, or {vault_name, vault_role}; "default" when none is named.
Expected<std::vector<std::string>> read_vaults(Call& call) {
  AV_TRY(const JsonView body, call.body());
  std::vector<std::string> vaults;
  if (const auto list = body.find("vaults"); list && !list->is(JsonView::Kind::kNull)) {
    // Said in a way that is not understood must not mean the vault of those who say nothing.
    if (!list->is(JsonView::Kind::kArray) || list->children().empty()) {
      return make_error(ErrorCode::kInvalid, "\"vaults\" must be a list of vaults, not empty");
    }
    for (const JsonView& item : list->children()) {
      const auto named = item.find("vault_name");
      vaults.push_back(named ? named->text() : item.text());
      AV_CHECK(vault::check_slug("vault", vaults.back()));
      const auto role = item.find("vault_role");
      if (role && role->text() != "proxy") {
        return make_error(ErrorCode::kInvalid, "agents have the role \"proxy\" and no other");
      }
    }
  }
  if (vaults.empty()) {
    AV_TRY(std::string one, call.text_or("vault", vault::kDefaultVault));
    vaults.push_back(std::move(one));
  }
  return vaults;
}

Reply create(Call& call) {
  vault::Agent agent;
  AV_TRY(agent.name, call.text_or("identifier", ""));
  if (agent.name.empty()) {
    AV_TRY(agent.name, call.text("name"));
  }
  AV_TRY(const bool everywhere, call.flag_or("all_vaults", false));
  if (everywhere && !call.actor.owner) {
    return fault(403, "forbidden", "only the owner may let an agent into all vaults");
  }
  if (!everywhere) {
    AV_TRY(agent.vaults, read_vaults(call));
    for (const std::string& name : agent.vaults) {
      AV_TRY(const Role role, call.role_in(name));
      if (role == Role::kNone && !call.actor.owner) {
        return unknown_vault(name);
      }
      if (role < Role::kAdmin && !call.actor.owner) {
        return fault(403, "forbidden",
                     "only an admin of the vault '" + name + "' may let an agent into it");
      }
      AV_CHECK(call.store().get_vault(name));
    }
  }
  AV_TRY(agent.services, call.texts("services"));
  AV_TRY(agent.credentials, call.texts("credentials"));
  AV_TRY(const std::int64_t most, call.number_or("max_concurrent", 0, 100'000, 0));
  agent.max_concurrent = static_cast<std::uint32_t>(most);
  AV_CHECK(vault::check_new_agent(agent));
  AV_TRY(const Secret token, vault::make_token(vault::kAgentToken));
  AV_CHECK(call.audited(about(call, "agent.create", agent.name),
                        [&] { return call.store().create_agent(agent, vault::hash_of(token)); }));
  AV_TRY(const vault::Agent made, call.store().get_agent(agent.name));
  return with_token(agent_json(made), token, 201);
}

Reply get(Call& call) {
  AV_TRY(const vault::Agent agent, find_agent(call, call.parts[0], /*manage=*/false));
  return json_reply(agent_json(agent));
}

Reply revoke(Call& call) {
  AV_TRY(const vault::Agent agent, find_agent(call, call.parts[0], /*manage=*/true));
  AV_CHECK(call.audited(about(call, "agent.revoke", agent.name),
                        [&] { return call.store().revoke_agent(agent.name); }));
  return json_reply({{"name", agent.name}, {"status", "revoked"}});
}

Reply remove(Call& call) {
  AV_TRY(const vault::Agent agent, find_agent(call, call.parts[0], /*manage=*/true));
  AV_CHECK(call.audited(about(call, "agent.delete", agent.name),
                        [&] { return call.store().delete_agent(agent.name); }));
  store::remove_lanes(call.options().paths, agent.uid);
  return json_reply({{"name", agent.name}, {"status", "deleted"}});
}

Reply rotate(Call& call) {
  AV_TRY(const vault::Agent agent, find_agent(call, call.parts[0], /*manage=*/true));
  AV_TRY(const Secret token, vault::make_token(vault::kAgentToken));
  AV_CHECK(call.audited(about(call, "agent.rotate", agent.name), [&] {
    return call.store().rotate_agent(agent.name, vault::hash_of(token));
  }));
  return with_token({{"name", agent.name}, {"rotated_at", format_utc(call.now_ms())}}, token, 200);
}

// -- of one vault

Reply list_in_vault(Call& call) {
  AV_TRY(const auto agents, call.store().list_agents());
  Json items = Json::array();
  for (const vault::Agent& agent : agents) {
    if (agent.may_use_vault(call.vault()) && !vault::is_automatic_agent(agent.name)) {
      items.push_back({{"name", agent.name},
                       {"agent_id", agent.uid},
                       {"vault_role", "proxy"},
                       {"status", agent.revoked_ms == 0 ? "active" : "revoked"}});
    }
  }
  return json_reply({{"agents", items}});
}

Reply add_to_vault(Call& call) {
  AV_TRY(const std::string name, call.text("name"));
  AV_TRY(const std::string role, call.text_or("role", "proxy"));
  if (role != "proxy") {
    return bad_request("agents have the role \"proxy\" and no other");
  }
  AV_CHECK(vault::check_slug("agent", name));
  // Somebody else's agent is not to be had by its name: it would then answer to two masters.
  AV_TRY(vault::Agent agent, find_agent(call, name, /*manage=*/true));
  if (agent.may_use_vault(call.vault())) {
    return fault(409, "exists", "the agent '" + name + "' may use this vault already");
  }
  agent.vaults.push_back(call.vault());
  AV_CHECK(call.audited(about(call, "agent.set", name),
                        [&] { return call.store().update_agent(agent); }));
  return json_reply({{"name", name}, {"vault_role", "proxy"}}, 201);
}

Reply take_from_vault(Call& call) {
  AV_TRY(vault::Agent agent, call.store().get_agent(call.parts[1]));
  const auto it = std::find(agent.vaults.begin(), agent.vaults.end(), call.vault());
  if (it == agent.vaults.end()) {
    return agent.vaults.empty() ? fault(409, "conflict", "this agent may use all vaults",
                                        "the owner can change it: agent-vault agent set")
                                : fault(404, "not_found", "this agent is not in the vault");
  }
  if (agent.vaults.size() == 1) {
    // None named would mean all.
    return fault(409, "conflict", "this is its only vault", "revoke or delete the agent");
  }
  agent.vaults.erase(it);
  AV_CHECK(call.audited(about(call, "agent.set", agent.name),
                        [&] { return call.store().update_agent(agent); }));
  return json_reply({{"name", agent.name}, {"removed", true}});
}

// "role" (Infisical's) and "parentIdentifier" (OneCLI's) are sent by clients that were not written
// for this API; an agent has no role in the instance here and no parent, so nothing comes of them.
constexpr std::string_view kCreate =
    "{name?:string, identifier?:string, vaults?:[string|{vault_name:string, "
    "vault_role?:'proxy'}], vault?:string, all_vaults?:boolean, services?:[string], "
    "credentials?:[string], max_concurrent?:integer, role?:any, parentIdentifier?:any}";

}  // namespace

std::span<const Route> agent_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/v1/agents", "the agents of your vaults", Who::user(), Where::kServe, list, "",
            "{agents:[Agent]}"},
      Route{"POST", "/v1/agents", "name an agent; its token is in this reply only", Who::user(),
            Where::kServe, create, kCreate, "201 Agent"},
      Route{"GET", "/v1/agents/{name}", "one agent", Who::user(), Where::kServe, get, "", "Agent"},
      Route{"DELETE", "/v1/agents/{name}", "let an agent do nothing any more", Who::user(),
            Where::kServe, revoke, "", "{name:string, status:string}"},
      Route{"POST", "/v1/agents/{name}/revoke", "the same", Who::user(), Where::kServe, revoke, "",
            "{name:string, status:string}"},
      Route{"POST", "/v1/agents/{name}/delete", "delete an agent", Who::user(), Where::kServe,
            remove, "", "{name:string, status:string}"},
      Route{"POST", "/v1/agents/{name}/rotate", "give an agent a new token", Who::user(),
            Where::kServe, rotate, "", "{name:string, rotated_at:time, av_agent_token:string}"},
      Route{"GET", "/v1/vaults/{v}/agents", "the agents that may use a vault",
            Who::vault(Role::kMember), Where::kServe, list_in_vault, "",
            "{agents:[{name:string, agent_id:string, vault_role:string, status:string}]}"},
      Route{"POST", "/v1/vaults/{v}/agents", "let an agent use a vault", Who::vault(Role::kAdmin),
            Where::kServe, add_to_vault, "{name:string, role?:'proxy'}",
            "201 {name:string, vault_role:string}"},
      Route{"DELETE", "/v1/vaults/{v}/agents/{name}", "let it no more", Who::vault(Role::kAdmin),
            Where::kServe, take_from_vault, "", "{name:string, removed:boolean}"},
  };
  return kRoutes;
}

}  // namespace av::api
