#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "cmd/run_ports.h"
#include "cmd/strict_tables.h"
#include "cmd/strict_view.h"
#include "cmd/ways_out.h"
#include "core/fs.h"

using namespace av;  // NOLINT: a test
namespace stdfs = std::filesystem;

namespace {

struct Home {
  Home() {
    std::string pattern = "/var/tmp/av-view-XXXXXX";
    path = ::mkdtemp(pattern.data());
    stdfs::create_directories(path / "project");
    stdfs::create_directories(path / "run");
  }
  ~Home() { stdfs::remove_all(path); }
  void file(const std::string& name) const {
    stdfs::create_directories((path / name).parent_path());
    std::ofstream(path / name) << "secret";
  }
  [[nodiscard]] cmd::EnvBlock env() const {
    cmd::EnvBlock out;
    out.set("HOME", path.string());
    out.set("XDG_RUNTIME_DIR", (path / "run").string());
    out.set("PATH", "/nonexistent");
    return out;
  }
  stdfs::path path;
};

UniqueFd listen_at(const stdfs::path& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(fd.get(), 1) == 0);
  return fd;
}

bool has(const std::vector<stdfs::path>& list, const stdfs::path& path) {
  return std::find(list.begin(), list.end(), stdfs::canonical(path)) != list.end();
}

Expected<cmd::StrictView> view_of(const Home& home, const std::string& cwd,
                                  std::vector<std::string> write = {},
                                  std::vector<std::string> read = {},
                                  std::vector<std::string> argv = {"sh"}) {
  const auto directory = cmd::RunDirectory::create();
  REQUIRE(directory);
  const vault::PolicySnapshot nothing;
  const cmd::Placeholders none;
  return cmd::strict_view({argv, cwd, std::move(write), std::move(read), nothing, none, *directory},
                          home.env());
}

}  // namespace

TEST_CASE("ports are numbers, alone or two of them, and nothing else") {
  const auto ports = cmd::parse_ports({"3000", "8080:3001"}, {"5432", "5432"});
  REQUIRE(ports);
  CHECK(ports->exposed[0].outside == 3000);
  CHECK(ports->exposed[0].inside == 3000);
  CHECK(ports->exposed[1].outside == 8080);
  CHECK(ports->exposed[1].inside == 3001);
  CHECK(ports->local == std::vector<std::uint16_t>{5432});
  for (const char* const bad : {"", "0", "65536", "-1", "3000:", ":3000", "a", "1:2:3", "3000 "}) {
    INFO(bad);
    CHECK_FALSE(cmd::parse_ports({bad}, {}));
    CHECK_FALSE(cmd::parse_ports({}, {bad}));
  }
}

TEST_CASE("ways out are closed from their level on, and given back by name") {
  const Home home;
  stdfs::create_directories(home.path / "run");
  const UniqueFd docker = listen_at(home.path / "run/docker.sock");
  const UniqueFd bus = listen_at(home.path / "run/bus");
  const UniqueFd wayland = listen_at(home.path / "run/wayland-0");
  const auto env = [&] {
    cmd::EnvBlock block = home.env();
    block.set("DOCKER_HOST", "unix:///x");
    block.set("WAYLAND_DISPLAY", "wayland-0");
    return block;
  };
  cmd::EnvBlock at_store = env();
  const cmd::WaysOut store = cmd::ways_out(isolation::Level::kStore, {}, at_store);
  CHECK(has(store.closed, home.path / "run/docker.sock"));
  CHECK(has(store.closed, home.path / "run/bus"));
  CHECK_FALSE(has(store.closed, home.path / "run/wayland-0"));
  CHECK(std::find(store.missed.begin(), store.missed.end(), "docker") != store.missed.end());
  CHECK_FALSE(at_store.get("DOCKER_HOST"));
  CHECK(at_store.get("WAYLAND_DISPLAY"));
  cmd::EnvBlock at_strict = env();
  const cmd::WaysOut strict = cmd::ways_out(isolation::Level::kStrict, {"docker"}, at_strict);
  CHECK_FALSE(has(strict.closed, home.path / "run/docker.sock"));
  CHECK(has(strict.kept, home.path / "run/docker.sock"));
  CHECK(has(strict.closed, home.path / "run/wayland-0"));
  CHECK(at_strict.get("DOCKER_HOST"));
  CHECK_FALSE(at_strict.get("WAYLAND_DISPLAY"));
  CHECK(std::find(strict.missed.begin(), strict.missed.end(), "docker") == strict.missed.end());
  CHECK(cmd::check_shares({"docker", "x11"}));
  CHECK(cmd::check_shares({"moon"}).error().hint.find("session-bus") != std::string::npos);
}

