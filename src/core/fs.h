#pragma once
// Files the way a secret store needs them: private by creation, replaced atomically, durable.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/expected.h"
#include "core/secret.h"

namespace av {

// An owned file descriptor.
class UniqueFd {
 public:
  UniqueFd() noexcept = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset() noexcept;

 private:
  int fd_ = -1;
};

namespace fs {

// Where the user's data and settings live. AGENT_VAULT_HOME wins; else XDG, else $HOME.
struct Paths {
  std::filesystem::path data;  // $AGENT_VAULT_HOME or $XDG_DATA_HOME/agent-vault
  std::filesystem::path
      config;  // $XDG_CONFIG_HOME/agent-vault (with AGENT_VAULT_HOME: data/config)
  [[nodiscard]] std::filesystem::path database() const { return data / "vault.db"; }
  [[nodiscard]] std::filesystem::path key_file() const { return data / "key"; }
  [[nodiscard]] std::filesystem::path audit() const { return data / "audit"; }
  [[nodiscard]] std::filesystem::path limits() const { return data / "limits"; }
  [[nodiscard]] std::filesystem::path config_file() const { return config / "config.toml"; }
};
[[nodiscard]] Expected<Paths> default_paths();

// Creates the directory and its parents with mode 0700; refuses one that others can write to or
// that belongs to somebody else.
[[nodiscard]] Status make_private_directory(const std::filesystem::path& path);

// Writes to a temporary file beside `path`, fsyncs it, renames it over `path`, fsyncs the
// directory.
[[nodiscard]] Status replace_file(const std::filesystem::path& path, std::string_view contents,
                                  unsigned mode = 0600);

// The whole file; kInvalid above `limit` bytes.
[[nodiscard]] Expected<std::string> read_file(const std::filesystem::path& path,
                                              std::size_t limit = std::size_t{16} << 20);
[[nodiscard]] Expected<Secret> read_secret_file(const std::filesystem::path& path,
                                                std::size_t limit = std::size_t{1} << 20);
// Everything up to end of file from a descriptor.
[[nodiscard]] Expected<Secret> read_secret_fd(int fd, std::size_t limit = std::size_t{1} << 20);

[[nodiscard]] Status write_all(int fd, std::string_view bytes);

}  // namespace fs
}  // namespace av
