#pragma once
// tests/support/device.py for one test: a directory, the helper and its first line.

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/secret.h"
#include "kek/keks.h"

namespace av::test {

class Device {
 public:
  explicit Device(const char* kind) {
    init_secret_arena();
    std::string pattern = (std::filesystem::temp_directory_path() / "av-kek-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    int in[2];
    int out[2];
    if (::pipe(in) != 0 || ::pipe(out) != 0) {
      std::abort();
    }
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      for (const int fd : {in[0], in[1], out[0], out[1]}) {
        ::close(fd);
      }
      ::execl("/usr/bin/python3", "python3", AV_SOURCE_DIR "/tests/support/device.py", kind,
              directory_.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = in[1];
    from_ = out[0];
    line_ = read_line();
  }
  ~Device() {
    ::close(to_);
    ::close(from_);
    ::waitpid(child_, nullptr, 0);
    std::error_code ec;
    std::filesystem::remove_all(directory_, ec);
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // False: its package is not installed.
  [[nodiscard]] bool is_there() const { return !line_.empty(); }
  [[nodiscard]] const std::string& line() const { return line_; }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  // Sends a line and waits for the answer.
  std::string tell(const std::string& words) {
    const std::string text = words + "\n";
    return ::write(to_, text.data(), text.size()) < 0 ? std::string() : read_line();
  }

 private:
  std::string read_line() const {
    std::string out;
    for (char c = 0; ::read(from_, &c, 1) == 1 && c != '\n';) {
      out.push_back(c);
    }
    return out;
  }

  std::filesystem::path directory_;
  std::string line_;
  int to_ = -1;
  int from_ = -1;
  pid_t child_ = -1;
};

class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

// Answers every question with `pin`, and counts them.
inline vault::Keyholder holder(const std::string& pin, int* asked = nullptr,
                               bool may_prompt = false) {
  return {[pin, asked](const vault::KeyQuestion&) {
            if (asked != nullptr) {
              ++*asked;
            }
            return Secret::copy_of(pin);
          },
          may_prompt};
}

inline std::string shown(const Secret& secret) {
  return secret.reveal([](std::string_view bytes) { return std::string(bytes); });
}

}  // namespace av::test
