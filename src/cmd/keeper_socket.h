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

// What a process shows of itself to be known by: its own /proc/self/maps and auxv, open. They are
// bound to this process's memory, and only it could open them: our processes are not dumpable
// (proc(5)), so an ordinary user's keeper cannot look at /proc/PID/exe by itself.
struct SelfEvidence {
  UniqueFd maps;
  UniqueFd auxv;
};
[[nodiscard]] Expected<SelfEvidence> own_evidence();

// "fd:00 1234", device and inode of the program that the process with this evidence runs, as the
// kernel tells it; nullopt when the files are something else or the process is gone. `pid`: whose
// they must be.
[[nodiscard]] std::optional<std::string> program_of(const SelfEvidence& evidence, pid_t pid);

}  // namespace av::cmd
