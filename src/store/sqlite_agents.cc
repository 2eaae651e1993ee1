#include <algorithm>
#include <nlohmann/json.hpp>

#include "store/sqlite_store.h"

namespace av::store {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kRead = "cannot read the store";
constexpr std::string_view kListAgents = "agent-vault agent list";
constexpr const char* kAgentNames = "SELECT name FROM agent";
// Sessions that are over are kept this long.
constexpr std::int64_t kKeptMs = std::int64_t{24} * 3600 * 1000;

// In place of the vaults of an agent that has none left; a name begins with a letter or a digit.
constexpr std::string_view kNoVault = "-";

constexpr const char* kSelectAgents =
    "SELECT name, uid, body, created_ms, rotated_ms, revoked_ms FROM agent";
constexpr const char* kSelectSessions =
    "SELECT s.id, a.name, a.uid, v.name, s.created_ms, s.expires_ms, s.token_hash, s.minted_by"
    " FROM session s"
    " JOIN agent a ON a.id = s.agent_id JOIN vault v ON v.id = s.vault_id"
    " WHERE s.ended_ms = 0 AND a.revoked_ms = 0 AND (s.expires_ms = 0 OR s.expires_ms > ?1)";

// Scope and limits; the rest has columns of its own.
std::string body_of(const vault::Agent& agent) {
  return Json{{"vaults", agent.vaults},           {"services", agent.services},
              {"credentials", agent.credentials}, {"max_concurrent", agent.max_concurrent},
              {"limit", agent.limit.count},       {"window", vault::to_string(agent.limit.window)}}
      .dump();
}

// A body that cannot be read must not be taken for one without limits.
bool read_list(const Json& body, const char* name, std::vector<std::string>& list) {
  const auto member = body.find(name);
  if (member == body.end() || !member->is_array()) {
    return false;
  }
  for (const Json& element : *member) {
    if (!element.is_string()) {
      return false;
    }
    list.push_back(element.get<std::string>());
  }
  return true;
}

bool read_number(const Json& body, const char* name, std::uint32_t& number) {
  const auto member = body.find(name);
  if (member == body.end() || !member->is_number_unsigned() ||
      member->get<std::uint64_t>() > vault::RateLimit::kMaxCount) {
    return false;
  }
  number = member->get<std::uint32_t>();
  return true;
}

bool read_body(const std::string& text, vault::Agent& agent) {
  const Json body = Json::parse(text, nullptr, false);
  if (!body.is_object() || !body.contains("window") || !body["window"].is_string()) {
    return false;
  }
  const auto window = vault::rate_window_from_string(body["window"].get<std::string>());
  if (!window) {
    return false;
  }
  agent.limit.window = *window;
  return read_list(body, "vaults", agent.vaults) && read_list(body, "services", agent.services) &&
         read_list(body, "credentials", agent.credentials) &&
         read_number(body, "max_concurrent", agent.max_concurrent) &&
         read_number(body, "limit", agent.limit.count);
}

Expected<vault::Agent> agent_of(SQLite::Statement& statement) {
  vault::Agent agent;
  agent.name = statement.getColumn(0).getString();
  agent.uid = statement.getColumn(1).getString();
  if (!read_body(statement.getColumn(2).getString(), agent)) {
    return make_error(ErrorCode::kCorrupt, "the agent '" + agent.name + "' cannot be read",
                      "agent-vault agent delete " + agent.name);
  }
  agent.created_ms = statement.getColumn(3).getInt64();
  agent.rotated_ms = statement.getColumn(4).getInt64();
  agent.revoked_ms = statement.getColumn(5).getInt64();
  return agent;
}

SessionInfo session_of(SQLite::Statement& statement) {
  SessionInfo session;
  session.id = statement.getColumn(0).getString();
  session.agent = statement.getColumn(1).getString();
  session.agent_uid = statement.getColumn(2).getString();
  session.vault = statement.getColumn(3).getString();
  session.created_ms = statement.getColumn(4).getInt64();
  session.expires_ms = statement.getColumn(5).getInt64();
  session.minted_by = statement.getColumn(7).getString();
  return session;
}

Error unknown_token() {
  return make_error(ErrorCode::kNotPermitted, "this token belongs to nobody, or not any more",
                    "agent-vault agent rotate NAME makes a new one");
}

}  // namespace

