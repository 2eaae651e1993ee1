#pragma once
// What the files of root give to a command that runs as root, although it has no capability: the
// kernel asks for none where the owner of a file opens it.

#include <filesystem>
#include <vector>

#include "isolation/step.h"

namespace av::isolation {

// Devices by which files could be read past their directories: disks, memory, and SCSI devices to
// which commands are sent (/dev/sg0). Below `devices`; no links.
[[nodiscard]] std::vector<std::filesystem::path> raw_devices(
    const std::filesystem::path& devices = "/dev");

// The parts of /proc and all of /sys that steer the machine, for reading only: core_pattern and
// uevent_helper are programs that the kernel starts outside of the run. After a /proc of the run's
// own has been mounted at `proc`.
[[nodiscard]] Step protect_proc(const std::filesystem::path& proc);
[[nodiscard]] Step protect_sys();

}  // namespace av::isolation
