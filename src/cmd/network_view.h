#pragma once
// What the programs of a run with a network of its own find in the file system about names: the
// broker answers their questions, and nobody else does. A service of the machine that looks names
// up for whoever asks on its socket would be a way out.

#include <filesystem>
#include <vector>

#include "cmd/run_directory.h"
#include "isolation/launcher.h"

namespace av::cmd {

// Sockets of such services that are there, to be hidden.
[[nodiscard]] std::vector<std::filesystem::path> name_service_sockets();
// Another /etc/resolv.conf; none where there is no such file, for then programs ask 127.0.0.1.
[[nodiscard]] Expected<std::vector<isolation::LaunchSpec::Mask>> name_server_masks(
    const RunDirectory& directory);

}  // namespace av::cmd
