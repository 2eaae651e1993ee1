#pragma once
// What the environment holds for external stores is not for the child.

#include <string>

#include "cmd/child_env.h"
#include "store/store.h"

namespace av::cmd {

// Takes out the variables that the secrets of the paired kinds are usually in (VAULT_TOKEN...), and
// those that credentials of the vault are read from (env://NAME). What the stores were paired with,
// and what those variables hold, is taken out of the others as well, as stored values are
// (replace_secrets); where it is a credential's, its placeholder takes its place. Before
// replace_named(), which gives variables their placeholders.
[[nodiscard]] Status remove_store_variables(EnvBlock& env, store::Store& store,
                                            const std::string& vault,
                                            const Placeholders& placeholders);

}  // namespace av::cmd
