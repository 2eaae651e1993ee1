#pragma once
// System calls that the command of a run cannot make, by a seccomp filter (seccomp(2)) that it
// cannot take off:
//   * at `store`: typing into the terminal that the run shares with the user's shell (TIOCSTI, and
//     TIOCLINUX on a virtual console);
//   * at `landlock`: the same, and sockets that lead to other programs by a path, io_uring, which
//     makes them too, limits of other processes, and everything for another table of calls
//     (32-bit);
//   * at `network`: as at `store`, and sockets of families that no network namespace holds back,
//     AF_VSOCK above all, which leads from a virtual machine to its host; and io_uring;
//   * at `strict`: also what looks into other processes, makes namespaces or mounts, reaches the
//     kernel's keyrings, or has been the way out of many a sandbox (bpf, userfaultfd).

#include <cstdint>
#include <vector>

#include "isolation/level.h"
#include "isolation/step.h"

struct sock_filter;

namespace av::isolation {

// For this process and all that it starts, for good. After no_new_privs has been set.
[[nodiscard]] Step filter_system_calls(Level level);

// The program, for tests.
[[nodiscard]] std::vector<sock_filter> system_call_filter(Level level);

}  // namespace av::isolation
