#include "isolation/namespaces.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <set>
#include <sstream>

#include "core/fs.h"
#include "isolation/mount_table.h"
#include "isolation/obstacles.h"
#include "isolation/root_ways.h"
#include "isolation/run_marker.h"

namespace av::isolation {
namespace {

bool write_file(const std::string& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd.valid() &&
         ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool same_place(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool within_any(std::string_view path, const std::vector<Place>& places) {
  return std::any_of(places.begin(), places.end(),
                     [&](const Place& place) { return is_within(path, place.path); });
}

// The descriptors open right now, but for the one that lists them.
std::optional<std::vector<int>> open_descriptors() {
  std::vector<int> descriptors;
  struct Close {
    void operator()(DIR* list) const { ::closedir(list); }
  };
  const std::unique_ptr<DIR, Close> list(::opendir("/proc/self/fd"));
  if (!list) {
    return std::nullopt;
  }
  while (const dirent* entry = ::readdir(list.get())) {
    char* end = nullptr;
    const long fd = std::strtol(entry->d_name, &end, 10);
    if (end != entry->d_name && fd != ::dirfd(list.get())) {
      descriptors.push_back(static_cast<int>(fd));
    }
  }
  return descriptors;
}

std::string descriptor_path(int fd) {
  char target[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), target, sizeof target);
  return size > 0 ? std::string(target, static_cast<std::size_t>(size)) : std::string();
}

bool may_inherit(int fd, const struct stat& info, Inherited inherited) {
  if (inherited == Inherited::kAll || S_ISFIFO(info.st_mode)) {
    return true;
  }
  if (inherited == Inherited::kNoSockets) {
    return !S_ISSOCK(info.st_mode);
  }
  const bool only_reads = (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
  return only_reads && (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode));
}

constexpr unsigned long kProcFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

// Without the capabilities that this process still has and the command will not. Whoever owns a
// directory can make it writable.
bool can_rename_in(const std::filesystem::path& directory, uid_t uid) {
  struct stat info {};
  if (uid == 0 || ::stat(directory.c_str(), &info) != 0 || info.st_uid == uid) {
    return true;
  }
  // access() goes by the real user, and so without capabilities.
  return ::access(directory.c_str(), W_OK) == 0;
}

void replace_or_close(int fd, int replacement) {
  if (replacement < 0 || ::dup3(replacement, fd, 0) < 0) {
    ::close(fd);
  }
}

}  // namespace

std::string identity_map(std::string_view parent_map) {
  std::istringstream in{std::string(parent_map)};
  std::ostringstream out;
  unsigned long inside = 0;
  unsigned long outside = 0;
  unsigned long count = 0;
  while (in >> inside >> outside >> count) {
    out << inside << ' ' << inside << ' ' << count << '\n';
  }
  return out.str();
}

bool write_full_maps(pid_t pid) {
  const auto uids = fs::read_file("/proc/self/uid_map", 64 << 10);
  const auto gids = fs::read_file("/proc/self/gid_map", 64 << 10);
  const std::string base = "/proc/" + std::to_string(pid);
  return uids && gids && write_file(base + "/uid_map", identity_map(*uids)) &&
         write_file(base + "/gid_map", identity_map(*gids));
}

Step write_single_maps(uid_t uid, gid_t gid) {
  const std::string user = std::to_string(uid);
  const std::string group = std::to_string(gid);
  // user_namespaces(7): without privilege in the parent, setgroups must be denied first.
  if (!write_file("/proc/self/setgroups", "deny") ||
      !write_file("/proc/self/uid_map", user + " " + user + " 1\n") ||
      !write_file("/proc/self/gid_map", group + " " + group + " 1\n")) {
    return failed("map the user into a namespace");
  }
  return std::nullopt;
}

Step take_over_mounts() {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return failed("make mounts private");
  }
  const auto mounts = mount_table();
  if (!mounts) {
    return failed(std::string(kStepMounts));
  }
  for (const Mount& mount : *mounts) {
    if (mount.type != "proc" || mount.root != "/") {
      continue;
    }
    if (::mount("proc", mount.point.c_str(), "proc", kProcFlags, nullptr) != 0) {
      return failed(std::string(kStepProc));
    }
    if (::geteuid() == 0) {
      if (Step obstacle = protect_proc(mount.point)) {
        return obstacle;
      }
    }
  }
  return protect_sys();
}

Step pin_ancestors(const LaunchSpec& spec, uid_t uid) {
  // In order of names, so outer ones come first.
  std::set<std::string> directories;
  const auto add = [&](const std::filesystem::path& path) {
    auto directory = std::filesystem::path(real_path(path).value_or("/")).parent_path();
    for (; directory != directory.root_path(); directory = directory.parent_path()) {
      if (can_rename_in(directory.parent_path(), uid)) {
        directories.insert(directory.native());
      }
    }
  };
  for (const auto& path : spec.hidden) {
    add(path);
  }
  for (const LaunchSpec::Mask& each : spec.masked) {
    add(each.target);
  }
  const auto mounts = mount_table();
  if (!mounts) {
    return failed(std::string(kStepMounts));
  }
  for (const Mount& mount : *mounts) {
    directories.erase(mount.point);
  }
  for (const std::string& directory : directories) {
    if (::mount(directory.c_str(), directory.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
      return failed("hold " + directory + " in its place");
    }
  }
  return std::nullopt;
}

Step find_places(const std::vector<std::filesystem::path>& paths, std::vector<Place>& places) {
  const auto mounts = mount_table();
  if (!mounts) {
    return failed(std::string(kStepMounts));
  }
  // Outer ones first: what lies below a cover needs none of its own.
  std::vector<std::filesystem::path> outer_first = paths;
  std::sort(outer_first.begin(), outer_first.end(),
            [](const auto& a, const auto& b) { return a.native().size() < b.native().size(); });
  for (const auto& path : outer_first) {
    const auto real = real_path(path);
    struct stat wanted {};
    if (!real || ::stat(real->c_str(), &wanted) != 0) {
      return failed(std::string(kStepFind) + path.string());
    }
    for (std::string& place : paths_to_same_place(*mounts, *real)) {
      struct stat found {};
      if (!within_any(place, places) && ::stat(place.c_str(), &found) == 0 &&
          same_place(found, wanted)) {
        places.push_back({std::move(place), S_ISDIR(wanted.st_mode)});
      }
    }
  }
  return std::nullopt;
}

Step cover(const Place& place, const std::string& run_id, Cover how) {
  const char* path = place.path.c_str();
  const std::string name = cover_name(run_id);
  const int result =
      place.directory
          ? ::mount(name.c_str(), path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                    how == Cover::kSealed ? "mode=0,size=4k,nr_inodes=1"
                                          : "mode=755,size=4k,nr_inodes=1")
          : ::mount("/dev/null", path, nullptr, MS_BIND, nullptr);
  return result == 0 ? std::nullopt : failed("cover " + place.path);
}

Step mask(const LaunchSpec::Mask& mask) {
  std::vector<Place> places;
  if (Step obstacle = find_places({mask.target}, places)) {
    return obstacle;
  }
  for (const Place& place : places) {
    if (::mount(mask.replacement.c_str(), place.path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return failed("put a placeholder in the place of " + place.path);
    }
  }
  return std::nullopt;
}

Step enter_directory(const std::string& directory, const std::vector<Place>& hidden) {
  if (within_any(directory, hidden)) {
    errno = EACCES;
    return failed(std::string(kStepStartIn) + directory + ", which is hidden from the command");
  }
  return ::chdir(directory.c_str()) == 0 ? std::nullopt
                                         : failed(std::string(kStepEnter) + directory);
}

Step clean_descriptors(const std::vector<Place>& hidden, Inherited inherited) {
  const auto descriptors = open_descriptors();
  if (!descriptors) {
    return failed("see what is open");
  }
  for (const int fd : *descriptors) {
    struct stat before {};
    if ((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 || ::fstat(fd, &before) != 0) {
      continue;
    }
    const std::string path = descriptor_path(fd);
    const bool standard = fd <= STDERR_FILENO;
    if (!standard && !may_inherit(fd, before, inherited)) {
      ::close(fd);
      continue;
    }
    if (S_ISDIR(before.st_mode) && !within_any(path, hidden)) {
      const int flags = ::fcntl(fd, F_GETFL) & (O_PATH | O_NOATIME);
      const UniqueFd again(::open(path.c_str(), flags | O_DIRECTORY | O_CLOEXEC));
      struct stat after {};
      if (again.valid() && ::fstat(again.get(), &after) == 0 && same_place(before, after)) {
        replace_or_close(fd, again.get());
        continue;
      }
    } else if (!S_ISDIR(before.st_mode) && !within_any(path, hidden)) {
      continue;
    }
    const UniqueFd null(standard ? ::open("/dev/null", O_RDWR | O_CLOEXEC) : -1);
    replace_or_close(fd, null.get());
  }
  return std::nullopt;
}

Step drop_privileges() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct held[2]{};
  if (::syscall(SYS_capget, &header, held) != 0) {
    return failed("see which capabilities there are");
  }
  // Who has none cannot take any out of the bounding set, and with no_new_privs gets none from it.
  const bool some = (held[0].permitted | held[1].permitted) != 0;
  for (unsigned long capability = 0; some && capability < 64; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL) {
      return failed("drop capabilities");
    }
  }
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_data_struct none[2]{};
  if (::syscall(SYS_capset, &header, none) != 0) {
    return failed("drop capabilities");
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return failed("forbid new privileges");
  }
  return std::nullopt;
}

}  // namespace av::isolation
