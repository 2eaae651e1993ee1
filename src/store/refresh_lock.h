#pragma once
// RefreshLock: who may ask a provider for a new token of one credential. A byte_lock.h at the
// credential's number.

#include <cstdint>
#include <optional>

#include "core/expected.h"
#include "core/fs.h"

namespace av::store {

// Held as long as the descriptor is open. Nothing when somebody else has it; never waits.
[[nodiscard]] Expected<std::optional<UniqueFd>> take_refresh_lock(const fs::Paths& paths,
                                                                  std::int64_t credential_id);

}  // namespace av::store
