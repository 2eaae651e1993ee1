#include "source/process_runner.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <set>

#include "source/child_process.h"
#include "source/program_file.h"

extern "C" char** environ;  // NOLINT(readability-redundant-declaration)

namespace av::source {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Shorter than the 45 s after which the kernel breaks the lease that holds a program still.
constexpr std::int64_t kLongest = 40'000;
constexpr std::size_t kMostErrors = std::size_t{4} << 10;
constexpr std::size_t kMostArgument = std::size_t{64} << 10;
constexpr int kSlice = 20;  // ms between looks where there is no pidfd

// Of this process, besides PATH: what programs need to find the user's files and session. Nothing
// that makes a program load or run something else (LD_*, BASH_ENV, NODE_OPTIONS...).
bool passed_on(std::string_view name) {
  return name == "HOME" || name == "LANG" || name == "TMPDIR" || name == "DISPLAY" ||
         name == "DBUS_SESSION_BUS_ADDRESS" || name.starts_with("XDG_");
}

Failure invalid(std::string message) {
  return failure(Failure::Why::kInvalid, std::move(message));
}

bool variable_name(std::string_view name) {
  return !name.empty() && name.find_first_of(std::string_view("=\0", 2)) == std::string_view::npos;
}

// "NAME=value" texts and where each begins. The text is wiped when it dies.
class Environment {
 public:
  [[nodiscard]] static Result<Environment> of(const Command& command) {
    Environment out;
    std::set<std::string, std::less<>> own;
    for (const auto& variable : command.environment) {
      const std::string& name = variable.first;
      const Secret& value = variable.second;  // Clang 14 hands no binding to a lambda
      const bool good = variable_name(name) && value.reveal([](std::string_view bytes) {
        return bytes.find('\0') == std::string_view::npos;
      });
      if (!good) {
        return invalid("a variable of " + excerpt(command.program) + " cannot be set");
      }
      if (own.insert(name).second) {
        out.add(name, [&] { out.text_.append(value); });
      }
    }
    if (own.count("PATH") == 0) {
      out.add("PATH", [&] { out.text_.append(safe_search_path()); });
    }
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
      const std::string_view text = *entry;
      const std::string_view name = text.substr(0, text.find('='));
      if (passed_on(name) && name.size() < text.size() && own.insert(std::string(name)).second) {
        out.add(name, [&] { out.text_.append(text.substr(name.size() + 1)); });
      }
    }
    for (const std::size_t begin : out.begins_) {
      out.pointers_.push_back(out.text_.data() + begin);
    }
    out.pointers_.push_back(nullptr);
    return out;
  }
  [[nodiscard]] char* const* get() const { return pointers_.data(); }
  [[nodiscard]] std::string_view text() const { return text_.view(); }

 private:
  template <typename Value>
  void add(std::string_view name, const Value& value) {
    begins_.push_back(text_.size());
    text_.append(name);
    text_.push_back('=');
    value();
    text_.push_back('\0');
  }
  SecretBuffer text_;
  std::vector<std::size_t> begins_;
  std::vector<char*> pointers_;
};

class Arguments {
 public:
  void add(std::string text) { texts_.push_back(std::move(text)); }
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }
  [[nodiscard]] char* const* get() {
    pointers_.clear();
    for (std::string& text : texts_) {
      pointers_.push_back(text.data());
    }
    pointers_.push_back(nullptr);
    return pointers_.data();
  }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

Result<void> check(const Command& command) {
  if (command.program.empty() || command.program[0] != '/' ||
      command.program.find('\0') != std::string::npos) {
    return invalid("a program needs its absolute path");
  }
  for (const std::string& argument : command.arguments) {
    if (argument.size() > kMostArgument || argument.find('\0') != std::string::npos) {
      return invalid("an argument of " + excerpt(command.program) + " is no text");
    }
  }
  return {};
}

