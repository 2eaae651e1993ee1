#pragma once
// The side of the commands: asking the keeper that `agent-vault unlock` has started for the KEK of
// a store, and ending it.

#include <filesystem>
#include <optional>

#include "core/clock.h"
#include "core/crypto.h"
#include "core/expected.h"
#include "core/secret.h"

namespace av::cmd {

// kLocked when nobody keeps the key with this id for this process; the store then asks as it would
// without a keeper. Never waits for more than a second or two.
[[nodiscard]] Expected<Secret> ask_kept_key(const std::filesystem::path& store,
                                            const crypto::Bytes& kek_id);

// How much longer the key with this id is kept; nothing when it is not.
[[nodiscard]] std::optional<Millis> kept_for(const std::filesystem::path& store,
                                             const crypto::Bytes& kek_id);

// Ends the keeper, and returns when it has ended its service; whether there was one.
[[nodiscard]] Expected<bool> end_keeper(const std::filesystem::path& store);

}  // namespace av::cmd
