#pragma once
// A seccomp filter against the ways of typing into the terminal that the run shares with the user's
// shell: TIOCSTI, and TIOCLINUX (paste) on a virtual console.

#include "isolation/namespaces.h"

namespace av::isolation {

// For this process and all that it starts, for good. After no_new_privs has been set.
[[nodiscard]] Step filter_system_calls();

}  // namespace av::isolation