// A write to a program that does not read must not end this one; other threads are not touched.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;
  ~WithoutSigpipe() {
    const timespec now{};
    while (!was_pending_ && ::sigtimedwait(&pipe_, nullptr, &now) == SIGPIPE) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

struct ChildPipes {
  Pipe input;
  Pipe output;
  Pipe errors;
  Pipe verdict;
};

// What goes to and comes from a running child, until it has ended or time is up.
class Conversation {
 public:
  // `said` is written to `input`; it outlives this.
  Conversation(const Command& command, std::string_view said, ChildProcess& child, UniqueFd input,
               UniqueFd output, UniqueFd errors)
      : command_(command),
        to_say_(said),
        child_(child),
        input_(std::move(input)),
        output_(std::move(output)),
        errors_(std::move(errors)) {
    for (const UniqueFd* fd : {&input_, &output_, &errors_}) {
      if (fd->valid()) {
        ::fcntl(fd->get(), F_SETFL, O_NONBLOCK);
      }
    }
  }

  [[nodiscard]] Result<CommandOutcome> hold(steady_clock::time_point deadline) {
    bool ended = false;
    while (!ended) {
      const auto left =
          std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
      if (left <= 0) {
        return failure(Failure::Why::kTimeout, excerpt(command_.program) + " has not answered in " +
                                                   std::to_string(command_.timeout_ms / 1000) +
                                                   " s");
      }
      wait(left);
      exchange();
      if (too_much_) {
        return too_much();
      }
      ended = child_.ended();
    }
    // What it forked may still hold the pipes: killed, and what they have is all there will be.
    CommandOutcome out;
    out.exit_code = child_.finish();
    exchange();
    if (too_much_) {
      return too_much();
    }
    auto secret = taken_.to_secret();
    if (!secret) {
      return failure(Failure::Why::kMalformed, secret.error().message, secret.error().hint);
    }
    out.output = std::move(*secret);
    out.errors = std::move(said_);
    return out;
  }

 private:
  [[nodiscard]] Failure too_much() const {
    return failure(Failure::Why::kMalformed, excerpt(command_.program) + " has written more than " +
                                                 std::to_string(command_.most_output) + " bytes");
  }

  void wait(std::int64_t left) {
    std::array<pollfd, 4> set{};
    nfds_t count = 0;
    const auto add = [&](int fd, short events) {
      if (fd >= 0) {
        set[count++] = {fd, events, 0};
      }
    };
    add(input_.get(), POLLOUT);
    add(output_.get(), POLLIN);
    add(errors_.get(), POLLIN);
    add(child_.ended_fd(), POLLIN);
    if (child_.ended_fd() < 0) {
      left = std::min<std::int64_t>(left, kSlice);
    }
    ::poll(set.data(), count, static_cast<int>(left));
  }

  void exchange() {
    send();
    read_from(output_, [this](std::string_view bytes) {
      const std::size_t room = command_.most_output - std::min(command_.most_output, taken_.size());
      too_much_ = bytes.size() > room;
      if (!too_much_) {
        taken_.append(bytes);
      }
      return !too_much_;
    });
    read_from(errors_, [this](std::string_view bytes) {
      said_.append(bytes.substr(0, kMostErrors - std::min(kMostErrors, said_.size())));
      return true;
    });
  }

  void send() {
    while (input_.valid() && sent_ < to_say_.size()) {
      const std::string_view rest = to_say_.substr(sent_);
      const ssize_t put = ::write(input_.get(), rest.data(), rest.size());
      if (put > 0) {
        sent_ += static_cast<std::size_t>(put);
      } else if (put < 0 && errno == EINTR) {
        continue;
      } else if (put < 0 && errno == EAGAIN) {
        return;
      } else {
        input_.reset();  // it does not want more
      }
    }
    input_.reset();
  }

  // What there is now, but not for longer than this: a program that never stops writing must not
  // keep us from the clock.
  template <typename Take>
  void read_from(UniqueFd& from, const Take& take) {
    std::array<char, std::size_t{16} << 10> buffer;
    for (int rounds = 0; from.valid() && rounds < 16; ++rounds) {
      const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got < 0 && errno == EAGAIN) {
        break;
      }
      const bool more =
          got > 0 && take(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
      if (!more) {
        from.reset();
      }
    }
    OPENSSL_cleanse(buffer.data(), buffer.size());
  }

  const Command& command_;
  const std::string_view to_say_;
  ChildProcess& child_;
  UniqueFd input_;
  UniqueFd output_;
  UniqueFd errors_;
  SecretBuffer taken_;
  std::string said_;
  std::size_t sent_ = 0;
  bool too_much_ = false;
};

Failure not_started(const Command& command, int error) {
  const std::string name = excerpt(command.program);
  if (error == ENOENT) {
    return failure(Failure::Why::kUnreachable, "there is no program " + name,
                   "install it, or pair the store again with its path");
  }
  if (error == ETXTBSY) {
    return failure(Failure::Why::kRefused, name + " is being written to",
                   "try again when that is done");
  }
  return failure(Failure::Why::kUnreachable, name + " cannot be run: " + std::strerror(error),
                 "try it by hand, and pair the store again when it has moved");
}

Result<PinnedProgram> held_program(const Command& command) {
  return command.digest.empty() ? PinnedProgram() : pin_program(command.program, command.digest);
}

Arguments arguments_of(const Command& command, const PinnedProgram& pinned) {
  Arguments out;
  out.add(command.digest.empty() ? command.program : pinned.name);
  for (const std::string& argument : pinned.leading) {
    out.add(argument);
  }
  if (pinned.script.valid()) {
    out.add("/proc/self/fd/" + std::to_string(pinned.script.get()));
  }
  for (const std::string& argument : command.arguments) {
    out.add(argument);
  }
  return out;
}

// What the cover, which has ended, has said about the program.
Result<CommandOutcome> judged(const Command& command, CommandOutcome outcome,
                              const UniqueFd& verdict) {
  std::array<char, 2048> text;
  ssize_t got = 0;
  do {
    got = ::read(verdict.get(), text.data(), text.size());
  } while (got < 0 && errno == EINTR);
  const auto said =
      verdict_of(std::string_view(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0U));
  if (!said) {
    return failure(Failure::Why::kUnreachable,
                   "what runs " + excerpt(command.program) + " has ended unexpectedly",
                   "see whether the system is short of memory");
  }
  switch (said->what) {
    case Verdict::What::kExited:
      outcome.exit_code = said->value;
      return outcome;
    case Verdict::What::kNotRun:
      return not_started(command, said->value);
    case Verdict::What::kRefused:
      break;
  }
  return failure(Failure::Why::kRefused,
                 excerpt(command.program) + " is not run, for it cannot be isolated: " + said->text,
                 said->hint);
}

}  // namespace

