#include "isolation/root_ways.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <string>

#include "isolation/mount_table.h"

namespace av::isolation {
namespace {

namespace stdfs = std::filesystem;

// Documentation/admin-guide/devices.txt of the kernel.
constexpr unsigned kMemoryMajor = 1;
constexpr unsigned kScsiGenericMajor = 21;

bool is_raw(const struct stat& info) {
  if (S_ISBLK(info.st_mode)) {
    return true;
  }
  if (!S_ISCHR(info.st_mode)) {
    return false;
  }
  const unsigned minor_number = minor(info.st_rdev);
  return major(info.st_rdev) == kScsiGenericMajor ||
         (major(info.st_rdev) == kMemoryMajor &&
          (minor_number == 1 || minor_number == 2 || minor_number == 4));  // mem, kmem, port
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

std::vector<stdfs::path> raw_devices(const stdfs::path& devices) {
  std::vector<stdfs::path> found;
  struct stat top {};
  if (::stat(devices.c_str(), &top) != 0) {
    return found;
  }
  std::error_code ec;
  const auto options = stdfs::directory_options::skip_permission_denied;
  for (auto each = stdfs::recursive_directory_iterator(devices, options, ec);
       !ec && each != stdfs::recursive_directory_iterator(); each.increment(ec)) {
    struct stat info {};
    if (::lstat(each->path().c_str(), &info) != 0) {
      continue;
    }
    if (info.st_dev != top.st_dev) {
      each.disable_recursion_pending();  // /dev/shm, /dev/pts
    } else if (is_raw(info)) {
      found.push_back(each->path());
    }
  }
  return found;
}

Step protect_proc(const stdfs::path& proc) {
  for (const char* const name : {"sys", "sysrq-trigger", "irq", "bus"}) {
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

Step protect_sys() {
  for (const Mount& mount : mount_table()) {
    // Wherever it is mounted, and what is mounted in it (cgroups, debugfs, tracefs).
    if (mount.type != "sysfs" && !is_within(mount.point, "/sys")) {
      continue;
    }
    if (Step obstacle = make_read_only(mount.point)) {
      return obstacle;
    }
  }
  return std::nullopt;
}

}  // namespace av::isolation
