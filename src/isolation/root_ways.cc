#include "isolation/root_ways.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "isolation/mount_table.h"
#include "isolation/obstacles.h"

namespace av::isolation {
namespace {

namespace stdfs = std::filesystem;

// Documentation/admin-guide/devices.txt of the kernel; those that programs of a user open.
bool is_common(const struct stat& info) {
  if (!S_ISCHR(info.st_mode)) {
    return false;
  }
  const unsigned minor_number = minor(info.st_rdev);
  switch (const unsigned major_number = major(info.st_rdev)) {
    case 1:  // null, zero, full, random, urandom; not mem, kmem, port, kmsg
      return minor_number == 3 || minor_number == 5 || (minor_number >= 7 && minor_number <= 9);
    case 4:  // terminals of consoles and serial lines
    case 5:  // tty, console, ptmx
      return true;
    case 10:  // misc: tun, fuse, kvm
      return minor_number == 200 || minor_number == 229 || minor_number == 232;
    case 116:  // sound
    case 195:  // nvidia
    case 226:  // graphics
      return true;
    default:
      return major_number >= 136 && major_number <= 143;  // pseudo-terminals
  }
}

bool is_raw(const stdfs::path& path, const struct stat& info) {
  if (S_ISBLK(info.st_mode)) {
    return true;
  }
  const unsigned major_number = major(info.st_rdev);
  const unsigned minor_number = minor(info.st_rdev);
  const bool memory =
      major_number == 1 && (minor_number == 1 || minor_number == 2 || minor_number == 4);
  // Majors of these are given out as drivers are loaded: SCSI, NVMe, flash.
  const std::string name = path.filename();
  const bool commands = major_number == 21 || name.starts_with("ng") || name.starts_with("mtd") ||
                        name.starts_with("ubi") || path.parent_path().filename() == "bsg";
  return memory || commands;
}

template <typename Wanted>
std::optional<std::vector<stdfs::path>> list_devices(const stdfs::path& devices, Wanted wanted) {
  std::vector<stdfs::path> found;
  struct stat top {};
  if (::stat(devices.c_str(), &top) != 0) {
    return std::nullopt;
  }
  std::error_code ec;
  stdfs::recursive_directory_iterator each(devices,
                                           stdfs::directory_options::skip_permission_denied, ec);
  for (; !ec && each != stdfs::recursive_directory_iterator(); each.increment(ec)) {
    struct stat info {};
    if (::lstat(each->path().c_str(), &info) != 0) {
      continue;  // gone again
    }
    if (info.st_dev != top.st_dev) {
      each.disable_recursion_pending();  // /dev/shm, /dev/pts
    } else if ((S_ISBLK(info.st_mode) || S_ISCHR(info.st_mode)) && wanted(each->path(), info)) {
      found.push_back(each->path());
    }
  }
  if (ec) {
    errno = ec.value();
    return std::nullopt;
  }
  return found;
}

// A remount that leaves out a flag which another namespace has set is refused.
unsigned long flags_of(const std::string& point) {
  struct statvfs info {};
  unsigned long out = 0;
  if (::statvfs(point.c_str(), &info) == 0) {
    out |= (info.f_flag & ST_NOSUID) != 0 ? MS_NOSUID : 0;
    out |= (info.f_flag & ST_NODEV) != 0 ? MS_NODEV : 0;
    out |= (info.f_flag & ST_NOEXEC) != 0 ? MS_NOEXEC : 0;
    out |= (info.f_flag & ST_NOATIME) != 0 ? MS_NOATIME : 0;
    out |= (info.f_flag & ST_NODIRATIME) != 0 ? MS_NODIRATIME : 0;
    out |= (info.f_flag & ST_RELATIME) != 0 ? MS_RELATIME : 0;
  }
  return out;
}

Step make_read_only(const std::string& point) {
  const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | flags_of(point);
  return ::mount(nullptr, point.c_str(), nullptr, flags, nullptr) == 0
             ? std::nullopt
             : failed("make " + point + " read-only");
}

}  // namespace

std::optional<std::vector<stdfs::path>> unsafe_devices(const stdfs::path& devices) {
  return list_devices(devices,
                      [](const stdfs::path&, const struct stat& info) { return !is_common(info); });
}

std::optional<std::vector<stdfs::path>> open_disks(const stdfs::path& devices) {
  return list_devices(devices, [](const stdfs::path& path, const struct stat& info) {
    return is_raw(path, info) &&
           (::access(path.c_str(), R_OK) == 0 || ::access(path.c_str(), W_OK) == 0);
  });
}

Step protect_proc(const stdfs::path& proc) {
  for (const char* const name :
       {"sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "driver", "mtrr"}) {
    const std::string path = proc / name;
    if (::access(path.c_str(), F_OK) != 0) {
      continue;
    }
    if (::mount(path.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return failed("make " + path + " read-only");
    }
    if (Step obstacle = make_read_only(path)) {
      return obstacle;
    }
  }
  return std::nullopt;
}

bool steers_machine(const Mount& mount) {
  static constexpr std::array kTypes{"proc",        "sysfs",    "debugfs",  "tracefs", "securityfs",
                                     "configfs",    "efivarfs", "bpf",      "cgroup",  "cgroup2",
                                     "binfmt_misc", "resctrl",  "selinuxfs"};
  return std::find(kTypes.begin(), kTypes.end(), mount.type) != kTypes.end();
}

Step protect_sys() {
  const auto mounts = mount_table();
  if (!mounts) {
    return failed(std::string(kStepMounts));
  }
  for (const Mount& mount : *mounts) {
    if (mount.type == "proc" || (!steers_machine(mount) && !is_within(mount.point, "/sys"))) {
      continue;
    }
    if (Step obstacle = make_read_only(mount.point)) {
      return obstacle;
    }
  }
  return std::nullopt;
}

}  // namespace av::isolation
