#include "isolation/file_view.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "isolation/mount_table.h"
#include "isolation/obstacles.h"

// <sys/mount.h> and <linux/mount.h> do not go together in all versions of either.
extern "C" {
int mount(const char* source, const char* target, const char* type, unsigned long flags,
          const void* data) noexcept;
int umount2(const char* target, int flags) noexcept;
}

namespace av::isolation {
namespace {

constexpr unsigned long kNoSuid = 2;     // MS_NOSUID
constexpr unsigned long kNoDev = 4;      // MS_NODEV
constexpr unsigned long kNoExec = 8;     // MS_NOEXEC
constexpr int kDetach = 2;               // MNT_DETACH
constexpr unsigned kRecursive = 0x8000;  // AT_RECURSIVE
constexpr const char* kStage = "/dev";   // about to be replaced, and nobody's scratch

// Directories that all programs of the machine meet in.
constexpr std::array<const char*, 3> kShared{"/run", "/tmp", "/var/tmp"};
constexpr std::array<const char*, 6> kDevices{"/dev/null",   "/dev/zero",    "/dev/full",
                                              "/dev/random", "/dev/urandom", "/dev/tty"};
// Of systems that keep programs and settings below /run; none is a socket.
constexpr std::array<const char*, 5> kAlwaysKept{"/run/current-system", "/run/booted-system",
                                                 "/run/wrappers", "/run/opengl-driver",
                                                 "/run/opengl-driver-32"};

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool is_shared(const std::string& path) {
  return std::any_of(kShared.begin(), kShared.end(),
                     [&](const char* each) { return is_within(path, each); });
}

bool empty_mount(const std::string& where, unsigned long flags, const char* options) {
  return mount("tmpfs", where.c_str(), "tmpfs", flags, options) == 0;
}

int set_read_only(const std::string& path, bool read_only, unsigned flags) {
  mount_attr attributes{};
  (read_only ? attributes.attr_set : attributes.attr_clr) = MOUNT_ATTR_RDONLY;
  return static_cast<int>(
      ::syscall(SYS_mount_setattr, AT_FDCWD, path.c_str(), flags, &attributes, sizeof attributes));
}

// "a:b" separates layers and "," options (overlayfs): both are escaped.
std::string escaped(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (c == ':' || c == ',' || c == '\\') {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out;
}

// Makes the way to `path`, whose last component is a directory or an empty file.
bool make_mount_point(const std::string& path, bool directory) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    if (::mkdir(path.substr(0, at).c_str(), 0755) != 0 && errno != EEXIST) {
      return false;
    }
  }
  if (directory) {
    return ::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST;
  }
  return UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600))
             .valid() ||
         ::access(path.c_str(), F_OK) == 0;
}

std::string terminal_name() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    char name[PATH_MAX];
    if (::isatty(fd) == 1 && ::ttyname_r(fd, name, sizeof name) == 0) {
      return name;
    }
  }
  return {};
}

}  // namespace

Step FileViewBuilder::take_writable() {
  for (const auto& each : view_.writable) {
    const std::string path = real_path(each).value_or("");
    if (path.empty() || std::find(whole_.begin(), whole_.end(), path) != whole_.end()) {
      continue;
    }
    add_writable(path);
    whole_.push_back(path);
    if (Step obstacle = take(path, taken_)) {
      return obstacle;
    }
  }
  return std::nullopt;
}

Step FileViewBuilder::lay_scratch() {
  if (view_.scratch.empty()) {
    return std::nullopt;
  }
  if (!empty_mount(kStage, kNoSuid | kNoDev, "mode=700")) {
    return failed("make room for what is thrown away");
  }
  Step obstacle;
  int number = 0;
  for (const auto& each : view_.scratch) {
    const std::string path = real_path(each).value_or("");
    struct stat info {};
    if (path.empty() || ::stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
      continue;
    }
    const std::string room = kStage + ("/" + std::to_string(number++));
    const std::string upper = room + "/upper";
    const std::string work = room + "/work";
    if (::mkdir(room.c_str(), 0700) != 0 || ::mkdir(work.c_str(), 0700) != 0 ||
        ::mkdir(upper.c_str(), info.st_mode & 07777) != 0) {
      obstacle = failed("make room for what is thrown away");
      break;
    }
    const std::string options =
        "lowerdir=" + escaped(path) + ",upperdir=" + upper + ",workdir=" + work + ",userxattr";
    // Where the file system cannot lie below (another overlay, say): one that begins empty.
    if (mount("overlay", path.c_str(), "overlay", kNoSuid | kNoDev, options.c_str()) != 0 &&
        !empty_mount(path, kNoSuid | kNoDev, "mode=700")) {
      obstacle = failed("lay something over " + path);
      break;
    }
    add_writable(path);
  }
  umount2(kStage, kDetach);  // the overlays hold what they need
  return obstacle;
}

Step FileViewBuilder::take(const std::string& path, std::vector<Tree>& trees) {
  struct stat info {};
  if (path.empty() || ::stat(path.c_str(), &info) != 0) {
    return std::nullopt;
  }
  Tree tree;
  tree.path = path;
  tree.directory = S_ISDIR(info.st_mode);
  tree.mount = UniqueFd(static_cast<int>(
      ::syscall(SYS_open_tree, AT_FDCWD, path.c_str(),
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (tree.directory ? kRecursive : 0U))));
  if (!tree.mount.valid()) {
    return failed("keep " + path);
  }
  trees.push_back(std::move(tree));
  return std::nullopt;
}

