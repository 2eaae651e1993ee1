#pragma once
// Ports in memory for the stores that are programs and for Connect, and a directory with programs
// of a test's own.

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "source/kinds.h"
#include "source/ports.h"

namespace av::test::programs {

inline Secret secret_of(std::string_view text) {
  auto out = Secret::copy_of(text);
  REQUIRE(out);
  return std::move(*out);
}

inline std::string text_of(const Secret& value) {
  return value.reveal([](std::string_view bytes) { return std::string(bytes); });
}

inline std::string field_text(const source::Record& record, std::string_view name) {
  const auto found = source::field_of(record, name);
  return found ? text_of(**found) : "(none)";
}

class StillClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return now; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::milliseconds(now));
  }
  std::int64_t now = 1'700'000'005'000;
};

// What a program was started with, copyable.
struct Started {
  std::string program;
  std::string digest;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;
  std::string input;
};

class FakeProcesses final : public source::Processes {
 public:
  using Answer = std::function<source::Result<source::CommandOutcome>(const Started&)>;
  source::Result<source::CommandOutcome> run(const source::Command& command) override {
    Started started{
        command.program, command.digest, command.arguments, {}, std::string(command.input.view())};
    for (const auto& [name, value] : command.environment) {
      started.environment[name] = text_of(value);
    }
    seen.push_back(started);
    return answer(started);
  }
  std::vector<Started> seen;
  Answer answer;
};

inline source::Result<source::CommandOutcome> outcome(int code, std::string_view output,
                                                      std::string errors = {}) {
  source::CommandOutcome out;
  out.exit_code = code;
  out.output = secret_of(output);
  out.errors = std::move(errors);
  return out;
}

struct Reply {
  int status = 200;
  std::string body;
  std::string retry_after;
};

class FakeHttp final : public source::Http {
 public:
  source::Result<source::HttpAnswer> send(const source::HttpRequest& request) override {
    urls.push_back(request.method + " " + request.url);
    fields.emplace_back(request.fields.view());
    const auto found = replies.find(request.url);
    if (found == replies.end()) {
      return answer({404, R"({"status":404,"message":"not found"})", {}});
    }
    return answer(found->second);
  }
  static source::Result<source::HttpAnswer> answer(const Reply& reply) {
    source::HttpAnswer out;
    out.status = reply.status;
    out.content_type = "application/json";
    out.retry_after = reply.retry_after;
    out.body = secret_of(reply.body);
    return out;
  }
  std::map<std::string, Reply> replies;
  std::vector<std::string> urls;
  std::vector<std::string> fields;
};

// A store of a kind with everything it needs in memory.
struct PortsInMemory {
  StillClock clock;
  FakeHttp http;
  FakeProcesses processes;
  [[nodiscard]] source::Ports ports() {
    source::Ports out;
    out.http = &http;
    out.processes = &processes;
    out.clock = &clock;
    return out;
  }
};

inline vault::ExternalStore store_with(vault::StoreSettings settings) {
  vault::ExternalStore out;
  out.settings = std::move(settings);
  return out;
}

inline vault::StoreSecrets secrets_with(std::string_view name, std::string_view value) {
  vault::StoreSecrets out;
  out.emplace(std::string(name), secret_of(value));
  return out;
}

// A directory of its own under the temporary one: whoever runs the test may write there.
class ProgramDirectory {
 public:
  ProgramDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "av-source-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    root_ = std::filesystem::canonical(pattern);
  }
  ~ProgramDirectory() {
    std::error_code ec;
    std::filesystem::remove_all(root_, ec);
  }
  ProgramDirectory(const ProgramDirectory&) = delete;
  ProgramDirectory& operator=(const ProgramDirectory&) = delete;

  [[nodiscard]] std::string path(std::string_view name) const {
    return (root_ / std::string(name)).string();
  }
  std::string write(std::string_view name, std::string_view text, mode_t mode = 0700) const {
    const std::string file = path(name);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    return file;
  }
  std::string script(std::string_view name, const std::string& body) const {
    return write(name, "#!/bin/sh\n" + body + "\n");
  }

 private:
  std::filesystem::path root_;
};

// A variable of this process for as long as this lives.
class Variable {
 public:
  Variable(std::string name, const std::string& value) : name_(std::move(name)) {
    const char* before = ::getenv(name_.c_str());
    had_ = before != nullptr;
    before_ = had_ ? before : "";
    ::setenv(name_.c_str(), value.c_str(), 1);
  }
  ~Variable() {
    if (had_) {
      ::setenv(name_.c_str(), before_.c_str(), 1);
    } else {
      ::unsetenv(name_.c_str());
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  std::string name_;
  std::string before_;
  bool had_ = false;
};

}  // namespace av::test::programs
