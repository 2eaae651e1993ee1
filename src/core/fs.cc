#include "core/fs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "core/crypto.h"

namespace av {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void UniqueFd::reset() noexcept {
  if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

namespace fs {
namespace {

std::optional<std::filesystem::path> absolute_from_env(const char* name) {
  const char* value = std::getenv(name);
  // The XDG base directory specification: relative paths are to be ignored.
  if (value == nullptr || value[0] != '/') {
    return std::nullopt;
  }
  return std::filesystem::path(value);
}

Status fsync_directory(const std::filesystem::path& directory) {
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) {
    return errno_error(errno, "cannot flush " + directory.string());
  }
  return {};
}

}  // namespace

Expected<Paths> default_paths() {
  const char* home_override = std::getenv("AGENT_VAULT_HOME");
  if (home_override != nullptr && home_override[0] != '\0') {
    std::error_code ec;
    const auto home = std::filesystem::absolute(home_override, ec).lexically_normal();
    if (ec) {
      return make_error(ErrorCode::kInvalid, "AGENT_VAULT_HOME is not a usable path",
                        "set it to an absolute directory");
    }
    return Paths{home, home / "config"};
  }
  const auto home = absolute_from_env("HOME");
  auto data = absolute_from_env("XDG_DATA_HOME");
  auto config = absolute_from_env("XDG_CONFIG_HOME");
  if ((!data || !config) && !home) {
    return make_error(ErrorCode::kInvalid, "no home directory: HOME is not set",
                      "set AGENT_VAULT_HOME to the directory that should hold the store");
  }
  return Paths{(data ? *data : *home / ".local/share") / "agent-vault",
               (config ? *config : *home / ".config") / "agent-vault"};
}

Status make_private_directory(const std::filesystem::path& path) {
  std::error_code ec;
  if (path.has_parent_path() && !std::filesystem::exists(path.parent_path(), ec)) {
    std::filesystem::create_directories(path.parent_path(), ec);
    if (ec) {
      return errno_error(ec.value(), "cannot create " + path.parent_path().string(),
                         "check that the parent directory is writable, or set AGENT_VAULT_HOME");
    }
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return errno_error(errno, "cannot create " + path.string(),
                       "check that the parent directory is writable, or set AGENT_VAULT_HOME");
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return errno_error(errno, "cannot look at " + path.string());
  }
  if (!S_ISDIR(info.st_mode)) {
    return make_error(ErrorCode::kInvalid, path.string() + " is not a directory",
                      "move it away, or set AGENT_VAULT_HOME");
  }
  if (info.st_uid != ::geteuid()) {
    return make_error(ErrorCode::kNotPermitted, path.string() + " belongs to another user",
                      "run as its owner, or set AGENT_VAULT_HOME to a directory of your own");
  }
  if ((info.st_mode & 077U) != 0 && ::chmod(path.c_str(), 0700) != 0) {
    return errno_error(errno, "cannot make " + path.string() + " private",
                       "chmod 700 " + path.string());
  }
  return {};
}

Status replace_file(const std::filesystem::path& path, std::string_view contents, unsigned mode) {
  const std::filesystem::path temporary = path.string() + ".tmp-" + crypto::random_hex(6);
  const auto fail = [&](int error_number) {
    ::unlink(temporary.c_str());
    return errno_error(error_number, "cannot write " + path.string());
  };
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                     static_cast<mode_t>(mode)));
  if (!fd.valid()) {
    return fail(errno);
  }
  if (Status written = write_all(fd.get(), contents); !written) {
    ::unlink(temporary.c_str());
    return written;
  }
  if (::fchmod(fd.get(), static_cast<mode_t>(mode)) != 0 || ::fsync(fd.get()) != 0) {
    return fail(errno);
  }
  fd.reset();
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return fail(errno);
  }
  return fsync_directory(path.parent_path());
}

Expected<Secret> read_secret_fd(int fd, std::size_t limit) {
  SecretBuffer buffer;
  SecretBuffer chunk;
  chunk.reserve(4096);
  for (;;) {
    const ssize_t got = ::read(fd, chunk.data(), 4096);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return errno_error(errno, "cannot read the value");
    }
    if (got == 0) {
      return buffer.to_secret();
    }
    buffer.append(std::string_view(chunk.data(), static_cast<std::size_t>(got)));
    if (buffer.size() > limit) {
      return make_error(ErrorCode::kInvalid,
                        "the value is larger than " + std::to_string(limit) + " bytes");
    }
  }
}

Expected<Secret> read_secret_file(const std::filesystem::path& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return errno_error(errno, "cannot open " + path.string());
  }
  return read_secret_fd(fd.get(), limit);
}

Expected<std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return errno_error(errno, "cannot open " + path.string());
  }
  std::string text;
  struct stat info {};
  if (::fstat(fd.get(), &info) == 0 && info.st_size > 0) {
    // And a little more, for what callers append.
    text.reserve(std::min(static_cast<std::size_t>(info.st_size), limit) + 2048);
  }
  std::array<char, std::size_t{16} << 10> chunk;  // not initialised: most of it is never touched
  for (;;) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return errno_error(errno, "cannot read " + path.string());
    }
    if (got == 0) {
      return text;
    }
    text.append(chunk.data(), static_cast<std::size_t>(got));
    if (text.size() > limit) {
      return make_error(ErrorCode::kInvalid,
                        path.string() + " is larger than " + std::to_string(limit) + " bytes");
    }
  }
}

Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put < 0) {
      return errno_error(errno, "cannot write");
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

}  // namespace fs
}  // namespace av
