#pragma once
// RootScan: reads the root chain from its beginning, checks each line, and gathers what it says
// about each journal. Memory grows with the number of journals, not of lines. catch_up() may be
// called again for what others have appended in the meantime.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/audit_findings.h"
#include "store/audit_root.h"

namespace av::store {

// So many lines were signed to end like this.
struct Checkpoint {
  std::uint64_t root_line = 0;
  std::uint64_t lines = 0;
  std::uint64_t bytes = 0;
  crypto::Digest head{};
};

struct JournalState {
  bool adopted = false;
  bool opened = false;
  bool closed = false;
  bool found_dead = false;  // closed by another than its writer
  bool pruned = false;
  std::uint64_t root_line = 0;  // the first that names it
  // In order; of many marks, some, and the last one always.
  std::vector<Checkpoint> checkpoints;
};

// A head that was kept elsewhere: "12:<hash>", or the hash alone (n = 0).
[[nodiscard]] std::optional<RootPosition> parse_head(std::string_view text);

struct RootExpectation {
  std::optional<PublicKey> key;      // who must have signed; nullopt: whoever the chain names
  std::optional<RootPosition> head;  // what the chain must lead through
  bool unmade = false;               // is_chain_unmade(): there need be nothing yet
};

class RootScan {
 public:
  RootScan(std::filesystem::path directory, RootExpectation expected)
      : directory_(std::move(directory)), expected_(std::move(expected)) {}

  // An error: it cannot be read at all.
  [[nodiscard]] Status catch_up();
  // After the last catch_up(): what is missing at the end.
  void finish();

  [[nodiscard]] bool exists() const { return exists_; }
  [[nodiscard]] const std::map<std::string, JournalState>& journals() const { return journals_; }
  [[nodiscard]] const RootPosition& last() const { return last_; }
  [[nodiscard]] const std::optional<PublicKey>& key() const { return key_; }
  [[nodiscard]] std::int64_t since_ms() const { return since_ms_; }
  [[nodiscard]] std::uint64_t pruned_records() const { return pruned_records_; }
  [[nodiscard]] const Findings& problems() const { return problems_; }
  [[nodiscard]] const Findings& notices() const { return notices_; }

 private:
  [[nodiscard]] Status read_lines(int fd, std::uint64_t size);
  void read_head_file();
  void take_line(std::string_view line);
  void take_entry(RootEntry&& entry);
  void take_key(const RootEntry& entry);
  void take_gap(const RootEntry& entry);
  void take_place(RootEntry&& entry);
  void compare_heads();
  void judge_beginning();
  void problem(std::uint64_t line, std::string what, std::string advice);
  // A doubt that is settled when a head that was kept elsewhere lies behind it.
  void doubt(std::uint64_t line, std::string what, std::string advice);

  std::filesystem::path directory_;
  RootExpectation expected_;
  bool exists_ = false;
  std::uint64_t offset_ = 0;
  RootPosition last_ = root_beginning();
  std::int64_t since_ms_ = 0;
  std::optional<PublicKey> key_;
  std::optional<SignatureChecker> checker_;
  std::vector<PublicKey> keys_;  // of the whole chain, at most kMostKeys
  std::map<std::string, JournalState> journals_;
  std::uint64_t pruned_records_ = 0;
  bool foreign_key_told_ = false;

  std::string head_text_;
  std::optional<ParsedHead> head_;  // of root.head, as it was at the first look
  bool head_there_ = false;
  bool head_met_ = false;      // its line was passed, or found different, which is told
  bool expected_met_ = false;  // likewise
  std::vector<Finding> doubts_;
  bool torn_ = false;
  Findings problems_;
  Findings notices_;
};

}  // namespace av::store