Result<CommandOutcome> ProcessRunner::run(const Command& command) {
  AV_CHECK(check(command));
  const std::int64_t limit = std::clamp<std::int64_t>(command.timeout_ms, 1, kLongest);
  const auto deadline = steady_clock::now() + milliseconds(limit);
  AV_TRY(const PinnedProgram pinned, held_program(command));
  Arguments arguments = arguments_of(command, pinned);
  AV_TRY(const Environment environment, Environment::of(command));
  ChildPipes pipes;
  LaunchPlan plan;
  plan.path = command.program.c_str();
  plan.program = pinned.program.get();
  plan.keep = {pinned.script.get(), -1, -1};
  plan.environment = environment.get();
  SecretBuffer said;
  Cover cover;
  Arguments covering;
  const std::array<char*, 1> nothing{nullptr};
  if (coverer_ == nullptr) {
    plan.arguments = arguments.get();
  } else {
    AV_TRY(pipes.verdict, make_pipe());
    const Covered covered{arguments.texts(), environment.text(), pinned.program.get(),
                          pipes.verdict.write.get()};
    AV_TRY(cover, coverer_->cover(covered));
    append_frame(said, cover.told.view());
    for (const std::string& argument : cover.arguments) {
      covering.add(argument);
    }
    plan.program = cover.program.get();
    plan.keep = {pinned.script.get(), pinned.program.get(), pipes.verdict.write.get()};
    plan.arguments = covering.get();
    plan.environment = nothing.data();
  }
  said.append(command.input.view());
  if (said.empty()) {
    AV_TRY(pipes.input.read, above_standard(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))));
  } else {
    AV_TRY(pipes.input, make_pipe());
  }
  AV_TRY(pipes.output, make_pipe());
  AV_TRY(pipes.errors, make_pipe());
  plan.input = pipes.input.read.get();
  plan.output = pipes.output.write.get();
  plan.errors = pipes.errors.write.get();
  const WithoutSigpipe quiet;
  ChildProcess child;
  const int error = child.start(plan);
  pipes.input.read.reset();
  pipes.output.write.reset();
  pipes.errors.write.reset();
  pipes.verdict.write.reset();
  if (error != 0) {
    return not_started(command, error);
  }
  Conversation conversation(command, said.view(), child, std::move(pipes.input.write),
                            std::move(pipes.output.read), std::move(pipes.errors.read));
  AV_TRY(CommandOutcome outcome, conversation.hold(deadline));
  return coverer_ == nullptr ? std::move(outcome)
                             : judged(command, std::move(outcome), pipes.verdict.read);
}

}  // namespace av::source
