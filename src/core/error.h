#pragma once
// Error: what every fallible function below the command line returns. `message` says what happened
// and why, built from names and paths, never from values; `hint` is the next thing to type.

#include <string>
#include <string_view>
#include <utility>

namespace av {

enum class ErrorCode {
  kUsage,         // the words on the command line are off
  kInvalid,       // a name, value, file or message is malformed
  kNotFound,      // no such vault, credential, service, file
  kExists,        // it is there already
  kConflict,      // another process changed it, or it is in use
  kLocked,        // the key is missing, wrong, or a passphrase is needed
  kNotPermitted,  // policy or the operating system forbids it
  kNoSpace,       // disk full or quota
  kIo,            // any other failure of the operating system
  kBusy,          // the store stayed locked by another process
  kCorrupt,       // the store or a record in it cannot be read
  kTooNew,        // the store was written by a newer version
  kCrypto,        // OpenSSL or Argon2 refused; or a ciphertext does not authenticate
  kNetwork,       // DNS, connect, TLS, time-out
  kUnsupported,   // this machine cannot do it
  kInternal,      // a bug of ours
};

struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string hint;
};

[[nodiscard]] inline Error make_error(ErrorCode code, std::string message, std::string hint = {}) {
  return Error{code, std::move(message), std::move(hint)};
}

// The stable machine-readable name of a code, as `--json` prints it ("not_found").
[[nodiscard]] std::string_view to_string(ErrorCode code);

// "No such file or directory" for an errno value; chooses kNoSpace, kNotFound, kNotPermitted or
// kIo.
[[nodiscard]] Error errno_error(int error_number, std::string what, std::string hint = {});

}  // namespace av