Expected<std::map<std::string, vault::Agent, std::less<>>> SqliteStore::load_agents(
    std::string_view vault) {
  std::map<std::string, vault::Agent, std::less<>> agents;
  auto statement =
      database_.prepare((std::string(kSelectAgents) + " WHERE revoked_ms = 0").c_str());
  while (statement.executeStep()) {
    Expected<vault::Agent> agent = agent_of(statement);
    // One that cannot be read may do nothing; the others are none the worse for it.
    if (agent && agent->may_use_vault(vault)) {
      std::string name = agent->name;
      agents.emplace(std::move(name), std::move(*agent));
    }
  }
  return agents;
}

Expected<vault::Agent> SqliteStore::find_agent(std::string_view name) {
  auto statement = database_.prepare((std::string(kSelectAgents) + " WHERE name = ?").c_str());
  put(statement, 1, name);
  if (!statement.executeStep()) {
    return not_found("agent", name, names(kAgentNames, 0), kListAgents);
  }
  return agent_of(statement);
}

// Existence is all that is asked: also for one whose body cannot be read.
Expected<std::int64_t> SqliteStore::agent_id(std::string_view name) {
  auto statement = database_.prepare("SELECT id FROM agent WHERE name = ?");
  put(statement, 1, name);
  if (!statement.executeStep()) {
    return not_found("agent", name, names(kAgentNames, 0), kListAgents);
  }
  return statement.getColumn(0).getInt64();
}

Expected<std::vector<vault::Agent>> SqliteStore::list_agents() {
  return database_.read(kRead, [&]() -> Expected<std::vector<vault::Agent>> {
    std::vector<vault::Agent> agents;
    auto statement = database_.prepare((std::string(kSelectAgents) + " ORDER BY name").c_str());
    while (statement.executeStep()) {
      AV_TRY(vault::Agent agent, agent_of(statement));
      agents.push_back(std::move(agent));
    }
    return agents;
  });
}

Expected<vault::Agent> SqliteStore::get_agent(std::string_view name) {
  return database_.read(kRead, [&] { return find_agent(name); });
}

Status SqliteStore::create_agent(const vault::Agent& agent, const crypto::Digest& token_hash) {
  AV_CHECK(vault::check_agent(agent));
  return database_.write("cannot save the agent", [&]() -> Status {
    if (agent_id(agent.name)) {
      return make_error(ErrorCode::kExists, "there is an agent named '" + agent.name + "'",
                        "agent-vault agent set " + agent.name + " changes it, agent rotate " +
                            agent.name + " makes a new token");
    }
    auto statement = database_.prepare(
        "INSERT INTO agent (uid, name, token_hash, body, created_ms) VALUES (?, ?, ?, ?, ?)");
    put(statement, 1, crypto::random_hex(16));
    put(statement, 2, agent.name);
    put(statement, 3, bytes_of(token_hash));
    put(statement, 4, body_of(agent));
    put(statement, 5, clock_.wall_ms());
    statement.exec();
    return {};
  });
}

Status SqliteStore::update_agent(const vault::Agent& agent) {
  AV_CHECK(vault::check_agent(agent));
  return database_.write("cannot save the agent", [&]() -> Status {
    AV_TRY(const std::int64_t id, agent_id(agent.name));
    auto statement = database_.prepare("UPDATE agent SET body = ? WHERE id = ?");
    put(statement, 1, body_of(agent));
    put(statement, 2, id);
    statement.exec();
    return {};
  });
}

void SqliteStore::end_sessions_of(std::int64_t agent_id, std::int64_t now_ms) {
  auto statement =
      database_.prepare("UPDATE session SET ended_ms = ? WHERE agent_id = ? AND ended_ms = 0");
  put(statement, 1, now_ms);
  put(statement, 2, agent_id);
  statement.exec();
}

Status SqliteStore::rotate_agent(std::string_view name, const crypto::Digest& token_hash) {
  return database_.write("cannot save the agent", [&]() -> Status {
    AV_TRY(const std::int64_t id, agent_id(name));
    const std::int64_t now = clock_.wall_ms();
    // Runs tell one token from the next by this time: it has to grow, whatever the clock does.
    auto statement = database_.prepare(
        "UPDATE agent SET token_hash = ?1, rotated_ms = max(?2, rotated_ms + 1), revoked_ms = 0"
        " WHERE id = ?3");
    put(statement, 1, bytes_of(token_hash));
    put(statement, 2, now);
    put(statement, 3, id);
    statement.exec();
    end_sessions_of(id, now);
    return {};
  });
}

