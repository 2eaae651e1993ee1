#include "isolation/init.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "isolation/file_view.h"
#include "isolation/landlock.h"
#include "isolation/mount_table.h"
#include "isolation/namespaces.h"
#include "isolation/obstacles.h"
#include "isolation/root_ways.h"
#include "isolation/run_marker.h"
#include "isolation/syscall_filter.h"
#include "isolation/wire.h"

namespace av::isolation {
namespace {

class Init {
 public:
  explicit Init(InitOptions options) : options_(std::move(options)) {}
  [[noreturn]] void run();

 private:
  [[nodiscard]] bool namespaces() const { return has_namespaces(options_.level); }
  [[nodiscard]] int control() const { return options_.control.get(); }
  Step prepare();
  Step shut_in(const LaunchSpec& spec);
  Step shut_in_by_landlock(const LaunchSpec& spec);
  Step find_hidden(const LaunchSpec& spec, std::vector<Place>& hidden) const;
  Step build_view(const LaunchSpec& spec, const std::vector<Place>& hidden,
                  const std::vector<Place>& emptied, FileViewBuilder& view);
  // The pid of the child; when exec failed, reports and ends.
  pid_t start_child(LaunchSpec spec);
  [[noreturn]] void exec_child(LaunchSpec& spec, int error_pipe);
  [[noreturn]] void watch(pid_t child);
  void reap(pid_t child);
  void obey(pid_t child);
  // Something outside wants to connect to what listens inside.
  void make_socket();
  [[noreturn]] void report_obstacle(const Obstacle& obstacle);
  // The broker is gone: nothing of the run may outlive it.
  [[noreturn]] void end_run();

