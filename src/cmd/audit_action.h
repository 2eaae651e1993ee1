#pragma once
// What a command does to the store is on the log twice: "credential.set.begin" before it is tried,
// "credential.set" with a decision when it is known how it went. Without the first, nothing is
// done; the second is there before a value is shown.

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cmd/command.h"

namespace av::cmd {

[[nodiscard]] vault::AuditRecord action(std::string_view event, std::string vault = {},
                                        std::string detail = {},
                                        std::vector<std::string> credentials = {});

// Sets the number that pairs the two.
[[nodiscard]] Status note_intention(Context& context, vault::AuditRecord& record);
// `error`: null when it worked. Decision "allow", "deny" (not permitted, locked) or "error".
[[nodiscard]] Status note_outcome(Context& context, vault::AuditRecord record, const Error* error);

// The result of `body`, an Expected; or why it is not on the log.
template <typename F>
std::invoke_result_t<F> audited(Context& context, vault::AuditRecord record, F&& body) {
  AV_CHECK(note_intention(context, record));
  std::invoke_result_t<F> result = std::forward<F>(body)();
  const Status noted = note_outcome(context, std::move(record), result ? nullptr : &result.error());
  if (result && !noted) {
    return noted.error();
  }
  return result;
}

}  // namespace av::cmd
