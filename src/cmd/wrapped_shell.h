#pragma once
// `run` without a command: the user's shell, wrapped, with a mark in its prompt.

#include <string>
#include <vector>

#include "cmd/child_env.h"
#include "cmd/run_directory.h"
#include "core/expected.h"

namespace av::cmd {

inline constexpr const char* kPromptMark = "(agent-vault) ";

// SHELL, or /bin/sh.
[[nodiscard]] std::vector<std::string> own_shell(const EnvBlock& env);

// Has the shell read what the user has set up for it, and then put the mark in front of its prompt:
// bash, zsh and fish by their own means, others by PS1. Writes what they read into `directory`.
[[nodiscard]] Status mark_prompt(std::vector<std::string>& argv, EnvBlock& env,
                                 const RunDirectory& directory);

}  // namespace av::cmd
