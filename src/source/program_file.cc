#include "source/program_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <utility>

#include "core/ascii.h"
#include "core/crypto.h"
#include "core/encoding.h"
#include "core/ossl.h"
#include "source/child_process.h"

namespace av::source {
namespace {

constexpr off_t kMostProgram = off_t{512} << 20;
// BINPRM_BUF_SIZE: what the kernel reads of a script to find its interpreter.
constexpr std::size_t kHead = 256;
constexpr std::string_view kUsualPath = "/usr/local/bin:/usr/bin:/bin";

Failure refused(std::string message, std::string hint) {
  return failure(Failure::Why::kRefused, std::move(message), std::move(hint));
}

bool in_group(gid_t group) {
  if (group == ::getegid()) {
    return true;
  }
  std::array<gid_t, 256> groups;
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  // More groups than one can look at: it may be in any.
  return count < 0 ||
         std::find(groups.begin(), groups.begin() + count, group) != groups.begin() + count;
}

using MayWrite = bool (*)(const struct stat&);

bool group_or_others(const struct stat& info) {
  return (info.st_mode & S_IWOTH) != 0 || ((info.st_mode & S_IWGRP) != 0 && info.st_gid != 0);
}

bool others_or_own_group(const struct stat& info) {
  return (info.st_mode & S_IWOTH) != 0 ||
         ((info.st_mode & S_IWGRP) != 0 && info.st_gid != 0 && in_group(info.st_gid));
}

// Every component of an absolute path, "/" first. An ACL that lets others write shows in the bits
// of the group (acl(5)).
bool all_of_root(const std::string& path, MayWrite may_write) {
  if (path.empty() || path[0] != '/') {
    return false;
  }
  std::size_t end = 0;
  while (true) {
    const std::string part = end == 0 ? "/" : path.substr(0, end);
    struct stat info {};
    if (::lstat(part.c_str(), &info) != 0 || info.st_uid != 0 || S_ISLNK(info.st_mode) ||
        may_write(info)) {
      return false;
    }
    if (end == path.size() || path.size() == 1) {
      return true;
    }
    end = std::min(path.find('/', end + 1), path.size());
  }
}

std::string canonical(const std::string& path) {
  std::array<char, PATH_MAX> buffer;
  const char* found = ::realpath(path.c_str(), buffer.data());
  return found == nullptr ? std::string() : std::string(found);
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool is_script(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  std::array<char, 2> head{};
  return fd.valid() && ::pread(fd.get(), head.data(), head.size(), 0) == 2 && head[0] == '#' &&
         head[1] == '!';
}

// The first program of that name in `directories`, canonical; empty when there is none. `scripts`:
// it may be one. Version managers (pyenv, asdf) put scripts in the place of interpreters, which
// look for the real one wherever they like.
std::string search_in(std::string_view directories, std::string_view name, bool scripts) {
  for (const std::string_view directory : ascii::words(directories, ":")) {
    if (directory.front() != '/') {
      continue;  // relative to wherever a person happens to be
    }
    const std::string path = std::string(directory) + "/" + std::string(name);
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
        ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 &&
        (scripts || !is_script(path))) {
      return canonical(path);
    }
  }
  return {};
}

Result<UniqueFd> open_program(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) {
    if (errno == ELOOP) {
      return refused(excerpt(path) + " has become a symbolic link",
                     "if that is an update of yours, pair the store again");
    }
    return failure(Failure::Why::kUnreachable,
                   errno == ENOENT ? excerpt(path) + " is not there any more"
                                   : excerpt(path) + " cannot be read",
                   "install it again, or pair the store again");
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > kMostProgram) {
    return failure(Failure::Why::kInvalid, excerpt(path) + " is no program");
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return refused("others than its owner may write to " + excerpt(path),
                   "chmod go-w " + excerpt(path));
  }
  return above_standard(std::move(fd));
}

// Nobody opens the file for writing before the lease is gone, which is at most
// /proc/sys/fs/lease-break-time (45 s) after the first who tries; nobody has it open for writing
// now. Root's file cannot be leased by others, nor written to.
Result<void> hold_still(const UniqueFd& fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return failure(Failure::Why::kUnreachable, excerpt(path) + " cannot be read");
  }
  if (info.st_uid == 0 && ::geteuid() != 0) {
    return {};
  }
  if (info.st_uid != ::geteuid()) {
    return refused(excerpt(path) + " belongs to another user, who can change it",
                   "install a copy of your own, or one that belongs to root");
  }
  // The signal that says that somebody wants to write: one that does nothing by default, where
  // SIGIO ends the process.
  if (::fcntl(fd.get(), F_SETSIG, SIGURG) == 0 && ::fcntl(fd.get(), F_SETLEASE, F_RDLCK) == 0) {
    return {};
  }
  if (errno == EAGAIN) {
    return refused(excerpt(path) + " is being written to", "try again when that is done");
  }
  return refused(excerpt(path) + " is on a file system that cannot hold it still while it is read",
                 "install it on a local disk, or where only root may write");
}

