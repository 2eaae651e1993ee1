#include "kek/module_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/encoding.h"

namespace av::kek {
namespace {

// What stands between `path` and others; empty when nothing is wrong.
std::string weakness(const std::filesystem::path& path, bool is_file) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return "cannot be looked at";
  }
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
    return "belongs to another user";
  }
  const bool others =
      (info.st_mode & S_IWOTH) != 0 || ((info.st_mode & S_IWGRP) != 0 && info.st_gid != 0);
  const bool sticky = !is_file && (info.st_mode & S_ISVTX) != 0;
  return others && !sticky ? "may be changed by others" : std::string();
}

}  // namespace

Expected<std::string> check_module_file(const std::string& path) {
  const std::string shown = encoding::printable(path);
  if (path.empty() || path.front() != '/') {
    return make_error(ErrorCode::kInvalid, "the library of a token needs an absolute path",
                      "like /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so");
  }
  std::error_code ec;
  const std::filesystem::path file = std::filesystem::canonical(path, ec);
  if (ec || !std::filesystem::is_regular_file(file, ec)) {
    return make_error(ErrorCode::kNotFound, "the token's library " + shown + " is not there",
                      "install the package of the token (OpenSC: apt-get install opensc-pkcs11)");
  }
  for (std::filesystem::path at = file;; at = at.parent_path()) {
    const std::string weak = weakness(at, at == file);
    if (!weak.empty()) {
      return make_error(
          ErrorCode::kNotPermitted,
          "the token's library " + shown +
              " is not safe to load: " + encoding::printable(at.string()) + " " + weak,
          "chmod go-w " + encoding::printable(at.string()) + ", or use the library of a package");
    }
    if (at == at.root_path()) {
      return file.string();
    }
  }
}

}  // namespace av::kek
