#pragma once
// Whether the audit log is as it was written: the root chain, and every journal against it.
// Offline, as a stream, also while others write.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "store/audit_chain.h"
#include "store/audit_journal_check.h"
#include "store/audit_root_scan.h"

namespace av::store {

struct VerifyReport {
  Findings problems;  // the log is not what was written
  Findings notices;   // worth knowing, and no reason for alarm
  std::uint64_t files = 0;
  std::uint64_t records = 0;
  std::uint64_t pruned_files = 0;
  std::uint64_t pruned_records = 0;
  std::uint64_t adopted = 0;  // files from before the chain
  std::int64_t since_ms = 0;  // of the chain's first line
  RootPosition head;          // n = 0: there is no chain
  std::optional<PublicKey> key;
};
[[nodiscard]] Expected<VerifyReport> verify_audit(const std::filesystem::path& directory,
                                                  const RootExpectation& expected);

// -- retention

struct PrunedJournal {
  std::string file;
  CheckedJournal contents;
};
struct PrunePlan {
  std::vector<PrunedJournal> files;    // whose last record is older
  std::vector<std::string> leftovers;  // signed away already, and still there
  Findings refused;                    // older, and not what was signed: these stay
  std::uint64_t records = 0;           // in `files`
};
// Reads every journal that is old enough.
[[nodiscard]] Expected<PrunePlan> plan_prune(const std::filesystem::path& directory,
                                             std::int64_t before_ms);
// Signs the cut, waits for the disk, then removes the files. Killed in between, it leaves files
// that the next call finds as leftovers.
[[nodiscard]] Status prune(const std::filesystem::path& directory, const PrunePlan& plan,
                           std::int64_t before_ms, RootChain& chain);

}  // namespace av::store
