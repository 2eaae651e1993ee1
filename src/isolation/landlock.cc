#include "isolation/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "core/fs.h"
#include "isolation/everything_but.h"
#include "isolation/mount_table.h"
#include "isolation/obstacles.h"
#include "isolation/root_ways.h"

namespace av::isolation {
namespace {

// linux/landlock.h, of which distributions ship older ones than their kernels.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr unsigned kVersion = 1U << 0;
constexpr int kPathBeneath = 1;

constexpr std::uint64_t kWriteFile = 1U << 1;
constexpr std::uint64_t kReadFile = 1U << 2;
constexpr std::uint64_t kTruncate = 1U << 14;  // ABI 3
constexpr std::uint64_t kRefer = 1U << 13;     // ABI 2
// Removing and making anything: bits 4 (REMOVE_DIR) to 12 (MAKE_SYM).
constexpr std::uint64_t kChangeDirectory = 0x1FF0;
constexpr std::uint64_t kScopeAbstract = 1U << 0;  // ABI 6
constexpr std::uint64_t kScopeSignals = 1U << 1;

struct Ruleset {
  std::uint64_t files = 0;
  std::uint64_t network = 0;  // ABI 4
  std::uint64_t scoped = 0;   // ABI 6
};

struct [[gnu::packed]] PathBeneath {
  std::uint64_t allowed = 0;
  std::int32_t parent = -1;
};

// What may be changed, and what may not leave the run.
Ruleset changes_for(int abi) {
  Ruleset out;
  out.files = kWriteFile | kChangeDirectory;
  out.files |= abi >= 2 ? kRefer : 0;
  out.files |= abi >= 3 ? kTruncate : 0;
  out.scoped = abi >= 6 ? kScopeAbstract | kScopeSignals : 0;
  return out;
}

std::size_t size_for(int abi) {
  return abi >= 6 ? sizeof(Ruleset) : abi >= 4 ? 2 * sizeof(std::uint64_t) : sizeof(std::uint64_t);
}

UniqueFd make_ruleset(const Ruleset& wanted, int abi) {
  return UniqueFd(static_cast<int>(::syscall(kCreateRuleset, &wanted, size_for(abi), 0)));
}

Step allow(const UniqueFd& ruleset, const std::string& path, std::uint64_t rights) {
  const UniqueFd place(::open(path.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
  struct stat info {};
  if (!place.valid() || ::fstat(place.get(), &info) != 0) {
    return std::nullopt;  // it is not there to be allowed
  }
  PathBeneath rule;
  rule.allowed = S_ISDIR(info.st_mode) ? rights : rights & (kReadFile | kWriteFile | kTruncate);
  rule.parent = place.get();
  if (::syscall(kAddRule, ruleset.get(), kPathBeneath, &rule, 0) != 0) {
    return failed("allow " + path + " (Landlock)");
  }
  return std::nullopt;
}

Step enforce(const UniqueFd& ruleset) {
  return ::syscall(kRestrictSelf, ruleset.get(), 0) == 0 ? std::nullopt
                                                         : failed("enforce rules (Landlock)");
}

void scope(std::uint64_t what) {
  const int abi = landlock_abi();
  Ruleset wanted;
  wanted.scoped = what;
  const UniqueFd ruleset = abi >= 6 ? make_ruleset(wanted, abi) : UniqueFd();
  if (ruleset.valid()) {
    ::syscall(kRestrictSelf, ruleset.get(), 0);
  }
}

}  // namespace

int landlock_abi() {
  const long abi = ::syscall(kCreateRuleset, nullptr, 0, kVersion);
  return abi > 0 ? static_cast<int>(abi) : 0;
}

Step restrict_files(const std::vector<std::string>& writable,
                    const std::vector<std::string>& guarded) {
  const int abi = landlock_abi();
  if (abi == 0) {
    return std::nullopt;
  }
  Ruleset wanted = changes_for(abi);
  const std::uint64_t changes = wanted.files;
  wanted.files |= guarded.empty() ? 0 : kReadFile;
  const UniqueFd ruleset = make_ruleset(wanted, abi);
  if (!ruleset.valid()) {
    return failed("make rules for files (Landlock)");
  }
  if (!guarded.empty()) {
    // What is covered is allowed as it is now; another thing in its place would have no rule.
    std::vector<std::string> readable = everything_but(guarded);
    readable.insert(readable.end(), guarded.begin(), guarded.end());
    for (const std::string& path : readable) {
      if (Step obstacle = allow(ruleset, path, kReadFile)) {
        return obstacle;
      }
    }
  }
  for (const std::string& path : writable) {
    if (Step obstacle = allow(ruleset, path, wanted.files)) {
      return obstacle;
    }
  }
  // Devices are opened for writing; only what is there can be.
  if (Step obstacle = allow(ruleset, "/dev", changes & (kWriteFile | kTruncate))) {
    return obstacle;
  }
  return enforce(ruleset);
}

Step hide_by_landlock(const std::vector<std::string>& hidden) {
  const int abi = landlock_abi();
  if (abi < kLandlockHides) {
    return Obstacle{std::string(kStepLandlock), ENOSYS};
  }
  Ruleset wanted = changes_for(abi);
  wanted.files |= kReadFile;
  const UniqueFd ruleset = make_ruleset(wanted, abi);
  if (!ruleset.valid()) {
    return failed(std::string(kStepLandlock));
  }
  std::vector<std::string> apart = hidden;
  const auto mounts = mount_table();
  if (!mounts) {
    return failed(std::string(kStepMounts));
  }
  for (const Mount& mount : *mounts) {
    const bool is_hidden = std::any_of(hidden.begin(), hidden.end(), [&](const auto& each) {
      return is_within(mount.point, each);
    });
    // What a user may write to in /proc is about processes of the run.
    const bool own = mount.type == "proc" && ::geteuid() != 0;
    if (steers_machine(mount) && !is_hidden && !own) {
      apart.push_back(mount.point);
      if (Step obstacle = allow(ruleset, mount.point, kReadFile)) {
        return obstacle;
      }
    }
  }
  for (const std::string& path : everything_but(apart)) {
    if (Step obstacle = allow(ruleset, path, wanted.files)) {
      return obstacle;
    }
  }
  return enforce(ruleset);
}

void stay_among_ourselves() {
  scope(kScopeSignals | kScopeAbstract);
}

void keep_signals_from_parent() {
  scope(kScopeSignals);
}

}  // namespace av::isolation
