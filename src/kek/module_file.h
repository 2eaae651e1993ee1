#pragma once
// A library that the store's row names is code that this program will run with the person's PIN in
// its hands, and the row may have been written by somebody else.

#include <string>

#include "core/expected.h"

namespace av::kek {

// Returns the file's own path, without symbolic links. kNotPermitted unless it and all directories
// above belong to root or to this user and nobody else may write to them (in a sticky directory,
// nobody else may replace it); kNotFound when it is not there.
[[nodiscard]] Expected<std::string> check_module_file(const std::string& path);

}  // namespace av::kek
