#pragma once
// What the command of a run at `strict` finds in place of the machine's files: everything read-only
// but what it works in, /tmp and /run and /dev its own, caches as they are but with its changes
// thrown away. Built from mounts of the run's own namespace, which it has no means to change.
//
// Each step runs in the launcher's own process, in this order, between the covers (namespaces.h)
// and the loss of its privileges. Needs Linux 5.12 (mount_setattr(2)).

#include <filesystem>
#include <string>
#include <vector>

#include "core/fs.h"
#include "isolation/step.h"

namespace av::isolation {

// All paths are absolute; those that do not exist are passed over.
struct FileView {
  std::vector<std::filesystem::path> writable;  // with what is below, as it is outside
  std::vector<std::filesystem::path>
      scratch;  // directories; what is written there goes with the run
  // Files and directories in whose place an empty one of the same kind is found, read-only.
  std::vector<std::filesystem::path> emptied;
  // Paths, there or not, in whose place nothing new can be read: a mount that covers a file goes
  // when another is renamed over it outside. Not below what is writable or scratch.
  std::vector<std::filesystem::path> guarded;
  // Files, directories and sockets that are there (read-only) although the directory that they lie
  // in is replaced by an empty one.
  std::vector<std::filesystem::path> kept;
  // Made anew below /run, writable and empty: XDG_RUNTIME_DIR. Empty: none.
  std::filesystem::path runtime;
};

class FileViewBuilder {
 public:
  explicit FileViewBuilder(const FileView& view) : view_(view) {}

  // Takes hold of what is writable, as it is outside of copies that will be laid over it.
  [[nodiscard]] Step take_writable();
  // Lays copies over the scratch directories. What was covered below them shows through: the caller
  // covers it again.
  [[nodiscard]] Step lay_scratch();
  // Empties /run, /tmp, /var/tmp and /dev, and puts back what is kept and what is writable.
  [[nodiscard]] Step empty_shared_places();
  // After this nothing but what is meant to be is writable.
  [[nodiscard]] Step make_read_only();

  // What may be written to, for a second opinion (landlock.h). After make_read_only().
  [[nodiscard]] const std::vector<std::string>& writable_places() const { return writable_; }

 private:
  struct Tree {
    std::string path;
    UniqueFd mount;
    bool directory = false;
  };
  [[nodiscard]] Step take(const std::string& path, std::vector<Tree>& trees);
  [[nodiscard]] Step attach(const Tree& tree);
  [[nodiscard]] Step own_devices();
  void add_writable(std::string path) { writable_.push_back(std::move(path)); }

  const FileView& view_;
  std::vector<Tree> taken_;  // of what is writable
  std::vector<std::string> writable_;
  std::vector<std::string> whole_;  // of these, the ones that the view names
};

}  // namespace av::isolation
