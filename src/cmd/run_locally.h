#pragma once
// `run` with a proxy of its own, from the open store to the end of the command.

#include <string>
#include <vector>

#include "cmd/command.h"
#include "cmd/journal_closer.h"
#include "cmd/run_directory.h"
#include "cmd/run_options.h"
#include "cmd/run_supervisor.h"
#include "isolation/launcher.h"

namespace av::cmd {

struct LocalRun {
  Context& context;
  const std::vector<std::string>& argv;
  const RunOptions& options;
  isolation::Launcher& launcher;
  const RunDirectory& directory;
  std::string bundle;  // the roots of the system or the user, in PEM
  JournalCloser& closer;
};
// `exec_error`: the errno of exec when the command could not be run. An error: it did not run, or
// the launcher was lost.
[[nodiscard]] Expected<Outcome> run_locally(LocalRun run, int& exec_error);

}  // namespace av::cmd
