#pragma once
// Checks one file of the audit log, from its first line to its last, against its own hashes and
// against what the root chain says of it.

#include <cstdint>
#include <filesystem>
#include <string>

#include "store/audit_findings.h"
#include "store/audit_root_scan.h"

namespace av::store {

struct CheckedJournal {
  std::uint64_t lines = 0;
  std::uint64_t bytes = 0;
  crypto::Digest head{};
  std::int64_t last_ms = 0;  // time of the last record; 0: none
  bool being_written = false;
};

// Adds what it finds. An error: the file cannot be read.
[[nodiscard]] Expected<CheckedJournal> check_journal(const std::filesystem::path& path,
                                                     const JournalState& state, Findings& problems,
                                                     Findings& notices);

}  // namespace av::store
