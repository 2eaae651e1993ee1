#pragma once
// HelperCover: the programs of external stores run as an agent's command does at level `store`,
// whatever the level of the agent itself: they see neither the store nor the configuration nor the
// broker nor any process but their own, can gain no privileges, and nothing that they start
// outlives them. Such a program loads files that an agent at `store` may write; what it can be made
// to give away is then what it was given, and not the vault.
//
// It is this program itself that goes in front (/proc/self/exe, in a process that has nothing of
// ours): run_covered_helper(), reached by kCoveredHelper alone, is not for people.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/fs.h"
#include "source/coverer.h"

namespace av::cmd {

inline constexpr std::string_view kCoveredHelper = "agent-vault-helper";  // argv[0]

struct HelperReach {
  fs::Paths paths;                  // of the store that it must not see
  std::vector<std::string> shares;  // as --share of `run`; they are known to exist
  // Where there are no namespaces to be had, it runs all the same: for those who have no isolation
  // in any case.
  bool uncovered = false;
};
[[nodiscard]] std::unique_ptr<source::Coverer> make_helper_cover(HelperReach reach);

// In the process that goes in front. Its exit code means nothing.
[[nodiscard]] int run_covered_helper();

}  // namespace av::cmd
