#include "source/process_runner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include "unit/source/op_fixture.h"

namespace av::source {
namespace {

using namespace av::test::programs;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

Command command_of(std::string program, std::vector<std::string> arguments = {}) {
  Command out;
  out.program = std::move(program);
  out.arguments = std::move(arguments);
  return out;
}

std::string output_of(const Command& command) {
  ProcessRunner runner;
  auto outcome = runner.run(command);
  INFO((outcome ? std::string() : outcome.error().message));
  REQUIRE(outcome);
  INFO(outcome->errors);
  CHECK(outcome->exit_code == 0);
  return text_of(outcome->output);
}

// As a program would be run without this class: by the shell, with all that we have. The control of
// the tests below.
std::string careless(const std::string& line) {
  std::FILE* pipe = ::popen(line.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  std::array<char, 4096> buffer;
  for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    out.append(buffer.data(), got);
  }
  ::pclose(pipe);
  return out;
}

// Gone, or a zombie that its new parent has not looked at yet.
bool dead(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  const std::size_t end = text.rfind(')');
  return end == std::string::npos || text.substr(end).starts_with(") Z");
}

bool dies(pid_t pid) {
  const auto deadline = steady_clock::now() + milliseconds(5000);
  while (!dead(pid) && steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(5));
  }
  return dead(pid);
}

TEST_CASE("process runner: arguments arrive as they are, no shell reads them") {
  const ProgramDirectory directory;
  const std::string program = directory.script("show", R"(printf '<%s>\n' "$@")");
  const std::vector<std::string> odd = {"$(id)", "; touch /tmp/x", "`id`", "a b", "", "*", "-n"};
  CHECK(output_of(command_of(program, odd)) ==
        "<$(id)>\n<; touch /tmp/x>\n<`id`>\n<a b>\n<>\n<*>\n<-n>\n");
  CHECK(careless(program + " $(echo id)") == "<id>\n");
}

TEST_CASE("process runner: a program sees a few harmless variables of ours, and its own") {
  const Variable preload("LD_PRELOAD", "/nonexistent/evil.so");
  const Variable session("OP_SESSION_my", "stolen");
  const Variable token("OP_SERVICE_ACCOUNT_TOKEN", "ops_parent");
  const Variable key("AWS_SECRET_ACCESS_KEY", "aws-canary");
  const Variable startup("BASH_ENV", "/tmp/evil.sh");
  const Variable runtime("XDG_RUNTIME_DIR", "/run/user/1");
  const Variable home("HOME", "/home/somebody");
  Command command = command_of("/usr/bin/env");
  command.environment.emplace_back("OP_SERVICE_ACCOUNT_TOKEN", secret_of("ops_own"));
  command.environment.emplace_back("EMPTY", secret_of(""));
  const std::string seen = "\n" + output_of(command);
  CHECK(seen.find("\nOP_SERVICE_ACCOUNT_TOKEN=ops_own\n") != std::string::npos);
  CHECK(seen.find("\nEMPTY=\n") != std::string::npos);
  CHECK(seen.find("\nHOME=/home/somebody\n") != std::string::npos);
  CHECK(seen.find("\nXDG_RUNTIME_DIR=/run/user/1\n") != std::string::npos);
  CHECK(seen.find("\nPATH=/") != std::string::npos);
  const std::string without = careless("/usr/bin/env 2>/dev/null");
  for (const std::string name :
       {"LD_PRELOAD", "OP_SESSION_my", "AWS_SECRET_ACCESS_KEY", "BASH_ENV"}) {
    INFO(name);
    CHECK(seen.find(name) == std::string::npos);
    CHECK(without.find(name) != std::string::npos);
  }
  CHECK(seen.find("ops_parent") == std::string::npos);
}

TEST_CASE("process runner: what cannot be a variable is refused, not cut short") {
  ProcessRunner runner;
  Command command = command_of("/usr/bin/env");
  command.environment.emplace_back("TOKEN", secret_of(std::string_view("a\0b", 3)));
  CHECK(runner.run(command).error().why == Failure::Why::kInvalid);
  Command named = command_of("/usr/bin/env");
  named.environment.emplace_back("A=B", secret_of("x"));
  CHECK(runner.run(named).error().why == Failure::Why::kInvalid);
}

TEST_CASE("process runner: a secret of a program's environment is in no command line") {
  const ProgramDirectory directory;
  // Looks through the command lines of all processes that there are, as any process may.
  const std::string program = directory.script(
      "look", R"(echo "token ${#TOKEN}"; cat /proc/[0-9]*/cmdline 2>/dev/null; true)");
  const std::string canary = "canary-" + std::to_string(::getpid()) + "-in-environment";
  Command command = command_of(program, {"argument-that-shows"});
  command.environment.emplace_back("TOKEN", secret_of(canary));
  const std::string seen = output_of(command);
  CHECK(seen.find("token " + std::to_string(canary.size())) != std::string::npos);
  CHECK(seen.find("argument-that-shows") != std::string::npos);
  CHECK(seen.find(canary) == std::string::npos);
  CHECK(careless(program + " " + canary).find(canary) != std::string::npos);
}

TEST_CASE("process runner: no descriptor of ours reaches a program") {
  const int open =
      ::dup2(STDERR_FILENO, 77);  // without close-on-exec, as a library might leave one
  REQUIRE(open == 77);
  const ProgramDirectory directory;
  const std::string program = directory.script("fds", "echo /proc/$$/fd/*");
  CHECK(careless(program).find("/fd/77") != std::string::npos);
  const std::string seen = output_of(command_of(program));
  ::close(open);
  CHECK(seen.find("/fd/0 ") != std::string::npos);
  CHECK(seen.find("/fd/77") == std::string::npos);
  // Above 2 are the shell's own: of the script, and of the directory that it looks through.
  INFO(seen);
  CHECK(std::count(seen.begin(), seen.end(), ' ') <= 4);
}

TEST_CASE("process runner: a session of its own, no terminal, no core, private files") {
  const ProgramDirectory directory;
  const std::string program = directory.script(
      "where", "umask; pwd; ulimit -c; read -r line < /proc/$$/stat; echo $$ ${line##*) }");
  const std::string seen = output_of(command_of(program));
  std::istringstream in(seen);
  std::string mask;
  std::string directory_seen;
  std::string core;
  std::string state;
  long pid = 0;
  long parent = 0;
  long group = 0;
  long session = 0;
  long terminal = -1;
  in >> mask >> directory_seen >> core >> pid >> state >> parent >> group >> session >> terminal;
  CHECK(mask == "0077");
  CHECK(directory_seen == "/");
  CHECK(core == "0");
  CHECK(group == pid);
  CHECK(session == pid);
  CHECK(terminal == 0);
  CHECK(parent == ::getpid());
}

TEST_CASE("process runner: signals that we ignore or block are a program's again") {
  struct sigaction ignore {};
  struct sigaction before {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  sigset_t blocked;
  sigset_t mask;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &mask);
  const std::string seen =
      output_of(command_of("/bin/grep", {"-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"}));
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  CHECK(sigismember(&after, SIGTERM) == 1);
  CHECK(sigismember(&after, SIGPIPE) == 0);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::sigaction(SIGPIPE, &before, nullptr);
  CHECK(seen.find("SigBlk:\t0000000000000000") != std::string::npos);
  CHECK(seen.find("SigIgn:\t0000000000000000") != std::string::npos);
}

TEST_CASE("process runner: input is written, whatever its size, read or not") {
  ProcessRunner runner;
  const std::string large(200'000, 'x');
  Command copy = command_of("/bin/cat");
  copy.input.append(large);
  CHECK(output_of(copy) == large);
  Command deaf = command_of("/bin/true");
  deaf.input.append(large);
  CHECK(output_of(deaf).empty());
  CHECK(output_of(command_of("/bin/cat")).empty());  // nothing to read: the end at once
}

TEST_CASE("process runner: exit codes, signals and errors come back") {
  const ProgramDirectory directory;
  ProcessRunner runner;
  auto failed = runner.run(command_of(directory.script("seven", "echo no >&2; exit 7")));
  REQUIRE(failed);
  CHECK(failed->exit_code == 7);
  CHECK(failed->errors == "no\n");
  auto killed = runner.run(command_of(directory.script("nine", "kill -9 $$")));
  REQUIRE(killed);
  CHECK(killed->exit_code == 128 + 9);
  auto loud = runner.run(command_of(directory.script("loud", "head -c 100000 /dev/zero >&2")));
  REQUIRE(loud);
  CHECK(loud->errors.size() == 4096);
}

TEST_CASE("process runner: what cannot be run says so") {
  const ProgramDirectory directory;
  ProcessRunner runner;
  const auto why = [&](const std::string& program) {
    auto out = runner.run(command_of(program));
    REQUIRE_FALSE(out);
    CHECK_FALSE(out.error().message.empty());
    return out.error().why;
  };
  CHECK(why(directory.path("nothing")) == Failure::Why::kUnreachable);
  CHECK(why(directory.write("plain", "text", 0600)) == Failure::Why::kUnreachable);
  CHECK(why(directory.write("no-format", "text", 0700)) == Failure::Why::kUnreachable);
  CHECK(why("relative") == Failure::Why::kInvalid);
  CHECK(why("") == Failure::Why::kInvalid);
  CHECK(runner.run(command_of(directory.path("nothing"))).error().hint.find("install") !=
        std::string::npos);
}

TEST_CASE("process runner: what a program leaves behind is not waited for, and does not live on") {
  const ProgramDirectory directory;
  // The child that it forks keeps the pipe open for a minute.
  const std::string program = directory.script("leaves", "sleep 60 & echo $!");
  const auto begin = steady_clock::now();
  const std::string pid = output_of(command_of(program));
  CHECK(steady_clock::now() - begin < milliseconds(10'000));
  CHECK(dies(static_cast<pid_t>(std::stol(pid))));
  // The control: who reads to the end of file waits for that child.
  const auto slow = steady_clock::now();
  careless(directory.script("short", "sleep 1 & echo $!"));
  CHECK(steady_clock::now() - slow >= milliseconds(900));
}

TEST_CASE("process runner: a daemon that left its group and kept the pipe is not waited for") {
  const ProgramDirectory directory;
  const std::string program = directory.script("daemon", "setsid sleep 3 & echo started");
  const auto begin = steady_clock::now();
  CHECK(output_of(command_of(program)) == "started\n");
  CHECK(steady_clock::now() - begin < milliseconds(2'500));
}

TEST_CASE("process runner: output without end is cut off, with the program") {
  ProcessRunner runner;
  Command endless = command_of("/usr/bin/yes", {"still here"});
  endless.most_output = 100'000;
  auto out = runner.run(endless);
  REQUIRE_FALSE(out);
  CHECK(out.error().why == Failure::Why::kMalformed);
  CHECK(out.error().message.find("still here") == std::string::npos);
  Command exact = command_of("/usr/bin/head", {"-c", "100000", "/dev/zero"});
  exact.most_output = 100'000;
  CHECK(output_of(exact).size() == 100'000);
  exact.most_output = 99'999;
  CHECK(runner.run(exact).error().why == Failure::Why::kMalformed);
}

TEST_CASE("process runner: a program that hangs ends with its time, and all that it started") {
  const ProgramDirectory directory;
  const std::string told = directory.path("pids");
  const std::string program = directory.script(
      "hangs", "trap '' TERM INT HUP\nsleep 60 &\necho $$ $! > " + told + "\nwait\nsleep 60");
  ProcessRunner runner;
  Command command = command_of(program);
  command.timeout_ms = 700;
  const auto begin = steady_clock::now();
  auto out = runner.run(command);
  REQUIRE_FALSE(out);
  CHECK(out.error().why == Failure::Why::kTimeout);
  CHECK(steady_clock::now() - begin < milliseconds(20'000));
  std::ifstream in(told);
  pid_t own = 0;
  pid_t forked = 0;
  REQUIRE(in >> own >> forked);
  CHECK(dies(own));
  CHECK(dies(forked));
  // It is reaped: nobody is left to wait for.
  CHECK((::waitpid(own, nullptr, WNOHANG) == -1 && errno == ECHILD));
}

TEST_CASE("process runner: errors without end do not keep us from the clock") {
  const ProgramDirectory directory;
  ProcessRunner runner;
  Command command = command_of(directory.script("shouts", "exec yes shouting >&2"));
  command.timeout_ms = 500;
  const auto begin = steady_clock::now();
  auto out = runner.run(command);
  REQUIRE_FALSE(out);
  CHECK(out.error().why == Failure::Why::kTimeout);
  CHECK(steady_clock::now() - begin < milliseconds(20'000));
}

TEST_CASE("process runner: several threads run programs at once") {
  const ProgramDirectory directory;
  const std::string program = directory.script("echo-one", "read -r line; echo \"$line $1\"");
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      ProcessRunner runner;
      for (int i = 0; i < 5; ++i) {
        const std::string word = std::to_string(t * 100 + i);
        Command command = command_of(program, {word});
        command.input.append(word + "\n");
        auto out = runner.run(command);
        right += out && text_of(out->output) == word + " " + word + "\n" ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(right == 30);
}

}  // namespace
}  // namespace av::source
