#pragma once
// JournalLines: one file of the audit log as whole lines, from a place on, in bounded memory, also
// while its writer writes. And what the end of a line says.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/fs.h"

namespace av::store {

// Longer ones are no records: heads are limited to 64 KiB, and escapes make up to six of one byte.
inline constexpr std::size_t kMaxRecord = std::size_t{1} << 20;

// A record's line without `,"hash":"..."}`, and that hash.
struct HashedLine {
  std::string_view text;
  crypto::Digest hash{};
};
[[nodiscard]] std::optional<HashedLine> split_line(std::string_view line);
// What the hash of a line must be, given that of the line before; of the first: first_hash().
[[nodiscard]] crypto::Digest line_hash(const crypto::Digest& previous, std::string_view text);
[[nodiscard]] crypto::Digest first_hash(std::string_view file);
// The time at the beginning of a record; 0 when there is none.
[[nodiscard]] std::int64_t time_of_line(std::string_view line);

class JournalLines {
 public:
  static Expected<JournalLines> open(const std::filesystem::path& path, std::uint64_t offset = 0);

  // The next line, without its line feed; valid until the next call. Nothing at the end: of the
  // file, of what has been written so far, or at the first zero. kCorrupt when a line does not end.
  [[nodiscard]] Expected<std::optional<std::string_view>> next();
  // Behind the last line that next() returned.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }

  enum class Tail : std::uint8_t {
    kNothing,
    kZeros,  // room for lines, left by a process that was killed, or one that writes
    kTorn,   // the beginning of a record
    kOther,  // anything else
  };
  // What is behind the last whole line.
  [[nodiscard]] Expected<Tail> tail();
  // Its writer lives.
  [[nodiscard]] bool being_written() const;

 private:
  JournalLines(UniqueFd fd, std::string path, std::uint64_t offset)
      : fd_(std::move(fd)), path_(std::move(path)), offset_(offset), read_to_(offset) {}
  [[nodiscard]] Expected<std::size_t> read_at(std::uint64_t offset, char* out,
                                              std::size_t size) const;

  UniqueFd fd_;
  std::string path_;
  std::uint64_t offset_;
  std::uint64_t read_to_;
  std::string pending_;       // what has been read, up to read_to_
  std::size_t begin_ = 0;     // of the next line in it
  std::size_t searched_ = 0;  // no line feed from there to here
};

}  // namespace av::store
