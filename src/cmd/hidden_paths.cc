#include "cmd/hidden_paths.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>

#include "isolation/mount_table.h"

namespace av::cmd {
namespace {

namespace stdfs = std::filesystem;

constexpr int kMostLinks = 40;  // as the kernel's own limit

std::optional<stdfs::path> absolute_from_env(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && value[0] == '/' ? std::optional<stdfs::path>(value) : std::nullopt;
}

bool can_change(const stdfs::path& directory) {
  struct stat info {};
  return ::stat(directory.c_str(), &info) == 0 &&
         (info.st_uid == ::getuid() || ::access(directory.c_str(), W_OK) == 0);
}

bool can_replace(const stdfs::path& directory, const struct stat& entry) {
  struct stat info {};
  if (!can_change(directory) || ::stat(directory.c_str(), &info) != 0) {
    return false;
  }
  // In a sticky directory like /tmp only the owners may.
  return (info.st_mode & S_ISVTX) == 0 || ::getuid() == 0 || entry.st_uid == ::getuid() ||
         info.st_uid == ::getuid();
}

bool is_link(const stdfs::path& path) {
  std::error_code ec;
  return stdfs::is_symlink(stdfs::symlink_status(path, ec));
}

Error link_error(const stdfs::path& link) {
  return make_error(ErrorCode::kNotPermitted,
                    link.string() + " is a symbolic link to where the command could replace it",
                    "put the file itself in the place of the link, or choose --isolation off");
}

// Hiding the directories does not hide what their entries lead to.
Status add_linked_files(const fs::Paths& paths, std::vector<stdfs::path>& hidden) {
  std::vector<stdfs::path> directories;
  std::error_code ec;
  for (const stdfs::path& path : hidden) {
    directories.push_back(stdfs::canonical(path, ec));
  }
  const auto is_hidden = [&](const stdfs::path& path) {
    return std::any_of(directories.begin(), directories.end(), [&](const stdfs::path& each) {
      return isolation::is_within(path.native(), each.native());
    });
  };
  const std::string database = paths.database().native();
  const stdfs::path files[] = {database,         database + "-wal", database + "-shm",
                               paths.key_file(), paths.audit(),     paths.config_file()};
  for (const stdfs::path& file : files) {
    if (!is_link(file)) {
      continue;
    }
    const stdfs::path target = stdfs::canonical(file, ec);
    if (ec) {
      return make_error(ErrorCode::kInvalid, file.string() + " is a symbolic link to nowhere",
                        "rm " + file.string());
    }
    if (is_hidden(target)) {
      continue;
    }
    const auto links =
        replaceable_links(stdfs::canonical(file.parent_path(), ec) / file.filename());
    if (can_change(target.parent_path()) ||
        std::any_of(links.begin(), links.end(),
                    [&](const stdfs::path& link) { return !is_hidden(link); })) {
      return link_error(file);
    }
    hidden.push_back(target);
    for (const char* suffix : {"-wal", "-shm"}) {
      if (file == paths.database() && stdfs::exists(target.native() + suffix, ec)) {
        hidden.emplace_back(target.native() + suffix);
      }
    }
  }
  return {};
}

// Where the user cannot make it, the command cannot either.
Status make_if_possible(const stdfs::path& directory) {
  Status made = fs::make_private_directory(directory);
  if (!made) {
    std::error_code ec;
    stdfs::path above = directory;
    while (!stdfs::exists(above, ec) && above.has_relative_path()) {
      above = above.parent_path();
    }
    if (!can_change(above)) {
      return {};
    }
  }
  return made;
}

}  // namespace

std::vector<stdfs::path> replaceable_links(const stdfs::path& path) {
  std::vector<stdfs::path> found;
  const stdfs::path names = path.relative_path();
  std::deque<stdfs::path> left(names.begin(), names.end());
  stdfs::path at = "/";
  int followed = 0;
  while (!left.empty()) {
    const stdfs::path name = left.front();
    left.pop_front();
    if (name.empty() || name == ".") {
      continue;
    }
    if (name == "..") {
      at = at.parent_path();
      continue;
    }
    struct stat info {};
    const stdfs::path next = at / name;
    if (::lstat(next.c_str(), &info) != 0) {
      break;
    }
    if (!S_ISLNK(info.st_mode)) {
      at = next;
      continue;
    }
    if (can_replace(at, info)) {
      found.push_back(next);
    }
    std::error_code ec;
    const stdfs::path target = stdfs::read_symlink(next, ec);
    if (ec || ++followed > kMostLinks) {
      break;
    }
    if (target.is_absolute()) {
      at = "/";
    }
    const stdfs::path more = target.relative_path();
    left.insert(left.begin(), more.begin(), more.end());
  }
  return found;
}

Expected<HiddenPaths> hidden_paths(const fs::Paths& paths) {
  AV_CHECK(fs::make_private_directory(paths.config));
  HiddenPaths result;
  std::vector<stdfs::path>& hidden = result.paths;
  hidden = {paths.data, paths.config};
  const auto add = [&](const stdfs::path& path) {
    std::error_code ec;
    if (stdfs::is_directory(path, ec) &&
        std::find(hidden.begin(), hidden.end(), path) == hidden.end()) {
      hidden.push_back(path);
    }
  };
  const auto home = absolute_from_env("HOME");
  const auto add_default = [&](const char* variable, const char* below_home, bool make) -> Status {
    std::vector<stdfs::path> bases;
    if (const auto base = absolute_from_env(variable)) {
      bases.push_back(*base);
    }
    if (home) {
      bases.push_back(*home / below_home);
    }
    for (const stdfs::path& base : bases) {
      if (make) {
        AV_CHECK(make_if_possible(base / "agent-vault"));
      }
      add(base / "agent-vault");
    }
    return {};
  };
  AV_CHECK(add_default("XDG_DATA_HOME", ".local/share", false));
  // A planted config.toml would be obeyed by the next run.
  AV_CHECK(add_default("XDG_CONFIG_HOME", ".config", true));
  std::vector<stdfs::path> links;
  for (const stdfs::path& path : hidden) {
    for (stdfs::path& link : replaceable_links(path)) {
      if (std::find(links.begin(), links.end(), link) == links.end()) {
        links.push_back(std::move(link));
      }
    }
  }
  for (const stdfs::path& link : links) {
    result.warnings.push_back(link.string() +
                              " is a symbolic link that the command can replace: it could lead "
                              "your next run to another store or configuration");
  }
  AV_CHECK(add_linked_files(paths, hidden));
  return result;
}

}  // namespace av::cmd
