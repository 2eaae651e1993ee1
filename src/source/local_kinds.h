#pragma once
// Stores on this machine: each a small file of its own.

#include "source/kinds.h"

namespace av::source {

// pass and gopass: pass://PATH[#KEY]
extern const Kind kPass;
// The Secret Service, through secret-tool: keyring://SERVICE/ACCOUNT
extern const Kind kKeyring;
// The environment that agent-vault itself was started with: env://NAME
extern const Kind kEnv;
// Files: file:///PATH[#KEY or #/JSON/POINTER]
extern const Kind kFile;
// A helper program in the manner of git's: cmd://HOST[/PATH][#username]
extern const Kind kCmd;

// Percent-decoded; kInvalid for a bad escape, a control character, or what is not UTF-8. `what`
// names the part in the message.
[[nodiscard]] Result<std::string> decoded_part(std::string_view text, std::string_view what);

}  // namespace av::source
