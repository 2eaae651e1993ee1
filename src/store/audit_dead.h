#pragma once
// Where the lines of a journal end, and the signed end of journals whose writer was killed. Without
// it, whoever can write the files could add records to such a journal for ever: hashes have no key.

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
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

// What every process can spend on a look at the chain, and one that stays, now and then.
inline constexpr std::uint64_t kLook = std::uint64_t{64} << 10;
inline constexpr std::uint64_t kLookFar = std::uint64_t{4} << 20;

// Signs where the journals end that nobody holds a lock on, and that have no end yet. Goes
// backwards through the chain, a window at each look, so that a journal is found however far back
// its last line lies, and no look takes long. Memory grows with the number of journals. Belongs to
// one thread.
class DeadJournals {
 public:
  explicit DeadJournals(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // Reads what has been appended to the chain, and the `window` bytes before those that it has
  // seen; then signs for a few journals at most: the next look goes on.
  [[nodiscard]] Status look(RootChain& chain, std::uint64_t window);
  // The whole chain was seen, and there was nothing left to sign.
  [[nodiscard]] bool done() const { return begun_ && begin_ == 0 && !more_; }

 private:
  [[nodiscard]] Status read_new();
  [[nodiscard]] Status read_back(std::uint64_t window);
  // Lines of the chain in a row, and what they leave open.
  struct Stretch {
    void take(RootEntry&& entry);
    std::map<std::string, JournalPlace> open;
    std::set<std::string> settled;  // have an end, or never get one
    std::string adopted;            // named by the line before
  };

  std::filesystem::path directory_;
  bool begun_ = false;
  bool more_ = false;
  std::uint64_t begin_ = 0;  // what has been seen of the chain
  std::uint64_t end_ = 0;
  Stretch seen_;
};

// One look.
[[nodiscard]] Status sign_dead_journals(const std::filesystem::path& directory, RootChain& chain,
                                        std::uint64_t window);

}  // namespace av::store
