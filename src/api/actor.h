#pragma once
// Actor: who makes a request of the API, as its token says.

#include <cstdint>
#include <string>
#include <string_view>

namespace av::api {

// In a vault. Each may do what the ones before it may.
enum class Role : std::uint8_t {
  kNone,
  kProxy,   // send traffic, see names, raise proposals
  kMember,  // use and reveal credentials, decide proposals and approvals
  kAdmin,   // everything
};
[[nodiscard]] std::string_view to_string(Role role);  // "none", "proxy", "member", "admin"
// Only "proxy", "member", "admin"; else kNone.
[[nodiscard]] Role role_from_string(std::string_view text);

struct Actor {
  enum class Kind : std::uint8_t { kNobody, kRun, kSession, kAgent, kUser };
  Kind kind = Kind::kNobody;
  std::string name;        // of the agent, or the user's e-mail; "" for a run without an agent
  std::string uid;         // of the agent or user
  std::string run;         // id of the run or session; of a user's own session: its id
  bool owner = false;      // of the instance
  std::string own_vault;   // of runs and scoped sessions: the only vault that they see
  bool by_cookie = false;  // a browser, which sends its cookie whoever asks it to

  [[nodiscard]] bool is_user() const { return kind == Kind::kUser; }
  // "user:alice@example.com", "agent:builder", "session:ses_...", "run:run_..."; for the log.
  [[nodiscard]] std::string words() const;
};

}  // namespace av::api
