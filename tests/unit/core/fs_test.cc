#include "core/fs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace fs = av::fs;
using av::ErrorCode;

namespace {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "av-fs-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
    return path_ / name;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::size_t count() const {
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path_)) {
      ++files;
    }
    return files;
  }

 private:
  std::filesystem::path path_;
};

class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) {
      old_ = old;
    }
    if (value != nullptr) {
      ::setenv(name, value, 1);
    } else {
      ::unsetenv(name);
    }
  }
  ~Variable() {
    if (old_) {
      ::setenv(name_, old_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

unsigned mode_of(const std::filesystem::path& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777U;
}

}  // namespace

TEST_CASE("replace_file: writes a private file and leaves nothing beside it", "[core][fs]") {
  const TemporaryDirectory home;
  REQUIRE(fs::replace_file(home / "f", "one"));
  CHECK(fs::read_file(home / "f").value() == "one");
  CHECK(mode_of(home / "f") == 0600);
  REQUIRE(fs::replace_file(home / "f", std::string(100000, 'x'), 0644));
  CHECK(fs::read_file(home / "f").value().size() == 100000);
  CHECK(mode_of(home / "f") == 0644);
  CHECK(home.count() == 1);
}

TEST_CASE("replace_file: a failure keeps the old file and names it", "[core][fs]") {
  const TemporaryDirectory home;
  const auto missing = fs::replace_file(home / "none/f", "one");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().message.find("none/f") != std::string::npos);
  std::filesystem::create_directory(home / "d");
  std::ofstream(home / "d/inside") << "x";
  CHECK_FALSE(fs::replace_file(home / "d", "one"));  // a directory is in the way
  CHECK(std::filesystem::exists(home / "d/inside"));
  CHECK(home.count() == 1);
}

TEST_CASE("replace_file: a link is replaced, what it points at is not written", "[core][fs]") {
  const TemporaryDirectory home;
  REQUIRE(fs::replace_file(home / "target", "old"));
  std::filesystem::create_symlink(home / "target", home / "link");
  REQUIRE(fs::replace_file(home / "link", "new"));
  CHECK(fs::read_file(home / "target").value() == "old");
  CHECK(fs::read_file(home / "link").value() == "new");
  CHECK_FALSE(std::filesystem::is_symlink(home / "link"));
}

TEST_CASE("read_file: the limit is exact", "[core][fs]") {
  const TemporaryDirectory home;
  REQUIRE(fs::replace_file(home / "f", std::string(1000, 'x')));
  CHECK(fs::read_file(home / "f", 1000));
  const auto above = fs::read_file(home / "f", 999);
  REQUIRE_FALSE(above);
  CHECK(above.error().code == ErrorCode::kInvalid);
  CHECK(fs::read_secret_file(home / "f", 1000));
  CHECK_FALSE(fs::read_secret_file(home / "f", 999));
  CHECK(fs::read_file(home / "none").error().code == ErrorCode::kNotFound);
}

TEST_CASE("read_secret_fd: reads to the end of a pipe", "[core][fs]") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const av::UniqueFd reader(ends[0]);
  av::UniqueFd writer(ends[1]);
  const std::string value("line one\nline two\0", 18);
  REQUIRE(fs::write_all(writer.get(), value));
  writer.reset();
  const auto secret = fs::read_secret_fd(reader.get());
  REQUIRE(secret);
  CHECK(secret->reveal([&](std::string_view bytes) { return bytes == value; }));
}

TEST_CASE("make_private_directory: makes it and its parents, tightens it, refuses a file",
          "[core][fs]") {
  const TemporaryDirectory home;
  REQUIRE(fs::make_private_directory(home / "a/b/c"));
  CHECK(mode_of(home / "a/b/c") == 0700);
  std::filesystem::create_directory(home / "open");
  REQUIRE(::chmod((home / "open").c_str(), 0777) == 0);
  REQUIRE(fs::make_private_directory(home / "open"));
  CHECK(mode_of(home / "open") == 0700);
  REQUIRE(fs::replace_file(home / "file", "x"));
  CHECK_FALSE(fs::make_private_directory(home / "file"));
}

TEST_CASE("default_paths: AGENT_VAULT_HOME, then XDG, then HOME", "[core][fs]") {
  {
    const Variable home("AGENT_VAULT_HOME", "/av/x/../home");
    CHECK(fs::default_paths().value().data == "/av/home");
    CHECK(fs::default_paths().value().config == "/av/home/config");
  }
  const Variable override("AGENT_VAULT_HOME", nullptr);
  const Variable home("HOME", "/home/u");
  {
    const Variable data("XDG_DATA_HOME", "/d");
    const Variable config("XDG_CONFIG_HOME", "relative");
    CHECK(fs::default_paths().value().data == "/d/agent-vault");
    CHECK(fs::default_paths().value().config == "/home/u/.config/agent-vault");
  }
  const Variable data("XDG_DATA_HOME", nullptr);
  const Variable config("XDG_CONFIG_HOME", nullptr);
  CHECK(fs::default_paths().value().data == "/home/u/.local/share/agent-vault");
  const Variable none("HOME", nullptr);
  CHECK_FALSE(fs::default_paths());
}

TEST_CASE("unique fd: closes what it owns, once", "[core][fs]") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  {
    av::UniqueFd first(ends[0]);
    const av::UniqueFd second(std::move(first));
    CHECK_FALSE(first.valid());  // NOLINT: that is the question
    CHECK(second.get() == ends[0]);
  }
  CHECK(::fcntl(ends[0], F_GETFD) == -1);
  av::UniqueFd other(ends[1]);
  CHECK(other.release() == ends[1]);
  CHECK(::fcntl(ends[1], F_GETFD) != -1);
  ::close(ends[1]);
}
