#include "cmd/shared_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/crypto.h"

namespace av::cmd {
namespace {

constexpr int kDirectory = O_PATH | O_DIRECTORY | O_CLOEXEC;
constexpr std::size_t kMostBytes = std::size_t{64} << 10;
// The last run that used the file may remove it between our looking and our locking.
constexpr int kAttempts = 5;

bool others_decide(const UniqueFd& directory) {
  struct stat info {};
  return ::geteuid() != 0 && ::fstat(directory.get(), &info) == 0 && info.st_uid == 0 &&
         (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool is_own(const UniqueFd& directory) {
  struct stat info {};
  return ::fstat(directory.get(), &info) == 0 && info.st_uid == ::geteuid();
}

std::string read_all(int fd) {
  std::string text(kMostBytes, '\0');
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

bool has_name(const UniqueFd& file, const UniqueFd& directory, const char* name) {
  struct stat named {};
  struct stat opened {};
  return ::fstatat(directory.get(), name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::fstat(file.get(), &opened) == 0 && named.st_dev == opened.st_dev &&
         named.st_ino == opened.st_ino;
}

// A file of ours that is there already; `absent` when nothing has the name.
UniqueFd open_present(const UniqueFd& directory, const char* name, bool& absent) {
  UniqueFd file(
      ::openat(directory.get(), name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  absent = !file.valid() && errno == ENOENT;
  struct stat info {};
  if (!file.valid() || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      info.st_uid != ::geteuid() || info.st_nlink != 1 ||
      ::flock(file.get(), LOCK_SH | LOCK_NB) != 0) {
    return {};
  }
  return file;
}

// Has its contents and its lock from the first moment.
UniqueFd make_new(const UniqueFd& directory, const char* name, const SharedFile::Content& content) {
  const std::string temporary = ".agent-vault-" + crypto::random_hex(8);
  UniqueFd file(::openat(directory.get(), temporary.c_str(),
                         O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                         static_cast<mode_t>(content.mode)));
  if (!file.valid()) {
    return {};
  }
  const bool made = ::flock(file.get(), LOCK_SH | LOCK_NB) == 0 &&
                    fs::write_all(file.get(), content.text).has_value() &&
                    ::linkat(directory.get(), temporary.c_str(), directory.get(), name, 0) == 0;
  ::unlinkat(directory.get(), temporary.c_str(), 0);
  return made ? std::move(file) : UniqueFd();
}

}  // namespace

UniqueFd open_own_directory(const std::filesystem::path& path) {
  UniqueFd at(::open("/", kDirectory));
  for (const auto& name : path.relative_path()) {
    if (name.empty()) {
      continue;
    }
    const int follow = others_decide(at) ? 0 : O_NOFOLLOW;
    UniqueFd next(::openat(at.get(), name.c_str(), kDirectory | follow));
    if (!next.valid()) {
      return {};
    }
    at = std::move(next);
  }
  return is_own(at) ? std::move(at) : UniqueFd();
}

UniqueFd open_own_directory_in(const UniqueFd& directory, const char* name, unsigned mode) {
  ::mkdirat(directory.get(), name, static_cast<mode_t>(mode));
  UniqueFd found(::openat(directory.get(), name, kDirectory | O_NOFOLLOW));
  return found.valid() && is_own(found) ? std::move(found) : UniqueFd();
}

std::optional<SharedFile> SharedFile::place(UniqueFd directory, std::string name,
                                            const Content& content) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    bool absent = false;
    UniqueFd file = open_present(directory, name.c_str(), absent);
    if (absent) {
      file = make_new(directory, name.c_str(), content);
    } else if (!file.valid()) {
      return std::nullopt;
    }
    if (!file.valid() || !has_name(file, directory, name.c_str())) {
      continue;
    }
    const std::string present = read_all(file.get());
    if (present.find(content.mark) == std::string::npos) {
      return std::nullopt;
    }
    if (present != content.text &&
        (::ftruncate(file.get(), 0) != 0 || ::lseek(file.get(), 0, SEEK_SET) != 0 ||
         !fs::write_all(file.get(), content.text))) {
      return std::nullopt;
    }
    return SharedFile(std::move(directory), std::move(name), std::move(file), content.text);
  }
  return std::nullopt;
}

SharedFile::~SharedFile() {
  if (file_.valid() && ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0 &&
      has_name(file_, directory_, name_.c_str()) && read_all(file_.get()) == text_) {
    ::unlinkat(directory_.get(), name_.c_str(), 0);
  }
}

}  // namespace av::cmd
