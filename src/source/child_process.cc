#include "source/child_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

namespace av::source {
namespace {

constexpr int kLowest = 10;  // of our own descriptors, clear of the child's standard three

// Everything from 3 on, at exec. Where close_range() is missing (before Linux 5.11), one by one.
void close_all_at_exec() {
  if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0) {
    return;
  }
  rlimit limit{};
  const rlim_t most = rlim_t{1} << 20;
  const rlim_t end =
      ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? std::min(limit.rlim_cur, most) : most;
  for (rlim_t fd = 3; fd < end; ++fd) {
    ::fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC);
  }
}

// In the child, which shares all memory with the parent until it executes: system calls only.
[[noreturn]] void become(const LaunchPlan& plan, int report, pid_t parent) {
  const auto give_up = [report] {
    const int error = errno;
    (void)!::write(report, &error, sizeof error);
    ::_exit(127);
  };
  // A group of its own to be killed by, and no terminal that could be read or typed into.
  if (::setsid() < 0) {
    give_up();
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != parent) {
    ::_exit(127);  // it died before that was set
  }
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) {
    ::sigaction(number, &usual, nullptr);
  }
  const rlimit none{0, 0};
  ::umask(077);
  if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::chdir("/") != 0 || ::dup2(plan.input, 0) < 0 ||
      ::dup2(plan.output, 1) < 0 || ::dup2(plan.errors, 2) < 0) {
    give_up();
  }
  close_all_at_exec();
  for (const int kept : plan.keep) {
    if (kept >= 0 && ::fcntl(kept, F_SETFD, 0) != 0) {
      give_up();
    }
  }
  sigset_t nothing;
  sigemptyset(&nothing);
  ::sigprocmask(SIG_SETMASK, &nothing, nullptr);
  if (plan.program >= 0) {
    ::syscall(SYS_execveat, plan.program, "", plan.arguments, plan.environment, AT_EMPTY_PATH);
  } else {
    ::execve(plan.path, plan.arguments, plan.environment);
  }
  give_up();
  ::_exit(127);
}

// vfork(): no copy of this process's memory, whose secrets would otherwise be in two places, and no
// lock of the allocator that another thread holds. The parent's thread waits until the child has
// executed, so `plan` outlives its use. Nothing in this frame may change meanwhile.
[[gnu::noinline]] pid_t launch(const LaunchPlan& plan, int report) {
  const pid_t parent = ::getpid();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  const pid_t pid = ::vfork();  // NOLINT
#pragma GCC diagnostic pop
  if (pid == 0) {
    become(plan, report, parent);
  }
  return pid;
}

}  // namespace

Result<UniqueFd> above_standard(UniqueFd fd) {
  UniqueFd out(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kLowest));
  if (!out.valid()) {
    return failure(Failure::Why::kUnreachable, "there are too many open files");
  }
  return out;
}

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return failure(Failure::Why::kUnreachable, "there are too many open files");
  }
  UniqueFd read(ends[0]);
  UniqueFd write(ends[1]);
  Pipe out;
  AV_TRY(out.read, above_standard(std::move(read)));
  AV_TRY(out.write, above_standard(std::move(write)));
  return out;
}

int ChildProcess::start(const LaunchPlan& plan) {
  auto report = make_pipe();
  if (!report) {
    return EMFILE;
  }
  // No handler of ours may run in the child while it shares our memory.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_ = launch(plan, report->write.get());
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid_ < 0) {
    return error;
  }
  pidfd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0U)));
  report->write.reset();
  int failed = 0;
  ssize_t got = 0;
  do {
    got = ::read(report->read.get(), &failed, sizeof failed);
  } while (got < 0 && errno == EINTR);
  if (got != 0) {
    finish();
    return got == sizeof failed ? failed : EIO;
  }
  return 0;
}

bool ChildProcess::ended() const {
  if (pid_ < 0) {
    return true;
  }
  siginfo_t info{};
  const int done = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
  return (done == 0 && info.si_pid == pid_) || (done != 0 && errno == ECHILD);
}

int ChildProcess::finish() {
  if (pid_ < 0) {
    return exit_code_;
  }
  // A zombie keeps its process id, and a group its number: neither can be another's yet.
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  int status = 0;
  pid_t reaped = 0;
  do {
    reaped = ::waitpid(pid_, &status, 0);
  } while (reaped < 0 && errno == EINTR);
  if (reaped == pid_) {
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  pid_ = -1;
  return exit_code_;
}

}  // namespace av::source
