#include "cmd/agent_show.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include "cmd/option_set.h"

#include "cmd/agent_session.h"
#include "cmd/output.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using Sessions = std::vector<store::SessionInfo>;

std::string list_or_all(const std::vector<std::string>& names) {
  return names.empty() ? "all" : join(names, ",");
}

Json time_json(std::int64_t ms) {
  return ms == 0 ? Json() : Json(format_utc(ms));
}

Json sessions_json(const Sessions& sessions) {
  Json list = Json::array();
  for (const store::SessionInfo& session : sessions) {
    list.push_back({{"id", session.id},
                    {"vault", session.vault},
                    {"created", format_utc(session.created_ms)},
                    {"expires", time_json(session.expires_ms)}});
  }
  return list;
}

Sessions sessions_of(const Sessions& all, const vault::Agent& agent) {
  Sessions own;
  std::copy_if(all.begin(), all.end(), std::back_inserter(own),
               [&](const auto& each) { return each.agent_uid == agent.uid; });
  return own;
}

Expected<int> list(Context& context) {
  AV_TRY(const auto agents, context.store->list_agents());
  AV_TRY(const Sessions all, open_sessions(*context.store, context.paths, ""));
  Json array = Json::array();
  Table table({"NAME", "VAULTS", "SCOPE", "LIMITS", "STATE", "SESSIONS", "CREATED"});
  for (const vault::Agent& agent : agents) {
    const Sessions sessions = sessions_of(all, agent);
    Json json = agent_json(agent);
    json["sessions"] = sessions.size();
    array.push_back(std::move(json));
    table.add({agent.name, list_or_all(agent.vaults), scope_text(agent), limits_text(agent),
               agent.revoked_ms == 0 ? "active" : "revoked", std::to_string(sessions.size()),
               show_time(agent.created_ms)});
  }
  if (context.json) {
    print(context.out, Json{{"agents", array}}.dump() + "\n");
  } else if (table.empty()) {
    notice(context, "no agents yet; to make one: agent-vault agent create NAME");
  } else {
    table.print(context.out);
  }
  return 0;
}

Expected<int> show(Context& context, const std::string& name) {
  AV_TRY(const vault::Agent agent, context.store->get_agent(name));
  AV_TRY(const Sessions sessions, open_sessions(*context.store, context.paths, name));
  if (context.json) {
    Json json = agent_json(agent);
    json["sessions"] = sessions_json(sessions);
    print(context.out, json.dump() + "\n");
    return 0;
  }
  const auto line = [&](const char* label, const std::string& text) {
    print(context.out, std::string(label) + text + "\n");
  };
  line("name         ", agent.name);
  line("state        ", agent.revoked_ms == 0 ? "active" : "revoked");
  line("vaults       ", list_or_all(agent.vaults));
  line("services     ", list_or_all(agent.services));
  line("credentials  ", list_or_all(agent.credentials));
  line("limits       ", limits_text(agent));
  line("created      ", show_time(agent.created_ms));
  line("rotated      ", show_time(agent.rotated_ms));
  line("revoked      ", show_time(agent.revoked_ms));
  line("sessions     ", std::to_string(sessions.size()));
  if (!sessions.empty()) {
    print(context.out, "\n");
    Table table({"SESSION", "VAULT", "SINCE", "ENDS"});
    for (const store::SessionInfo& session : sessions) {
      table.add({session.id, session.vault, show_time(session.created_ms),
                 session.expires_ms == 0 ? "with its run" : show_time(session.expires_ms)});
    }
    table.print(context.out);
  }
  return 0;
}

}  // namespace

Json agent_json(const vault::Agent& agent) {
  return {
      {"name", agent.name},
      {"vaults", agent.vaults},
      {"services", agent.services},
      {"credentials", agent.credentials},
      {"max_concurrent", agent.max_concurrent},
      {"limit", agent.limit.count == 0 ? Json()
                                       : Json(std::to_string(agent.limit.count) + "/" +
                                              std::string(vault::to_string(agent.limit.window)))},
      {"state", agent.revoked_ms == 0 ? "active" : "revoked"},
      {"created", format_utc(agent.created_ms)},
      {"rotated", time_json(agent.rotated_ms)},
      {"revoked", time_json(agent.revoked_ms)}};
}

std::string scope_text(const vault::Agent& agent) {
  std::vector<std::string> parts;
  if (!agent.services.empty()) {
    parts.push_back("services " + join(agent.services, ","));
  }
  if (!agent.credentials.empty()) {
    parts.push_back("credentials " + join(agent.credentials, ","));
  }
  return parts.empty() ? "all" : join(parts, "; ");
}

std::string limits_text(const vault::Agent& agent) {
  std::vector<std::string> parts;
  if (agent.max_concurrent != 0) {
    parts.push_back(std::to_string(agent.max_concurrent) + " at a time");
  }
  if (agent.limit.count != 0) {
    parts.push_back(std::to_string(agent.limit.count) + "/" +
                    std::string(vault::to_string(agent.limit.window)));
  }
  return parts.empty() ? "-" : join(parts, ", ");
}

Run setup_agent_list(OptionSet&) {
  return list;
}

Run setup_agent_show(OptionSet& app) {
  const auto name = std::make_shared<std::string>();
  app.add_option("NAME", *name, "name of the agent")->required();
  return [name](Context& context) { return show(context, *name); };
}

}  // namespace av::cmd
