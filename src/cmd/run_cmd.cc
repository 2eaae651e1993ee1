#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include "cmd/option_set.h"

#include "cmd/ca_bundle.h"
#include "cmd/command.h"
#include "cmd/env_secrets.h"
#include "cmd/journal_closer.h"
#include "cmd/output.h"
#include "cmd/remote.h"
#include "cmd/remote_run.h"
#include "cmd/run_directory.h"
#include "cmd/run_locally.h"
#include "cmd/run_options.h"
#include "cmd/wrapped_shell.h"
#include "core/exit_code.h"
#include "isolation/launcher.h"

namespace av::cmd {
namespace {

struct RunCommand {
  RunWords words;
  std::vector<std::string> argv;
};

Expected<isolation::Launcher> start_prepared(isolation::Level level) {
  AV_TRY(isolation::Launcher launcher, isolation::Launcher::start({level, {}}, wipe_env_secrets));
  AV_CHECK(launcher.prepared());
  return launcher;
}

// Where nothing was asked for and `store` cannot be had: what is left, and what it lacks.
Expected<isolation::Launcher> start_lesser_launcher(const Context& context, const Error& obstacle) {
  auto launcher = start_prepared(isolation::Level::kLandlock);
  if (launcher) {
    warn(context,
         "no isolation `store`: " + obstacle.message +
             "; going on with `landlock`: the command cannot read the store, but it sees "
             "other programs, has no Unix sockets, and makes nothing new right in your home");
    notice(context, "hint: " + obstacle.hint.substr(0, obstacle.hint.find(", or choose")) +
                        ", or choose --isolation landlock to silence this");
    return launcher;
  }
  if (launcher.error().code != ErrorCode::kUnsupported) {
    return launcher;
  }
  warn(context,
       "no isolation: " + obstacle.message + "; the command can read the store and its key file");
  notice(context, "hint: " + obstacle.hint + " to silence this");
  return start_prepared(isolation::Level::kOff);
}

// The level that was asked for, or the best that can be had when none was. `meanwhile` is done
// while the namespaces are made; it may make neither a thread nor anything secret: another launcher
// may have to be forked after it.
Expected<isolation::Launcher> start_launcher(const Context& context, const RunOptions& options,
                                             const std::function<Status()>& meanwhile) {
  const std::optional<isolation::Level> asked = options.isolation;
  const isolation::Level level = asked.value_or(isolation::Level::kStore);
  auto launcher = isolation::Launcher::start({level, {options.ports.local}}, wipe_env_secrets);
  AV_CHECK(meanwhile());
  Status ready = launcher ? launcher->prepared() : Status(launcher.error());
  if (ready) {
    if (level == isolation::Level::kOff) {
      warn(context, "isolation is off: the command can read the store and its key file");
    }
    return launcher;
  }
  // What the command of an earlier run can bring about must not take the isolation off.
  if (asked || ready.error().code != ErrorCode::kUnsupported) {
    return ready.error();
  }
  return start_lesser_launcher(context, ready.error());
}

int fail(const Context& context, const Error& error, ExitCode code = ExitCode::kRunFailed) {
  print_error(context.err, error, context.json);
  return static_cast<int>(code);
}

// Descriptors 0 to 2 must not become a file of ours that somebody prints to. The launcher has been
// forked: the command finds them closed as they were.
void fill_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) {
      static_cast<void>(::open("/dev/null", O_RDWR | O_CLOEXEC));
    }
  }
}

// Everything that holds something of the run is gone when this returns.
Expected<Outcome> run_session(Context& context, const RunCommand& command,
                              const RunOptions& options, JournalCloser& closer, int& exec_error) {
  std::optional<RunDirectory> directory;
  Bundle bundle;
  const auto meanwhile = [&]() -> Status {
    fill_standard_streams();
    AV_TRY(RunDirectory created, RunDirectory::create());
    directory.emplace(std::move(created));
    AV_TRY(bundle, combined_bundle({}, std::getenv));
    crypto::load_algorithms();
    return {};
  };
  AV_TRY(isolation::Launcher launcher, start_launcher(context, options, meanwhile));
  // A peer that hangs up is an error of that connection, not the end of the broker.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a write past `ulimit -f` is an error like that of a full disk
  for (const std::string& warning : bundle.warnings) {
    warn(context, warning);
  }
  if (is_remote(context)) {
    RemoteRun run{context,
                  command.argv,
                  options,
                  command.words.ca_fingerprint,
                  command.words.upstream_ca,
                  launcher,
                  *directory,
                  std::move(bundle.pem)};
    return run_remotely(std::move(run), exec_error);
  }
  LocalRun run{context, command.argv, options, launcher, *directory, std::move(bundle.pem), closer};
  return run_locally(std::move(run), exec_error);
}

