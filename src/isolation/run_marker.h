#pragma once
// How a process knows that it is inside a run, by what it cannot take off. Variables can be unset
// and directories named anew, but
//   * at `store` the covers stay in the mount table of every namespace made below the run: they are
//     locked there (mount_namespaces(7)), and named after the run;
//   * the launcher is an ancestor of every process of its run: at `store` it is PID 1 of the PID
//     namespace, at `off` it adopts orphans (PR_SET_CHILD_SUBREAPER).
// What this is not: at `off` the command can kill the launcher and is then nobody's child, but it
// could read the store itself all along; at `landlock` it can before Linux 6.12, and still reaches
// no store and no Unix socket. At `store`, a process that hides /proc or its root from itself in a
// namespace of its own hides the store's place with it.

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace av::isolation {

// The name of the launcher's process; the kernel keeps 15 characters.
inline constexpr const char* kLauncherName = "agent-vault-run";

// "agent-vault:run_0123456789abcdef", the name under which covers are mounted.
[[nodiscard]] std::string cover_name(std::string_view run_id);

// The run that this process is part of; its id where that is known, else "run". `proc`: for tests.
[[nodiscard]] std::optional<std::string> surrounding_run(
    const std::filesystem::path& proc = "/proc");

// Whether the process, of which a socket has told (SO_PEERCRED), is in our own PID namespace and
// below no launcher. False when that cannot be known. The kernel may give a number again: ask
// while the peer is there, and look once more at what has come when it has gone.
[[nodiscard]] bool peer_is_outside_runs(pid_t pid, const std::filesystem::path& proc = "/proc");

}  // namespace av::isolation
