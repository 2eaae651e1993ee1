#pragma once
// Sockets of the machine's other programs by which a command could have something done outside its
// run, and what --share gives back of them. As data: what each is called, where it is, which
// variables lead there, and from which isolation level on it is closed.
//
// Those that start programs at another's word (the systemd user manager, a container engine, a
// terminal multiplexer, the session bus) are closed from `store` on: what they start lies outside
// the run and could read the store.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/child_env.h"
#include "core/expected.h"
#include "isolation/level.h"

namespace av::cmd {

// What is shared, by name, for a level. kUsage names those that there are.
[[nodiscard]] Status check_shares(const std::vector<std::string>& names);

struct WaysOut {
  std::vector<std::filesystem::path> closed;  // that exist, to be hidden
  std::vector<std::filesystem::path> kept;    // of what is shared
  // What users may miss, closed and usable until now: "docker".
  std::vector<std::string> missed;
};
// Takes the variables of what is closed out of `env`, by which it also finds what is where.
[[nodiscard]] WaysOut ways_out(isolation::Level level, const std::vector<std::string>& shares,
                               EnvBlock& env);

// The sockets that programs of this machine listen on now and that this user may connect to
// (/proc/net/unix). One that is made later is not among them.
[[nodiscard]] std::vector<std::filesystem::path> sockets_in_use();

// For manuals and completions: "docker", "session-bus", ...
[[nodiscard]] std::vector<std::string_view> share_names();

}  // namespace av::cmd
