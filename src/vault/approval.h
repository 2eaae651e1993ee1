#pragma once
// Approvals: requests that an `approve` rule holds until a human has decided, and what the human
// said. The proxy asks through ApprovalDesk; the answer may come from another process.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/expected.h"

namespace av::vault {

// What the reviewer is shown. Bounded, without values: see approval_preview.h.
struct ApprovalRequest {
  std::string id;  // "apr_" and hex
  std::string vault;
  std::string run;
  std::string agent;  // name; "" for a run without one
  std::string rule;   // name
  std::string rule_uid;
  std::string method;
  std::string url;           // canonical, with the query
  std::string url_no_query;  // what a grant for more than one use is bound to
  std::string content_type;
  std::uint64_t body_size = 0;  // of what is known; see body_complete
  bool body_complete = false;
  std::string preview;  // the body's beginning, printable, masked
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
};

enum class ApprovalState : std::uint8_t { kPending, kAllowed, kDenied, kExpired, kCancelled };
[[nodiscard]] std::string_view to_string(ApprovalState state);
[[nodiscard]] std::optional<ApprovalState> approval_state_from_string(std::string_view text);

// Further requests of the same rule, agent, method and URL (whatever their query and body) that
// pass without asking.
struct ApprovalGrant {
  std::string id;
  std::string rule_uid;
  std::string agent;
  std::string method;
  std::string url_no_query;
  std::uint32_t uses = 0;       // 0: any number until it expires
  std::int64_t expires_ms = 0;  // 0: never, but for its uses
};

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
