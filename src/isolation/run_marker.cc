#include "isolation/run_marker.h"

#include <cstdlib>
#include <sstream>

#include "core/fs.h"
#include "isolation/mount_table.h"

namespace av::isolation {
namespace {

constexpr std::string_view kCover = "agent-vault:";
constexpr int kMostAncestors = 4096;  // a chain that changes while it is walked must end

struct Process {
  std::string name;
  pid_t parent = 0;
  std::string arguments;
};

// proc_pid_stat(5): "pid (name) state ppid ...".
std::optional<Process> read_process(const std::filesystem::path& directory) {
  const auto stat = fs::read_file(directory / "stat", 4096);
  if (!stat) {
    return std::nullopt;
  }
  const std::size_t begin = stat->find('(');
  const std::size_t end = stat->rfind(')');
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    return std::nullopt;
  }
  Process process;
  process.name = stat->substr(begin + 1, end - begin - 1);
  std::istringstream rest(stat->substr(end + 1));
  char state = 0;
  if (!(rest >> state >> process.parent)) {
    return std::nullopt;
  }
  if (process.name == kLauncherName) {
    process.arguments = fs::read_file(directory / "cmdline", 1 << 20).value_or(std::string());
  }
  return process;
}

// A script of that name is called so too, but its first argument is its interpreter. The launcher
// has written over its own, for as long as there was room.
bool is_launcher(const Process& process) {
  const std::string first = process.arguments.substr(0, process.arguments.find('\0'));
  return process.name == kLauncherName && !first.empty() &&
         std::string_view(kLauncherName).starts_with(first);
}

enum class Ancestry { kNoLauncher, kLauncher, kUnknown };

Ancestry ancestry_of(std::string pid, const std::filesystem::path& proc) {
  for (int steps = 0; steps < kMostAncestors; ++steps) {
    const auto process = read_process(proc / pid);
    if (!process) {
      return Ancestry::kUnknown;
    }
    if (is_launcher(*process)) {
      return Ancestry::kLauncher;
    }
    if (process->parent == 0) {
      return Ancestry::kNoLauncher;  // PID 1, or a parent in another PID namespace
    }
    pid = std::to_string(process->parent);
  }
  return Ancestry::kUnknown;
}

// How many PID namespaces know the process, from ours on: proc_pid_status(5), NSpid.
std::size_t pid_namespaces(pid_t pid, const std::filesystem::path& proc) {
  const auto status = fs::read_file(proc / std::to_string(pid) / "status", 1 << 16);
  const std::size_t at = status ? status->find("\nNSpid:") : std::string::npos;
  if (at == std::string::npos) {
    return 0;
  }
  std::istringstream line(status->substr(at + 7, status->find('\n', at + 1) - at - 7));
  std::size_t count = 0;
  for (pid_t each = 0; line >> each;) {
    ++count;
  }
  return count;
}

}  // namespace

std::string cover_name(std::string_view run_id) {
  return std::string(kCover) + std::string(run_id);
}

std::optional<std::string> surrounding_run(const std::filesystem::path& proc) {
  if (const auto text = fs::read_file(proc / "self" / "mountinfo")) {
    for (const Mount& mount : parse_mountinfo(*text)) {
      if (mount.type == "tmpfs" && mount.source.starts_with(kCover)) {
        const std::string id = mount.source.substr(kCover.size());
        return id.empty() ? "run" : id;
      }
    }
  }
  // An ancestor that ends while it is looked for breaks the chain; the next look finds another.
  Ancestry ancestry = Ancestry::kUnknown;
  for (int tries = 0; tries < 5 && ancestry == Ancestry::kUnknown; ++tries) {
    // Not getpid(): in a PID namespace of its own, it would be the number of somebody else here.
    ancestry = ancestry_of("self", proc);
  }
  return ancestry == Ancestry::kLauncher ? std::optional<std::string>("run") : std::nullopt;
}

bool peer_is_outside_runs(pid_t pid, const std::filesystem::path& proc) {
  return pid > 0 && pid_namespaces(pid, proc) == 1 &&
         ancestry_of(std::to_string(pid), proc) == Ancestry::kNoLauncher;
}

}  // namespace av::isolation