Result<std::string> hash_of(const UniqueFd& fd, const std::string& path) {
  const ossl::MdCtx context(EVP_MD_CTX_new());
  const auto cannot = [&] {
    return failure(Failure::Why::kUnreachable, excerpt(path) + " cannot be read");
  };
  if (context == nullptr || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    return cannot();
  }
  std::vector<unsigned char> buffer(std::size_t{256} << 10);
  off_t at = 0;
  while (true) {
    const ssize_t got = ::pread(fd.get(), buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0 || at > kMostProgram ||
        EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(got)) != 1) {
      return cannot();
    }
    if (got == 0) {
      break;
    }
    at += got;
  }
  std::array<std::uint8_t, 32> digest;
  if (EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
    return cannot();
  }
  return encoding::hex(digest);
}

Result<ScriptHead> head_of(const UniqueFd& fd) {
  std::array<char, kHead> head;
  const ssize_t got = ::pread(fd.get(), head.data(), head.size(), 0);
  return script_head(
      std::string_view(head.data(), got > 0 ? static_cast<std::size_t>(got) : std::size_t{0}));
}

// A program that is held still, and the text that its digest is.
struct Held {
  PinnedProgram pinned;
  std::string digest;
};

Result<UniqueFd> hold(const std::string& path, std::string& digest) {
  AV_TRY(UniqueFd fd, open_program(path));
  AV_CHECK(hold_still(fd, path));
  AV_TRY(digest, hash_of(fd, path));
  return fd;
}

Result<std::string> interpreter_path(const ScriptHead& head, const std::string& script) {
  std::string path = head.interpreter;
  if (head.search) {
    // Those first that this user cannot write to; so a new file in ~/bin changes nothing.
    path = search_in(safe_search_path(), head.interpreter, false);
    if (path.empty()) {
      path = search_in(variable("PATH"), head.interpreter, false);
    }
  } else {
    path = canonical(path);
  }
  if (path.empty()) {
    return failure(Failure::Why::kUnreachable,
                   "the interpreter of " + excerpt(script) + ", " + excerpt(head.interpreter) +
                       ", is not there",
                   "install it, or put its directory into PATH");
  }
  return path;
}

Result<Held> hold_program(const std::string& path) {
  Held out;
  std::string own;
  AV_TRY(UniqueFd fd, hold(path, own));
  AV_TRY(const ScriptHead head, head_of(fd));
  if (!head.script) {
    out.pinned.program = std::move(fd);
    out.pinned.name = path;
    out.digest = std::move(own);
    return out;
  }
  AV_TRY(out.pinned.name, interpreter_path(head, path));
  if (is_script(out.pinned.name)) {
    return failure(Failure::Why::kInvalid,
                   "the interpreter of " + excerpt(path) + ", " + excerpt(out.pinned.name) +
                       ", is a script itself",
                   "name the program that runs it in the first line");
  }
  std::string other = "root";
  if (only_root_may_change(out.pinned.name)) {
    AV_TRY(
        out.pinned.program,
        above_standard(UniqueFd(::open(out.pinned.name.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW))));
  } else {
    AV_TRY(out.pinned.program, hold(out.pinned.name, other));
  }
  out.pinned.script = std::move(fd);
  out.pinned.leading = head.arguments;
  const crypto::Digest both =
      crypto::sha256("script " + own + "\n", out.pinned.name + " " + other + "\n");
  out.digest = encoding::hex(both);
  return out;
}

}  // namespace

bool only_root_may_change(const std::string& path) {
  return all_of_root(path, &group_or_others);
}

bool beyond_this_user(const std::string& path) {
  return all_of_root(path, &others_or_own_group);
}

