#pragma once
// What is done to the store is on the log twice: "credential.set.begin" before it is tried,
// "credential.set" with a decision when it is known how it went. Without the first, nothing is
// done; the second is there before a value is shown.

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/expected.h"
#include "vault/audit.h"

namespace av::vault {

// Where such records go: a command's journal, or that of `serve`.
class ActionLog {
 public:
  virtual ~ActionLog() = default;
  // Puts a record on the log, with the time when it has none.
  [[nodiscard]] virtual Status audit(AuditRecord record) = 0;
  // A number that no action of this log has had.
  [[nodiscard]] virtual std::uint64_t next_action() = 0;
};

[[nodiscard]] AuditRecord action(std::string_view event, std::string vault = {},
                                 std::string detail = {},
                                 std::vector<std::string> credentials = {});

// Sets the number that pairs the two.
[[nodiscard]] Status note_intention(ActionLog& log, AuditRecord& record);
// `error`: null when it worked. Decision "allow", "deny" (not permitted, locked) or "error".
[[nodiscard]] Status note_outcome(ActionLog& log, AuditRecord record, const Error* error);

// The result of `body`, an Expected; or why it is not on the log.
template <typename F>
std::invoke_result_t<F> audited(ActionLog& log, AuditRecord record, F&& body) {
  AV_CHECK(note_intention(log, record));
  std::invoke_result_t<F> result = std::forward<F>(body)();
  const Status noted = note_outcome(log, std::move(record), result ? nullptr : &result.error());
  if (result && !noted) {
    return noted.error();
  }
  return result;
}

}  // namespace av::vault
