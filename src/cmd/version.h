#pragma once
// What this program is made of: for a report of a fault, and for whoever must know which release of
// a library the process really uses. Nothing here touches a store.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/command.h"

namespace av::cmd {

// The commit of the source tree, 40 hexadecimal digits, with "-modified" behind it where the tree
// had changes; empty when it was built outside of a repository. Generated: cmake/commit.cmake.
[[nodiscard]] std::string_view build_commit();

struct LibraryVersion {
  std::string name;
  std::string version;  // as the loaded library says of itself, not the header it was built with
};
// Of the libraries that hold keys or read foreign bytes, in order of their names.
[[nodiscard]] std::vector<LibraryVersion> library_versions();

// `version`: the facts as a table, or as JSON where --json is given.
void print_version(const Context& context);
std::span<const Command> version_commands();

}  // namespace av::cmd
