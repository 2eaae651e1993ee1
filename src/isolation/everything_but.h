#pragma once
// What a list of what is allowed has to name so that everything is but some directories: Landlock
// knows no other list.

#include <string>
#include <vector>

namespace av::isolation {

// The siblings of each of `hidden` and of each directory above it, below `root`. Absolute, without
// symbolic links, and with none among the results: a link is judged by where it leads.
//
// A rule is about a directory and not about its path, so one that is above something hidden is
// never among the results, by whatever mount it is met again. Where a directory above something
// hidden cannot be listed, its other entries are not allowed.
[[nodiscard]] std::vector<std::string> everything_but(const std::vector<std::string>& hidden,
                                                      const std::string& root = "/");

}  // namespace av::isolation
