#pragma once
// Where the lines of a journal end, and the signed end of journals whose writer was killed. Without
// it, whoever can write the files could add records to such a journal for ever: hashes have no key.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "store/audit_chain.h"

namespace av::store {

struct JournalPlace {
  std::uint64_t lines = 0;
  std::uint64_t bytes = 0;
  crypto::Digest head{};
};
// Behind the last whole line of what follows `from`. Reads `most_bytes` at most, and one line;
// `whole` says whether there is no more. Hashes are taken as the lines say them: whether they are
// right is for verify to tell.
[[nodiscard]] Expected<JournalPlace> place_of_journal(const std::filesystem::path& path,
                                                      const JournalPlace& from,
                                                      std::uint64_t most_bytes, bool& whole);

// The names of all journals, sorted.
[[nodiscard]] std::vector<std::string> journals_in(const std::filesystem::path& directory);
// For a chain that begins: an `adopt` for each journal, and a `mark` for what is in it now.
[[nodiscard]] std::vector<RootEntry> entries_to_adopt(const std::filesystem::path& directory);

// Signs where the journals end that nobody holds a lock on, and that have no end yet. Looks at the
// last `window` bytes of the chain, and signs for a few journals at most: the next call goes on.
// kLook is what every process can spend, kLookFar what one that stays can.
inline constexpr std::uint64_t kLook = std::uint64_t{64} << 10;
inline constexpr std::uint64_t kLookFar = std::uint64_t{4} << 20;
[[nodiscard]] Status sign_dead_journals(const std::filesystem::path& directory, RootChain& chain,
                                        std::uint64_t window);

}  // namespace av::store
