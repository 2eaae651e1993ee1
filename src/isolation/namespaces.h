#pragma once
// The steps, in order, by which the launcher shuts itself in. Each runs in the launcher's own
// process, before the child exists, and returns what failed.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "isolation/launcher.h"
#include "isolation/step.h"

namespace av::isolation {

// The map that gives a user namespace every id of its parent's, from the text of the parent's own
// /proc/PID/uid_map: "0 100000 65536" there becomes "0 0 65536" here.
[[nodiscard]] std::string identity_map(std::string_view parent_map);

// By a broker that is root: maps all of its ids into the namespaces of `pid`.
[[nodiscard]] bool write_full_maps(pid_t pid);
// By the launcher itself: maps only the user and group that it had in the parent namespace.
[[nodiscard]] Step write_single_maps(uid_t uid, gid_t gid);

// Cuts mount propagation and mounts a /proc of the new PID namespace over every visible one; where
// the user is root, with the parts of it read-only that steer the machine.
[[nodiscard]] Step take_over_mounts();

// A cover lies on the last component of a path, and renaming one above it would lead the next run
// past it. Makes each directory above what is hidden or masked a mount point, which cannot be
// renamed or removed, where the user could rename it. Before the covers.
[[nodiscard]] Step pin_ancestors(const LaunchSpec& spec, uid_t uid);

// A path to hide, without symbolic links, as one mount shows it.
struct Place {
  std::string path;
  bool directory = false;
};
// Every place at which the mount table shows one of `paths`, which must exist.
[[nodiscard]] Step find_places(const std::vector<std::filesystem::path>& paths,
                               std::vector<Place>& places);
enum class Cover {
  kSealed,  // a directory cannot be entered: it is the broker's, and an attempt is an error
  kEmpty,   // it can be, and is found empty: programs go on as if nothing had been set up
};
// Covers a directory with an empty, read-only tmpfs named after the run, a file with /dev/null.
[[nodiscard]] Step cover(const Place& place, const std::string& run_id, Cover how);
[[nodiscard]] Step mask(const LaunchSpec::Mask& mask);

// Every capability in every set, and no way back through exec.
[[nodiscard]] Step drop_privileges();

// After the covers are on and the privileges are gone:
// looks the working directory up again, now through the covers;
[[nodiscard]] Step enter_directory(const std::string& directory, const std::vector<Place>& hidden);
// What of the descriptors above the standard streams the command inherits.
enum class Inherited {
  kAll,
  kNoSockets,  // a connected one would be a way past the network
  // And what is open for writing would be one past what may be written: pipes, and files for
  // reading.
  kPipesAndReading,
};
// and does away with open descriptors that lead around them. A directory keeps pointing into the
// mount namespace that it was opened in, so it is opened anew by path; what leads to a hidden place
// is closed, or becomes /dev/null when it is a standard stream.
[[nodiscard]] Step clean_descriptors(const std::vector<Place>& hidden, Inherited inherited);

}  // namespace av::isolation
