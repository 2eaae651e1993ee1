#include "isolation/everything_but.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "isolation/mount_table.h"

namespace av::isolation {
namespace {

// More than any path has; a file system that contains itself by mounts ends here.
constexpr int kDeepest = 128;

struct Close {
  void operator()(DIR* list) const { ::closedir(list); }
};

class Walk {
 public:
  explicit Walk(const std::vector<std::string>& hidden) : hidden_(hidden) {
    for (const std::string& path : hidden) {
      struct stat info {};
      if (::lstat(path.c_str(), &info) == 0) {
        closed_.insert(identity(info));
      }
      for (std::size_t end = path.rfind('/'); end != std::string::npos && end != 0;
           end = path.rfind('/', end - 1)) {
        if (::lstat(path.substr(0, end).c_str(), &info) == 0) {
          above_.insert(identity(info));
        }
      }
      if (::lstat("/", &info) == 0) {
        above_.insert(identity(info));
      }
    }
  }

  // `directory` ends with a slash.
  void list(const std::string& directory, int depth) {
    if (depth > kDeepest) {
      return;
    }
    const std::unique_ptr<DIR, Close> entries(::opendir(directory.c_str()));
    if (!entries) {
      follow(directory, depth);
      return;
    }
    while (const dirent* const entry = ::readdir(entries.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") {
        judge(directory + std::string(name), depth);
      }
    }
  }

  std::vector<std::string> take() { return std::move(out_); }

 private:
  using Identity = std::pair<dev_t, ino_t>;
  static Identity identity(const struct stat& info) { return {info.st_dev, info.st_ino}; }

  void judge(const std::string& path, int depth) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || S_ISLNK(info.st_mode)) {
      return;
    }
    const auto is_hidden = [&](const std::string& each) { return is_within(path, each); };
    if (closed_.contains(identity(info)) ||
        std::any_of(hidden_.begin(), hidden_.end(), is_hidden)) {
      return;
    }
    const auto is_below = [&](const std::string& each) { return is_within(each, path); };
    if (above_.contains(identity(info)) || std::any_of(hidden_.begin(), hidden_.end(), is_below)) {
      list(path + "/", depth + 1);
    } else {
      out_.push_back(path);
    }
  }

  // What cannot be listed still leads to what is hidden, and past it.
  void follow(const std::string& directory, int depth) {
    std::set<std::string> next;
    for (const std::string& path : hidden_) {
      if (path.starts_with(directory)) {
        next.insert(path.substr(0, path.find('/', directory.size())));
      }
    }
    for (const std::string& path : next) {
      judge(path, depth);
    }
  }

  const std::vector<std::string>& hidden_;
  std::set<Identity> closed_;
  std::set<Identity> above_;
  std::vector<std::string> out_;
};

}  // namespace

std::vector<std::string> everything_but(const std::vector<std::string>& hidden,
                                        const std::string& root) {
  Walk walk(hidden);
  walk.list(root.ends_with('/') ? root : root + "/", 0);
  return walk.take();
}

}  // namespace av::isolation
