#pragma once
// Opening a file of this machine that must be what its owner says: nobody but that owner and root
// can have put anything in the place of it, or of a directory above, as ssh demands it of its keys
// (sshd(8), StrictModes). The way there is walked descriptor by descriptor: what is checked is what
// is opened.

#include <filesystem>
#include <string>
#include <vector>

#include "core/fs.h"
#include "source/provider.h"

namespace av::source {

// For reading, `path` absolute. Each directory on the way belongs to this user or to root; only one
// with the sticky bit may be writable by others. A symbolic link is followed where root alone could
// have made it (/var/run), which says nothing when we are root, and nowhere else: an agent runs as
// this user, and could have it lead to what it cannot read itself. What is opened is no symbolic
// link; what else it is, the caller checks. `closed`: nothing in these directories, by whatever
// way, and none of these files is opened. kNotFound, kRefused (says which part, and why), kDenied.
[[nodiscard]] Result<UniqueFd> open_unshared(const std::string& path,
                                             const std::vector<std::filesystem::path>& closed = {});

}  // namespace av::source
