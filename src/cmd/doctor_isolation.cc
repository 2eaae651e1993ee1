// `doctor` attacks each isolation level from inside of one.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <sstream>

#include "cmd/doctor.h"
#include "cmd/doctor_attack.h"
#include "cmd/env_secrets.h"
#include "cmd/launch_spec.h"
#include "cmd/listener.h"
#include "cmd/own_program.h"
#include "core/ossl.h"
#include "isolation/landlock.h"
#include "isolation/launcher.h"

namespace av::cmd {
namespace {

using isolation::Level;
using Worked = std::set<std::string, std::less<>>;

constexpr Level kLevels[] = {Level::kOff, Level::kLandlock, Level::kStore, Level::kNetwork,
                             Level::kStrict};

// What there is to attack, for as long as this lives.
struct Stage {
  Listener tcp;
  UniqueFd abstract;
  AttackFacts facts;
};

Expected<Stage> set_stage(const Context& context) {
  Stage stage;
  AV_TRY(stage.tcp, listen_on("127.0.0.1", 0));
  stage.abstract = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  stage.facts.abstract = "agent-vault-doctor-" + crypto::random_hex(8);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, stage.facts.abstract.data(), stage.facts.abstract.size());
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + stage.facts.abstract.size());
  if (::bind(stage.abstract.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::listen(stage.abstract.get(), 16) != 0) {
    return errno_error(errno, "cannot listen on a socket to be attacked");
  }
  stage.facts.tcp = stage.tcp.port;
  stage.facts.store = context.paths.data.string();
  stage.facts.key = context.paths.database().string();
  const char* const home = std::getenv("HOME");
  stage.facts.home = home != nullptr ? home : "";
  stage.facts.broker = ::getpid();
  return stage;
}

// Takes the place of the standard output for as long as it lives, so that the run inherits it.
class StandardOutput {
 public:
  explicit StandardOutput(const UniqueFd& replacement)
      : saved_(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10)) {
    ::dup2(replacement.get(), STDOUT_FILENO);
  }
  ~StandardOutput() {
    if (saved_.valid()) {
      ::dup2(saved_.get(), STDOUT_FILENO);
    }
  }
  StandardOutput(const StandardOutput&) = delete;
  StandardOutput& operator=(const StandardOutput&) = delete;

 private:
  UniqueFd saved_;
};

std::string read_all(const UniqueFd& fd) {
  std::string out;
  char piece[4096];
  for (;;) {
    const ssize_t got = ::read(fd.get(), piece, sizeof piece);
    if (got > 0 && out.size() < (std::size_t{1} << 16)) {
      out.append(piece, static_cast<std::size_t>(got));
    } else if (got == 0 || errno != EINTR) {
      return out;
    }
  }
}

// The names of the attacks that worked.
Expected<Worked> attack(const Context& context, Level level, const AttackFacts& facts) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return errno_error(errno, "cannot make a pipe");
  }
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  Expected<isolation::Launcher> launcher = [&] {
    const StandardOutput replaced(writer);
    return isolation::Launcher::start({level, {}}, wipe_env_secrets);
  }();
  writer.reset();
  if (!launcher) {
    return launcher.error();
  }
  AV_CHECK(launcher->prepared());
  AV_TRY(const RunDirectory directory, RunDirectory::create());
  AV_TRY(const std::filesystem::path path, own_program());
  const std::string& program = path.native();
  std::vector<std::string> argv{program, std::string(kDoctorAttack)};
  for (std::string& each : to_arguments(facts)) {
    argv.push_back(std::move(each));
  }
  EnvBlock env(::environ);
  RunOptions options;
  options.read = {program};  // it may lie in /tmp, which is the run's own at `strict`
  const vault::PolicySnapshot nothing;
  Context quiet;
  quiet.paths = context.paths;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> nowhere(std::fopen("/dev/null", "we"),
                                                                &std::fclose);
  quiet.err = nowhere.get();  // what a run would warn of is not what is asked here
  AV_TRY(isolation::LaunchSpec spec,
         make_launch_spec(
             quiet, {argv, "run_doctor", level, env, options, directory, nothing, {}, {}, {}}));
  AV_TRY(const int exec_error, launcher->launch(spec));
  if (exec_error != 0) {
    return exec_failed(exec_error, "our own program");
  }
  const std::string output = read_all(reader);
  const isolation::Event ended = launcher->next_event();
  if (ended.kind != isolation::Event::Kind::kExited || ended.value != 0) {
    return make_error(ErrorCode::kInternal, "the attacks from inside did not come to their end");
  }
  Worked worked;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    worked.insert(line);
  }
  return worked;
}

Check judge(Level level, const Worked& possible, const Worked& worked) {
  Check check;
  check.name = "isolation " + std::string(isolation::to_string(level));
  std::size_t held = 0;
  std::vector<std::string> open;
  for (const AttackInfo& each : attack_list()) {
    if (!each.closed_at(level) || !possible.contains(each.name)) {
      continue;
    }
    if (worked.contains(each.name)) {
      open.emplace_back(each.about);
    } else {
      ++held;
    }
  }
  if (open.empty()) {
    check.detail = std::to_string(held) + " ways tried from inside, none worked";
    return check;
  }
  check.state = CheckState::kFailed;
  check.detail = "a command could ";
  for (std::size_t i = 0; i < open.size(); ++i) {
    check.detail += (i == 0 ? "" : i + 1 == open.size() ? " and " : ", ") + open[i];
  }
  check.fix = "do not rely on this level here; please report it with `agent-vault doctor --json`";
  return check;
}

Check refused(Level level, const Error& error) {
  Check check;
  check.name = "isolation " + std::string(isolation::to_string(level));
  // The default falls back with a warning, so this is a loss and no failure of ours.
  check.state = CheckState::kWarning;
  check.detail = "cannot be had: " + error.message;
  check.fix = error.hint.substr(0, error.hint.find(", or choose --isolation"));
  return check;
}

}  // namespace

std::vector<Check> check_isolation(Context& context) {
  std::vector<Check> checks;
  const auto stage = set_stage(context);
  if (!stage) {
    checks.push_back({"isolation", CheckState::kFailed, stage.error().message, stage.error().hint});
    return checks;
  }
  Worked possible;
  for (const Level level : kLevels) {
    auto worked = attack(context, level, stage->facts);
    if (level == Level::kOff) {
      if (!worked) {
        checks.push_back({"isolation", CheckState::kFailed,
                          "nothing can be run: " + worked.error().message, worked.error().hint});
        return checks;
      }
      possible = std::move(*worked);
      continue;
    }
    checks.push_back(worked ? judge(level, possible, *worked) : refused(level, worked.error()));
  }
  const int abi = isolation::landlock_abi();
  checks.push_back({"landlock", abi > 0 ? CheckState::kOk : CheckState::kWarning,
                    abi > 0 ? "ABI " + std::to_string(abi)
                            : "not in this kernel: `strict` has mounts alone to keep files",
                    abi > 0 ? "" : "start a kernel of 5.13 or newer with landlock among its lsm="});
  return checks;
}

}  // namespace av::cmd
