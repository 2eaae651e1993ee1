#include "isolation/mount_table.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "core/fs.h"

namespace av::isolation {
namespace {

std::string_view next_field(std::string_view& line) {
  const std::size_t end = line.find(' ');
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return field;
}

// Space, tab, line feed and backslash are written as three octal digits.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octal = [&](std::size_t at) {
      return at < text.size() && text[at] >= '0' && text[at] <= '7';
    };
    if (text[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// What is left of `path` below `directory`: "" or "/rest".
std::string_view below(std::string_view path, std::string_view directory) {
  return directory == "/" ? (path == "/" ? std::string_view() : path)
                          : path.substr(directory.size());
}

std::string join(std::string_view directory, std::string_view rest) {
  if (directory == "/") {
    return rest.empty() ? "/" : std::string(rest);
  }
  return std::string(directory) + std::string(rest);
}

}  // namespace

std::optional<std::string> real_path(const std::filesystem::path& path) {
  const std::unique_ptr<char, decltype(&std::free)> text(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  return text ? std::optional<std::string>(text.get()) : std::nullopt;
}

bool is_within(std::string_view path, std::string_view directory) {
  if (directory == "/") {
    return path.starts_with('/');
  }
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    next_field(line);
    next_field(line);
    Mount mount;
    mount.device = next_field(line);
    mount.root = unescape(next_field(line));
    mount.point = unescape(next_field(line));
    const std::size_t dash = line.find(" - ");
    if (mount.point.empty() || dash == std::string_view::npos) {
      continue;
    }
    line.remove_prefix(dash + 3);
    mount.type = next_field(line);
    mount.source = unescape(next_field(line));
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::optional<std::vector<Mount>> mount_table() {
  const auto text = fs::read_file("/proc/self/mountinfo");
  if (!text) {
    return std::nullopt;
  }
  return parse_mountinfo(*text);
}

std::vector<std::string> paths_to_same_place(const std::vector<Mount>& mounts,
                                             std::string_view path) {
  std::vector<std::string> paths{std::string(path)};
  const Mount* home = nullptr;
  for (const Mount& mount : mounts) {
    // The last of the longest: later mounts cover earlier ones at the same point.
    if (is_within(path, mount.point) &&
        (home == nullptr || mount.point.size() >= home->point.size())) {
      home = &mount;
    }
  }
  if (home == nullptr) {
    return paths;
  }
  const std::string inside = join(home->root, below(path, home->point));
  for (const Mount& mount : mounts) {
    if (&mount == home || mount.device != home->device || !is_within(inside, mount.root)) {
      continue;
    }
    std::string candidate = join(mount.point, below(inside, mount.root));
    if (std::find(paths.begin(), paths.end(), candidate) == paths.end()) {
      paths.push_back(std::move(candidate));
    }
  }
  return paths;
}

}  // namespace av::isolation
