#include "cmd/keeper_socket.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <vector>

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

struct Part {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::string rest;  // permissions and offset
  std::string file;  // device and inode
};

// "begin-end permissions offset device inode path".
std::vector<Part> parse_maps(const std::string& text) {
  std::vector<Part> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    char permissions[8];
    char offset[24];
    char device[16];
    unsigned long long inode = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %7s %23s %15s %llu", &begin, &end, permissions, offset,
                    device, &inode) == 6) {
      out.push_back({begin, end, std::string(permissions) + " " + offset,
                     std::string(device) + " " + std::to_string(inode)});
    }
  }
  return out;
}

// Where the parts of the file lie, counted from the first.
std::string layout_of(const std::vector<Part>& parts, const std::string& file) {
  std::ostringstream out;
  std::uint64_t first = 0;
  for (const Part& part : parts) {
    if (part.file == file) {
      first = first == 0 ? part.begin : first;
      out << part.begin - first << '-' << part.end - first << ' ' << part.rest << ';';
    }
  }
  return out.str();
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

Expected<UniqueFd> own_maps() {
  UniqueFd maps(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
  if (!maps.valid()) {
    return errno_error(errno, "cannot read /proc/self/maps");
  }
  return maps;
}

std::optional<ProgramCheck> ProgramCheck::of_this_program() {
  const auto maps = own_maps();
  if (!maps) {
    return std::nullopt;
  }
  const auto parts = parse_maps(read_all(maps->get()));
  const auto here = reinterpret_cast<std::uintptr_t>(&own_maps);
  for (const Part& part : parts) {
    if (part.begin <= here && here < part.end) {
      ProgramCheck out;
      out.file_ = part.file;
      out.layout_ = layout_of(parts, part.file);
      return out;
    }
  }
  return std::nullopt;
}

bool ProgramCheck::is_same(pid_t pid, const UniqueFd& maps) const {
  struct stat ours {};
  struct stat theirs {};
  if (::stat("/proc/self/exe", &ours) != 0 && errno != EACCES) {
    return false;
  }
  if (::stat(("/proc/" + std::to_string(pid) + "/exe").c_str(), &theirs) == 0) {
    if (theirs.st_dev != ours.st_dev || theirs.st_ino != ours.st_ino) {
      return false;
    }
  } else if (errno != EACCES) {
    return false;
  }
  return is_proc_file(maps.get(), pid, "maps") &&
         layout_of(parse_maps(read_all(maps.get())), file_) == layout_;
}

}  // namespace av::cmd
