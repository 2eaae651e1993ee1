#pragma once
// What the `op` program says on standard error when it fails, sorted by what a person can do about
// it. The texts are those of op 2.18 to 2.39. Names of vaults, items and fields are other people's
// words: they are taken out before anything is looked for.

#include <string_view>

#include "source/provider.h"

namespace av::source {

// The message has no name of a reference, and nothing that looks like a token.
[[nodiscard]] Failure op_failure(std::string_view errors);

}  // namespace av::source
