// What the programs of stores print (op, pass, gopass, secret-tool, helpers, bw): exit code in the
// first line, then standard error up to a line "--", then standard output.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/encoding.h"
#include "fuzz/require.h"
#include "source/kinds.h"

using namespace av;
using namespace av::source;

namespace {

class StillClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return 1'700'000'000'123; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::seconds(1000));
  }
};

// Says the same to every question, as a program or as `bw serve`.
class Sayer final : public Processes, public Http {
 public:
  explicit Sayer(std::string_view text) {
    const auto line = [&] {
      const std::size_t end = std::min(text.find('\n'), text.size());
      const std::string_view out = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      return out;
    };
    exit_code_ = std::atoi(std::string(line().substr(0, 4)).c_str());
    while (!text.empty()) {
      const std::string_view next = line();
      if (next == "--") {
        break;
      }
      errors_ += std::string(next) + "\n";
    }
    errors_.resize(std::min<std::size_t>(errors_.size(), 4096));
    output_ = text;
  }
  Result<CommandOutcome> run(const Command& command) override {
    require(command.program.starts_with('/') && ++asked_ < 16);
    for (const std::string& argument : command.arguments) {
      require(argument.find('\0') == std::string::npos);
    }
    if (output_.size() > command.most_output) {
      return failure(Failure::Why::kMalformed, "too much");
    }
    CommandOutcome out;
    out.exit_code = exit_code_;
    out.errors = errors_;
    out.output = body();
    return out;
  }
  Result<HttpAnswer> send(const HttpRequest& request) override {
    require(request.url.find_first_of(" \r\n\t#") == std::string::npos && ++asked_ < 16);
    HttpAnswer out;
    out.status = exit_code_ == 0 ? 200 : exit_code_;
    out.body = body();
    return out;
  }

 private:
  [[nodiscard]] Secret body() const {
    auto out = Secret::copy_of(output_);
    require(out.has_value());
    return std::move(*out);
  }
  int exit_code_ = 0;
  int asked_ = 0;
  std::string errors_;
  std::string output_;
};

void look_at(std::string_view text) {
  require(encoding::printable(text) == text);
}

void look_at(const Failure& failure) {
  require(!failure.message.empty() && failure.message.size() < 8192);
  look_at(failure.message);
  look_at(failure.hint);
  require(failure.retry_ms >= 0 && failure.retry_ms <= 3'600'000);
}

void ask(const Kind& kind, vault::StoreSettings settings, const std::string& item,
         const std::string& folder, std::string_view text) {
  const StillClock clock;
  Sayer sayer(text);
  Ports ports;
  ports.http = &sayer;
  ports.processes = &sayer;
  ports.clock = &clock;
  vault::ExternalStore store;
  store.settings = std::move(settings);
  vault::StoreSecrets secrets;
  auto token = Secret::copy_of(std::string_view("ops_abc"));
  require(token.has_value());
  secrets.emplace(kind.id == "1password" ? "token" : "session", std::move(*token));
  auto provider = kind.make(store, std::move(secrets), ports);
  require(provider.has_value());
  const auto record = (*provider)->fetch(item);
  if (record) {
    require(record->keep_ms > 0 && record->keep_ms <= 86'400'000 && !record->lease);
    for (const auto& [name, value] : record->fields) {
      require(encoding::is_utf8(name) && value.size() <= text.size() + 16);
    }
  } else {
    look_at(record.error());
  }
  if (const auto about = (*provider)->test()) {
    look_at(about->account);
    look_at(about->detail);
  } else {
    look_at(about.error());
  }
  // Of a password store the list is made of files.
  if (kind.id == "pass") {
    return;
  }
  for (const std::string& below : {std::string(), folder}) {
    const auto listed = (*provider)->list(below);
    if (!listed) {
      look_at(listed.error());
      continue;
    }
    for (const Listed& one : *listed) {
      look_at(one.reference);
      look_at(one.title);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 64 * 1024) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto kind = [](std::string_view id) -> const Kind& {
    const Kind* const found = find_kind(id);
    require(found != nullptr);
    return *found;
  };
  ask(kind("1password"), {{"program", "/usr/bin/op"}}, "v/i/f?attribute=otp", "op://v/i", text);
  ask(kind("1password"), {{"program", "/usr/bin/op"}}, "v/i/f", "op://v", text);
  ask(kind("pass"), {{"program", "/usr/bin/pass"}}, "web/a", "", text);
  ask(kind("pass"), {{"program", "/usr/bin/gopass"}}, "web/a#totp", "", text);
  ask(kind("keyring"), {{"program", "/usr/bin/secret-tool"}}, "s/a", "", text);
  ask(kind("cmd"), {{"program", "/usr/bin/helper"}}, "github.com/x", "", text);
  ask(kind("cmd"), {{"program", "/usr/bin/helper"}, {"protocol", "value"}}, "name", "", text);
  const std::string id = "id/01234567-89ab-cdef-0123-456789abcdef";
  ask(kind("bitwarden-cli"), {{"program", "/usr/bin/bw"}}, id, "", text);
  ask(kind("bitwarden-cli"), {{"url", "http://localhost:8087"}}, "search/x", "", text);
  return 0;
}
