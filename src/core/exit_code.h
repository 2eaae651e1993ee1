#pragma once
// Exit codes are part of the interface (man page, scripts): never renumber.

#include "core/error.h"

namespace av {

enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,
  kNotFound = 3,
  kLocked = 4,    // locked or not permitted
  kConflict = 5,  // exists already, or changed under us
  // `run` passes the child's own code through; these are its own.
  kRunFailed = 125,
  kRunNotExecutable = 126,
  kRunNotFound = 127,
};

[[nodiscard]] ExitCode exit_code_for(ErrorCode code);

}  // namespace av
