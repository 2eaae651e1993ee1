#pragma once
// Runs commands as main does, with a temporary home and streams in memory.

#include <sys/types.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cmd/cli.h"
#include "core/clock.h"

namespace av::test {

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

class Cli {
 public:
  Cli() {
    init_secret_arena();
    std::string pattern = (std::filesystem::temp_directory_path() / "av-cli-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    for (const char* name :
         {"AGENT_VAULT_VAULT", "AGENT_VAULT_RUN", "AGENT_VAULT_TOKEN", "AGENT_VAULT_ADDR",
          "AGENT_VAULT_TOKEN_FILE", "AGENT_VAULT_CA", "AGENT_VAULT_CA_FINGERPRINT",
          "AGENT_VAULT_ALLOW_CLEARTEXT", "SECRET_ENCRYPTION_KEY", "AGENT_VAULT_MASTER_PASSWORD"}) {
      ::unsetenv(name);
    }
    ::setenv("HOME", root_.c_str(), 1);
    before_ = std::filesystem::current_path();
    std::filesystem::current_path(root_);
  }
  ~Cli() {
    std::filesystem::current_path(before_);
    std::error_code ec;
    std::filesystem::remove_all(root_, ec);
  }
  Cli(const Cli&) = delete;
  Cli& operator=(const Cli&) = delete;

  Outcome operator()(std::vector<std::string> words) {
    words.insert(words.begin(), "agent-vault");
    std::vector<char*> argv;
    for (std::string& word : words) {
      argv.push_back(word.data());
    }
    auto arguments = cmd::take_arguments(static_cast<int>(argv.size()), argv.data());
    argv_after = words;
    Outcome outcome;
    char* out = nullptr;
    char* err = nullptr;
    std::size_t out_size = 0;
    std::size_t err_size = 0;
    {
      cmd::Context context;
      context.out = ::open_memstream(&out, &out_size);
      context.err = ::open_memstream(&err, &err_size);
      context.clock = &clock_;
      context.paths = {root_ / "data", root_ / "config"};
      outcome.code = cmd::run_cli(context, std::move(*arguments));
      std::fclose(context.out);
      std::fclose(context.err);
    }
    outcome.out.assign(out, out_size);
    outcome.err.assign(err, err_size);
    std::free(out);
    std::free(err);
    return outcome;
  }

  std::string file(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << text;
    return (root_ / name).string();
  }
  [[nodiscard]] std::string audit() const {
    std::string all;
    std::error_code ec;
    for (const auto& entry : std::filesystem::directory_iterator(root_ / "data" / "audit", ec)) {
      std::ifstream in(entry.path(), std::ios::binary);
      all.append((std::istreambuf_iterator<char>(in)), {});
    }
    return all;
  }
  [[nodiscard]] const std::filesystem::path& root() const { return root_; }

  std::vector<std::string> argv_after;  // what the process list would show

 private:
  SystemClock clock_;
  std::filesystem::path root_;
  std::filesystem::path before_;
};

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace av::test
