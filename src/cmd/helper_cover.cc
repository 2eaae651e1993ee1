#include "cmd/helper_cover.h"

#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <optional>
#include <utility>

#include "cmd/child_env.h"
#include "cmd/hidden_paths.h"
#include "cmd/ways_out.h"
#include "core/crypto.h"
#include "isolation/launcher.h"
#include "isolation/wire.h"

namespace av::cmd {
namespace {

using isolation::Event;
using isolation::Launcher;
using isolation::LaunchSpec;
using isolation::Level;
using source::Failure;
using source::Verdict;

// The only level for programs that must reach their servers and find their files.
constexpr Level kLevel = Level::kStore;

constexpr char kMayBeUncovered = 'u';
constexpr char kMustBeCovered = 'c';

// "NAME=value" texts as the array that EnvBlock reads.
EnvBlock block_of(std::string_view text) {
  std::vector<const char*> variables;
  for (std::size_t at = 0; at < text.size(); at = text.find('\0', at) + 1) {
    variables.push_back(text.data() + at);
  }
  variables.push_back(nullptr);
  return EnvBlock(variables.data());
}

class HelperCover final : public source::Coverer {
 public:
  explicit HelperCover(HelperReach reach) : reach_(std::move(reach)) {}

  source::Result<source::Cover> cover(const source::Covered& program) const override {
    source::Cover out;
    out.program = UniqueFd(::open("/proc/self/exe", O_PATH | O_CLOEXEC));
    if (!out.program.valid()) {
      return cannot("this program's own file cannot be opened");
    }
    out.arguments = {std::string(kCoveredHelper)};
    LaunchSpec spec;
    spec.argv = program.arguments;
    spec.program = program.program;
    spec.cwd = "/";
    spec.run_id = "helper_" + crypto::random_hex(8);
    auto hidden = hidden_paths(reach_.paths);
    if (!hidden) {
      return cannot(hidden.error().message);
    }
    spec.hidden = std::move(hidden->paths);
    // What is where, this process's environment tells; the program has only a part of it.
    EnvBlock ours(::environ);
    EnvBlock theirs = block_of(program.environment);
    for (EnvBlock* const env : {&ours, &theirs}) {
      for (std::filesystem::path& path : ways_out(kLevel, reach_.shares, *env).closed) {
        spec.hidden.push_back(std::move(path));
      }
    }
    spec.environment = theirs.encode();
    out.told.append(std::to_string(program.verdict));
    out.told.push_back(reach_.uncovered ? kMayBeUncovered : kMustBeCovered);
    out.told.append(isolation::encode(spec).view());
    return out;
  }

 private:
  static Failure cannot(const std::string& what) {
    return source::failure(Failure::Why::kRefused,
                           "the programs of external stores cannot be isolated: " + what);
  }
  const HelperReach reach_;
};

struct Task {
  int verdict = -1;
  bool uncovered = false;
  LaunchSpec spec;
};

// What HelperCover has told.
std::optional<Task> task_of(std::string_view told) {
  Task out;
  std::size_t at = 0;
  int number = 0;
  while (at < told.size() && told[at] >= '0' && told[at] <= '9' && at < 7) {
    number = number * 10 + (told[at++] - '0');
  }
  if (at == 0 || at == told.size() || number <= STDERR_FILENO) {
    return std::nullopt;
  }
  out.verdict = number;
  out.uncovered = told[at] == kMayBeUncovered;
  if (!isolation::decode(told.substr(at + 1), out.spec)) {
    return std::nullopt;
  }
  return out;
}

Verdict refused(const Error& error) {
  Verdict out;
  out.text = error.message;
  out.hint = error.hint;
  return out;
}

Expected<Launcher> start(Level level, int verdict) {
  // Whoever is inside must not be able to say how it went.
  AV_TRY(Launcher launcher, Launcher::start({level, {}}, [verdict] { ::close(verdict); }));
  AV_CHECK(launcher.prepared());
  return launcher;
}

Expected<Launcher> start(const Task& task) {
  Expected<Launcher> launcher = start(kLevel, task.verdict);
  if (!launcher && task.uncovered && launcher.error().code == ErrorCode::kUnsupported) {
    return start(Level::kOff, task.verdict);
  }
  return launcher;
}

Verdict run(Task& task) {
  Expected<Launcher> launcher = start(task);
  if (!launcher) {
    return refused(launcher.error());
  }
  const Expected<int> started = launcher->launch(task.spec);
  task.spec.environment.clear();
  if (!started) {
    return refused(started.error());
  }
  Verdict out;
  if (*started != 0) {
    out.what = Verdict::What::kNotRun;
    out.value = *started;
    return out;
  }
  out.what = Verdict::What::kExited;
  while (true) {
    const Event event = launcher->next_event();
    switch (event.kind) {
      case Event::Kind::kStopped:
      case Event::Kind::kContinued:
        continue;  // whoever waits has a time limit
      case Event::Kind::kExited:
        out.value = event.value;
        break;
      case Event::Kind::kKilled:
        out.value = 128 + event.value;
        break;
      case Event::Kind::kLost:
        out = refused(make_error(ErrorCode::kInternal, "its isolation has ended unexpectedly",
                                 "see whether the system is short of memory"));
        break;
    }
    // What it has started is gone when the end is told.
    launcher->wait_gone();
    return out;
  }
}

}  // namespace

std::unique_ptr<source::Coverer> make_helper_cover(HelperReach reach) {
  return std::make_unique<HelperCover>(std::move(reach));
}

int run_covered_helper() {
  auto told = source::read_frame(STDIN_FILENO);
  std::optional<Task> task = told ? task_of(told->view()) : std::nullopt;
  if (!task || ::fcntl(task->verdict, F_SETFD, FD_CLOEXEC) != 0 ||
      (task->spec.program >= 0 && ::fcntl(task->spec.program, F_SETFD, FD_CLOEXEC) != 0)) {
    return 2;
  }
  told->clear();
  const std::string text = source::to_text(run(*task));
  return ::write(task->verdict, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0
                                                                                               : 1;
}

}  // namespace av::cmd
