#pragma once
// Locking the store in another way: `key protect`, and `key set-passphrase` with it.

#include <string>
#include <string_view>

#include "cmd/command.h"
#include "core/expected.h"

namespace av::cmd {

struct ProtectOptions {
  std::string with;  // file, passphrase, keyring, tpm, pkcs11
  bool from_stdin = false;
  bool pin = false;
  std::string module;
  std::string token;
  std::string key;
};

[[nodiscard]] Status protect_key(Context& context, const ProtectOptions& options);

// `command`: what was typed, for the hint.
[[nodiscard]] Status protect_by_passphrase(Context& context, bool from_stdin,
                                           std::string_view command);

// What `unlock` keeps opens nothing any more once the store is locked in another way.
void drop_kept_key(const Context& context);

}  // namespace av::cmd
