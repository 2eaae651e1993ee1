#pragma once
// One child of ProcessRunner: started without touching memory that another thread could hold
// locked, and certainly ended. Internal to this library.

#include <sys/types.h>

#include <array>
#include <string>
#include <vector>

#include "core/fs.h"
#include "source/provider.h"

namespace av::source {

// All that the child needs, made before it exists. The pointers belong to the caller.
struct LaunchPlan {
  const char* path = nullptr;  // executed when `program` is -1
  int program = -1;            // executed through this descriptor
  // Stay open: a script that its interpreter reads, what a cover is handed over. -1: none.
  std::array<int, 3> keep{-1, -1, -1};
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  int input = -1;
  int output = -1;
  int errors = -1;
};

class ChildProcess {
 public:
  ChildProcess() = default;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() { finish(); }

  // Returns once the program runs; 0, or the errno value that kept it from running.
  [[nodiscard]] int start(const LaunchPlan& plan);
  // Readable when it has ended; -1 where the kernel knows no such thing.
  [[nodiscard]] int ended_fd() const { return pidfd_.get(); }
  // Whether it has ended. It stays a zombie, so that its id is nobody else's.
  [[nodiscard]] bool ended() const;
  // Kills the group, and the child with it, and reaps it. The exit code, 128 + signal when it was
  // killed. Later calls return the same.
  int finish();

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  int exit_code_ = -1;
};

// A pipe, both ends closed on exec and none of them 0, 1 or 2.
struct Pipe {
  UniqueFd read;
  UniqueFd write;
};
[[nodiscard]] Result<Pipe> make_pipe();
// The same descriptor with such a number.
[[nodiscard]] Result<UniqueFd> above_standard(UniqueFd fd);

}  // namespace av::source
