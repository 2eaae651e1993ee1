#pragma once
// Approvals: requests that an `approve` rule holds until a human has decided, and what the human
// said. The proxy asks through ApprovalDesk; the answer may come from another process.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace av::vault {

// What the reviewer is shown, masked and printable (approval_preview.h); the uids and the last URL
// are for grants.
struct ApprovalRequest {
  std::string id;  // "apr_" and hex
  std::string vault;
  std::string run;
  std::string agent;  // name; "" for a run without one
  std::string agent_uid;
  std::string rule;                    // the names of all that ask, with commas
  std::vector<std::string> rule_uids;  // theirs
  std::string method;
  std::string url;           // canonical, with the query
  std::string url_no_query;  // what a grant for more than one use is bound to
  std::string content_type;
  bool has_body = false;
  std::uint64_t body_size = 0;  // decoded, as far as it is here; or what Content-Length says
  bool body_complete = false;   // `preview` shows all of it
  std::string preview;          // the body's beginning
  // What allowing it does beside letting it pass, in our own words; several lines, mostly none.
  std::string effect;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
};

enum class ApprovalState : std::uint8_t { kPending, kAllowed, kDenied, kExpired, kCancelled };
[[nodiscard]] std::string_view to_string(ApprovalState state);
[[nodiscard]] std::optional<ApprovalState> approval_state_from_string(std::string_view text);

// What one rule need not ask about any more: further requests of the same agent, method and URL,
// whatever their query and body. A request that several rules hold needs one for each.
struct ApprovalGrant {
  std::string id;
  std::string rule_uid;
  std::string agent_uid;  // "": runs without an agent
  std::string method;
  std::string url_no_query;
  std::uint32_t uses = 0;  // 0: any number until it expires
  std::int64_t expires_ms = 0;
};

// What lets further requests like this one pass, by as many of them (this one included; 0: any
// number) or for a time (0: a day at most). One use and no time needs none.
inline constexpr std::uint64_t kMaxApprovalUses = 10'000;
inline constexpr std::int64_t kMaxApprovalMs = std::int64_t{30} * 24 * 3600 * 1000;
[[nodiscard]] std::vector<ApprovalGrant> grants_for(const ApprovalRequest& request,
                                                    std::uint64_t uses, std::int64_t for_ms,
                                                    std::int64_t now_ms);

// Called from a worker's thread; answers on a thread of its own choosing.
class ApprovalDesk {
 public:
  using Answer = std::function<void(ApprovalState)>;  // kAllowed or anything else
  virtual ~ApprovalDesk() = default;
  // `answer` is called at most once, never from within. An error: nobody can be asked (too many are
  // waiting, or the store cannot be written), so the request is refused.
  [[nodiscard]] virtual Status ask(ApprovalRequest request, Answer answer) = 0;
  // The client has left or the time is up: nobody need decide any more. `answer` is not called
  // afterwards.
  virtual void withdraw(const std::string& id, ApprovalState why) = 0;
};

}  // namespace av::vault
