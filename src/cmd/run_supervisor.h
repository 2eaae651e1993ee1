#pragma once
// The broker's side of a running command: signals, job control and the terminal.
//
// The command shares the broker's process group and owns the terminal. What the terminal sends
// reaches both, and the broker stands it; what somebody sends to the broker alone is passed on.
// When the command stops, the broker stops too, so that the shell that waits for it takes over.

#include <csignal>
#include <functional>
#include <optional>

#include "core/fs.h"
#include "isolation/launcher.h"

namespace av::cmd {

// Blocks the signals that the broker handles and reads them from a descriptor. Make it after the
// launcher was started (the command inherits the mask of that moment) and before any thread.
class SignalGate {
 public:
  static Expected<SignalGate> create();
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  explicit SignalGate(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// How the command ended. `signal` 0: it exited with `exit_code`.
struct Outcome {
  int exit_code = 0;
  int signal = 0;
};

class RunSupervisor {
 public:
  // Make it before the command runs, to know who had the terminal. `tick` is called about four
  // times a second while the command runs.
  RunSupervisor(isolation::Launcher& launcher, const SignalGate& signals,
                std::function<void()> tick);
  // Returns when the command has ended. An error: the launcher was lost.
  Expected<Outcome> wait();
  // Returns when nothing of the run is left and the terminal is the broker's again. At once when
  // wait() has not seen an end.
  void finish();

 private:
  // The events that one wake-up brought.
  struct Round {
    int stopped = 0;  // signal
    bool continued = false;
    std::optional<Outcome> ended;
    bool lost = false;
  };
  void take_signals(Round& round);
  void take_event(Round& round);
  void stop_with_command(int signal_number);
  [[nodiscard]] bool in_foreground() const;
  void take_terminal_back() const;

  isolation::Launcher& launcher_;
  const SignalGate& signals_;
  std::function<void()> tick_;
  UniqueFd terminal_;  // invalid: none
  bool had_foreground_ = false;
  bool ended_ = false;
};

// Ends this process by the signal, without a core. Returns only when that signal does not end one.
void die_by_signal(int signal_number);

}  // namespace av::cmd
