#include "cmd/doctor_attack.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>

#include "core/fs.h"

namespace av::cmd {
namespace {

using isolation::Level;

constexpr long kIoUringSetup = 425;
constexpr int kAnyKeyring = -4;  // KEY_SPEC_USER_KEYRING

bool can_open(const std::string& path, int flags) {
  return !path.empty() &&
         UniqueFd(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)).valid();
}

bool can_list(const std::string& path) {
  struct Close {
    void operator()(DIR* list) const { ::closedir(list); }
  };
  const std::unique_ptr<DIR, Close> list(::opendir(path.c_str()));
  if (!list) {
    return false;
  }
  for (const dirent* entry = ::readdir(list.get()); entry != nullptr;
       entry = ::readdir(list.get())) {
    if (entry->d_name[0] != '.') {
      return true;
    }
  }
  return false;
}

// Something is made there and taken away again.
bool can_make(const std::string& directory) {
  if (directory.empty()) {
    return false;
  }
  const std::string path = directory + "/.agent-vault-doctor-" + std::to_string(::getpid());
  if (!UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)).valid()) {
    return false;
  }
  ::unlink(path.c_str());
  return true;
}

// In a process of its own: it may change itself for good.
bool in_child(const std::function<bool()>& attempt) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::_Exit(attempt() ? 0 : 1);
  }
  int status = 1;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

bool connects(int family, const sockaddr* address, socklen_t size) {
  const UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) {
    return false;
  }
  if (::connect(fd.get(), address, size) == 0) {
    return true;
  }
  pollfd wait{fd.get(), POLLOUT, 0};
  int error = errno;
  if (error == EINPROGRESS && ::poll(&wait, 1, 2000) == 1) {
    socklen_t length = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  }
  return error == 0;
}

bool connects_to_port(unsigned port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return port != 0 &&
         connects(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

bool connects_to_abstract(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.empty() || name.size() + 1 > sizeof address.sun_path) {
    return false;
  }
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  return connects(AF_UNIX, reinterpret_cast<const sockaddr*>(&address),
                  static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size()));
}

std::string proc(const AttackFacts& facts, const char* file) {
  return "/proc/" + std::to_string(facts.broker) + "/" + file;
}

struct Attack {
  AttackInfo info;
  bool (*attempt)(const AttackFacts& facts);
};

const std::array kAttacks{
    Attack{{"store_read", "read the store", Level::kStore},
           [](const AttackFacts& facts) { return can_list(facts.store); }},
    Attack{{"store_key", "read the key file", Level::kStore, true},
           [](const AttackFacts& facts) { return can_open(facts.key, O_RDONLY); }},
    Attack{{"store_write", "write into the store", Level::kStore, true},
           [](const AttackFacts& facts) { return can_make(facts.store); }},
    Attack{{"store_uncover", "uncover the store in a namespace of its own", Level::kStore, true},
           [](const AttackFacts& facts) {
             return in_child([&] {
               return ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
                      ::syscall(SYS_umount2, facts.store.c_str(), 2) == 0 && can_list(facts.store);
             });
           }},
    Attack{{"broker_seen", "see the broker's process", Level::kStore},
           [](const AttackFacts& facts) { return can_open(proc(facts, "cmdline"), O_RDONLY); }},
    Attack{{"broker_root", "go to the store by the broker's /proc", Level::kStore, true},
           [](const AttackFacts& facts) {
             return can_open(proc(facts, "root") + facts.key, O_RDONLY);
           }},
    Attack{{"broker_signal", "send signals to the broker", Level::kStore},
           [](const AttackFacts& facts) {
             return can_open(proc(facts, "stat"), O_RDONLY) &&
                    ::kill(static_cast<pid_t>(facts.broker), 0) == 0;
           }},
    Attack{{"privileges", "gain privileges by a set-user-ID program", Level::kStore, true},
           [](const AttackFacts&) { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0; }},
    Attack{{"terminal", "type into your terminal", Level::kStore, true},
           [](const AttackFacts&) {
             // A filter answers before the kernel looks at the descriptor.
             char letter = ' ';
             return ::ioctl(-1, TIOCSTI, &letter) != 0 && errno == EBADF;
           }},
    Attack{{"loopback", "connect to services of this machine", Level::kNetwork},
           [](const AttackFacts& facts) { return connects_to_port(facts.tcp); }},
    Attack{{"abstract", "connect to abstract sockets", Level::kNetwork, true},
           [](const AttackFacts& facts) { return connects_to_abstract(facts.abstract); }},
    Attack{{"vsock", "reach the host of a virtual machine", Level::kNetwork},
           [](const AttackFacts&) {
             return UniqueFd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0)).valid();
           }},
    Attack{{"home_write", "write into your home", Level::kStrict},
           [](const AttackFacts& facts) { return can_make(facts.home); }},
    Attack{{"home_keys", "see what is in ~/.ssh", Level::kStrict},
           [](const AttackFacts& facts) { return can_list(facts.home + "/.ssh"); }},
    Attack{
        {"namespaces", "make namespaces", Level::kStrict},
        [](const AttackFacts&) { return in_child([] { return ::unshare(CLONE_NEWUSER) == 0; }); }},
    Attack{{"ptrace", "debug processes", Level::kStrict},
           [](const AttackFacts&) {
             return in_child([] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0; });
           }},
    Attack{{"io_uring", "use io_uring", Level::kNetwork, true},
           [](const AttackFacts&) {
             char parameters[120] = {};
             return UniqueFd(static_cast<int>(::syscall(kIoUringSetup, 1, parameters))).valid();
           }},
    Attack{{"keyring", "use the kernel's keyrings", Level::kStrict},
           [](const AttackFacts&) {
             return ::syscall(SYS_keyctl, 0, kAnyKeyring, 0) > 0;  // KEYCTL_GET_KEYRING_ID
           }},
};

}  // namespace

std::vector<std::string> to_arguments(const AttackFacts& facts) {
  return {
      facts.store,   facts.key, facts.home, std::to_string(facts.broker), std::to_string(facts.tcp),
      facts.abstract};
}

std::vector<AttackInfo> attack_list() {
  std::vector<AttackInfo> out;
  for (const Attack& each : kAttacks) {
    out.push_back(each.info);
  }
  return out;
}

int run_attacks(const std::vector<std::string>& arguments) {
  if (arguments.size() != to_arguments({}).size()) {
    return 2;
  }
  AttackFacts facts;
  facts.store = arguments[0];
  facts.key = arguments[1];
  facts.home = arguments[2];
  facts.broker = std::strtol(arguments[3].c_str(), nullptr, 10);
  facts.tcp = static_cast<unsigned>(std::strtoul(arguments[4].c_str(), nullptr, 10));
  facts.abstract = arguments[5];
  for (const Attack& each : kAttacks) {
    if (each.attempt(facts)) {
      std::printf("%.*s\n", static_cast<int>(each.info.name.size()), each.info.name.data());
    }
  }
  return 0;
}

}  // namespace av::cmd
