// What `doctor` looks at beside the isolation levels.

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <sstream>

#include "api/store_words.h"
#include "cmd/api_client.h"
#include "cmd/doctor.h"
#include "cmd/http_client.h"
#include "cmd/kept_key.h"
#include "cmd/output.h"
#include "cmd/own_program.h"
#include "cmd/paired_store.h"
#include "cmd/remote_json.h"
#include "core/fs.h"

namespace av::cmd {
namespace {

constexpr std::uint64_t kLeastLocked = std::uint64_t{1} << 20;
constexpr std::uint64_t kLeastFree = std::uint64_t{64} << 20;
constexpr std::int64_t kClockSlack = 24LL * 3600 * 1000;

Check ok(std::string name, std::string detail) {
  return {std::move(name), CheckState::kOk, std::move(detail), {}};
}

std::string in_mib(std::uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

// Somebody else's, or open to others.
std::optional<std::string> exposed(const std::filesystem::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return std::nullopt;
  }
  if (info.st_uid != ::geteuid()) {
    return path.string() + " belongs to another user";
  }
  if (!S_ISLNK(info.st_mode) && (info.st_mode & 077) != 0) {
    return "others may read or change " + path.string();
  }
  return std::nullopt;
}

Check check_files(const Context& context) {
  for (const auto& path : {context.paths.data, context.paths.database(), context.paths.key_file(),
                           context.paths.audit(), context.paths.config}) {
    if (const auto wrong = exposed(path)) {
      return {"files", CheckState::kFailed, *wrong, "chmod -R go= " + context.paths.data.string()};
    }
  }
  struct statvfs room {};
  if (::statvfs(context.paths.data.c_str(), &room) == 0) {
    const std::uint64_t free = std::uint64_t{room.f_bavail} * room.f_frsize;
    if (free < kLeastFree) {
      return {"files", CheckState::kWarning, "only " + in_mib(free) + " are free on the disk",
              "make room: what is not on the audit log is not done"};
    }
    return ok("files", context.paths.data.string() + ", yours alone, " + in_mib(free) + " free");
  }
  return ok("files", context.paths.data.string() + ", yours alone");
}

Check check_key(Context& context) {
  const auto status = context.store->key_status();
  if (!status) {
    return {"key", CheckState::kFailed, status.error().message, status.error().hint};
  }
  std::string detail =
      std::string(to_string(status->mode)) + ", generation " + std::to_string(status->generation);
  if (status->mode != store::KeyMode::kFile) {
    detail += ": " + status->detail;
  } else {
    return {"key", CheckState::kWarning,
            detail + ": whoever reads your files can read what is stored",
            "agent-vault key protect --with passphrase"};
  }
  return ok("key", std::move(detail));
}

bool is_in_memory_swap(const std::string& text) {
  return text.find("/zram") != std::string::npos;
}

}  // namespace

std::string_view to_string(CheckState state) {
  switch (state) {
    case CheckState::kOk:
      return "ok";
    case CheckState::kWarning:
      return "warning";
    case CheckState::kFailed:
      return "failed";
    case CheckState::kSkipped:
      return "skipped";
  }
  return "?";
}

Check check_program() {
  const std::string path = own_program().value_or(std::filesystem::path()).string();
  Check check = ok("program", std::string("agent-vault ") + AV_VERSION + ", " + path);
  struct stat info {};
  if (path.empty() || ::stat(path.c_str(), &info) != 0) {
    return {"program", CheckState::kWarning, "its file cannot be found any more",
            "start the one that is installed"};
  }
  const std::filesystem::path above = std::filesystem::path(path).parent_path();
  struct stat directory {};
  const bool others = (info.st_mode & 022) != 0 ||
                      (::stat(above.c_str(), &directory) == 0 && (directory.st_mode & 022) != 0 &&
                       (directory.st_mode & S_ISVTX) == 0);
  if (others) {
    return {"program", CheckState::kFailed, "other users may replace " + path,
            "chmod go-w " + path + " " + above.string()};
  }
  if (::geteuid() != 0 && (info.st_uid == ::geteuid() || directory.st_uid == ::geteuid())) {
    check.state = CheckState::kWarning;
    check.detail += ": a command below isolation strict could replace it";
    check.fix = "install it where root alone may write, from a package for example";
  }
  return check;
}

std::vector<Check> check_machine(const Context& context) {
  std::vector<Check> checks;
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < kLeastLocked) {
    checks.push_back({"memory", CheckState::kWarning,
                      "only " + std::to_string(limit.rlim_cur >> 10) +
                          " KiB can be locked: secrets could reach the swap space",
                      "raise `ulimit -l` to 8192 (limits.conf(5): memlock)"});
  } else {
    checks.push_back(ok("memory", "secrets are locked in it, kept out of core dumps"));
  }
  const std::string swaps = fs::read_file("/proc/swaps", 1 << 16).value_or("");
  std::istringstream lines(swaps);
  std::string line;
  std::getline(lines, line);  // the header
  bool on_disk = false;
  while (std::getline(lines, line)) {
    on_disk = on_disk || !is_in_memory_swap(line);
  }
  checks.push_back(on_disk ? ok("swap",
                                "in use; secrets are in locked memory, which is never "
                                "written to it")
                           : ok("swap", "none on a disk"));
  // A clock that was set back makes limits and tokens last longer than they should.
  std::error_code ec;
  const auto written = std::filesystem::last_write_time(context.paths.database(), ec);
  if (!ec) {
    const auto then = std::chrono::duration_cast<std::chrono::milliseconds>(
                          std::chrono::file_clock::to_sys(written).time_since_epoch())
                          .count();
    if (then > context.clock->wall_ms() + kClockSlack) {
      checks.push_back({"clock", CheckState::kFailed,
                        "the store was written to at " + show_time(then) +
                            ", which is still to come by the clock of this machine",
                        "set the clock: timedatectl set-ntp true"});
      return checks;
    }
  }
  checks.push_back(ok("clock", show_time(context.clock->wall_ms()) + " UTC"));
  return checks;
}

