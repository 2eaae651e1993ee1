#pragma once
// Who may see and manage which agent, and sessions that are made for one. An agent belongs to its
// vaults: whoever is admin in all of them manages it, whoever has a role in one sees it.

#include <string>
#include <string_view>

#include "api/call.h"

namespace av::api {

// By name. What one may not see looks like what is not there. `manage`: to change it.
[[nodiscard]] proxy::Outcome<vault::Agent> find_agent(Call& call, const std::string& name,
                                                      bool manage);
[[nodiscard]] Expected<bool> may_see(Call& call, const vault::Agent& agent);

struct MintedSession {
  std::string id;
  Secret token;
  std::int64_t expires_ms = 0;
};
// A session of the agent in call.vault(), on the log. kNotPermitted when the agent may not act
// there.
[[nodiscard]] Expected<MintedSession> mint_session(Call& call, const vault::Agent& agent,
                                                   std::int64_t ttl_seconds,
                                                   std::string_view label);
// For sessions that a person makes without naming an agent: one agent for each person, made at
// first use, whose own token nobody knows.
[[nodiscard]] Expected<vault::Agent> agent_for_sessions(Call& call);

}  // namespace av::api