  InitOptions options_;
  UniqueFd signals_;
  NetworkSockets sockets_;
};

void continue_child(pid_t child, bool foreground) {
  const pid_t group = ::getpgid(child);
  // 0: the broker's group, which this PID namespace has no number for.
  if (group <= 0 || group == ::getpgrp()) {
    ::kill(child, SIGCONT);
    return;
  }
  if (foreground) {
    const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
    if (terminal.valid()) {
      ::tcsetpgrp(terminal.get(), group);
    }
  }
  ::kill(-group, SIGCONT);
}

// The command line and the environment that the broker was started with stay readable in the memory
// of the launcher, and the former in `ps` of the run: neither is the command's business.
void wipe_start_up_memory() {
  const auto text = fs::read_file("/proc/self/stat", 4096);
  const std::size_t name_end = text ? text->rfind(')') : std::string::npos;
  if (name_end == std::string::npos) {
    return;
  }
  // proc_pid_stat(5): field 3 follows the name; 48 to 51 are arg_start, arg_end, env_start,
  // env_end.
  std::istringstream fields(text->substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 48; ++field) {
    fields >> skipped;
  }
  std::uintptr_t bounds[4] = {};
  for (std::uintptr_t& bound : bounds) {
    fields >> bound;
  }
  if (!fields || bounds[0] == 0 || bounds[0] >= bounds[1] || bounds[2] == 0 ||
      bounds[2] > bounds[3]) {
    return;
  }
  ::clearenv();
  ::explicit_bzero(reinterpret_cast<void*>(bounds[2]), bounds[3] - bounds[2]);
  char* const arguments = reinterpret_cast<char*>(bounds[0]);
  ::explicit_bzero(arguments, bounds[1] - bounds[0]);
  std::strncpy(arguments, kLauncherName, bounds[1] - bounds[0] - 1);
}

// What is sealed wins over what is only empty.
Step cover_all(const std::vector<Place>& sealed, const std::vector<Place>& emptied,
               const std::string& run_id) {
  for (const Place& place : emptied) {
    const bool gone = std::any_of(sealed.begin(), sealed.end(), [&](const Place& above) {
      return is_within(place.path, above.path);
    });
    if (!gone) {
      if (Step obstacle = cover(place, run_id, Cover::kEmpty)) {
        return obstacle;
      }
    }
  }
  for (const Place& place : sealed) {
    const bool gone = std::any_of(emptied.begin(), emptied.end(), [&](const Place& above) {
      return is_within(place.path, above.path) && place.path != above.path;
    });
    if (!gone) {
      if (Step obstacle = cover(place, run_id, Cover::kSealed)) {
        return obstacle;
      }
    }
  }
  return std::nullopt;
}

// Where there is no PID namespace to end.
void kill_descendants() {
  const std::string self = std::to_string(::getpid());
  const std::string path = "/proc/" + self + "/task/" + self + "/children";
  // Children of the dead become ours (PR_SET_CHILD_SUBREAPER), so this ends.
  for (int rounds = 0; rounds < 1000; ++rounds) {
    const auto list = fs::read_file(path);
    if (!list || list->empty()) {
      return;
    }
    const char* at = list->c_str();
    char* end = nullptr;
    for (long pid = std::strtol(at, &end, 10); end != at; pid = std::strtol(at, &end, 10)) {
      ::kill(static_cast<pid_t>(pid), SIGKILL);
      at = end;
    }
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    ::usleep(1000);
  }
}

void Init::run() {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  sigset_t child_signals;
  sigemptyset(&child_signals);
  sigaddset(&child_signals, SIGCHLD);
  signals_ = UniqueFd(::signalfd(-1, &child_signals, SFD_CLOEXEC | SFD_NONBLOCK));
  ::prctl(PR_SET_NAME, kLauncherName);
  wipe_start_up_memory();
  if (Step obstacle = prepare()) {
    report_obstacle(*obstacle);
  }
  send_message(control(), MessageType::kReady, 0);
  if (has_network(options_.level)) {
    send_sockets(control(), sockets_);
    sockets_ = {};
  }
  Message message;
  LaunchSpec spec;
  if (!receive_message(control(), message) || message.type != MessageType::kSpec ||
      !decode(message.payload.view(), spec)) {
    std::_Exit(0);
  }
  message.payload.clear();
  if (Step obstacle = shut_in(spec)) {
    report_obstacle(*obstacle);
  }
  watch(start_child(std::move(spec)));
}

Step Init::prepare() {
  if (!namespaces()) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (options_.level == Level::kLandlock) {
      ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
      if (landlock_abi() < kLandlockHides) {
        return Obstacle{std::string(kStepLandlock), ENOSYS};
      }
    }
    return std::nullopt;
  }
  Message mapped;
  if (!receive_message(control(), mapped)) {
    std::_Exit(0);
  }
  if (mapped.value == 0) {
    // The files of a process that is not dumpable belong to root. Nothing secret is here yet.
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (Step obstacle = write_single_maps(options_.uid, options_.gid)) {
      return obstacle;
    }
  }
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (Step obstacle = take_over_mounts()) {
    return obstacle;
  }
  return has_network(options_.level) ? make_network(options_.network, sockets_) : std::nullopt;
}

// The store, and the devices below it.
Step Init::find_hidden(const LaunchSpec& spec, std::vector<Place>& hidden) const {
  std::vector<std::filesystem::path> paths = spec.hidden;
  if (options_.level >= Level::kStrict) {
    return find_places(paths, hidden);  // its /dev is new
  }
  auto devices = options_.uid == 0 ? unsafe_devices() : open_disks();
  if (!devices) {
    return failed("list /dev");
  }
  std::move(devices->begin(), devices->end(), std::back_inserter(paths));
  return find_places(paths, hidden);
}

Step Init::shut_in_by_landlock(const LaunchSpec& spec) {
  std::vector<Place> hidden;
  if (Step obstacle = find_hidden(spec, hidden)) {
    return obstacle;
  }
  if (Step obstacle = drop_privileges()) {
    return obstacle;
  }
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (Step obstacle = enter_directory(spec.cwd, hidden)) {
    return obstacle;
  }
  if (Step obstacle = clean_descriptors(hidden, Inherited::kNoSockets)) {
    return obstacle;
  }
  std::vector<std::string> paths;
  for (const Place& place : hidden) {
    paths.push_back(place.path);
  }
  if (Step obstacle = hide_by_landlock(paths)) {
    return obstacle;
  }
  return filter_system_calls(options_.level);
}

Step Init::shut_in(const LaunchSpec& spec) {
  if (options_.level == Level::kLandlock) {
    return shut_in_by_landlock(spec);
  }
  if (!namespaces()) {
    return std::nullopt;
  }
  if (Step obstacle = pin_ancestors(spec, options_.uid)) {
    return obstacle;
  }
  std::vector<Place> hidden;
  if (Step obstacle = find_hidden(spec, hidden)) {
    return obstacle;
  }
  // Found before anything is covered, and each for itself: one may lie in the other.
  std::vector<Place> emptied;
  if (Step obstacle = find_places(spec.files.emptied, emptied)) {
    return obstacle;
  }
  if (Step obstacle = cover_all(hidden, emptied, spec.run_id)) {
    return obstacle;
  }
  for (const LaunchSpec::Mask& each : spec.masked) {
    if (Step obstacle = mask(each)) {
      return obstacle;
    }
  }
  FileViewBuilder view(spec.files);
  if (options_.level >= Level::kStrict) {
    if (Step obstacle = build_view(spec, hidden, emptied, view)) {
      return obstacle;
    }
  }
  if (Step obstacle = drop_privileges()) {
    return obstacle;
  }
  // Changes of credentials reset both.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (Step obstacle = enter_directory(spec.cwd, hidden)) {
    return obstacle;
  }
  const Inherited inherited = options_.level >= Level::kStrict ? Inherited::kPipesAndReading
                              : has_network(options_.level)    ? Inherited::kNoSockets
                                                               : Inherited::kAll;
  if (Step obstacle = clean_descriptors(hidden, inherited)) {
    return obstacle;
  }
  if (spec.own_abstract_sockets && options_.level == Level::kStore) {
    stay_among_ourselves();
  }
  if (options_.level >= Level::kStrict) {
    std::vector<std::string> guarded;
    for (const std::filesystem::path& path : spec.files.guarded) {
      guarded.push_back(path.native());
    }
    if (Step obstacle = restrict_files(view.writable_places(), guarded)) {
      return obstacle;
    }
  }
  return filter_system_calls(options_.level);
}

