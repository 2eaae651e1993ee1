#pragma once
// A second opinion on what may be written, by Landlock (landlock(7)): mounts say where things are,
// this says what may be done to them, and holds for whoever would get past the mounts. It also
// keeps signals and abstract sockets in the run where the kernel knows that (ABI 6).

#include <string>
#include <vector>

#include "isolation/step.h"

namespace av::isolation {

// 0: not in this kernel, or switched off.
[[nodiscard]] int landlock_abi();

// For this process and all that it starts. Everything may be read and executed; written to, what is
// in or below `writable`. Does nothing where there is no Landlock. After no_new_privs has been set.
[[nodiscard]] Step restrict_writes(const std::vector<std::string>& writable);

}  // namespace av::isolation
