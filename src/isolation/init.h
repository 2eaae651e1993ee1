#pragma once
// The launcher's own process: prepares, waits for the command, runs it, and stays as its parent.

#include <csignal>

#include <functional>

#include "core/fs.h"
#include "isolation/level.h"
#include "isolation/network.h"

namespace av::isolation {

struct InitOptions {
  Level level = Level::kStore;
  UniqueFd control;
  NetworkPlan network;
  UniqueFd
      maker;  // at `network`: for each byte that comes, a socket of the run's network goes back
  // What the child gets back: the state of the broker before it changed anything.
  sigset_t child_mask{};
  uid_t uid = 0;
  gid_t gid = 0;
};

// Never returns: ends the process.
[[noreturn]] void run_init(InitOptions options, const std::function<void()>& wipe);

}  // namespace av::isolation
