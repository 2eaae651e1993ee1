#include "cmd/agent_session.h"

#include <algorithm>

namespace av::cmd {
namespace {

bool is_dead_run(const fs::Paths& paths, const store::SessionInfo& session) {
  return session.id.starts_with("run_") &&
         !store::SessionMark::is_set(paths, session.agent_uid, session.id);
}

}  // namespace

Expected<vault::Agent> find_agent_of_run(store::Store& store, const vault::PolicySnapshot& snapshot,
                                         const std::string& name) {
  const auto found = snapshot.agents.find(name);
  if (found != snapshot.agents.end()) {
    return found->second;
  }
  auto agent = store.get_agent(name);
  if (!agent) {
    if (agent.error().code == ErrorCode::kNotFound) {
      agent.error().hint += "; to make it: agent-vault agent create " + name;
    }
    return agent.error();
  }
  if (agent->revoked_ms != 0) {
    return make_error(ErrorCode::kNotPermitted, "the agent '" + name + "' was revoked",
                      "agent-vault agent rotate " + name + " lets it act again, with a new token");
  }
  std::string command = "agent-vault agent set " + name;
  for (const std::string& vault : agent->vaults) {
    command += " --vault " + vault;
  }
  return make_error(ErrorCode::kNotPermitted,
                    "the agent '" + name + "' may not use the vault '" + snapshot.vault_name + "'",
                    command + " --vault " + snapshot.vault_name);
}

void AgentSession::record(store::Store& store) {
  if (done_) {
    return;
  }
  if (!mark_) {
    auto mark = store::SessionMark::set(paths_, info_.agent_uid, info_.id);
    if (!mark) {
      done_ = true;  // a row without a mark would look like one that was left behind
      return;
    }
    mark_.emplace(std::move(*mark));
  }
  const Status made = store.create_session(info_, token_hash_);
  if (!made && made.error().code == ErrorCode::kBusy) {
    return;  // the next tick will do
  }
  done_ = true;
  recorded_ = static_cast<bool>(made);
  if (const auto sessions = store.list_sessions(info_.agent); recorded_ && sessions) {
    for (const store::SessionInfo& session : *sessions) {
      if (is_dead_run(paths_, session)) {
        (void)store.end_session(session.id);
      }
    }
  }
}

void AgentSession::end(store::Store& store) {
  if (recorded_) {
    recorded_ = false;
    (void)store.end_session(info_.id);
  }
  mark_.reset();
}

Expected<std::vector<store::SessionInfo>> open_sessions(store::Store& store, const fs::Paths& paths,
                                                        std::string_view agent) {
  AV_TRY(auto sessions, store.list_sessions(agent));
  sessions.erase(std::remove_if(sessions.begin(), sessions.end(),
                                [&](const auto& each) { return is_dead_run(paths, each); }),
                 sessions.end());
  return sessions;
}

}  // namespace av::cmd