TEST_CASE("ways out are found by pattern and by what variables say, and before they are made") {
  const Home home;
  stdfs::create_directories(home.path / "run");
  const UniqueFd editor = listen_at(home.path / "run/vscode-ipc-1.sock");
  const UniqueFd bus = listen_at(home.path / "project/bus.sock");
  const UniqueFd multiplexer = listen_at(home.path / "project/mux");
  cmd::EnvBlock env = home.env();
  env.set("DBUS_SESSION_BUS_ADDRESS",
          "unix:path=" + (home.path / "project/bus.sock").string() + ",guid=1");
  env.set("TMUX", (home.path / "project/mux").string() + ",123,0");
  const cmd::WaysOut ways = cmd::ways_out(isolation::Level::kStore, {}, env);
  CHECK(has(ways.closed, home.path / "run/vscode-ipc-1.sock"));
  CHECK(has(ways.closed, home.path / "project/bus.sock"));
  CHECK(has(ways.closed, home.path / "project/mux"));
  // What the user starts later would be open otherwise.
  CHECK(has(ways.closed, home.path / "run/emacs"));
  CHECK(stdfs::is_directory(home.path / "run/emacs"));
  CHECK_FALSE(env.get("TMUX"));
}

TEST_CASE("sockets that somebody listens on are found, wherever they are") {
  const Home home;
  const UniqueFd one = listen_at(home.path / "project/one.sock");
  CHECK(has(cmd::sockets_in_use(), home.path / "project/one.sock"));
  SECTION("those that were bound by a relative name by the directory of their process") {
    const stdfs::path before = stdfs::current_path();
    stdfs::current_path(home.path / "project");
    const UniqueFd other = listen_at("two.sock");
    const auto found = cmd::sockets_in_use();
    stdfs::current_path(before);
    CHECK(has(found, home.path / "project/two.sock"));
  }
}

TEST_CASE("at strict what is private is emptied, unless it is asked for") {
  const Home home;
  for (const char* const name : {".ssh/id", ".aws/credentials", ".npmrc", ".cache/x", "notes"}) {
    home.file(name);
  }
  const auto view = view_of(home, (home.path / "project").string());
  REQUIRE(view);
  CHECK(has(view->files.emptied, home.path / ".ssh"));
  CHECK(has(view->files.emptied, home.path / ".aws"));
  CHECK(has(view->files.emptied, home.path / ".npmrc"));
  CHECK(has(view->files.scratch, home.path / ".cache"));
  CHECK(has(view->files.writable, home.path / "project"));
  CHECK(view->files.writable.size() == 1);
  const auto asked = view_of(home, (home.path / "project").string(),
                             {(home.path / ".aws").string()}, {(home.path / ".ssh/id").string()});
  REQUIRE(asked);
  CHECK_FALSE(has(asked->files.emptied, home.path / ".ssh"));
  CHECK_FALSE(has(asked->files.emptied, home.path / ".aws"));
  CHECK(has(asked->files.writable, home.path / ".aws"));
  CHECK(has(asked->files.emptied, home.path / ".npmrc"));
}

TEST_CASE("at strict the home is no working directory, unless it is said") {
  const Home home;
  for (const stdfs::path& cwd : {home.path, home.path.parent_path(), stdfs::path("/")}) {
    const auto view = view_of(home, cwd.string());
    REQUIRE_FALSE(view);
    CHECK(view.error().code == ErrorCode::kNotPermitted);
  }
  CHECK(view_of(home, home.path.string(), {home.path.string()}));
  CHECK_FALSE(view_of(home, (home.path / "project").string(), {"/nonexistent/x"}));
}

TEST_CASE("at strict an agent keeps what is its own, and gets a place for it") {
  const Home home;
  const auto view =
      view_of(home, (home.path / "project").string(), {}, {}, {"/usr/local/bin/codex"});
  REQUIRE(view);
  CHECK(has(view->files.writable, home.path / ".codex"));
  struct stat info {};
  REQUIRE(::stat((home.path / ".codex").c_str(), &info) == 0);
  CHECK((info.st_mode & 077) == 0);
}

TEST_CASE("the manual has every private path") {
  const auto page =
      fs::read_file(stdfs::path(AV_SOURCE_DIR) / "man/agent-vault-isolation.7", 1 << 20);
  REQUIRE(page);
  for (const std::string path : cmd::kPrivate) {
    std::string escaped;
    for (const char c : path) {
      escaped += c == ' ' ? "\\ " : std::string(1, c);
    }
    INFO(path);
    CHECK(page->find(".Pa " + escaped + "\n") != std::string::npos);
  }
}
