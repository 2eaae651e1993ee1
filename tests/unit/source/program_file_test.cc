#include "source/program_file.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <thread>

#include "source/process_runner.h"
#include "unit/source/op_fixture.h"

namespace av::source {
namespace {

using namespace av::test::programs;
namespace stdfs = std::filesystem;

FoundProgram paired(const std::string& name_or_path) {
  auto found = find_program(name_or_path);
  INFO((found ? std::string() : found.error().message));
  REQUIRE(found);
  return *found;
}

Result<CommandOutcome> run(const FoundProgram& program, std::vector<std::string> arguments = {}) {
  ProcessRunner runner;
  Command command;
  command.program = program.path;
  command.digest = program.digest;
  command.arguments = std::move(arguments);
  return runner.run(command);
}

std::string said(const FoundProgram& program, std::vector<std::string> arguments = {}) {
  auto out = run(program, std::move(arguments));
  return out ? text_of(out->output) : std::string(to_string(out.error().why));
}

// As a program would be run by its path alone.
std::string said_by_path(FoundProgram program) {
  program.digest.clear();
  return said(program);
}

// A program that is no script: a copy of one of the system's.
std::string copy_of(const ProgramDirectory& directory, const std::string& original,
                    const std::string& name) {
  const std::string to = directory.path(name);
  stdfs::copy_file(original, to, stdfs::copy_options::overwrite_existing);
  REQUIRE(::chmod(to.c_str(), 0700) == 0);
  return to;
}

TEST_CASE("finding a program: root's needs no digest, one that the user may change has one") {
  const FoundProgram system = paired("/usr/bin/env");
  CHECK(system.digest.empty());
  CHECK(paired("env").path == stdfs::canonical("/usr/bin/env").string());
  const ProgramDirectory directory;
  const FoundProgram own = paired(directory.script("own", "echo own"));
  CHECK(own.digest.size() == 64);
  CHECK(said(own) == "own\n");
  stdfs::create_symlink(own.path, directory.path("link"));
  CHECK(paired(directory.path("link")).path == own.path);
}

TEST_CASE("finding a program: what is none, or anybody may write, is refused") {
  const ProgramDirectory directory;
  const auto why = [](const std::string& name) { return find_program(name).error().why; };
  CHECK(why("") == Failure::Why::kInvalid);
  CHECK(why("bin/op") == Failure::Why::kInvalid);
  CHECK(why("/nonexistent/op") == Failure::Why::kNotFound);
  CHECK(why("no-such-program-anywhere") == Failure::Why::kNotFound);
  CHECK(why(directory.path(".")) == Failure::Why::kInvalid);
  CHECK(why(directory.write("plain", "x", 0600)) == Failure::Why::kInvalid);
  CHECK(why(directory.write("open", "#!/bin/sh\n", 0777)) == Failure::Why::kRefused);
  CHECK(why(std::string("/usr/bin/env\0x", 14)) == Failure::Why::kInvalid);
  const Variable path("PATH", "relative:" + directory.path("missing"));
  CHECK(why("env") == Failure::Why::kNotFound);
}

TEST_CASE("a program that shadows another in PATH after pairing is not run") {
  const ProgramDirectory directory;
  stdfs::create_directory(directory.path("first"));
  stdfs::create_directory(directory.path("second"));
  directory.script("second/tool", "echo real");
  const Variable path("PATH", directory.path("first") + ":" + directory.path("second"));
  const FoundProgram tool = paired("tool");
  directory.script("first/tool", "echo evil");
  CHECK(said(tool) == "real\n");
  CHECK(said(paired("tool")) == "evil\n");  // who looks again finds the other
}

TEST_CASE("a program that was exchanged after pairing is not run") {
  const ProgramDirectory directory;
  FoundProgram tool = paired(directory.script("tool", "echo real"));
  CHECK(said(tool) == "real\n");
  SECTION("written to in place") {
    directory.script("tool", "echo evil");
  }
  SECTION("renamed over") {
    stdfs::rename(directory.script("other", "echo evil"), tool.path);
  }
  SECTION("replaced by a symbolic link") {
    stdfs::remove(tool.path);
    stdfs::create_symlink(directory.script("other", "echo evil"), tool.path);
  }
  CHECK(said(tool) == "refused");
  CHECK(run(tool).error().hint.find("pair the store again") != std::string::npos);
  CHECK(said_by_path(tool) == "evil\n");
}

TEST_CASE("a directory above a program that was exchanged does not help either") {
  const ProgramDirectory directory;
  stdfs::create_directory(directory.path("bin"));
  const FoundProgram tool = paired(directory.script("bin/tool", "echo real"));
  stdfs::rename(directory.path("bin"), directory.path("old"));
  stdfs::create_directory(directory.path("new"));
  directory.script("new/tool", "echo evil");
  stdfs::create_symlink(directory.path("new"), directory.path("bin"));
  CHECK(said(tool) == "refused");
  CHECK(said_by_path(tool) == "evil\n");
}

TEST_CASE("a program that is no script is pinned and run through one descriptor") {
  const ProgramDirectory directory;
  const FoundProgram echo = paired(copy_of(directory, "/bin/echo", "echo"));
  CHECK(said(echo, {"hello", "there"}) == "hello there\n");
  copy_of(directory, "/bin/true", "other");
  stdfs::rename(directory.path("other"), echo.path);
  CHECK(said(echo, {"hello"}) == "refused");
}

TEST_CASE("a script's interpreter is pinned with it") {
  const ProgramDirectory directory;
  copy_of(directory, "/bin/sh", "interpreter");
  const std::string text = "#!" + directory.path("interpreter") + " -e\necho \"real $1\"\n";
  const FoundProgram tool = paired(directory.write("tool", text));
  CHECK(said(tool, {"one"}) == "real one\n");
  copy_of(directory, "/bin/echo", "other");
  stdfs::rename(directory.path("other"), directory.path("interpreter"));
  CHECK(said(tool, {"one"}) == "refused");
  CHECK(said_by_path(tool) == tool.path + "\n");  // echo takes the -e for itself
}

// As the kernel runs a script: `env` looks in the PATH that it has.
std::string by_kernel(const std::string& path) {
  std::FILE* pipe = ::popen(path.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out(64, '\0');
  out.resize(std::fread(out.data(), 1, out.size(), pipe));
  ::pclose(pipe);
  return out;
}

TEST_CASE("env does not look again for a script's interpreter") {
  const ProgramDirectory directory;
  const FoundProgram tool = paired(directory.write("tool", "#!/usr/bin/env sh\necho real\n"));
  // In a directory of PATH that the user may write to, before the system's.
  directory.script("sh", "echo evil");
  const char* before = ::getenv("PATH");
  const Variable path("PATH", directory.path(".") + ":" + (before == nullptr ? "" : before));
  CHECK(said(tool) == "real\n");
  CHECK(by_kernel(tool.path) == "evil\n");
}

TEST_CASE("a script in an interpreter's place is passed over, or named") {
  const ProgramDirectory directory;
  stdfs::create_directory(directory.path("shims"));
  directory.script("shims/interp", "exec /bin/sh \"$@\"");
  copy_of(directory, "/bin/sh", "interp");
  const Variable path("PATH", directory.path("shims") + ":" + directory.path(".") + ":/usr/bin");
  CHECK(said(paired(directory.write("tool", "#!/usr/bin/env interp\necho real\n"))) == "real\n");
  const auto out = find_program(
      directory.write("other", "#!" + directory.path("shims/interp") + "\necho real\n"));
  REQUIRE_FALSE(out);
  CHECK(out.error().why == Failure::Why::kInvalid);
}

TEST_CASE("a file that is open for writing is not run, and nobody opens it while it runs") {
  const ProgramDirectory directory;
  const std::string started = directory.path("started");
  const std::string stop = directory.path("stop");
  const FoundProgram tool =
      paired(directory.script("tool", "echo > " + started + "; while [ ! -e " + stop +
                                          " ]; do sleep 0.02; done; echo real"));
  {
    const UniqueFd writer(::open(tool.path.c_str(), O_RDWR | O_CLOEXEC));
    REQUIRE(writer.valid());
    CHECK(said(tool) == "refused");
  }
  const auto open_to_write = [&] {
    const UniqueFd writer(::open(tool.path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    return writer.valid() ? 0 : errno;
  };
  CHECK(open_to_write() == 0);
  std::string result;
  std::thread runs([&] { result = said(tool); });
  for (int i = 0; i < 5000 && !stdfs::exists(started); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const int error = open_to_write();
  directory.write("stop", "");
  runs.join();
  CHECK((error == EWOULDBLOCK || error == ETXTBSY));
  CHECK(result == "real\n");
  CHECK(open_to_write() == 0);
}

TEST_CASE("exchanging a program as fast as one can gets nothing else run") {
  const ProgramDirectory directory;
  const FoundProgram tool = paired(directory.script("tool", "echo real"));
  std::atomic<bool> stop{false};
  std::thread attacker([&] {
    for (int i = 0; !stop; ++i) {
      const std::string next = directory.path(i % 2 == 0 ? "evil-next" : "good-next");
      std::ofstream(next) << "#!/bin/sh\necho " << (i % 2 == 0 ? "evil" : "real") << "\n";
      ::chmod(next.c_str(), 0700);
      ::rename(next.c_str(), tool.path.c_str());
    }
  });
  int evil = 0;
  for (int i = 0; i < 60; ++i) {
    evil += said(tool) == "evil\n" ? 1 : 0;
  }
  stop = true;
  attacker.join();
  CHECK(evil == 0);
  // The control: who looks first and runs by path then is fooled by one who comes between.
  directory.script("tool", "echo real");
  CHECK(paired(tool.path).digest == tool.digest);
  stdfs::rename(directory.script("next", "echo evil"), tool.path);
  CHECK(said_by_path(tool) == "evil\n");
}

TEST_CASE("programs find their own only where this user cannot write") {
  const ProgramDirectory directory;
  const Variable path("PATH", directory.path(".") + ":relative:/usr/bin");
  CHECK(safe_search_path() == stdfs::canonical("/usr/bin").string());
  directory.script("tool", "command -v ls");
  CHECK(said(paired(directory.path("tool"))).starts_with("/usr/bin/"));
  const Variable only("PATH", directory.path("."));
  CHECK(safe_search_path().find(directory.path(".")) == std::string::npos);
  CHECK_FALSE(beyond_this_user(directory.path("tool")));
  CHECK_FALSE(only_root_may_change("relative"));
  CHECK_FALSE(only_root_may_change(""));
}

TEST_CASE("the head of a script has one reading, or none") {
  const auto head = [](std::string_view text) {
    auto out = script_head(text);
    REQUIRE(out);
    return *out;
  };
  CHECK_FALSE(head("\x7f"
                   "ELF")
                  .script);
  CHECK_FALSE(head("").script);
  CHECK(head("#!/bin/sh\n").interpreter == "/bin/sh");
  CHECK(head("#! /bin/sh -e -u \n").arguments == std::vector<std::string>{"-e -u"});
  CHECK(head("#!/usr/bin/env python3\n").search);
  CHECK(head("#!/usr/bin/env python3\n").interpreter == "python3");
  const ScriptHead split = head("#!/usr/bin/env -S node --no-warnings -r x\nrest");
  CHECK(split.interpreter == "node");
  CHECK(split.arguments == std::vector<std::string>{"--no-warnings", "-r", "x"});
  for (const std::string_view bad :
       {"#!\n", "#!sh\n", "#!/usr/bin/env\n", "#!/usr/bin/env -i sh\n", "#!/usr/bin/env A=1 sh\n",
        "#!/usr/bin/env -S A=1 sh\n", "#!/usr/bin/env -S sh '-c x'\n", "#!/usr/bin/env ./sh\n",
        "#!/usr/bin/env a b\n", "#!/bin/\x01sh\n"}) {
    INFO(bad);
    CHECK_FALSE(script_head(bad));
  }
  CHECK_FALSE(script_head("#!/" + std::string(300, 'x')));
}

}  // namespace
}  // namespace av::source