Step FileViewBuilder::attach(const Tree& tree) {
  if ((is_shared(tree.path) || is_within(tree.path, "/dev")) &&
      !make_mount_point(tree.path, tree.directory)) {
    return failed("make a place for " + tree.path);
  }
  if (::syscall(SYS_move_mount, tree.mount.get(), "", AT_FDCWD, tree.path.c_str(),
                MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return failed("put back " + tree.path);
  }
  return std::nullopt;
}

Step FileViewBuilder::own_devices() {
  std::vector<Tree> devices;
  for (const char* const each : kDevices) {
    if (Step obstacle = take(each, devices)) {
      return obstacle;
    }
  }
  // The terminal that the command has open, under a name by which it can find it.
  std::vector<Tree> terminal;
  if (Step obstacle = take(terminal_name(), terminal)) {
    return obstacle;
  }
  if (!empty_mount("/dev", kNoSuid | kNoExec, "mode=755")) {
    return failed("mount /dev");
  }
  for (const Tree& each : devices) {
    if (Step obstacle = attach(each)) {
      return obstacle;
    }
  }
  for (Tree& each : terminal) {
    each.path = "/dev/console";
    if (Step obstacle = attach(each)) {
      return obstacle;
    }
  }
  if (::mkdir("/dev/pts", 0755) != 0 ||
      mount("devpts", "/dev/pts", "devpts", kNoSuid | kNoExec, "newinstance,ptmxmode=0666") != 0) {
    return failed("mount /dev/pts");
  }
  if (::mkdir("/dev/shm", 01777) != 0 || !empty_mount("/dev/shm", kNoSuid | kNoDev, "mode=1777")) {
    return failed("mount /dev/shm");
  }
  const std::pair<const char*, const char*> links[] = {{"pts/ptmx", "/dev/ptmx"},
                                                       {"/proc/self/fd", "/dev/fd"},
                                                       {"/proc/self/fd/0", "/dev/stdin"},
                                                       {"/proc/self/fd/1", "/dev/stdout"},
                                                       {"/proc/self/fd/2", "/dev/stderr"}};
  for (const auto& [target, name] : links) {
    if (::symlink(target, name) != 0) {
      return failed(std::string("make ") + name);
    }
  }
  add_writable("/dev/pts");
  add_writable("/dev/shm");
  return std::nullopt;
}

Step FileViewBuilder::empty_shared_places() {
  // Outer ones first, so that inner ones come to lie in them.
  std::vector<std::string> paths;
  for (const auto& each : view_.kept) {
    paths.push_back(real_path(each).value_or(""));
  }
  for (const char* const each : kAlwaysKept) {
    paths.push_back(real_path(each).value_or(""));
  }
  // A scratch directory that lies in a place that is emptied.
  for (const auto& each : view_.scratch) {
    if (std::string path = real_path(each).value_or(""); is_shared(path)) {
      paths.push_back(std::move(path));
    }
  }
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  std::vector<Tree> trees = std::move(taken_);
  for (const std::string& path : paths) {
    const bool taken = std::find(whole_.begin(), whole_.end(), path) != whole_.end();
    if (Step obstacle = taken ? std::nullopt : take(path, trees)) {
      return obstacle;
    }
  }
  std::sort(trees.begin(), trees.end(),
            [](const Tree& a, const Tree& b) { return a.path < b.path; });
  for (const char* const place : kShared) {
    if (!is_directory(place)) {
      continue;  // a link to one of the others
    }
    const bool run = place == kShared[0];
    if (!empty_mount(place, kNoSuid | kNoDev, run ? "mode=755" : "mode=1777")) {
      return failed(std::string("empty ") + place);
    }
    if (!run) {
      add_writable(place);
    }
  }
  if (const std::string runtime = view_.runtime.native();
      !runtime.empty() && is_within(runtime, "/run")) {
    if (!make_mount_point(runtime, /*directory=*/true) ||
        !empty_mount(runtime, kNoSuid | kNoDev, "mode=700")) {
      return failed("make " + runtime);
    }
    add_writable(runtime);
  }
  for (const Tree& tree : trees) {
    if (Step obstacle = attach(tree)) {
      return obstacle;
    }
  }
  return own_devices();
}

Step FileViewBuilder::make_read_only() {
  if (set_read_only("/", true, kRecursive) != 0) {
    return failed(std::string(kStepReadOnly));
  }
  add_writable("/proc");  // its files are about the run's own processes
  for (const std::string& path : writable_) {
    // With what is mounted below, where the user has said so; where that was read-only outside it
    // is locked (mount_namespaces(7)), and then the place itself must do. What is made new here is
    // writable by itself alone: the home may lie in /tmp.
    const bool with_below = std::find(whole_.begin(), whole_.end(), path) != whole_.end();
    if (!(with_below && set_read_only(path, false, kRecursive) == 0) &&
        set_read_only(path, false, 0) != 0) {
      return failed("make " + path + " writable");
    }
  }
  return std::nullopt;
}

}  // namespace av::isolation
