#pragma once
// How an agent is shown, as text and as JSON; and the commands that only show.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cmd/command.h"
#include "vault/agent.h"

namespace av::cmd {

[[nodiscard]] nlohmann::ordered_json agent_json(const vault::Agent& agent);
// "all", or what is permitted besides vaults: "services github,openai; credentials A_KEY".
[[nodiscard]] std::string scope_text(const vault::Agent& agent);
// "4 at a time, 100/hour"; "-" for none.
[[nodiscard]] std::string limits_text(const vault::Agent& agent);

Run setup_agent_list(OptionSet& app);
Run setup_agent_show(OptionSet& app);

}  // namespace av::cmd
