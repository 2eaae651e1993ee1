#include "cmd/ways_out.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <sstream>

#include "cmd/path_facts.h"
#include "core/fs.h"

namespace av::cmd {
namespace {

namespace stdfs = std::filesystem;
using isolation::Level;

struct WayOut {
  const char* name;
  Level closed_from;
  bool missed;  // commands have honest uses for it
  // $RUN is XDG_RUNTIME_DIR (/run/user/UID), $UID and $HOME are what they say, another word after $
  // is a variable that names a path, or a socket by unix: and the like. A part that is not known
  // leaves the path out. `*` in the last component stands for anything; a directory with `/` at its
  // end is made when it is not there, or what the user starts later would be open.
  std::array<const char*, 12> paths;
  std::array<const char*, 6> variables;
};

constexpr WayOut kWays[] = {
    {"docker",
     Level::kStore,
     true,
     {"/run/docker.sock", "/var/run/docker.sock", "$RUN/docker.sock", "$HOME/.docker/run",
      "$HOME/.docker/desktop", "$DOCKER_HOST"},
     {"DOCKER_HOST", "DOCKER_CONTEXT"}},
    {"podman",
     Level::kStore,
     true,
     {"/run/podman", "$RUN/podman/", "$RUN/libpod", "$CONTAINER_HOST"},
     {"CONTAINER_HOST", "PODMAN_HOST"}},
    {"containerd",
     Level::kStore,
     false,
     {"/run/containerd", "/run/crio", "$RUN/containerd", "$RUN/containerd-rootless",
      "$RUN/buildkit", "$CONTAINERD_ADDRESS", "$BUILDKIT_HOST"},
     {"CONTAINERD_ADDRESS", "BUILDKIT_HOST"}},
    {"machines",
     Level::kStore,
     false,
     {"/run/libvirt", "$RUN/libvirt", "/var/lib/lxd/unix.socket", "/var/lib/incus/unix.socket",
      "/var/snap/lxd/common/lxd/unix.socket", "/run/incus", "/run/snapd.socket",
      "/run/snapd-snap.socket"},
     {"LXD_DIR", "INCUS_DIR"}},
    {"session-bus",
     Level::kStore,
     false,
     {"$RUN/bus", "$RUN/dbus-1", "$RUN/at-spi", "$DBUS_SESSION_BUS_ADDRESS"},
     {"DBUS_SESSION_BUS_ADDRESS", "AT_SPI_BUS_ADDRESS"}},
    // It looks up names for everybody (org.freedesktop.resolve1), in the network outside.
    {"system-bus",
     Level::kNetwork,
     false,
     {"/run/dbus/system_bus_socket"},
     {"DBUS_SYSTEM_BUS_ADDRESS"}},
    {"systemd",
     Level::kStore,
     false,
     {"$RUN/systemd", "/run/systemd/private", "/run/systemd/io.systemd.ManagedOOM"},
     {}},
    {"tmux",
     Level::kStore,
     false,
     {"/tmp/tmux-$UID/", "$TMUX_TMPDIR/tmux-$UID/", "$TMUX"},
     {"TMUX", "TMUX_PANE"}},
    {"screen",
     Level::kStore,
     false,
     {"/run/screen", "/tmp/screens", "/tmp/uscreens", "$SCREENDIR", "$HOME/.screen"},
     {"STY"}},
    // A terminal that takes orders runs them in a shell outside.
    {"terminal",
     Level::kStore,
     false,
     {"$RUN/zellij/", "/tmp/zellij-$UID/", "$RUN/wezterm/", "$WEZTERM_UNIX_SOCKET", "$RUN/kitty-*",
      "/tmp/kitty-*", "/tmp/mykitty*", "$KITTY_LISTEN_ON"},
     {"ZELLIJ", "ZELLIJ_SESSION_NAME", "WEZTERM_UNIX_SOCKET", "KITTY_LISTEN_ON"}},
    {"editor",
     Level::kStore,
     false,
     {"$RUN/emacs/", "/tmp/emacs$UID/", "$EMACS_SOCKET_NAME", "$RUN/nvim.*", "$NVIM",
      "$RUN/vscode-*", "/tmp/vscode-*", "$VSCODE_IPC_HOOK_CLI", "$VSCODE_GIT_IPC_HANDLE",
      "$WATCHMAN_SOCK"},
     {"VSCODE_IPC_HOOK_CLI", "VSCODE_GIT_IPC_HANDLE", "NVIM", "NVIM_LISTEN_ADDRESS",
      "EMACS_SOCKET_NAME", "WATCHMAN_SOCK"}},
    {"ssh-agent", Level::kStrict, true, {"$SSH_AUTH_SOCK"}, {"SSH_AUTH_SOCK", "SSH_AGENT_PID"}},
    // It reads its settings anew at anybody's word, and starts the program that asks for
    // passphrases (pinentry-program in gpg-agent.conf): whoever may write them and talk to it has a
    // program of theirs run outside.
    {"gpg-agent",
     Level::kStore,
     true,
     {"$RUN/gnupg/", "$GNUPGHOME", "$HOME/.gnupg"},
     {"GPG_AGENT_INFO"}},
    // Whoever may connect can type into every window (XTEST), a terminal's too.
    {"x11",
     Level::kStore,
     false,
     {"/tmp/.X11-unix", "$XAUTHORITY", "$HOME/.Xauthority"},
     {"DISPLAY", "XAUTHORITY"}},
    {"wayland",
     Level::kStrict,
     false,
     {"$RUN/wayland-0", "$RUN/wayland-1"},
     {"WAYLAND_DISPLAY", "WAYLAND_SOCKET"}},
    {"audio", Level::kStrict, false, {"$RUN/pulse", "$RUN/pipewire-0"}, {"PULSE_SERVER"}},
    {"gpu",
     Level::kStrict,
     false,
     {"/dev/dri", "/dev/kfd", "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm",
      "/dev/nvidia-uvm-tools"},
     {}},
};

// The path in "unix:///run/x.sock", "unix:path=/run/bus,guid=1" or "/tmp/tmux-0/default,12,0".
std::string path_in(std::string value) {
  for (const std::string_view scheme : {"unix://", "unix:path=", "unix:"}) {
    if (value.starts_with(scheme)) {
      value.erase(0, scheme.size());
      break;
    }
  }
  return value.substr(0, value.find_first_of(",;"));
}

std::string value_of(const EnvBlock& env, std::string_view name) {
  return std::string(env.get(name).value_or(""));
}

// Empty when a part of it is not known here.
std::string expand(std::string_view pattern, const EnvBlock& env) {
  std::string out;
  while (!pattern.empty()) {
    const std::size_t dollar = pattern.find('$');
    out += pattern.substr(0, dollar);
    if (dollar == std::string_view::npos) {
      break;
    }
    pattern.remove_prefix(dollar + 1);
    const std::size_t end = std::min(pattern.find('/'), pattern.size());
    const std::string_view name = pattern.substr(0, end);
    pattern.remove_prefix(end);
    std::string value;
    if (name == "UID") {
      value = std::to_string(::getuid());
    } else if (name == "RUN") {
      value = value_of(env, "XDG_RUNTIME_DIR");
      if (value.empty()) {
        value = "/run/user/" + std::to_string(::getuid());
      }
    } else {
      value = path_in(value_of(env, name));
    }
    if (value.empty()) {
      return {};
    }
    out += value;
  }
  return out.starts_with('/') ? out : std::string();
}

// What a pattern stands for, and is there.
std::vector<stdfs::path> matches(const std::string& pattern) {
  std::vector<stdfs::path> found;
  const std::size_t star = pattern.rfind('*');
  if (star == std::string::npos) {
    std::string path = pattern;
    if (path.ends_with('/')) {
      path.pop_back();
      ::mkdir(path.c_str(), 0700);  // where that is not possible, nobody of this user's will either
    }
    if (is_there(path)) {
      found.emplace_back(path);
    }
    return found;
  }
  const stdfs::path whole(pattern.substr(0, star));
  const std::string beginning = whole.filename().string();
  std::error_code ec;
  stdfs::directory_iterator each(whole.parent_path(), ec);
  for (; !ec && each != stdfs::directory_iterator(); each.increment(ec)) {
    if (each->path().filename().native().starts_with(beginning) && is_there(each->path())) {
      found.push_back(each->path());
    }
  }
  return found;
}

// Of sockets that were bound by a relative name only the name is known: where it leads is told by
// the working directory of a process that holds the socket.
void add_relative(const std::map<std::string, std::string>& names,
                  std::vector<stdfs::path>& found) {
  std::error_code ec;
  stdfs::directory_iterator process("/proc", ec);
  for (; !ec && !names.empty() && process != stdfs::directory_iterator(); process.increment(ec)) {
    std::error_code gone;
    stdfs::directory_iterator fd(process->path() / "fd", gone);
    for (; !gone && fd != stdfs::directory_iterator(); fd.increment(gone)) {
      const std::string target = stdfs::read_symlink(fd->path(), gone).string();
      const auto name = names.find(target);
      struct stat info {};
      if (name == names.end()) {
        continue;
      }
      const stdfs::path place = stdfs::read_symlink(process->path() / "cwd", gone) / name->second;
      if (!gone && ::stat(place.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) {
        found.push_back(place.lexically_normal());
      }
    }
  }
}

// A socket that this user may connect to, or a directory that may hold one.
bool is_usable(const stdfs::path& path) {
  return ::access(path.c_str(), W_OK) == 0;
}

}  // namespace

std::vector<stdfs::path> sockets_in_use() {
  constexpr std::size_t kMostText = std::size_t{8} << 20;
  std::vector<stdfs::path> found;
  std::istringstream lines(fs::read_file("/proc/net/unix", kMostText).value_or(std::string()));
  std::map<std::string, std::string> relative;  // "socket:[INODE]" -> name
  std::string line;
  std::getline(lines, line);  // headings
  // "Num: RefCount Protocol Flags Type St Inode Path", the last only where it has one.
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string skipped;
    std::string inode;
    std::string name;
    fields >> skipped >> skipped >> skipped >> skipped >> skipped >> skipped >> inode >> std::ws;
    if (!std::getline(fields, name) || name.empty() || name.front() == '@') {
      continue;  // it has none, or an abstract one
    }
    if (name.front() != '/') {
      relative.emplace("socket:[" + inode + "]", name);
      continue;
    }
    struct stat info {};
    stdfs::path path = name;
    if (::stat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode) && is_usable(path) &&
        std::find(found.begin(), found.end(), path) == found.end()) {
      found.push_back(std::move(path));
    }
  }
  add_relative(relative, found);
  return found;
}

