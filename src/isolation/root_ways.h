#pragma once
// Files by which a command gets around directories or steers the machine, although it has no
// capability: the kernel asks for none where the owner of a file opens it, and users may be in the
// group of a disk, or own a part of the cgroups.

#include <filesystem>
#include <optional>
#include <vector>

#include "isolation/mount_table.h"
#include "isolation/step.h"

namespace av::isolation {

// What lies in `devices` and is none of those that programs use (terminals, null and its kin, fuse,
// kvm, tun, graphics, sound): disks and memory can be read past directories, keys typed on the
// console. No links. nullopt when they cannot be listed, and errno says why.
[[nodiscard]] std::optional<std::vector<std::filesystem::path>> unsafe_devices(
    const std::filesystem::path& devices = "/dev");

// Of the same, disks and memory alone, and those that this user may open.
[[nodiscard]] std::optional<std::vector<std::filesystem::path>> open_disks(
    const std::filesystem::path& devices = "/dev");

// Whether a file system is one whose files steer the machine, wherever it is mounted.
[[nodiscard]] bool steers_machine(const Mount& mount);

// The parts of /proc and all of /sys that steer the machine, for reading only: core_pattern and
// uevent_helper are programs that the kernel starts outside of the run. After a /proc of the run's
// own has been mounted at `proc`.
[[nodiscard]] Step protect_proc(const std::filesystem::path& proc);
[[nodiscard]] Step protect_sys();

}  // namespace av::isolation
