#pragma once
// Table [serve.oidc] of the user's config file: by which issuer of identities people sign in.

#include <filesystem>
#include <optional>

#include "api/options.h"
#include "core/expected.h"

namespace av::cmd {

// None when there is no such table. Reads the file of the client's secret.
[[nodiscard]] Expected<std::optional<api::SignInOptions>> read_sign_in(
    const std::filesystem::path& config_file);

}  // namespace av::cmd