Status SqliteStore::revoke_agent(std::string_view name) {
  return database_.write("cannot save the agent", [&]() -> Status {
    AV_TRY(const std::int64_t id, agent_id(name));
    const std::int64_t now = clock_.wall_ms();
    auto statement =
        database_.prepare("UPDATE agent SET revoked_ms = ? WHERE id = ? AND revoked_ms = 0");
    put(statement, 1, now);
    put(statement, 2, id);
    statement.exec();
    end_sessions_of(id, now);
    // What a human allowed it goes with it, also when it is let in again.
    auto grants = database_.prepare(
        "DELETE FROM approval_grant WHERE agent_uid = (SELECT uid FROM agent WHERE id = ?)");
    put(grants, 1, id);
    grants.exec();
    return {};
  });
}

Status SqliteStore::delete_agent(std::string_view name) {
  return database_.write("cannot delete the agent", [&]() -> Status {
    AV_TRY(const std::int64_t id, agent_id(name));
    auto statement = database_.prepare("DELETE FROM agent WHERE id = ?");
    put(statement, 1, id);
    statement.exec();
    return {};
  });
}

Expected<vault::Agent> SqliteStore::agent_of_token(const crypto::Digest& token_hash) {
  return database_.read(kRead, [&]() -> Expected<vault::Agent> {
    auto statement = database_.prepare(
        "SELECT name, uid, body, created_ms, rotated_ms, revoked_ms, token_hash FROM agent"
        " WHERE token_hash = ? AND revoked_ms = 0");
    put(statement, 1, bytes_of(token_hash));
    if (!statement.executeStep() || !is_hash(statement.getColumn(6), token_hash)) {
      return unknown_token();
    }
    return agent_of(statement);
  });
}

Status SqliteStore::create_session(const SessionInfo& session, const crypto::Digest& token_hash) {
  return database_.write("cannot save the session", [&]() -> Status {
    auto find = database_.prepare("SELECT id FROM agent WHERE uid = ? AND revoked_ms = 0");
    put(find, 1, session.agent_uid);
    if (!find.executeStep()) {
      return make_error(ErrorCode::kNotPermitted, "the agent was deleted or revoked",
                        std::string(kListAgents));
    }
    AV_TRY(const VaultRow vault, find_vault(session.vault));
    const std::int64_t now = clock_.wall_ms();
    auto prune = database_.prepare(
        "DELETE FROM session WHERE (ended_ms != 0 AND ended_ms < ?1)"
        " OR (expires_ms != 0 AND expires_ms < ?1)");
    put(prune, 1, now - kKeptMs);
    prune.exec();
    auto statement = database_.prepare(
        "INSERT INTO session (id, agent_id, vault_id, token_hash, created_ms, expires_ms, "
        "minted_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)");
    put(statement, 1, session.id);
    put(statement, 2, find.getColumn(0).getInt64());
    put(statement, 3, vault.id);
    put(statement, 4, bytes_of(token_hash));
    put(statement, 5, session.created_ms == 0 ? now : session.created_ms);
    put(statement, 6, session.expires_ms);
    put(statement, 7, session.minted_by);
    statement.exec();
    return {};
  });
}

Expected<SessionInfo> SqliteStore::session_of_token(const crypto::Digest& token_hash) {
  return database_.read(kRead, [&]() -> Expected<SessionInfo> {
    auto statement =
        database_.prepare((std::string(kSelectSessions) + " AND s.token_hash = ?2").c_str());
    put(statement, 1, clock_.wall_ms());
    put(statement, 2, bytes_of(token_hash));
    if (!statement.executeStep() || !is_hash(statement.getColumn(6), token_hash)) {
      return unknown_token();
    }
    return session_of(statement);
  });
}

Status SqliteStore::end_session(std::string_view id) {
  return database_.write("cannot end the session", [&]() -> Status {
    auto statement =
        database_.prepare("UPDATE session SET ended_ms = ? WHERE id = ? AND ended_ms = 0");
    put(statement, 1, clock_.wall_ms());
    put(statement, 2, id);
    statement.exec();
    return {};
  });
}

