#pragma once
// The lines of the root chain: what they say, how they are written, and a reader that accepts what
// the writer writes and nothing else. Line i has n = i. Each ends in
//   ,"sig":"<Ed25519>","hash":"<SHA-256>"}
// The signature is over a context string, the hash of the line before and this line up to the
// signature; the hash over the hash of the line before and this line up to the hash. So the hash
// covers the signature, and one hash covers everything before it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/audit_key.h"

namespace av::store {

inline constexpr std::string_view kRootFile = "root.chain";
inline constexpr std::string_view kHeadFile = "root.head";
inline constexpr std::string_view kJournalSuffix = ".jsonl";
inline constexpr std::size_t kMaxRootLine = std::size_t{16} << 10;
inline constexpr std::size_t kMaxPrunedPerEntry = 64;

enum class RootKind : std::uint8_t {
  kKey,    // signed from here on by this key, which signs this line itself
  kAdopt,  // a journal that was there before the chain: only its own hashes protect it
  kOpen,   // a journal begins; no record of it is acknowledged before this line
  kMark,   // so many lines of it were on the disk, with this hash at their end
  kClose,  // so many lines are all of it
  kDead,   // likewise, said by another process: nobody held its lock any more
  kPrune,  // these journals are removed
  kGap,    // the writer found less than there had been; see `what`
};
[[nodiscard]] std::string_view to_string(RootKind kind);

struct RootEntry {
  std::uint64_t n = 0;
  std::int64_t time_ms = 0;
  RootKind kind = RootKind::kOpen;
  std::string file;                // adopt, open, mark, close, dead
  std::uint64_t lines = 0;         // mark, close, dead; prune: records in all
  std::uint64_t bytes = 0;         // mark, close, dead
  crypto::Digest head{};           // mark, close, dead: hash of the last line; gap: see `count`
  PublicKey public_key{};          // key
  std::vector<std::string> files;  // prune
  std::int64_t before_ms = 0;      // prune: what is older
  crypto::Digest digest{};         // prune: over each file's name, lines, bytes and head
  // gap: "missing" (no chain), "cut" (it ended before `count`, whose hash was `head`), "damaged"
  // (the last line could not be read), "no head", "bad head" (root.head).
  std::string what;
  std::uint64_t count = 0;  // gap
  Signature signature{};
  crypto::Digest hash{};
};

// A place in the chain: the hash covers everything up to line n.
struct RootPosition {
  std::uint64_t n = 0;
  crypto::Digest hash{};
};
// What the first line builds on.
[[nodiscard]] RootPosition root_beginning();
[[nodiscard]] std::string to_text(const RootPosition& position);  // "12:<hex>"

// Sets n, signature and hash, appends the line with its line feed to `out`, and moves `position`.
[[nodiscard]] Status append_root_line(std::string& out, RootEntry& entry, RootPosition& position,
                                      const AuditKey& key);
// One line, without its line feed. Neither the hash nor the signature is checked.
[[nodiscard]] std::optional<RootEntry> parse_root_line(std::string_view line);
// Over a line that parse_root_line() accepts.
[[nodiscard]] crypto::Digest root_line_hash(const crypto::Digest& previous, std::string_view line);
[[nodiscard]] bool root_line_signed(const crypto::Digest& previous, std::string_view line,
                                    const Signature& signature, const SignatureChecker& checker);

// root.head: the place up to which the chain is known to be on the disk, signed as such. The older
// ones are overwritten, so a chain that is cut off no longer fits its head.
[[nodiscard]] Expected<std::string> head_line(const RootPosition& position, const AuditKey& key);
struct ParsedHead {
  RootPosition position;
  Signature signature{};
};
[[nodiscard]] std::optional<ParsedHead> parse_head_line(std::string_view text);
[[nodiscard]] bool head_signed(std::string_view text, const Signature& signature,
                               const SignatureChecker& checker);

// Letters, digits, '.', '-', '_', ending in kJournalSuffix.
[[nodiscard]] bool is_journal_name(std::string_view name);
// The inverse of format_utc(); nullopt for anything that it does not print.
[[nodiscard]] std::optional<std::int64_t> parse_utc_exactly(std::string_view text);

}  // namespace av::store
