#pragma once
// The socket between commands and the keeper of an unlocked key: where it is, what is said on it,
// and who may ask.
//
// It lies in the store's own directory, which is private and which every run from level `store` on
// covers. SOCK_SEQPACKET: one message asks, one answers, the connection ends.

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <type_traits>

#include "core/clock.h"
#include "core/expected.h"
#include "core/fs.h"

namespace av::cmd {

inline constexpr const char* kKeeperSocket = "unlocked.sock";

enum class KeeperWord : std::uint8_t { kGiveKey = 'k', kState = 's', kEnd = 'e' };
enum class KeeperAnswer : std::uint8_t { kKey = 'K', kState = 'S', kEnds = 'E', kNo = 'N' };

struct KeeperRequest {
  std::array<char, 8> version{'A', 'V', 'k', 'e', 'e', 'p', '0', '1'};
  KeeperWord word = KeeperWord::kState;
  std::array<std::uint8_t, 8> kek_id{};
};
// The key follows, in kKey. No padding: what is sent is what is written.
struct KeeperReply {
  std::int64_t remaining_ms = 0;
  KeeperAnswer answer = KeeperAnswer::kNo;
  std::array<std::uint8_t, 7> reserved{};
};
static_assert(std::has_unique_object_representations_v<KeeperReply>);
static_assert(std::has_unique_object_representations_v<KeeperRequest>);

// A socket in `directory`, however long its path is (unix(7) allows 107 bytes).
[[nodiscard]] Expected<UniqueFd> connect_keeper(const std::filesystem::path& directory);
[[nodiscard]] Expected<UniqueFd> listen_keeper(const std::filesystem::path& directory);

// What a process shows of itself: its own /proc/self/maps, open. It is bound to the memory of the
// process that opened it, and reads as empty once that runs another program or is gone.
[[nodiscard]] Expected<UniqueFd> own_maps();

// Knows other processes of the program that this one runs.
class ProgramCheck {
 public:
  // Nothing when /proc does not tell.
  [[nodiscard]] static std::optional<ProgramCheck> of_this_program();
  // By /proc/PID/exe where that may be read. Of a process that is not dumpable, as all of ours are,
  // an ordinary user may not (proc(5)): then by its maps, which must have this program's file where
  // the kernel has put it here, part for part.
  [[nodiscard]] bool is_same(pid_t pid, const UniqueFd& maps) const;

 private:
  std::string file_;    // "fd:00 1234", device and inode as maps spell them
  std::string layout_;  // of its parts in memory
};

}  // namespace av::cmd
