#include "cmd/term.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "core/fs.h"

namespace av::cmd {
namespace {

volatile std::sig_atomic_t caught_signal = 0;

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};

// While it lives signals are held back except inside wait(), which they end; afterwards they are
// raised again for whoever handles them.
class SignalGuard {
 public:
  SignalGuard() {
    caught_signal = 0;
    struct sigaction action {};
    action.sa_handler = [](int number) { caught_signal = number; };
    sigemptyset(&action.sa_mask);
    sigset_t held;
    sigemptyset(&held);
    for (const int number : kSignals) {
      sigaddset(&held, number);
    }
    ::pthread_sigmask(SIG_BLOCK, &held, &mask_);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      ::sigaction(kSignals[i], &action, &saved_[i]);
    }
  }
  ~SignalGuard() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      ::sigaction(kSignals[i], &saved_[i], nullptr);
    }
    ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    if (caught_signal != 0) {
      ::raise(caught_signal);
    }
  }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  // Until there is something to read, or a signal.
  void wait(int fd) const {
    struct pollfd input {
      fd, POLLIN, 0
    };
    while (caught_signal == 0 && ::ppoll(&input, 1, nullptr, &mask_) < 0 && errno == EINTR) {
    }
  }

 private:
  sigset_t mask_{};
  std::array<struct sigaction, kSignals.size()> saved_{};
};

// No echo, and no line buffer of the kernel: that one cuts a line at 4095 bytes without a word.
class HiddenInput {
 public:
  explicit HiddenInput(int fd) : fd_(fd), valid_(::tcgetattr(fd, &saved_) == 0) {
    if (valid_) {
      struct termios hidden = saved_;
      hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON);
      hidden.c_cc[VMIN] = 1;
      hidden.c_cc[VTIME] = 0;
      valid_ = ::tcsetattr(fd, TCSAFLUSH, &hidden) == 0;
    }
  }
  // Drops what was typed ahead: the rest of a paste must not reach the shell.
  ~HiddenInput() {
    if (valid_) {
      ::tcsetattr(fd_, TCSAFLUSH, &saved_);
    }
  }
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;
  [[nodiscard]] bool valid() const { return valid_; }
  [[nodiscard]] cc_t key(std::size_t index) const { return saved_.c_cc[index]; }

 private:
  int fd_;
  struct termios saved_ {};
  bool valid_;
};

enum class LineEnd { kDone, kSignal, kFailed };

LineEnd read_line(int fd, const SignalGuard& signals, const HiddenInput& input,
                  SecretBuffer& line) {
  for (;;) {
    char c = 0;
    signals.wait(fd);
    if (caught_signal != 0) {
      return LineEnd::kSignal;
    }
    const ssize_t got = ::read(fd, &c, 1);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return LineEnd::kFailed;
    }
    const auto byte = static_cast<cc_t>(c);
    if (got == 0 || c == '\n' || c == '\r' || byte == input.key(VEOF)) {
      return LineEnd::kDone;
    }
    if (byte == input.key(VERASE) || c == '\b') {
      // One character of UTF-8, not one byte.
      std::size_t size = line.size();
      while (size > 0 && (static_cast<unsigned char>(line.view()[size - 1]) & 0xc0U) == 0x80U) {
        --size;
      }
      line.truncate(size > 0 ? size - 1 : 0);
    } else if (byte == input.key(VKILL)) {
      line.clear();
    } else {
      line.push_back(c);
    }
  }
}

Error no_terminal() {
  return make_error(ErrorCode::kLocked, "no terminal to ask on");
}

UniqueFd open_terminal() {
  return UniqueFd(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
}

}  // namespace

Expected<Secret> read_hidden(std::string_view prompt) {
  const UniqueFd tty = open_terminal();
  if (!tty.valid()) {
    return no_terminal();
  }
  SecretBuffer line;
  for (;;) {
    line.clear();
    LineEnd end = LineEnd::kFailed;
    int pending = 0;
    {
      const SignalGuard signals;
      const HiddenInput input(tty.get());
      if (!input.valid()) {
        return no_terminal();
      }
      AV_CHECK(fs::write_all(tty.get(), prompt));
      end = read_line(tty.get(), signals, input, line);
      if (end == LineEnd::kDone) {
        ::ioctl(tty.get(), FIONREAD, &pending);
      }
      AV_CHECK(fs::write_all(tty.get(), "\n"));
    }
    // Reached after a signal only when it did not end us (Ctrl-Z and fg, or it is handled): ask
    // again.
    if (end == LineEnd::kSignal) {
      continue;
    }
    if (end == LineEnd::kFailed) {
      return make_error(ErrorCode::kIo, "cannot read from the terminal");
    }
    if (pending > 0) {
      return make_error(ErrorCode::kInvalid, "several lines were pasted, one is expected",
                        "use --from-file or --stdin for values of several lines");
    }
    return line.to_secret();
  }
}

Expected<Secret> read_hidden_twice(std::string_view prompt) {
  AV_TRY(Secret first, read_hidden(prompt));
  AV_TRY(const Secret second, read_hidden("once more: "));
  if (!first.equals(second)) {
    return make_error(ErrorCode::kInvalid, "the two entries differ", "try again");
  }
  return first;
}

Expected<bool> confirm(std::string_view question) {
  const UniqueFd tty = open_terminal();
  if (!tty.valid()) {
    return make_error(ErrorCode::kUsage, "this needs a confirmation and there is no terminal",
                      "add --yes");
  }
  AV_CHECK(fs::write_all(tty.get(), std::string(question) + " [y/N] "));
  std::string answer;
  for (char c = 0; ::read(tty.get(), &c, 1) == 1 && c != '\n';) {
    answer.push_back(c);
  }
  return answer == "y" || answer == "Y" || answer == "yes";
}

Expected<std::optional<std::string>> ask_line(std::string_view prompt) {
  constexpr std::size_t kMost = 4096;
  const UniqueFd tty = open_terminal();
  if (!tty.valid()) {
    return make_error(ErrorCode::kUsage, "there is no terminal to ask on");
  }
  AV_CHECK(fs::write_all(tty.get(), prompt));
  std::string line;
  for (;;) {
    char c = 0;
    const ssize_t got = ::read(tty.get(), &c, 1);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return line.empty() ? std::optional<std::string>() : std::optional(std::move(line));
    }
    if (c == '\n') {
      return std::optional(std::move(line));
    }
    if (line.size() < kMost) {
      line.push_back(c);
    }
  }
}

}  // namespace av::cmd
