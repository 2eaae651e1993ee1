#pragma once
// Reads .env files: what dotenv libraries and shells agree on, without any expansion.
//
//   KEY=value            comments start with # at the beginning or after white space
//   export KEY=value     the word export is dropped
//   KEY='literal'        no escapes, may span lines
//   KEY="text\n"         \n \r \t \" \\ \$ ; other escapes stay as they are; may span lines
//
// Lines end in LF or CRLF; inside quotes a CRLF stays. A byte order mark at the start is skipped.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"

namespace av::cmd {

struct EnvEntry {
  std::string key;
  Secret value;
  std::size_t line = 0;  // where it starts, from 1
};

// In the order of the file, a repeated key as often as it is there. kInvalid with
// "<name>:<line>: ...", never with text from behind a "=".
[[nodiscard]] Expected<std::vector<EnvEntry>> parse_env_file(std::string_view name,
                                                             std::string_view text);

}  // namespace av::cmd