Step Init::build_view(const LaunchSpec& spec, const std::vector<Place>& hidden,
                      const std::vector<Place>& emptied, FileViewBuilder& view) {
  if (Step obstacle = view.take_writable()) {
    return obstacle;
  }
  if (Step obstacle = view.lay_scratch()) {
    return obstacle;
  }
  // A copy shows what lies below it, not what was laid over that.
  const auto below_copy = [&](const std::filesystem::path& path) {
    return std::any_of(spec.files.scratch.begin(), spec.files.scratch.end(),
                       [&](const auto& copy) { return is_within(path.native(), copy.native()); });
  };
  const auto only_below = [&](std::vector<Place> places) {
    std::erase_if(places, [&](const Place& place) { return !below_copy(place.path); });
    return places;
  };
  if (Step obstacle = cover_all(only_below(hidden), only_below(emptied), spec.run_id)) {
    return obstacle;
  }
  for (const LaunchSpec::Mask& each : spec.masked) {
    if (below_copy(each.target)) {
      if (Step obstacle = mask(each)) {
        return obstacle;
      }
    }
  }
  if (Step obstacle = view.empty_shared_places()) {
    return obstacle;
  }
  return view.make_read_only();
}

pid_t Init::start_child(LaunchSpec spec) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    report_obstacle({"make a pipe", errno});
  }
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) {
    report_obstacle({"start a process", errno});
  }
  if (child == 0) {
    exec_child(spec, write_end.get());
  }
  write_end.reset();
  int error_number = 0;
  ssize_t got = 0;
  do {
    got = ::read(read_end.get(), &error_number, sizeof error_number);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof error_number)) {
    ::waitpid(child, nullptr, 0);
    send_message(control(), MessageType::kExecFailed, error_number);
    std::_Exit(0);
  }
  send_message(control(), MessageType::kStarted, 0);
  return child;
}

