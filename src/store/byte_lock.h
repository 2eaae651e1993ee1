#pragma once
// A lock on one byte of a file beside the store: of one open file (F_OFD_SETLK), so that it keeps
// the threads of one process apart too, and the kernel gives it back when its holder dies, however
// it dies. Nothing is written, nothing expires, no clock is asked.

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/expected.h"
#include "core/fs.h"

namespace av::store {

// Held as long as the descriptor is open. Nothing when somebody else has it; never waits.
// `file`: a name in the directory of the store; it is made when it is not there.
[[nodiscard]] Expected<std::optional<UniqueFd>> take_byte_lock(const fs::Paths& paths,
                                                               std::string_view file,
                                                               std::int64_t byte);

}  // namespace av::store