Expected<std::vector<SessionInfo>> SqliteStore::list_sessions(std::string_view agent) {
  return database_.read(kRead, [&]() -> Expected<std::vector<SessionInfo>> {
    std::vector<SessionInfo> sessions;
    auto statement = database_.prepare(
        (std::string(kSelectSessions) + " AND (?2 = '' OR a.name = ?2) ORDER BY s.created_ms, s.id")
            .c_str());
    put(statement, 1, clock_.wall_ms());
    put(statement, 2, agent);
    while (statement.executeStep()) {
      sessions.push_back(session_of(statement));
    }
    return sessions;
  });
}

Expected<std::vector<Store::TokenGrant>> SqliteStore::token_grants() {
  return database_.read(kRead, [&]() -> Expected<std::vector<TokenGrant>> {
    std::vector<TokenGrant> grants;
    std::map<std::string, vault::Agent, std::less<>> agents;
    auto of_agents = database_.prepare(
        "SELECT name, uid, body, created_ms, rotated_ms, revoked_ms, token_hash FROM agent"
        " WHERE revoked_ms = 0");
    while (of_agents.executeStep()) {
      Expected<vault::Agent> agent = agent_of(of_agents);
      if (!agent) {
        continue;  // one that cannot be read may do nothing
      }
      agents.emplace(agent->uid, *agent);
      TokenGrant& grant = grants.emplace_back();
      grant.token_hash = digest_of(of_agents.getColumn(6));
      grant.agent = std::move(*agent);
    }
    auto of_sessions = database_.prepare(
        (std::string(kSelectSessions) + " AND s.id NOT LIKE 'run\\_%' ESCAPE '\\'").c_str());
    put(of_sessions, 1, clock_.wall_ms());
    while (of_sessions.executeStep()) {
      const SessionInfo session = session_of(of_sessions);
      const auto agent = agents.find(session.agent_uid);
      if (agent == agents.end()) {
        continue;
      }
      TokenGrant& grant = grants.emplace_back();
      grant.token_hash = digest_of(of_sessions.getColumn(6));
      grant.agent = agent->second;
      grant.session = session.id;
      grant.vault = session.vault;
      grant.expires_ms = session.expires_ms;
    }
    return grants;
  });
}

// What an agent may do in a vault ends with it: another of the name is another one. Who has no
// vault left is revoked; an empty list would mean all, so a name stays that no vault can have.
Status SqliteStore::remove_vault_from_agents(std::string_view vault) {
  std::vector<vault::Agent> changed;
  auto select = database_.prepare(kSelectAgents);
  while (select.executeStep()) {
    Expected<vault::Agent> agent = agent_of(select);
    if (agent && std::erase(agent->vaults, vault) != 0) {
      changed.push_back(std::move(*agent));
    }
  }
  for (vault::Agent& agent : changed) {
    const bool none = agent.vaults.empty();
    if (none) {
      agent.vaults.emplace_back(kNoVault);
    }
    auto update = database_.prepare(
        "UPDATE agent SET body = ?1, revoked_ms = CASE WHEN ?2 AND revoked_ms = 0 THEN ?3 ELSE"
        " revoked_ms END WHERE uid = ?4");
    put(update, 1, body_of(agent));
    put(update, 2, static_cast<std::int64_t>(none ? 1 : 0));
    put(update, 3, clock_.wall_ms());
    put(update, 4, agent.uid);
    update.exec();
  }
  return {};
}

// An agent stays what it may be: its scope names the vault, whatever that is called.
Status SqliteStore::rename_vault_in_agents(std::string_view from, std::string_view to) {
  std::vector<vault::Agent> changed;
  auto select = database_.prepare(kSelectAgents);
  while (select.executeStep()) {
    Expected<vault::Agent> agent = agent_of(select);
    if (!agent) {
      continue;
    }
    bool names_it = false;
    for (std::string& vault : agent->vaults) {
      if (vault == from) {
        vault = to;
        names_it = true;
      }
    }
    if (names_it) {
      changed.push_back(std::move(*agent));
    }
  }
  for (const vault::Agent& agent : changed) {
    auto update = database_.prepare("UPDATE agent SET body = ? WHERE uid = ?");
    put(update, 1, body_of(agent));
    put(update, 2, agent.uid);
    update.exec();
  }
  return {};
}

}  // namespace av::store
