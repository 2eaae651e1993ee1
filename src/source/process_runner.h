#pragma once
// ProcessRunner: runs the programs that stores are asked through (`op`, `pass`, helpers).
//
// No shell, an argument vector, an environment made from scratch, no descriptor but its own three,
// a session of its own without a terminal, no core dump; the whole process group is dead when run()
// returns, whatever the program did. What has left its group (a daemon) lives on, without anything
// of ours but the program's own environment; its pipes are not waited for.
//
// The secrets of Command::environment are in wiped memory here. The kernel copies them into the
// child, where /proc/PID/environ shows them to processes of the same user that may trace it: not to
// what runs at isolation `store` or above.

#include <memory>
#include <utility>

#include "source/coverer.h"
#include "source/ports.h"

namespace av::source {

class ProcessRunner final : public Processes {
 public:
  // Without a coverer a program can do what this process's user can.
  explicit ProcessRunner(std::unique_ptr<Coverer> coverer = nullptr)
      : coverer_(std::move(coverer)) {}
  // From any thread; blocks until the program has ended, for at most 40 s.
  Result<CommandOutcome> run(const Command& command) override;

 private:
  const std::unique_ptr<Coverer> coverer_;
};

}  // namespace av::source
