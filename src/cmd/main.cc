#include <openssl/crypto.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdio>

#include "cmd/cli.h"
#include "cmd/doctor.h"
#include "cmd/doctor_attack.h"
#include "cmd/helper_cover.h"
#include "cmd/key_keeper.h"
#include "cmd/output.h"
#include "core/exit_code.h"

namespace {

// Before anything secret exists: no core dump, no ptrace and no /proc/<pid>/mem for our own user.
av::Status harden() {
  const struct rlimit no_core {};
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || ::setrlimit(RLIMIT_CORE, &no_core) != 0) {
    return av::errno_error(errno, "cannot protect the memory of this process");
  }
  return {};
}

int fail(const av::Error& error) {
  av::cmd::print_error(stderr, error, false);
  return static_cast<int>(av::exit_code_for(error.code));
}

}  // namespace

int main(int argc, char** argv) {
  if (const av::Status hardened = harden(); !hardened) {
    return fail(hardened.error());
  }
  // In front of the program of an external store: nothing else of ours belongs into that process.
  if (argc == 1 && argv[0] == av::cmd::kCoveredHelper) {
    return av::cmd::run_covered_helper();
  }
  // At the end everything of ours has been wiped; freeing the rest is what the kernel does anyway.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
  switch (av::init_secret_arena()) {
    case av::ArenaState::kLocked:
      break;
    case av::ArenaState::kUnlocked:
      std::fputs(
          "agent-vault: warning: memory cannot be locked (see `ulimit -l`): secrets could "
          "reach the swap space\n",
          stderr);
      break;
    case av::ArenaState::kFailed:
      return fail(av::make_error(av::ErrorCode::kUnsupported, "no protected memory for secrets",
                                 "free some memory and try again"));
  }
  if (argc == 1 && std::string_view(argv[0]) == av::cmd::kKeyKeeper) {
    return av::cmd::run_keeper();
  }
  if (argc > 1 && argv[1] == av::cmd::kDoctorAttack) {
    return av::cmd::run_attacks({argv + 2, argv + argc});
  }
  if (argc == 2 && argv[1] == av::cmd::kDoctorReach) {
    return av::cmd::reach_broker();
  }
  av::Expected<av::cmd::Arguments> arguments = av::cmd::take_arguments(argc, argv);
  if (!arguments) {
    return fail(arguments.error());
  }
  const av::SystemClock clock;
  av::cmd::Context context;
  context.clock = &clock;
  return av::cmd::run_cli(context, std::move(*arguments));
}
