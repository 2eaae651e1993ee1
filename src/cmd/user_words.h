#pragma once
// What the commands about people share.

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "cmd/command.h"
#include "core/expected.h"
#include "vault/user.h"

namespace av::cmd {

// Of --role; "member" when it was not given. kUsage.
[[nodiscard]] Expected<vault::VaultRole> vault_role_of(std::string_view word);

// The JSON on standard output with --json, else the words on standard error.
void done(const Context& context, const nlohmann::ordered_json& json, std::string_view words);

}  // namespace av::cmd
