#include "cmd/keeper_socket.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>

namespace av::cmd {
namespace {

constexpr std::size_t kMostMaps = std::size_t{4} << 20;

struct Address {
  sockaddr_un name{};
  UniqueFd directory;  // what the name leads through; open while it is used
};

Expected<Address> address_in(const std::filesystem::path& directory, const std::string& file) {
  Address out;
  out.directory = UniqueFd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!out.directory.valid()) {
    return errno_error(errno, "cannot open " + directory.string());
  }
  const std::string path = "/proc/self/fd/" + std::to_string(out.directory.get()) + "/" + file;
  out.name.sun_family = AF_UNIX;
  if (path.size() >= sizeof out.name.sun_path) {
    return make_error(ErrorCode::kInternal, "a socket's name is too long");
  }
  std::memcpy(out.name.sun_path, path.c_str(), path.size() + 1);
  return out;
}

UniqueFd new_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}

std::string read_all(int fd) {
  std::string text;
  char piece[4096];
  for (off_t at = 0;;) {
    const ssize_t got = ::pread(fd, piece, sizeof piece, at);
    if (got <= 0 || text.size() > kMostMaps) {
      return text;
    }
    text.append(piece, static_cast<std::size_t>(got));
    at += got;
  }
}

// Whether `fd` is that file of that process, in the /proc that we see.
bool is_proc_file(int fd, pid_t pid, const char* name) {
  struct statfs system {};
  struct stat file {};
  struct stat proc {};
  char path[64];
  const ssize_t size =
      ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return size > 0 &&
         std::string_view(path, static_cast<std::size_t>(size)) ==
             "/proc/" + std::to_string(pid) + "/" + name &&
         ::fstatfs(fd, &system) == 0 && system.f_type == PROC_SUPER_MAGIC &&
         ::fstat(fd, &file) == 0 && ::stat("/proc", &proc) == 0 && file.st_dev == proc.st_dev;
}

// Where the program begins to run, which is in its own file and not in a library's.
std::uint64_t entry_point(const std::string& auxv) {
  for (std::size_t at = 0; at + sizeof(ElfW(auxv_t)) <= auxv.size(); at += sizeof(ElfW(auxv_t))) {
    ElfW(auxv_t) entry;
    std::memcpy(&entry, auxv.data() + at, sizeof entry);
    if (entry.a_type == AT_ENTRY) {
      return entry.a_un.a_val;
    }
  }
  return 0;
}

}  // namespace

Expected<UniqueFd> connect_keeper(const std::filesystem::path& directory) {
  AV_TRY(const Address address, address_in(directory, kKeeperSocket));
  UniqueFd fd = new_socket();
  if (!fd.valid() || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.name),
                               sizeof address.name) != 0) {
    return errno_error(errno, "nothing keeps the key unlocked");
  }
  return fd;
}

Expected<UniqueFd> listen_keeper(const std::filesystem::path& directory) {
  // Under another name until it answers: nobody then finds one that does not.
  const std::string fresh = std::string(kKeeperSocket) + ".new-" + std::to_string(::getpid());
  AV_TRY(const Address address, address_in(directory, fresh));
  ::unlinkat(address.directory.get(), fresh.c_str(), 0);
  UniqueFd fd = new_socket();
  if (!fd.valid() ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.name), sizeof address.name) !=
          0 ||
      ::fchmodat(address.directory.get(), fresh.c_str(), 0600, 0) != 0 ||
      ::listen(fd.get(), 16) != 0 ||
      ::renameat(address.directory.get(), fresh.c_str(), address.directory.get(), kKeeperSocket) !=
          0) {
    const int why = errno;
    ::unlinkat(address.directory.get(), fresh.c_str(), 0);
    return errno_error(why, "cannot make a socket in " + directory.string());
  }
  return fd;
}

Expected<SelfEvidence> own_evidence() {
  SelfEvidence out{UniqueFd(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC)),
                   UniqueFd(::open("/proc/self/auxv", O_RDONLY | O_CLOEXEC))};
  if (!out.maps.valid() || !out.auxv.valid()) {
    return errno_error(errno, "cannot read /proc/self");
  }
  return out;
}

std::optional<std::string> program_of(const SelfEvidence& evidence, pid_t pid) {
  if (!is_proc_file(evidence.maps.get(), pid, "maps") ||
      !is_proc_file(evidence.auxv.get(), pid, "auxv")) {
    return std::nullopt;
  }
  const std::uint64_t entry = entry_point(read_all(evidence.auxv.get()));
  std::istringstream lines(read_all(evidence.maps.get()));
  // "begin-end permissions offset device inode path".
  for (std::string line; std::getline(lines, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    char device[16];
    unsigned long long inode = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %*4s %*x %15s %llu", &begin, &end, device, &inode) ==
            4 &&
        inode != 0 && begin <= entry && entry < end) {
      return std::string(device) + " " + std::to_string(inode);
    }
  }
  return std::nullopt;
}

}  // namespace av::cmd