void Init::exec_child(LaunchSpec& spec, int error_pipe) {
  if (!namespaces()) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  }
  if (options_.level == Level::kLandlock) {
    keep_signals_from_parent();
  }
  std::vector<char*> argv;
  for (std::string& argument : spec.argv) {
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);
  std::vector<char*> variables;
  char* const begin = spec.environment.data();
  for (std::size_t at = 0; at < spec.environment.size(); at += std::strlen(begin + at) + 1) {
    variables.push_back(begin + at);
  }
  variables.push_back(nullptr);
  // execvp searches the PATH of `environ`: the command's own.
  environ = variables.data();
  ::sigprocmask(SIG_SETMASK, &options_.child_mask, nullptr);
  if (spec.program >= 0) {
    ::syscall(SYS_execveat, spec.program, "", argv.data(), environ, AT_EMPTY_PATH);
  } else {
    ::execvp(argv[0], argv.data());
  }
  const int error_number = errno;
  static_cast<void>(!::write(error_pipe, &error_number, sizeof error_number));
  std::_Exit(127);
}

void Init::watch(pid_t child) {
  for (;;) {
    pollfd events[3] = {{control(), POLLIN, 0},
                        {signals_.get(), POLLIN, 0},
                        {options_.maker.get(), POLLIN, 0}};  // -1: passed over
    if (::poll(events, 3, -1) < 0 && errno != EINTR) {
      end_run();
    }
    if (events[1].revents != 0) {
      signalfd_siginfo info[8];
      static_cast<void>(!::read(signals_.get(), info, sizeof info));
      reap(child);
    }
    if (events[0].revents != 0) {
      obey(child);
    }
    if (events[2].revents != 0) {
      make_socket();
    }
  }
}

void Init::make_socket() {
  char asked = 0;
  const ssize_t got = ::recv(options_.maker.get(), &asked, 1, 0);
  if (got < 0 && errno == EINTR) {
    return;
  }
  const UniqueFd made(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (got != 1 || !send_descriptor(options_.maker.get(), asked, made.get())) {
    options_.maker.reset();
  }
}

void Init::reap(pid_t child) {
  int status = 0;
  for (;;) {
    const pid_t pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);
    if (pid <= 0) {
      return;
    }
    if (pid != child) {
      continue;
    }
    const bool over = WIFSIGNALED(status) || WIFEXITED(status);
    if (over && options_.level == Level::kLandlock) {
      kill_descendants();
    }
    if (WIFSTOPPED(status)) {
      send_message(control(), MessageType::kStopped, WSTOPSIG(status));
    } else if (WIFCONTINUED(status)) {
      send_message(control(), MessageType::kContinued, 0);
    } else if (WIFSIGNALED(status)) {
      send_message(control(), MessageType::kKilled, WTERMSIG(status));
      std::_Exit(0);
    } else {
      send_message(control(), MessageType::kExited, WEXITSTATUS(status));
      std::_Exit(0);
    }
  }
}

void Init::obey(pid_t child) {
  Message message;
  if (!receive_message(control(), message)) {
    end_run();
  }
  if (message.type == MessageType::kSignal) {
    ::kill(child, message.value);
  } else if (message.type == MessageType::kContinue) {
    continue_child(child, message.value != 0);
  }
}

void Init::report_obstacle(const Obstacle& obstacle) {
  send_message(control(), MessageType::kFailed, obstacle.error_number, obstacle.step);
  std::_Exit(0);
}

void Init::end_run() {
  if (!namespaces()) {
    kill_descendants();
  }
  std::_Exit(0);
}

}  // namespace

void run_init(InitOptions options, const std::function<void()>& wipe) {
  if (wipe) {
    wipe();
  }
  Init(std::move(options)).run();
}

}  // namespace av::isolation
