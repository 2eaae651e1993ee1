#pragma once
// Whether one service gives no more than another: what makes a human's changes to a proposal
// harmless by construction.

#include <string>

#include "core/expected.h"
#include "vault/service.h"

namespace av::vault {

// Whether every host, port, path and method of `narrow` is one of `wide`.
[[nodiscard]] bool reaches_no_further(const Service& narrow, const Service& wide);
// kNotPermitted, naming the field, where `narrow` would give anything that `wide` does not: reach,
// credentials and their places, TLS, what is let pass, time and number of uses. Its name is not
// compared, nor is `grant`, which only names a counter.
[[nodiscard]] Status check_covered(const Service& narrow, const Service& wide);

}  // namespace av::vault
