#include "cmd/run_supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

namespace av::cmd {
namespace {

constexpr std::array kPassedOn{SIGINT,  SIGTERM,  SIGHUP,  SIGQUIT, SIGUSR1,
                               SIGUSR2, SIGWINCH, SIGCONT, SIGTSTP};
// A broker in the background must be able to write a warning and to hand the terminal over.
constexpr std::array kStood{SIGTTIN, SIGTTOU};
constexpr std::chrono::milliseconds kTick{250};

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal_number : kPassedOn) {
    sigaddset(&set, signal_number);
  }
  return set;
}

void set_default(int signal_number) {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  ::sigaction(signal_number, &action, nullptr);
}

}  // namespace

Expected<SignalGate> SignalGate::create() {
  const sigset_t handled = handled_signals();
  sigset_t blocked = handled;
  for (const int signal_number : kStood) {
    sigaddset(&blocked, signal_number);
  }
  if (::sigprocmask(SIG_BLOCK, &blocked, nullptr) != 0) {
    return errno_error(errno, "cannot block signals");
  }
  UniqueFd fd(::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) {
    return errno_error(errno, "cannot watch signals");
  }
  return SignalGate(std::move(fd));
}

RunSupervisor::RunSupervisor(isolation::Launcher& launcher, const SignalGate& signals,
                             std::function<void()> tick)
    : launcher_(launcher),
      signals_(signals),
      tick_(std::move(tick)),
      terminal_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
  had_foreground_ = in_foreground();
}

Expected<Outcome> RunSupervisor::wait() {
  auto next_tick = std::chrono::steady_clock::now() + kTick;
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_tick) {
      tick_();
      next_tick = now + kTick;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next_tick - now);
    pollfd events[2] = {{launcher_.control_fd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
    if (::poll(events, 2, static_cast<int>(left.count()) + 1) < 0 && errno != EINTR) {
      return errno_error(errno, "cannot wait for the command");
    }
    Round round;
    if (events[1].revents != 0) {
      take_signals(round);
    }
    if (events[0].revents != 0) {
      take_event(round);
    }
    if (round.ended || round.lost) {
      ended_ = true;
      if (round.ended) {
        return *round.ended;
      }
      return make_error(ErrorCode::kInternal, "the process that watched the command was killed",
                        "see whether the system ran out of memory, then try again");
    }
    if (round.continued) {
      // Also when a stop is reported in the same breath: that one is over.
      launcher_.resume(in_foreground());
    } else if (round.stopped != 0) {
      stop_with_command(round.stopped);
    }
  }
}

void RunSupervisor::finish() {
  if (ended_) {
    launcher_.wait_gone();
    take_terminal_back();
  }
}

void RunSupervisor::take_signals(Round& round) {
  signalfd_siginfo info{};
  while (::read(signals_.fd(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const int signal_number = static_cast<int>(info.ssi_signo);
    if (signal_number == SIGCONT) {
      round.continued = true;
      continue;
    }
    // What the kernel sends comes from the terminal, and the command has it already.
    if (info.ssi_code <= 0) {
      launcher_.send_signal(signal_number);
    }
  }
}

void RunSupervisor::take_event(Round& round) {
  const isolation::Event event = launcher_.next_event();
  switch (event.kind) {
    case isolation::Event::Kind::kStopped:
      round.stopped = event.value;
      return;
    case isolation::Event::Kind::kContinued:
      return;
    case isolation::Event::Kind::kExited:
      round.ended = Outcome{event.value, 0};
      return;
    case isolation::Event::Kind::kKilled:
      round.ended = Outcome{0, event.value};
      return;
    case isolation::Event::Kind::kLost:
      round.lost = true;
      return;
  }
}

void RunSupervisor::stop_with_command(int signal_number) {
  if (!terminal_.valid()) {
    // No shell of a terminal is waiting; whoever stopped the command will continue it.
    return;
  }
  // SIGSTOP would also stop a broker that no shell watches; SIGTSTP is dropped then (POSIX:
  // orphaned process groups).
  const int own = signal_number == SIGSTOP ? SIGTSTP : signal_number;
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, own);
  set_default(own);
  ::raise(own);
  ::sigprocmask(SIG_UNBLOCK, &one, nullptr);
  ::sigprocmask(SIG_BLOCK, &one, nullptr);
}

bool RunSupervisor::in_foreground() const {
  return terminal_.valid() && ::tcgetpgrp(terminal_.get()) == ::getpgrp();
}

void RunSupervisor::take_terminal_back() const {
  // A shell that made itself the foreground group is gone; a script that called us needs its own.
  if (had_foreground_ && !in_foreground()) {
    ::tcsetpgrp(terminal_.get(), ::getpgrp());
  }
}

void die_by_signal(int signal_number) {
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  set_default(signal_number);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signal_number);
  ::sigprocmask(SIG_UNBLOCK, &one, nullptr);
  ::kill(::getpid(), signal_number);
}

}  // namespace av::cmd
