#pragma once
// `run` with the proxy of a `serve` elsewhere: no store and no proxy of its own, but a session that
// ends with the command, a port that leads there, and the same environment and isolation.

#include <string>
#include <vector>

#include "cmd/command.h"
#include "cmd/run_directory.h"
#include "cmd/run_options.h"
#include "cmd/run_supervisor.h"
#include "isolation/launcher.h"

namespace av::cmd {

// What a run elsewhere cannot be told: it is the server's to say. kUsage, naming the option.
[[nodiscard]] Status check_remote_words(const RunWords& words);

struct RemoteRun {
  Context& context;
  const std::vector<std::string>& argv;
  const RunOptions& options;
  std::string ca_fingerprint;           // --ca-fingerprint
  std::vector<std::string> server_cas;  // --upstream-ca
  isolation::Launcher& launcher;
  const RunDirectory& directory;
  std::string bundle;  // the roots of the system or the user, in PEM
};
// `exec_error`: the errno of exec when the command could not be run. An error: it did not run, or
// the launcher was lost.
[[nodiscard]] Expected<Outcome> run_remotely(RemoteRun run, int& exec_error);

}  // namespace av::cmd
