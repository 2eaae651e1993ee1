#include "source/safe_path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <utility>
#include <vector>

namespace av::source {
namespace {

using Why = Failure::Why;

constexpr int kMostLinks = 40;  // as the kernel: path_resolution(7)

bool ours_or_roots(const struct stat& info) {
  return info.st_uid == 0 || info.st_uid == ::geteuid();
}

// The parts of `path`, in front of what is still to be walked.
void put_first(std::deque<std::string>& ahead, std::string_view path) {
  std::deque<std::string> parts;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end != 0) {
      parts.emplace_back(path.substr(0, end));
    }
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  ahead.insert(ahead.begin(), parts.begin(), parts.end());
}

class Walk {
 public:
  Walk(const std::string& path, const std::vector<std::filesystem::path>& closed) : path_(path) {
    for (const std::filesystem::path& each : closed) {
      struct stat info {};
      if (::stat(each.c_str(), &info) == 0) {
        closed_.emplace_back(info.st_dev, info.st_ino);
      }
    }
  }

  Result<UniqueFd> open() {
    AV_CHECK(to_root());
    put_first(ahead_, path_);
    while (!ahead_.empty()) {
      const std::string part = std::move(ahead_.front());
      ahead_.pop_front();
      if (part == ".") {
        continue;
      }
      if (part == "..") {  // of a link's target: directories above have been checked already
        AV_CHECK(to_parent());
        continue;
      }
      if (ahead_.empty()) {
        return last(part);
      }
      AV_CHECK(step(part));
    }
    return failure(Why::kRefused, excerpt(path_) + " is a directory");
  }

 private:
  [[nodiscard]] Failure cannot(const std::string& what) const {
    if (errno == ENOENT || errno == ENOTDIR) {
      return failure(Why::kNotFound, "there is no file " + excerpt(path_));
    }
    return failure(Why::kDenied, excerpt(what) + " cannot be read");
  }

  Result<void> check_open(const struct stat& info) const {
    if (std::find(closed_.begin(), closed_.end(), std::pair(info.st_dev, info.st_ino)) !=
        closed_.end()) {
      return failure(Why::kRefused, excerpt(path_) + " is a file of agent-vault itself",
                     "no store reads those");
    }
    return {};
  }

  // Checks what was reached, and goes on from there.
  Result<void> enter(UniqueFd directory, const std::string& name) {
    struct stat info {};
    if (::fstat(directory.get(), &info) != 0) {
      return cannot(name);
    }
    if (!S_ISDIR(info.st_mode)) {
      return failure(Why::kNotFound, "there is no file " + excerpt(path_));
    }
    AV_CHECK(check_open(info));
    if (!ours_or_roots(info)) {
      return failure(Why::kRefused,
                     "the directory " + excerpt(name) + " above the file belongs to another user",
                     "put the file where only this user and root can");
    }
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (info.st_mode & S_ISVTX) == 0) {
      return failure(
          Why::kRefused,
          "others than its owner may write to the directory " + excerpt(name) + " above the file",
          "chmod go-w " + excerpt(name));
    }
    roots_alone_ = info.st_uid == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    here_ = std::move(directory);
    name_ = name;
    return {};
  }
  Result<void> to_root() {
    UniqueFd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return root.valid() ? enter(std::move(root), "/") : cannot("/");
  }
  Result<void> to_parent() {
    UniqueFd above(::openat(here_.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return above.valid() ? enter(std::move(above), name_ + "/..") : cannot(name_);
  }
  [[nodiscard]] std::string below(const std::string& part) const {
    return (name_ == "/" ? "" : name_) + "/" + part;
  }

  Result<void> step(const std::string& part) {
    const std::string name = below(part);
    UniqueFd next(::openat(here_.get(), part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat info {};
    if (!next.valid() || ::fstat(next.get(), &info) != 0) {
      return cannot(name);
    }
    return S_ISLNK(info.st_mode) ? follow(next, info, name) : enter(std::move(next), name);
  }

  Result<void> follow(const UniqueFd& link, const struct stat& info, const std::string& name) {
    if (info.st_uid != 0 || !roots_alone_ || ::geteuid() == 0) {
      return failure(Why::kRefused,
                     "the symbolic link " + excerpt(name) +
                         " above the file is not one that root alone could have made",
                     "refer to the file by the path that it is at");
    }
    std::array<char, 4096> target{};
    const ssize_t size = ::readlinkat(link.get(), "", target.data(), target.size());
    if (size <= 0 || static_cast<std::size_t>(size) == target.size() || ++links_ > kMostLinks) {
      return failure(Why::kRefused, "the symbolic link " + excerpt(name) + " leads nowhere");
    }
    const std::string_view text(target.data(), static_cast<std::size_t>(size));
    if (text.front() == '/') {
      AV_CHECK(to_root());
    }
    put_first(ahead_, text);
    return {};
  }

  Result<UniqueFd> last(const std::string& part) {
    // O_NONBLOCK: a FIFO must not keep us.
    UniqueFd file(::openat(here_.get(), part.c_str(),
                           O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (!file.valid() && errno == ELOOP) {
      return failure(Why::kRefused, excerpt(path_) + " is a symbolic link",
                     "refer to the file that it leads to");
    }
    if (!file.valid()) {
      return cannot(path_);
    }
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) {
      return cannot(path_);
    }
    AV_CHECK(check_open(info));
    return file;
  }

  const std::string& path_;
  std::deque<std::string> ahead_;
  UniqueFd here_;
  std::string name_;
  bool roots_alone_ = false;  // whether root alone may change `here_`
  int links_ = 0;
  std::vector<std::pair<dev_t, ino_t>> closed_;
};

}  // namespace

Result<UniqueFd> open_unshared(const std::string& path,
                               const std::vector<std::filesystem::path>& closed) {
  return Walk(path, closed).open();
}

}  // namespace av::source
