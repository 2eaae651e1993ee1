#include "cmd/key_keeper.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "cmd/keeper_socket.h"
#include "cmd/kept_key.h"
#include "isolation/run_marker.h"

namespace av::cmd {
namespace {

constexpr int kListener = 3;  // descriptors of the keeper
constexpr int kParent = 4;
constexpr std::size_t kMostPath = 4096;
constexpr int kLookAfter_ms = 30'000;  // whether the socket is still where it was
constexpr int kPeerPatience_ms = 1000;
constexpr char kReady = 'r';

// What the parent hands over, once the keeper's memory is closed. The directory follows, the key
// after it.
struct Handover {
  std::int64_t lifetime_ms = 0;
  std::int64_t idle_ms = 0;
  std::array<std::uint8_t, 8> kek_id{};
  std::uint64_t path_size = 0;
};
static_assert(std::has_unique_object_representations_v<Handover>);

std::int64_t boottime_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

bool read_exactly(int fd, void* to, std::size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = ::read(fd, at, size);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return false;
    }
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

// A debugger that came before the memory was closed would still be there.
bool is_traced() {
  const auto status = fs::read_file("/proc/self/status", 1 << 16);
  return !status || status->find("\nTracerPid:\t0\n") == std::string::npos;
}

struct Request {
  KeeperRequest words;
  UniqueFd maps;  // of the one who asks
};

// Whatever else is sent along is closed.
std::optional<Request> receive(int fd) {
  Request out;
  iovec part{&out.words, sizeof out.words};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  std::size_t count = 0;
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); got >= 0 && each != nullptr;
       each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const std::size_t here = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < here; ++i) {
      int file = -1;
      std::memcpy(&file, CMSG_DATA(each) + i * sizeof(int), sizeof(int));
      out.maps = UniqueFd(file);
      ++count;
    }
  }
  if (got != static_cast<ssize_t>(sizeof out.words) || count != 1 ||
      (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
      out.words.version != KeeperRequest().version) {
    return std::nullopt;
  }
  return out;
}

class Keeper {
 public:
  Keeper(const Handover& given, std::filesystem::path socket, Secret key, ProgramCheck program)
      : given_(given),
        socket_(std::move(socket)),
        key_(std::move(key)),
        program_(std::move(program)),
        ends_(boottime_ms() + given.lifetime_ms),
        timer_(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)) {
    struct stat info {};
    placed_ = ::lstat(socket_.c_str(), &info) == 0;
    inode_ = info.st_ino;
    used();
  }

  [[nodiscard]] bool is_usable() const { return placed_ && timer_.valid(); }

  void serve() {
    std::array<pollfd, 2> waits = {pollfd{kListener, POLLIN, 0}, pollfd{timer_.get(), POLLIN, 0}};
    while (boottime_ms() < until() && in_place()) {
      const int ready = ::poll(waits.data(), waits.size(), kLookAfter_ms);
      if (ready < 0 && errno != EINTR) {
        break;
      }
      // The time may have ended while the machine was asleep.
      if (boottime_ms() >= until()) {
        break;
      }
      if (ready > 0 && waits[0].revents != 0 && !answer_one()) {
        return;
      }
    }
    remove_socket();
  }

 private:
  [[nodiscard]] std::int64_t until() const {
    return given_.idle_ms > 0 ? std::min(ends_, used_ + given_.idle_ms) : ends_;
  }

  void used() {
    used_ = boottime_ms();
    const std::int64_t at = until();
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(at / 1000);
    when.it_value.tv_nsec = static_cast<long>(at % 1000) * 1'000'000;
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
  }

  [[nodiscard]] bool in_place() const {
    struct stat info {};
    return ::lstat(socket_.c_str(), &info) == 0 && info.st_ino == inode_;
  }

  void remove_socket() const {
    if (in_place()) {
      ::unlink(socket_.c_str());
    }
  }

  // False: it was told to end, and has.
  bool answer_one() {
    const UniqueFd peer(::accept4(kListener, nullptr, nullptr, SOCK_CLOEXEC));
    ucred who{};
    socklen_t size = sizeof who;
    if (!peer.valid() || ::getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 ||
        who.uid != ::geteuid()) {
      return true;
    }
    pollfd wait{peer.get(), POLLIN, 0};
    if (::poll(&wait, 1, kPeerPatience_ms) != 1) {
      return true;
    }
    const auto request = receive(peer.get());
    if (!request) {
      return true;
    }
    // Whoever wants the key locked away may have that.
    if (request->words.word == KeeperWord::kEnd) {
      remove_socket();
      key_ = Secret();
      reply(peer.get(), KeeperAnswer::kEnds);
      return false;
    }
    if (boottime_ms() >= until() || request->words.kek_id != given_.kek_id ||
        !may_have_it(who.pid, request->maps)) {
      reply(peer.get(), KeeperAnswer::kNo);
      return true;
    }
    if (request->words.word == KeeperWord::kGiveKey) {
      used();
      reply(peer.get(), KeeperAnswer::kKey);
    } else {
      reply(peer.get(), KeeperAnswer::kState);
    }
    return true;
  }

  // The maps are of a memory that is there now, so nobody else has come by its number meanwhile.
  [[nodiscard]] bool may_have_it(pid_t pid, const UniqueFd& maps) const {
    return isolation::peer_is_outside_runs(pid) && program_.is_same(pid, maps);
  }

  void reply(int fd, KeeperAnswer answer) const {
    KeeperReply head{until() - boottime_ms(), answer, {}};
    key_.reveal([&](std::string_view bytes) {
      iovec parts[] = {{&head, sizeof head}, {const_cast<char*>(bytes.data()), bytes.size()}};
      msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = answer == KeeperAnswer::kKey ? 2 : 1;
      (void)::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    });
  }

  const Handover given_;
  const std::filesystem::path socket_;
  Secret key_;
  const ProgramCheck program_;
  const std::int64_t ends_;
  const UniqueFd timer_;
  std::int64_t used_ = 0;
  bool placed_ = false;
  ino_t inode_ = 0;
};