std::vector<Check> check_store(Context& context) {
  std::vector<Check> checks;
  if (::access(context.paths.database().c_str(), F_OK) != 0) {
    checks.push_back({"store", CheckState::kSkipped,
                      "there is none yet in " + context.paths.data.string(),
                      "it is made at the first use: agent-vault vault credential set NAME"});
    return checks;
  }
  checks.push_back(check_files(context));
  if (const Status opened = context.open_store_quietly(); !opened) {
    const bool locked = opened.error().code == ErrorCode::kLocked;
    checks.push_back(
        {"store", locked ? CheckState::kSkipped : CheckState::kFailed, opened.error().message,
         locked ? "AGENT_VAULT_MASTER_PASSWORD opens it for this check" : opened.error().hint});
    return checks;
  }
  const auto vaults = context.store->list_vaults();
  if (!vaults) {
    checks.push_back({"store", CheckState::kFailed, vaults.error().message, vaults.error().hint});
    return checks;
  }
  for (const auto& vault : *vaults) {
    // Every blob of it is looked at, and every row.
    if (const auto snapshot = context.store->load_snapshot(vault.name); !snapshot) {
      checks.push_back({"store", CheckState::kFailed,
                        "vault " + vault.name + ": " + snapshot.error().message,
                        snapshot.error().hint});
      return checks;
    }
  }
  checks.push_back(ok("store", count_of(vaults->size(), "vault") + ", all readable"));
  checks.push_back(check_key(context));
  return checks;
}

std::vector<Check> check_external(Context& context) {
  std::vector<Check> checks;
  if (context.store == nullptr) {
    return checks;
  }
  const auto stores = context.store->list_stores({});
  if (!stores) {
    checks.push_back(
        {"external stores", CheckState::kFailed, stores.error().message, stores.error().hint});
    return checks;
  }
  for (const auto& info : *stores) {
    const std::string name = "store " + info.vault + "/" + info.store.name;
    auto opened = context.store->open_store(info.store.uid);
    if (!opened) {
      checks.push_back({name, CheckState::kFailed, opened.error().message, opened.error().hint});
      continue;
    }
    StoreReach reach;
    reach.clock = context.clock;
    reach.paths = context.paths;
    const auto provider = make_provider(opened->store, std::move(opened->secrets), reach);
    const auto about =
        provider ? (*provider)->test() : source::Result<source::About>(provider.error());
    if (about) {
      checks.push_back(ok(name, info.store.kind + ", answers"));
      continue;
    }
    const Error error = api::error_of(about.error(), info.store.name);
    checks.push_back({name, CheckState::kFailed, error.message, error.hint});
  }
  return checks;
}

Check check_proxy(const Context& context) {
  Check check = ok("proxy", "a command of `run` reaches it and is known to it");
  if (context.store == nullptr) {
    return {"proxy", CheckState::kSkipped, "there is no open store to run with", {}};
  }
  const auto key = context.store->key_status();
  const bool would_ask = key && key->asks && !kept_for(context.paths.data, key->kek_id);
  if (!key || would_ask || key->mode == store::KeyMode::kEnvironment) {
    return {"proxy", CheckState::kSkipped, "a run would need the key once more",
            would_ask ? "agent-vault unlock" : "agent-vault run -- true"};
  }
  const std::string self = own_program().value_or(std::filesystem::path()).string();
  std::vector<std::string> words{
      self, "run", "--local", "--no-skill", "--", self, std::string(kDoctorReach)};
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int started =
      ::posix_spawn(&child, self.c_str(), &actions, nullptr, argv.data(), ::environ);
  ::posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (started != 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
      WEXITSTATUS(status) != 0) {
    check.state = CheckState::kFailed;
    check.detail = "a command of `run` does not reach the proxy";
    check.fix = "see why: agent-vault run -- sh -c 'curl -s $AGENT_VAULT_ADDR/health'";
  }
  return check;
}

int reach_broker() {
  const char* const address = std::getenv("AGENT_VAULT_ADDR");
  const char* const token = std::getenv("AGENT_VAULT_TOKEN");
  if (address == nullptr || token == nullptr) {
    return 1;
  }
  auto url = parse_http_url(address, "AGENT_VAULT_ADDR");
  const auto secret = Secret::copy_of(std::string_view(token));
  if (!url || !secret) {
    return 1;
  }
  url->path.clear();
  auto api = ApiClient::create(*url, {}, *secret);
  const auto found =
      api ? remote_json::ask(*api, "GET", "/discover") : Expected<remote_json::Json>(api.error());
  if (!found) {
    print_error(stderr, found.error(), /*json=*/false);
  }
  return found ? 0 : 1;
}

}  // namespace av::cmd
