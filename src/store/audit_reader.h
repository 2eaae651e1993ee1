#pragma once
// AuditReader: every file of the audit log as one stream, in order of time, also while others
// write.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/crypto.h"
#include "core/expected.h"
#include "vault/audit.h"

namespace av::store {

struct AuditEntry {
  vault::AuditRecord record;
  std::string file;
  std::string line;  // as in the file, without the line feed
};

// A place where the log is not as it was written.
struct AuditDefect {
  std::string file;
  std::size_t line = 0;  // from 1
  std::string what;      // "torn last line", "hash chain broken", "not a record",
                         // "zeros in the middle"
};

class AuditReader {
 public:
  explicit AuditReader(std::filesystem::path directory) : directory_(std::move(directory)) {}

  using Keep = std::function<bool(const vault::AuditRecord&)>;
  // The last `limit` records (0: all) that `keep` wants, oldest first; at most what is on disk now.
  // A log that does not exist yet is empty. Not files older than `since_ms` by their time of
  // change.
  [[nodiscard]] Expected<std::vector<AuditEntry>> read(std::size_t limit, std::int64_t since_ms,
                                                       const Keep& keep);
  // What has been added since the last call of read() or poll(), oldest first.
  [[nodiscard]] Expected<std::vector<AuditEntry>> poll(const Keep& keep);

  // Found so far. A torn last line is reported by read() only when its file is not being written
  // any more, which the reader takes from its age.
  [[nodiscard]] const std::vector<AuditDefect>& defects() const { return defects_; }

 private:
  struct FileState {
    std::uintmax_t offset = 0;
    std::size_t lines = 0;
    crypto::Digest last{};
    // The file when zeros were found at `offset` and what is behind them was looked at. A process
    // that was killed leaves some for good; they need not be read at every poll.
    std::uintmax_t looked_size = 0;
    std::int64_t looked_mtime_ns = 0;
  };
  [[nodiscard]] Status read_new(const std::filesystem::path& path, const Keep& keep,
                                std::vector<AuditEntry>& out);
  void take_line(const std::string& file, FileState& state, std::string_view line, const Keep& keep,
                 std::vector<AuditEntry>& out);
  [[nodiscard]] Expected<std::vector<std::filesystem::path>> files() const;

  std::filesystem::path directory_;
  std::map<std::string, FileState> states_;
  std::vector<AuditDefect> defects_;
};

// One line of a journal; kCorrupt when it is none.
[[nodiscard]] Expected<vault::AuditRecord> parse_record(std::string_view line);

}  // namespace av::store
