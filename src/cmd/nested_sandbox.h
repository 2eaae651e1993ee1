#pragma once
// The sandboxes that agents bring along for what they run. Inside of a run one that makes
// namespaces may not be to be had, and then every command of the agent would fail. At `strict` the
// run is the better sandbox: the agent's own is switched off, unless the user asks for it or for a
// narrower one. Below, the run keeps less than it would, and it is left to fail. The user is told
// in either case.

#include <string>
#include <vector>

#include "cmd/child_env.h"
#include "isolation/level.h"

namespace av::cmd {

// Whether what runs at `level` can make namespaces of its own, as bubblewrap wants them. `root`:
// the run is root's, and without capabilities root may map nobody but itself.
[[nodiscard]] bool can_nest(isolation::Level level, bool root);

struct NestedSandbox {
  std::vector<std::string> argv;  // with what switches the agent's sandbox off
  std::string notice;             // empty: nothing was changed, and nothing need be said
};
// For a level where can_nest() is false. By the base name of argv[0]; `env` says where the agent's
// settings are.
[[nodiscard]] NestedSandbox settle_own_sandbox(const std::vector<std::string>& argv,
                                               const EnvBlock& env, isolation::Level level);

}  // namespace av::cmd
