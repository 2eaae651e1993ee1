#pragma once
// Talking to a person: always through /dev/tty, so that pipes on stdin and stdout stay data.

#include <optional>
#include <string>
#include <string_view>

#include "core/expected.h"
#include "core/secret.h"

namespace av::cmd {

// Reads one line with echo off. The terminal is put back whatever happens, also when a signal
// arrives. kLocked when there is no terminal; kInvalid when several lines were pasted.
[[nodiscard]] Expected<Secret> read_hidden(std::string_view prompt);

// Asks twice and compares; kInvalid when they differ.
[[nodiscard]] Expected<Secret> read_hidden_twice(std::string_view prompt);

// "question [y/N] ". kUsage when there is no terminal: the caller's hint is `--yes`.
[[nodiscard]] Expected<bool> confirm(std::string_view question);

// One line, shown while it is typed; nothing at the end of the input. At most 4 KiB. kUsage when
// there is no terminal.
[[nodiscard]] Expected<std::optional<std::string>> ask_line(std::string_view prompt);

}  // namespace av::cmd
