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

// What a new session's id begins with: which kind it is can be told from it later.
inline constexpr std::string_view kSessionId = "ses_";
inline constexpr std::string_view kContainerId = "ctr_";  // of GET /v1/container-config

// A session of the agent in call.vault(), on the log. kNotPermitted when the agent may not act
// there.
[[nodiscard]] Expected<KeptSession> mint_session(Call& call, const vault::Agent& agent,
                                                 std::int64_t ttl_seconds, std::string_view label,
                                                 std::string_view id_prefix = kSessionId);
// The session for containers of whoever asks: the one that they got before for as long as half of
// its time is left, else a new one. At most kMostContainerSessions of one caller and agent hold in
// a vault; the oldest makes room.
inline constexpr std::size_t kMostContainerSessions = 16;
[[nodiscard]] Expected<const KeptSession*> container_session(Call& call, const vault::Agent& agent,
                                                             std::int64_t ttl_seconds);
// For sessions that a person makes without naming an agent: one agent for each person, made at
// first use, whose own token nobody knows. It may act wherever its person may, so it is in no
// vault's list of agents, and nobody else sees it but the owner.
[[nodiscard]] Expected<vault::Agent> agent_for_sessions(Call& call);

}  // namespace av::api