std::vector<std::string_view> share_names() {
  std::vector<std::string_view> out;
  for (const WayOut& way : kWays) {
    out.emplace_back(way.name);
  }
  return out;
}

Status check_shares(const std::vector<std::string>& names) {
  const auto known = share_names();
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      std::string list;
      for (const std::string_view each : known) {
        list += (list.empty() ? "" : ", ") + std::string(each);
      }
      return make_error(ErrorCode::kUsage, "nothing called '" + name + "' can be shared",
                        "choose of " + list);
    }
  }
  return {};
}

WaysOut ways_out(Level level, const std::vector<std::string>& shares, EnvBlock& env) {
  WaysOut out;
  std::vector<const char*> variables;
  for (const WayOut& way : kWays) {
    const bool shared = std::find(shares.begin(), shares.end(), way.name) != shares.end();
    if (!shared && level < way.closed_from) {
      continue;
    }
    bool used = false;
    for (const char* const pattern : way.paths) {
      const std::string path = pattern != nullptr ? expand(pattern, env) : std::string();
      if (path.empty()) {
        continue;
      }
      for (stdfs::path& each : matches(path)) {
        used = used || is_usable(each);
        (shared ? out.kept : out.closed).push_back(std::move(each));
      }
    }
    if (shared) {
      continue;
    }
    if (used && way.missed) {
      out.missed.emplace_back(way.name);
    }
    for (const char* const variable : way.variables) {
      if (variable != nullptr) {
        variables.push_back(variable);
      }
    }
  }
  for (const char* const variable : variables) {
    env.unset(variable);
  }
  return out;
}

}  // namespace av::cmd
