#pragma once
// Landlock (landlock(7)), in two uses. At `strict` it is a second opinion on what may be written:
// mounts say where things are, this says what may be done to them, and holds for whoever would get
// past the mounts, and where a mount goes because what it covers was replaced outside. At
// `landlock`, where no mounts can be made, it is what keeps the store. Both keep signals and
// abstract sockets in the run where the kernel knows that (ABI 6).

#include <string>
#include <vector>

#include "isolation/step.h"

namespace av::isolation {

// 0: not in this kernel, or switched off.
[[nodiscard]] int landlock_abi();

// For this process and all that it starts. Written to may be what is in or below `writable`. Read,
// everything, but for what is made after this call in the place of `guarded` or in a directory
// above one of these. Executed, everything. Does nothing where there is no Landlock. After
// no_new_privs has been set.
[[nodiscard]] Step restrict_files(const std::vector<std::string>& writable,
                                  const std::vector<std::string>& guarded);

// The oldest that can hide: before it, whoever may not write to a file can still truncate it.
inline constexpr int kLandlockHides = 3;

// For this process and all that it starts: what is in or below `hidden` cannot be read, written,
// made, removed, moved or linked; nor can processes outside be traced, which opens their memory,
// environment and descriptors. Landlock knows only what is allowed, so everything else is, as it is
// now: in a directory above something hidden ("/", the home) nothing new can be made or moved. What
// stays possible: to list what is hidden, and to change modes and times. An Obstacle with ENOSYS
// below ABI kLandlockHides. After no_new_privs has been set. Where the user is root, /proc and
// /sys, which steer the machine, can be read only.
[[nodiscard]] Step hide_by_landlock(const std::vector<std::string>& hidden);

// For this process and all that it starts: no signals to processes and no connections to abstract
// sockets outside, where the kernel can (ABI 6). After no_new_privs has been set.
void stay_among_ourselves();
// For a child: keeps its signals from the processes that it comes from, where the kernel can.
void keep_signals_from_parent();

}  // namespace av::isolation
