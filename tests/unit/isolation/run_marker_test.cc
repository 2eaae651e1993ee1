#include "isolation/run_marker.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>

#include "isolation/launcher.h"

using namespace av::isolation;  // NOLINT: a test

namespace {

// A /proc of our own making.
class Proc {
 public:
  Proc() {
    std::string pattern = "/tmp/av-proc-XXXXXX";
    path = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(path / "self");
    mounts("");
  }
  ~Proc() { std::filesystem::remove_all(path); }
  void mounts(const std::string& lines) const {
    std::ofstream(path / "self/mountinfo") << "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" << lines;
  }
  void process(pid_t pid, const std::string& name, pid_t parent, const std::string& arguments,
               const std::string& nspid = {}) const {
    const auto directory = path / std::to_string(pid);
    std::filesystem::create_directories(directory);
    std::ofstream(directory / "stat")
        << pid << " (" << name << ") S " << parent << " 1 1 0 -1 4194560\n";
    std::ofstream(directory / "cmdline") << arguments;
    std::ofstream(directory / "status")
        << "Name:\t" << name << "\nNSpid:\t" << (nspid.empty() ? std::to_string(pid) : nspid)
        << "\nNSpgid:\t1\n";
  }
  void self(const std::string& name, pid_t parent, const std::string& arguments) const {
    process(70, name, parent, arguments);
    for (const char* file : {"stat", "cmdline", "status"}) {
      std::filesystem::copy_file(path / "70" / file, path / "self" / file,
                                 std::filesystem::copy_options::overwrite_existing);
    }
  }
  std::filesystem::path path;
};

const std::string kWiped("agent-vault-run\0\0\0\0\0", 20);

}  // namespace

TEST_CASE("run marker: a cover in the mount table names the run", "[isolation][marker]") {
  const Proc proc;
  proc.self("sh", 0, "sh");
  CHECK_FALSE(surrounding_run(proc.path));
  proc.mounts("30 22 0:40 / /home/u/.local/share/agent-vault ro - tmpfs agent-vault:run_12ab ro\n");
  CHECK(surrounding_run(proc.path) == "run_12ab");
  proc.mounts("30 22 0:40 / /mnt/agent-vault:x rw - tmpfs tmpfs rw\n");
  CHECK_FALSE(surrounding_run(proc.path));
}

TEST_CASE(
    "run marker: the launcher among the ancestors is enough, and a script of its name is not it",
    "[isolation][marker]") {
  const Proc proc;
  proc.self("sh (x) 1 2", 40, "sh");
  proc.process(40, "sh", 30, "sh");
  proc.process(1, "init", 0, "init");
  proc.process(30, "agent-vault-run", 1, kWiped);
  CHECK(surrounding_run(proc.path));
  proc.process(30, "agent-vault-run", 1, std::string("/bin/bash\0agent-vault-run.sh\0", 29));
  CHECK_FALSE(surrounding_run(proc.path));
  proc.process(30, "agent-vault-run", 1, "agent-vault-");  // there was room for no more
  CHECK(surrounding_run(proc.path));
  proc.process(30, "bash", 1, kWiped);
  CHECK_FALSE(surrounding_run(proc.path));
  // A loop, as a number that was given again could make one.
  proc.process(30, "bash", 40, "bash");
  CHECK_FALSE(surrounding_run(proc.path));
}

TEST_CASE("run marker: a peer is outside when nothing is in doubt", "[isolation][marker]") {
  const Proc proc;
  proc.process(1, "init", 0, "init");
  proc.process(50, "agent-vault", 1, "agent-vault");
  CHECK(peer_is_outside_runs(50, proc.path));
  proc.process(51, "sh", 1, "sh", "51\t3");
  CHECK_FALSE(peer_is_outside_runs(51, proc.path));  // in a PID namespace of its own
  proc.process(30, "agent-vault-run", 1, kWiped);
  proc.process(52, "sh", 30, "sh");
  CHECK_FALSE(peer_is_outside_runs(52, proc.path));
  proc.process(53, "sh", 99, "sh");
  CHECK_FALSE(peer_is_outside_runs(53, proc.path));  // its parent is not there
  CHECK_FALSE(peer_is_outside_runs(54, proc.path));
  CHECK_FALSE(peer_is_outside_runs(0, proc.path));
  CHECK_FALSE(peer_is_outside_runs(-1, proc.path));
}

TEST_CASE("run marker: real processes of real runs are known, and this one is none",
          "[isolation][marker]") {
  CHECK_FALSE(surrounding_run());
  CHECK(peer_is_outside_runs(::getpid()));
  for (const Level level : {Level::kOff, Level::kStore}) {
    if (level == Level::kStore && !probe(level)) {
      WARN("skipped, level store cannot be had");
      continue;
    }
    std::string pattern = "/tmp/av-marker-XXXXXX";
    const std::filesystem::path directory = ::mkdtemp(pattern.data());
    auto launcher = Launcher::start({level, {}}, {});
    REQUIRE(launcher);
    REQUIRE(launcher->prepared());
    LaunchSpec spec;
    const std::string mark = std::to_string(100'000 + ::getpid());
    // Two forks away from its parent; it writes its number as this namespace has it.
    spec.argv = {"sh", "-c",
                 "(setsid sh -c 'echo started >" + (directory / "up").string() + "; exec sleep " +
                     mark + "' &) ; sleep " + mark};
    spec.environment.append(std::string_view("PATH=/usr/bin:/bin\0", 19));
    spec.cwd = "/tmp";
    spec.run_id = "run_test";
    REQUIRE(*launcher->launch(spec) == 0);
    while (!std::filesystem::exists(directory / "up")) {
      ::usleep(1000);
    }
    // Everything below the launcher, which is our child: found by walking /proc, as soon as both
    // have become what they are to be.
    int inside = 0;
    for (int tries = 0; inside < 2 && tries < 5000; ++tries) {
      ::usleep(1000);
      inside = 0;
      for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const std::string name = entry.path().filename().string();
        const pid_t pid = std::atoi(name.c_str());
        std::ifstream command(entry.path() / "cmdline");
        const std::string text((std::istreambuf_iterator<char>(command)), {});
        if (pid > 0 && text == std::string("sleep\0", 6) + mark + '\0') {
          inside += peer_is_outside_runs(pid) ? 0 : 1;
        }
      }
    }
    CHECK(inside >= 2);
    std::filesystem::remove_all(directory);
  }
}
