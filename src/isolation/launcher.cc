#include "isolation/launcher.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "isolation/init.h"
#include "isolation/namespaces.h"
#include "isolation/obstacles.h"
#include "isolation/wire.h"

namespace av::isolation {
namespace {

// Above the standard streams, which may be closed and must not be taken over by ours.
UniqueFd move_up(int fd) {
  const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, 10);
  ::close(fd);
  return UniqueFd(moved);
}

struct SocketPair {
  static Expected<SocketPair> make() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      return errno_error(errno, "cannot make a socket pair");
    }
    SocketPair pair;
    pair.ours = move_up(ends[0]);
    pair.theirs = move_up(ends[1]);
    return pair;
  }
  UniqueFd ours;
  UniqueFd theirs;
};

unsigned long namespaces_of(Level level) {
  unsigned long out = 0;
  if (has_namespaces(level)) {
    out |= CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID;
  }
  if (has_network(level)) {
    // Abstract sockets belong to the network; System V's memory and queues do not.
    out |= CLONE_NEWNET | CLONE_NEWIPC;
  }
  return out;
}

pid_t fork_with(unsigned long namespaces) {
  if (namespaces == 0) {
    return ::fork();
  }
  // fork() cannot make namespaces, and unshare() needs one more process to become PID 1.
  return static_cast<pid_t>(
      ::syscall(SYS_clone, namespaces | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

Error protocol_error() {
  return make_error(ErrorCode::kInternal, "the launcher of the command ended unexpectedly",
                    "see whether the system is short of memory, then try again");
}

Error obstacle_error(const Message& failed) {
  return explain_obstacle(failed.payload.view(), failed.value, read_system_facts());
}

// After the namespaces are there.
Error launch_error(const Message& failed) {
  const std::string_view step = failed.payload.view();
  std::string hint = "see the error, or choose --isolation off";
  const bool missing = failed.value == ENOSYS || failed.value == EINVAL;
  if (step == kStepFilter && missing) {
    hint = "start a kernel with seccomp filters (CONFIG_SECCOMP_FILTER), or choose --isolation off";
  } else if (step == kStepReadOnly && missing) {
    hint = "strict needs Linux 5.12 or newer: choose --isolation network";
  }
  if (step.starts_with(kStepStartIn)) {
    hint = "cd to another directory";
  } else if (step.starts_with(kStepEnter)) {
    hint = "cd to a directory that exists and that you may enter";
  } else if (step.starts_with(kStepFind)) {
    hint = "check that it exists and that you may enter the directories above it";
  }
  return errno_error(failed.value, "cannot " + std::string(step), std::move(hint));
}

}  // namespace

Expected<Launcher> Launcher::start(LaunchPlan plan, const std::function<void()>& in_child) {
  const Level level = plan.level;
  AV_TRY(SocketPair control, SocketPair::make());
  SocketPair maker;
  if (has_network(level)) {
    AV_TRY(maker, SocketPair::make());
  }
  UniqueFd ours = std::move(control.ours);
  InitOptions options;
  options.level = level;
  options.control = std::move(control.theirs);
  options.network = std::move(plan.network);
  options.maker = std::move(maker.theirs);
  options.uid = ::geteuid();
  options.gid = ::getegid();
  ::sigprocmask(SIG_BLOCK, nullptr, &options.child_mask);
  const pid_t pid = fork_with(namespaces_of(level));
  if (pid < 0) {
    const int error_number = errno;  // before the facts are read
    return explain_obstacle(kStepCreate, error_number, read_system_facts());
  }
  if (pid == 0) {
    ours.reset();
    maker.ours.reset();
    run_init(std::move(options), in_child);
  }
  options.control.reset();
  options.maker.reset();
  if (has_namespaces(level)) {
    const bool mapped = options.uid == 0 && write_full_maps(pid);
    send_message(ours.get(), MessageType::kMapped, mapped ? 1 : 0);
  }
  return Launcher(level, pid, std::move(ours), std::move(maker.ours));
}

Launcher::Launcher(Launcher&& other) noexcept
    : level_(other.level_),
      pid_(std::exchange(other.pid_, -1)),
      control_(std::move(other.control_)),
      maker_(std::move(other.maker_)),
      sockets_(std::move(other.sockets_)) {}

Launcher::~Launcher() {
  control_.reset();
  wait_gone();
}

Status Launcher::prepared() {
  Message message;
  if (!receive_message(control_.get(), message)) {
    return protocol_error();
  }
  if (message.type == MessageType::kFailed) {
    return obstacle_error(message);
  }
  if (has_network(level_) && !receive_sockets(control_.get(), sockets_)) {
    return protocol_error();
  }
  return {};
}

std::function<UniqueFd()> Launcher::socket_maker() const {
  return [maker = maker_] {
    char tag = 's';
    if (!maker->valid() || ::send(maker->get(), &tag, 1, MSG_NOSIGNAL) != 1) {
      return UniqueFd();
    }
    return receive_descriptor(maker->get(), tag);
  };
}

Expected<int> Launcher::launch(const LaunchSpec& spec) {
  Message answer;
  if (!send_message(control_.get(), MessageType::kSpec, 0, encode(spec).view()) ||
      !receive_message(control_.get(), answer)) {
    return protocol_error();
  }
  if (answer.type == MessageType::kFailed) {
    return launch_error(answer);
  }
  return answer.type == MessageType::kExecFailed ? answer.value : 0;
}

Event Launcher::next_event() {
  Message message;
  if (!receive_message(control_.get(), message)) {
    return {Event::Kind::kLost, 0};
  }
  switch (message.type) {
    case MessageType::kStopped:
      return {Event::Kind::kStopped, message.value};
    case MessageType::kContinued:
      return {Event::Kind::kContinued, 0};
    case MessageType::kExited:
      return {Event::Kind::kExited, message.value};
    case MessageType::kKilled:
      return {Event::Kind::kKilled, message.value};
    case MessageType::kMapped:
    case MessageType::kSpec:
    case MessageType::kSignal:
    case MessageType::kContinue:
    case MessageType::kReady:
    case MessageType::kFailed:
    case MessageType::kStarted:
    case MessageType::kExecFailed:
      break;
  }
  return {Event::Kind::kLost, 0};
}

void Launcher::send_signal(int signal_number) {
  send_message(control_.get(), MessageType::kSignal, signal_number);
}

void Launcher::resume(bool foreground) {
  send_message(control_.get(), MessageType::kContinue, foreground ? 1 : 0);
}

void Launcher::wait_gone() {
  if (pid_ <= 0) {
    return;
  }
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

Status probe(Level level) {
  LaunchPlan plan;
  plan.level = level;
  AV_TRY(Launcher launcher, Launcher::start(std::move(plan), {}));
  return launcher.prepared();
}

}  // namespace av::isolation