std::string safe_search_path() {
  std::string out;
  const std::string own = variable("PATH");
  for (const std::string_view list : {std::string_view(own), kUsualPath}) {
    for (const std::string_view directory : ascii::words(list, ":")) {
      const std::string path = canonical(std::string(directory));
      if (directory.front() == '/' && beyond_this_user(path)) {
        out += (out.empty() ? "" : ":") + path;
      }
    }
    if (!out.empty()) {
      break;
    }
  }
  // A machine on which root owns nothing: better no program than anybody's.
  return out.empty() ? "/nonexistent" : out;
}

Result<ScriptHead> script_head(std::string_view head) {
  ScriptHead out;
  if (!head.starts_with("#!")) {
    return out;
  }
  out.script = true;
  const std::size_t end = head.find('\n');
  if (end == std::string_view::npos && head.size() >= kHead) {
    return failure(Failure::Why::kInvalid, "the first line of the script is too long");
  }
  const std::string_view line =
      ascii::trim(head.substr(2, end == std::string_view::npos ? std::string_view::npos : end - 2));
  const std::size_t space = std::min(line.find_first_of(" \t"), line.size());
  out.interpreter = std::string(line.substr(0, space));
  // The kernel hands the rest over as one argument.
  const std::string_view rest = ascii::trim(line.substr(space));
  const bool printable = std::none_of(line.begin(), line.end(),
                                      [](char c) { return c != '\t' && ascii::is_control(c); });
  if (!printable || out.interpreter.empty() || out.interpreter[0] != '/') {
    return failure(Failure::Why::kInvalid, "the script names no interpreter by its absolute path");
  }
  if (out.interpreter != "/usr/bin/env" && out.interpreter != "/bin/env") {
    if (!rest.empty()) {
      out.arguments.emplace_back(rest);
    }
    return out;
  }
  std::vector<std::string_view> words = {rest};
  if (rest.starts_with("-S")) {
    words = ascii::words(rest.substr(2), " \t");
  }
  const bool plain = !words.empty() && !words[0].empty() && words[0][0] != '-' &&
                     words[0].find_first_of("=/ \t") == std::string_view::npos &&
                     std::none_of(words.begin(), words.end(), [](std::string_view word) {
                       return word.find_first_of("\\'\"$") != std::string_view::npos;
                     });
  if (!plain) {
    return failure(Failure::Why::kInvalid,
                   "the first line of the script asks more of `env` than a "
                   "program's name",
                   "write the interpreter's absolute path there");
  }
  out.search = true;
  out.interpreter = std::string(words[0]);
  out.arguments.assign(words.begin() + 1, words.end());
  return out;
}

Result<FoundProgram> find_program(std::string_view name_or_path) {
  const std::string given(name_or_path);
  if (given.empty() || given.size() >= PATH_MAX || given.find('\0') != std::string::npos) {
    return failure(Failure::Why::kInvalid, "no program is named");
  }
  FoundProgram out;
  if (given.find('/') == std::string::npos) {
    out.path = search_in(variable("PATH"), given, true);
    if (out.path.empty()) {
      return failure(Failure::Why::kNotFound, "there is no program " + excerpt(given) + " in PATH",
                     "install it, or give its absolute path");
    }
  } else {
    if (given[0] != '/') {
      return failure(Failure::Why::kInvalid, excerpt(given) + " is no absolute path",
                     "give a name that is in PATH, or an absolute path");
    }
    out.path = canonical(given);
    if (out.path.empty()) {
      return failure(Failure::Why::kNotFound, "there is no program " + excerpt(given));
    }
  }
  struct stat info {};
  if (::stat(out.path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) ||
      ::faccessat(AT_FDCWD, out.path.c_str(), X_OK, AT_EACCESS) != 0) {
    return failure(Failure::Why::kInvalid, excerpt(out.path) + " is no program");
  }
  if (only_root_may_change(out.path)) {
    return out;
  }
  AV_TRY(const Held held, hold_program(out.path));
  out.digest = held.digest;
  return out;
}

Result<PinnedProgram> pin_program(const std::string& path, const std::string& digest) {
  AV_TRY(Held held, hold_program(path));
  if (held.digest != digest) {
    return refused(excerpt(path) + " is not the program that was paired: its SHA-256 has changed",
                   "if that is an update of yours, pair the store again");
  }
  return std::move(held.pinned);
}

}  // namespace av::source
