#include "isolation/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "core/fs.h"

namespace av::isolation {
namespace {

// linux/landlock.h, of which distributions ship older ones than their kernels.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr unsigned kVersion = 1U << 0;
constexpr int kPathBeneath = 1;

constexpr std::uint64_t kWriteFile = 1U << 1;
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

Ruleset ruleset_for(int abi) {
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

Step allow(int ruleset, const std::string& path, std::uint64_t all) {
  const UniqueFd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat info {};
  if (!place.valid() || ::fstat(place.get(), &info) != 0) {
    return std::nullopt;  // it is not there to be written to
  }
  PathBeneath rule;
  rule.allowed = S_ISDIR(info.st_mode) ? all : all & (kWriteFile | kTruncate);
  rule.parent = place.get();
  if (::syscall(kAddRule, ruleset, kPathBeneath, &rule, 0) != 0) {
    return failed("let " + path + " be written to (Landlock)");
  }
  return std::nullopt;
}

}  // namespace

int landlock_abi() {
  const long abi = ::syscall(kCreateRuleset, nullptr, 0, kVersion);
  return abi > 0 ? static_cast<int>(abi) : 0;
}

Step restrict_writes(const std::vector<std::string>& writable) {
  const int abi = landlock_abi();
  if (abi == 0) {
    return std::nullopt;
  }
  const Ruleset wanted = ruleset_for(abi);
  const UniqueFd ruleset(static_cast<int>(::syscall(kCreateRuleset, &wanted, size_for(abi), 0)));
  if (!ruleset.valid()) {
    return failed("make rules for files (Landlock)");
  }
  for (const std::string& path : writable) {
    if (Step obstacle = allow(ruleset.get(), path, wanted.files)) {
      return obstacle;
    }
  }
  // Devices are opened for writing; only what is there can be.
  if (Step obstacle = allow(ruleset.get(), "/dev", wanted.files & (kWriteFile | kTruncate))) {
    return obstacle;
  }
  if (::syscall(kRestrictSelf, ruleset.get(), 0) != 0) {
    return failed("restrict what is written to (Landlock)");
  }
  return std::nullopt;
}

}  // namespace av::isolation
