#include "cmd/run_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <utility>

namespace av::cmd {
namespace {

constexpr std::string_view kPrefix = "agent-vault-run-";
// Younger than this and without a lock: its run is between mkdtemp() and rename().
constexpr std::time_t kGrace = 60;

std::filesystem::path parent_directory() {
  for (const char* name : {"XDG_RUNTIME_DIR", "TMPDIR"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && value[0] == '/' && ::access(value, W_OK | X_OK) == 0) {
      return value;
    }
  }
  return "/tmp";
}

bool is_abandoned(const std::filesystem::path& directory) {
  struct stat info {};
  if (::lstat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) ||
      info.st_uid != ::geteuid()) {
    return false;
  }
  const UniqueFd lock(
      ::open((directory / "lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!lock.valid()) {
    return errno == ENOENT && info.st_mtime + kGrace < std::time(nullptr);
  }
  return ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
}

}  // namespace

void prune_run_directories(const std::filesystem::path& parent) {
  // Not an iterator of std::filesystem: it makes a path of every name, and /tmp may hold thousands.
  struct Close {
    void operator()(DIR* list) const { ::closedir(list); }
  };
  const std::unique_ptr<DIR, Close> list(::opendir(parent.c_str()));
  while (const dirent* const entry = list ? ::readdir(list.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    if (name.starts_with(kPrefix) && is_abandoned(parent / name)) {
      std::error_code failed;
      std::filesystem::remove_all(parent / name, failed);
    }
  }
}

Expected<RunDirectory> RunDirectory::create() {
  const std::filesystem::path parent = parent_directory();
  prune_run_directories(parent);
  std::string path = parent / (std::string(kPrefix) + "XXXXXX");
  if (::mkdtemp(path.data()) == nullptr) {
    return errno_error(errno, "cannot create a directory for the run in " + parent.string(),
                       "set TMPDIR to a directory that you can write to");
  }
  // It gets its name when it is locked: another run that finds it without takes it for abandoned.
  const std::string unnamed = path + "/lock.new";
  UniqueFd lock(::open(unnamed.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!lock.valid() || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 ||
      ::rename(unnamed.c_str(), (path + "/lock").c_str()) != 0) {
    const int error_number = errno;
    std::error_code ec;
    std::filesystem::remove_all(path, ec);
    return errno_error(error_number, "cannot lock " + path);
  }
  return RunDirectory(std::move(path), std::move(lock));
}

RunDirectory::RunDirectory(RunDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}

RunDirectory::~RunDirectory() {
  if (!path_.empty()) {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
}

Expected<std::filesystem::path> RunDirectory::write(std::string_view name,
                                                    std::string_view contents) const {
  std::filesystem::path path = path_ / name;
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) {
    return errno_error(errno, "cannot write " + path.string());
  }
  AV_CHECK(fs::write_all(fd.get(), contents));
  return path;
}

}  // namespace av::cmd
