#include "isolation/launcher.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>

#include "core/fs.h"

using namespace av::isolation;  // NOLINT: a test

namespace {

// A directory with a secret in it, gone at the end.
struct Place {
  Place() {
    std::string pattern = "/tmp/av-launcher-XXXXXX";
    path = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(path / "store");
    std::ofstream(path / "store/key") << "topsecret";
    std::ofstream(path / "login") << "real login";
    std::ofstream(path / "stand-in") << "stand-in login";
  }
  ~Place() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

struct Result {
  int exec_error = 0;
  Event event;
  std::string output;
  std::string error;
};

LaunchSpec spec_for(const Place& place, std::string script) {
  LaunchSpec spec;
  spec.argv = {"sh", "-c", std::move(script)};
  spec.environment.append(std::string_view("PATH=/usr/bin:/bin\0", 19));
  spec.cwd = "/tmp";
  spec.hidden = {place.path / "store"};
  return spec;
}

// Runs to the end with the output in a file.
Result run(Level level, const Place& place, LaunchSpec spec) {
  Result result;
  const auto out = place.path / "out";
  const int saved = ::dup(STDOUT_FILENO);
  const int file = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ::dup2(file, STDOUT_FILENO);
  ::close(file);
  auto launcher = Launcher::start({level, {}}, {});
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  REQUIRE(launcher);
  REQUIRE(launcher->prepared());
  const auto launched = launcher->launch(spec);
  if (!launched) {
    result.error = launched.error().message;
    return result;
  }
  result.exec_error = *launched;
  if (*launched == 0) {
    result.event = launcher->next_event();
    launcher->wait_gone();
  }
  result.output = *av::fs::read_file(out);
  return result;
}

// Whether this machine has the level; the tests of it are skipped aloud otherwise.
bool have_store() {
  const auto status = probe(Level::kStore);
  if (!status) {
    WARN("skipped, level store cannot be had: " << status.error().message);
  }
  return static_cast<bool>(status);
}

}  // namespace

TEST_CASE("launcher: the exit code and the signal of the command come back",
          "[isolation][launcher]") {
  const Place place;
  for (const Level level : {Level::kOff, Level::kStore}) {
    if (level == Level::kStore && !have_store()) {
      continue;
    }
    const Result exited = run(level, place, spec_for(place, "exit 7"));
    CHECK(exited.event.kind == Event::Kind::kExited);
    CHECK(exited.event.value == 7);
    const Result killed = run(level, place, spec_for(place, "kill -TERM $$"));
    CHECK(killed.event.kind == Event::Kind::kKilled);
    CHECK(killed.event.value == SIGTERM);
  }
}

TEST_CASE("launcher: a command that cannot be run gives the errno of exec",
          "[isolation][launcher]") {
  const Place place;
  LaunchSpec missing = spec_for(place, "");
  missing.argv = {"no-such-program-anywhere"};
  CHECK(run(Level::kOff, place, std::move(missing)).exec_error == ENOENT);
  LaunchSpec not_executable = spec_for(place, "");
  not_executable.argv = {(place.path / "login").string()};
  CHECK(run(Level::kOff, place, std::move(not_executable)).exec_error == EACCES);
}

TEST_CASE("launcher: a hidden directory is readable at off and not at store",
          "[isolation][launcher]") {
  const Place place;
  const std::string script = "cat " + (place.path / "store/key").string() + " 2>/dev/null";
  CHECK(run(Level::kOff, place, spec_for(place, script)).output == "topsecret");
  if (have_store()) {
    CHECK(run(Level::kStore, place, spec_for(place, script)).output.empty());
  }
}

TEST_CASE("launcher: a directory above a hidden one can be renamed at off only",
          "[isolation][launcher]") {
  const Place place;
  std::filesystem::create_directories(place.path / "a/b/hidden");
  const auto moving = [&] {
    const std::string base = place.path.string();
    LaunchSpec spec =
        spec_for(place, "for d in a a/b; do mv " + base + "/$d " + base + "/x 2>/dev/null && mv " +
                            base + "/x " + base + "/$d && echo moved; done; echo new >" + base +
                            "/a/b/file && cat " + base + "/a/b/file");
    spec.hidden = {place.path / "a/b/hidden"};
    return spec;
  };
  CHECK(run(Level::kOff, place, moving()).output == "moved\nmoved\nnew\n");
  if (have_store()) {
    CHECK(run(Level::kStore, place, moving()).output == "new\n");
  }
}

TEST_CASE("launcher: a masked file shows its stand-in at store", "[isolation][launcher]") {
  const Place place;
  const auto masked = [&] {
    LaunchSpec spec = spec_for(place, "cat " + (place.path / "login").string());
    spec.masked.push_back({place.path / "login", place.path / "stand-in"});
    return spec;
  };
  CHECK(run(Level::kOff, place, masked()).output == "real login");
  if (have_store()) {
    CHECK(run(Level::kStore, place, masked()).output == "stand-in login");
  }
}

TEST_CASE("launcher: an inherited directory descriptor leads into the store at off only",
          "[isolation][launcher]") {
  const Place place;
  // Without O_CLOEXEC: as a shell hands it down.
  const av::UniqueFd outside(::open(place.path.c_str(), O_RDONLY | O_DIRECTORY));
  const av::UniqueFd inside(::open((place.path / "store").c_str(), O_PATH | O_DIRECTORY));
  const av::UniqueFd file(::open((place.path / "store/key").c_str(), O_RDONLY));
  std::string script;
  for (const std::string& path :
       {std::to_string(outside.get()) + "/store/key", std::to_string(inside.get()) + "/key",
        std::to_string(file.get())}) {
    script += "cat /proc/self/fd/" + path + " 2>/dev/null;";
  }
  CHECK(run(Level::kOff, place, spec_for(place, script)).output == "topsecrettopsecrettopsecret");
  if (have_store()) {
    CHECK(run(Level::kStore, place, spec_for(place, script)).output.empty());
    // A directory that hides nothing stays usable.
    const std::string harmless = "cat /proc/self/fd/" + std::to_string(outside.get()) + "/login";
    CHECK(run(Level::kStore, place, spec_for(place, harmless)).output == "real login");
  }
}

TEST_CASE("launcher: starting inside a hidden directory is refused", "[isolation][launcher]") {
  if (!have_store()) {
    return;
  }
  const Place place;
  LaunchSpec spec = spec_for(place, "cat key");
  spec.cwd = place.path / "store";
  CHECK(run(Level::kStore, place, std::move(spec)).error.find("hidden from the command") !=
        std::string::npos);
}

TEST_CASE("launcher: what the command leaves behind dies with the run at store",
          "[isolation][launcher]") {
  if (!have_store()) {
    return;
  }
  const Place place;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const av::UniqueFd read_end(ends[0]);
  av::UniqueFd write_end(ends[1]);
  // Holds the pipe open for as long as it lives.
  const Result result =
      run(Level::kStore, place, spec_for(place, "setsid sleep 1000 >/dev/null & exit 0"));
  CHECK(result.event.kind == Event::Kind::kExited);
  write_end.reset();
  pollfd wait{read_end.get(), POLLIN, 0};
  CHECK(::poll(&wait, 1, 2000) == 1);
  CHECK((wait.revents & POLLHUP) != 0);
}

TEST_CASE("launcher: the run ends when the broker is killed", "[isolation][launcher]") {
  const Place place;
  for (const Level level : {Level::kOff, Level::kStore}) {
    if (level == Level::kStore && !have_store()) {
      continue;
    }
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const av::UniqueFd read_end(ends[0]);
    av::UniqueFd write_end(ends[1]);
    const pid_t broker = ::fork();
    if (broker == 0) {
      auto launcher = Launcher::start({level, {}}, {});
      if (launcher && launcher->prepared()) {
        const auto running =
            launcher->launch(spec_for(place, "trap '' TERM HUP; (setsid sleep 1000) & sleep 1000"));
        if (running && *running == 0) {
          static_cast<void>(!::write(ends[1], "x", 1));
        }
        ::pause();
      }
      ::_exit(1);
    }
    write_end.reset();
    char started = 0;
    REQUIRE(::read(read_end.get(), &started, 1) == 1);
    ::usleep(50'000);
    ::kill(broker, SIGKILL);
    ::waitpid(broker, nullptr, 0);
    pollfd wait{read_end.get(), POLLIN, 0};
    CHECK(::poll(&wait, 1, 5000) == 1);
    CHECK((wait.revents & POLLHUP) != 0);
  }
}

TEST_CASE("launcher: at network the run has a network of its own, served by who started it",
          "[isolation][launcher]") {
  const Place place;
  auto launcher = Launcher::start({Level::kNetwork, {{4321}}}, {});
  REQUIRE(launcher);
  REQUIRE(launcher->prepared());
  const NetworkSockets sockets = launcher->take_sockets();
  CHECK(sockets.proxy.valid());
  CHECK(sockets.names.valid());
  CHECK(sockets.doors.size() >= 2);
  CHECK(sockets.ssh.size() >= 1);
  REQUIRE(sockets.local.size() == 1);
  // A socket made inside connects to what listens inside; one made here does not.
  sockaddr_in address{};
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(sockets.local.front().get(), reinterpret_cast<sockaddr*>(&address),
                        &size) == 0);
  REQUIRE(ntohs(address.sin_port) == 4321);
  REQUIRE(launcher->launch(spec_for(place, "sleep 60")).value() == 0);
  const auto make = launcher->socket_maker();
  const av::UniqueFd inside = make();
  REQUIRE(inside.valid());
  const int begun = ::connect(inside.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  CHECK((begun == 0 || errno == EINPROGRESS));
  pollfd wait{sockets.local.front().get(), POLLIN, 0};
  CHECK(::poll(&wait, 1, 5000) == 1);
  const av::UniqueFd here(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(::connect(here.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0);
}

TEST_CASE("launcher: nobody makes sockets for a run that is gone", "[isolation][launcher]") {
  std::function<av::UniqueFd()> make;
  {
    auto launcher = Launcher::start({Level::kStore, {}}, {});
    REQUIRE(launcher);
    make = launcher->socket_maker();
    CHECK_FALSE(make().valid());  // it has no network of its own
  }
  {
    auto launcher = Launcher::start({Level::kNetwork, {}}, {});
    REQUIRE(launcher);
    (void)launcher->prepared();
    make = launcher->socket_maker();
  }
  CHECK_FALSE(make().valid());
}