// The profile that is asked for, or that of the program; "-" is none.
ProfileChoice choose_profile(const RunCommand& command) {
  const std::string& asked = command.words.profile;
  if (!asked.empty()) {
    return {asked == "-" ? std::string() : asked, asked != "-"};
  }
  if (command.argv.empty()) {
    return {"shell", false};
  }
  return {std::filesystem::path(command.argv.front()).filename().string(), false};
}

// What is run where the command line names nothing: the profile's command, or for a person a shell.
Status choose_command(RunCommand& command, RunOptions& options) {
  if (!command.argv.empty()) {
    return {};
  }
  if (!options.command.empty()) {
    command.argv = options.command;
    return {};
  }
  if (::isatty(STDIN_FILENO) != 1) {
    return make_error(ErrorCode::kUsage, "no command to run, and no terminal for a shell",
                      "agent-vault run [options] -- COMMAND [ARGUMENT...]");
  }
  command.argv = own_shell(EnvBlock(::environ));
  options.marks_prompt = true;
  return {};
}

Expected<int> run(Context& context, RunCommand& command) {
  if (context.paths.data.empty()) {
    auto paths = fs::default_paths();
    if (!paths) {
      return fail(context, paths.error());
    }
    context.paths = std::move(*paths);
  }
  if (!command.argv.empty() && command.argv.front().starts_with('-')) {
    return make_error(ErrorCode::kUsage, "unknown option " + command.argv.front(),
                      "agent-vault run [options] -- COMMAND [ARGUMENT...]");
  }
  context.allow_cleartext = command.words.allow_cleartext;
  context.address = command.words.address;
  if (is_remote(context)) {
    AV_CHECK(check_remote_words(command.words));
  } else if (!command.words.address.empty() || !command.words.ca_fingerprint.empty()) {
    return make_error(ErrorCode::kUsage,
                      "--address and --ca-fingerprint are for a run at a server, and this is none",
                      "without --local, and not inside of a run");
  }
  auto options = resolve_options(command.words, context.paths.config_file(), std::getenv,
                                 ConfigTable::kRun, choose_profile(command));
  if (!options) {
    if (options.error().code == ErrorCode::kUsage) {
      return options.error();
    }
    return fail(context, options.error());
  }
  AV_CHECK(choose_command(command, *options));
  if (!options->vault.empty() && !context.vault) {
    context.vault = options->vault;
  }
  if (is_remote(context)) {
    // The file is about the agents of this store.
    options->agent = command.words.agent == "-" ? std::string() : command.words.agent;
    options->ttl = command.words.ttl.empty() ? std::nullopt : options->ttl;
  }
  int exec_error = 0;
  JournalCloser closer;
  const Expected<Outcome> outcome = run_session(context, command, *options, closer, exec_error);
  context.store.reset();
  closer.wait();
  if (exec_error != 0) {
    return fail(context, outcome.error(),
                exec_error == ENOENT ? ExitCode::kRunNotFound : ExitCode::kRunNotExecutable);
  }
  if (!outcome) {
    return fail(context, outcome.error());
  }
  if (outcome->signal != 0) {
    die_by_signal(outcome->signal);
    return 128 + outcome->signal;
  }
  return outcome->exit_code;
}

Run set_up_run(OptionSet& app) {
  auto command = std::make_shared<RunCommand>();
  add_run_options(app, command->words);
  // Everything from the first word that is not an option of ours belongs to the command.
  app.take_rest("agent-vault run [options] -- COMMAND [ARGUMENT...]");
  return [command, &app](Context& context) {
    command->argv = app.rest();
    if (!command->argv.empty() && command->argv.front() == "--") {
      command->argv.erase(command->argv.begin());
    }
    return run(context, *command);
  };
}

constexpr std::array kCommands{
    Command{"run", "run a command that reaches the network through the vault", Needs::kNothing,
            &set_up_run},
};

}  // namespace

std::span<const Command> run_commands() {
  return kCommands;
}

}  // namespace av::cmd
