#include "core/error.h"

#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/exit_code.h"

namespace av {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return "usage";
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kExists:
      return "exists";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kLocked:
      return "locked";
    case ErrorCode::kNotPermitted:
      return "not_permitted";
    case ErrorCode::kNoSpace:
      return "no_space";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kTooNew:
      return "too_new";
    case ErrorCode::kCrypto:
      return "crypto";
    case ErrorCode::kNetwork:
      return "network";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

Error errno_error(int error_number, std::string what, std::string hint) {
  ErrorCode code = ErrorCode::kIo;
  if (error_number == ENOSPC || error_number == EDQUOT) {
    code = ErrorCode::kNoSpace;
    if (hint.empty()) {
      hint = "free some disk space and try again; nothing was changed";
    }
  } else if (error_number == ENOENT || error_number == ENOTDIR) {
    code = ErrorCode::kNotFound;
  } else if (error_number == EACCES || error_number == EPERM || error_number == EROFS) {
    code = ErrorCode::kNotPermitted;
  }
  return make_error(code, what + ": " + std::generic_category().message(error_number),
                    std::move(hint));
}

ExitCode exit_code_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return ExitCode::kUsage;
    case ErrorCode::kNotFound:
      return ExitCode::kNotFound;
    case ErrorCode::kLocked:
    case ErrorCode::kNotPermitted:
      return ExitCode::kLocked;
    case ErrorCode::kExists:
    case ErrorCode::kConflict:
      return ExitCode::kConflict;
    case ErrorCode::kInvalid:
    case ErrorCode::kNoSpace:
    case ErrorCode::kIo:
    case ErrorCode::kBusy:
    case ErrorCode::kCorrupt:
    case ErrorCode::kTooNew:
    case ErrorCode::kCrypto:
    case ErrorCode::kNetwork:
    case ErrorCode::kUnsupported:
    case ErrorCode::kInternal:
      return ExitCode::kFailure;
  }
  return ExitCode::kFailure;
}

}  // namespace av
