#pragma once
// RefreshLock: who may ask a provider for a new token of one credential. A lock on one byte of a
// file beside the store, at the credential's number: of one open file (F_OFD_SETLK), so that it
// keeps the threads of one process apart too, and the kernel gives it back when its holder dies,
// however it dies. Nothing is written, nothing expires, no clock is asked.

#include <cstdint>
#include <optional>

#include "core/expected.h"
#include "core/fs.h"

namespace av::store {

// Held as long as the descriptor is open. Nothing when somebody else has it; never waits.
[[nodiscard]] Expected<std::optional<UniqueFd>> take_refresh_lock(const fs::Paths& paths,
                                                                  std::int64_t credential_id);

}  // namespace av::store
