#pragma once
// Launcher: the process that becomes the child's init. `run` starts it before anything secret is in
// memory, before any thread exists and before the store is opened; it prepares the namespaces while
// the broker works, waits for the command, and then runs and watches it.
//
// At level `store` it is PID 1 of a PID namespace of its own, in a user and a mount namespace where
// the hidden paths are covered and /proc shows nothing but the run. Its end, and so the broker's
// death, takes everything in the run with it. At `network` it has a network namespace as well (see
// network.h). At level `off` it is the same process without the namespaces, and at `landlock` one
// that shuts itself in by Landlock.
//
// All functions belong to the thread that called start(), which must be the main thread: the
// kernel's parent-death signal is about that thread.

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/expected.h"
#include "core/fs.h"
#include "core/secret.h"
#include "isolation/file_view.h"
#include "isolation/level.h"
#include "isolation/network.h"

namespace av::isolation {

// What must be known before anything else is.
struct LaunchPlan {
  Level level = Level::kStore;
  NetworkPlan network;  // at `network` and above
};

// What to run. Everything that names a path is absolute.
struct LaunchSpec {
  std::vector<std::string> argv;
  // A descriptor that is executed in place of what argv[0] names, open where start() was called.
  int program = -1;
  SecretBuffer environment;  // "NAME=value", each ended by NUL; carries the session's token
  std::string cwd;
  std::string run_id;  // what the covers are named after: see run_marker.h
  // Directories and files that the child must not see, or at `landlock` not use; they must exist.
  // Ignored at `off`.
  std::vector<std::filesystem::path> hidden;
  // Files in whose place the child finds another one. Ignored at `off` and `landlock`.
  struct Mask {
    std::filesystem::path target;
    std::filesystem::path replacement;
  };
  std::vector<Mask> masked;
  FileView files;  // at `strict`
  // Abstract sockets of programs outside cannot be connected to, nor these be sent signals, where
  // the kernel knows that (Landlock, ABI 6). Above `store` they cannot be in any case.
  bool own_abstract_sockets = false;
};

struct Event {
  enum class Kind {
    kStopped,    // value: the signal
    kContinued,  // value: 0
    kExited,     // value: the exit code
    kKilled,     // value: the signal
    kLost,       // the launcher itself is gone
  };
  Kind kind = Kind::kLost;
  int value = 0;
};

class Launcher {
 public:
  // Forks. `in_child` runs first thing in the new process: it wipes what must not live on there.
  // kUnsupported, with the reason and a hint, when the level cannot be had. The signal mask and the
  // signal dispositions of this moment are those that the child will have.
  static Expected<Launcher> start(LaunchPlan plan, const std::function<void()>& in_child);
  Launcher(Launcher&& other) noexcept;
  Launcher& operator=(Launcher&&) = delete;
  ~Launcher();  // ends the run, if it is still going

  [[nodiscard]] Level level() const { return level_; }
  // Waits for the namespaces. kUnsupported as start(); the launcher is of no use then.
  [[nodiscard]] Status prepared();
  // What the broker is to serve inside, at `network` and above. Once, after prepared().
  [[nodiscard]] NetworkSockets take_sockets() { return std::move(sockets_); }
  // Makes fresh TCP sockets that belong to the run's network, non-blocking: to connect to what
  // listens inside. It waits for launch(), and may be called on another thread, by one at a time,
  // also when the launcher is gone: invalid then, and below `network`.
  [[nodiscard]] std::function<UniqueFd()> socket_maker() const;
  // Covers, drops, runs. 0: it runs; otherwise the errno of exec. After prepared().
  [[nodiscard]] Expected<int> launch(const LaunchSpec& spec);

  // Readable when next_event() has something.
  [[nodiscard]] int control_fd() const { return control_.get(); }
  [[nodiscard]] Event next_event();
  void send_signal(int signal_number);
  // SIGCONT to the child, or to its process group when it made one of its own. `foreground`: hand
  // the terminal to that group first.
  void resume(bool foreground);
  // Waits until the launcher, and at `store` everything else in the run, is gone.
  void wait_gone();

 private:
  Launcher(Level level, pid_t pid, UniqueFd control, UniqueFd maker)
      : level_(level),
        pid_(pid),
        control_(std::move(control)),
        maker_(std::make_shared<UniqueFd>(std::move(maker))) {}
  Level level_;
  pid_t pid_;
  UniqueFd control_;
  std::shared_ptr<UniqueFd> maker_;
  NetworkSockets sockets_;
};

// Whether the level can be had here; the Error says exactly why not.
[[nodiscard]] Status probe(Level level);

}  // namespace av::isolation
