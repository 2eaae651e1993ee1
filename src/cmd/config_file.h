#pragma once
// The user's config file, read and parsed; what its tables mean is their readers' business.

#include <toml++/toml.h>

#include <filesystem>
#include <string>

#include "core/expected.h"

namespace av::cmd {

// Empty for a file that is not there. kInvalid, with the line and `hint`, where it is no TOML. The
// text, which may hold the password of a proxy, is wiped; what the table has of it is the caller's.
[[nodiscard]] Expected<toml::table> parse_config_file(const std::filesystem::path& file,
                                                      const std::string& hint);

}  // namespace av::cmd