// System calls only: other threads of the parent may hold any lock.
[[noreturn]] void become_keeper(int listener, int channel, char* const* arguments,
                                char* const* environment) {
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) {
    ::sigaction(number, &usual, nullptr);
  }
  usual.sa_handler = SIG_IGN;
  ::sigaction(SIGHUP, &usual, nullptr);
  sigset_t nothing;
  sigemptyset(&nothing);
  ::sigprocmask(SIG_SETMASK, &nothing, nullptr);
  // Both clear of where they go: the second dup2 must not close the first one's source.
  const int from_listener = ::fcntl(listener, F_DUPFD_CLOEXEC, kParent + 1);
  const int from_channel = ::fcntl(channel, F_DUPFD_CLOEXEC, kParent + 1);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (::setsid() < 0 || ::chdir("/") != 0 || from_listener < 0 || from_channel < 0 || null < 0 ||
      ::dup2(null, 0) < 0 || ::dup2(null, 1) < 0 || ::dup2(null, 2) < 0 ||
      ::dup2(from_listener, kListener) < 0 || ::dup2(from_channel, kParent) < 0 ||
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(SYS_close_range, unsigned{kParent + 1}, ~0U, 0U) != 0) {
    ::_exit(127);
  }
  ::execve("/proc/self/exe", arguments, environment);
  ::_exit(127);
}

Status hand_over(int channel, const std::filesystem::path& directory, const store::OpenKek& key,
                 const KeeperLimits& limits) {
  char sign = 0;
  const Error failed =
      make_error(ErrorCode::kInternal, "the process that would keep the key ended");
  if (!read_exactly(channel, &sign, 1) || sign != kReady) {
    return failed;
  }
  const std::string path = directory.string();
  Handover head{limits.lifetime.count(), limits.idle.count(), {}, 0};
  head.path_size = path.size();
  std::copy_n(key.kek_id.begin(), std::min(key.kek_id.size(), head.kek_id.size()),
              head.kek_id.begin());
  AV_CHECK(fs::write_all(channel, {reinterpret_cast<const char*>(&head), sizeof head}));
  AV_CHECK(fs::write_all(channel, path));
  AV_CHECK(key.kek.reveal([&](std::string_view bytes) { return fs::write_all(channel, bytes); }));
  if (!read_exactly(channel, &sign, 1) || sign != kReady) {
    return failed;
  }
  return {};
}

}  // namespace

Status start_keeper(const std::filesystem::path& directory, const store::OpenKek& key,
                    const KeeperLimits& limits) {
  AV_TRY(const bool ended, end_keeper(directory));
  (void)ended;
  AV_TRY(const UniqueFd listener, listen_keeper(directory));
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return errno_error(errno, "cannot start the process that keeps the key");
  }
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  std::string name = kKeyKeeper;
  char* const arguments[] = {name.data(), nullptr};
  char* const environment[] = {nullptr};
  const pid_t child = ::fork();
  if (child == 0) {
    become_keeper(listener.get(), theirs.get(), arguments, environment);
  }
  theirs.reset();
  Status given = child < 0
                     ? Status(errno_error(errno, "cannot start the process that keeps the key"))
                     : hand_over(ours.get(), directory, key, limits);
  if (!given) {
    ::unlink((directory / kKeeperSocket).c_str());
  }
  return given;
}

int run_keeper() {
  ::prctl(PR_SET_NAME, kKeyKeeper, 0, 0, 0);
  const char ready = kReady;
  Handover given;
  // Only now is the memory closed, and only now does the key come into it.
  if (is_traced() || ::write(kParent, &ready, 1) != 1 ||
      !read_exactly(kParent, &given, sizeof given) || given.path_size > kMostPath) {
    return 1;
  }
  std::string path(given.path_size, '\0');
  Expected<Secret> key = Secret::with_size(crypto::kKeySize);
  if (!key || !read_exactly(kParent, path.data(), path.size()) ||
      !read_exactly(kParent, key->writable().data(), key->size())) {
    return 1;
  }
  auto program = ProgramCheck::of_this_program();
  if (!program) {
    return 1;
  }
  Keeper keeper(given, std::filesystem::path(path) / kKeeperSocket, std::move(*key), *program);
  if (!keeper.is_usable() || ::write(kParent, &ready, 1) != 1) {
    return 1;
  }
  ::close(kParent);
  keeper.serve();
  return 0;
}

}  // namespace av::cmd
