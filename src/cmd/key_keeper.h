#pragma once
// The keeper: a small process of this same program that holds the KEK of an unlocked store for a
// limited time, so that a person is asked once and not by every command.
//
// It has the key, a socket and two clocks, and nothing else: no environment, no terminal, no other
// descriptor, its memory locked and closed to other processes of the user. It gives the key to
// processes of this user that run this very program and are not inside of a run, for the row with
// this very KEK. It ends, and wipes the key, when its time is over (CLOCK_BOOTTIME: a suspended
// machine does not stop it), when nobody has asked for a while, when it is told to, or when its
// socket is removed.

#include <filesystem>

#include "core/clock.h"
#include "core/expected.h"
#include "store/store.h"

namespace av::cmd {

struct KeeperLimits {
  Millis lifetime = std::chrono::hours(8);
  Millis idle{0};  // 0: none
};

// Starts one for the store in `directory`; another that is there is ended. It serves when this
// returns.
[[nodiscard]] Status start_keeper(const std::filesystem::path& directory, const store::OpenKek& key,
                                  const KeeperLimits& limits);

// What main() runs when argv[0] is this and nothing follows. The exit code.
int run_keeper();
inline constexpr const char* kKeyKeeper = "agent-vault-key";

}  // namespace av::cmd
