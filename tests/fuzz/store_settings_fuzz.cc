// Settings and secrets of every kind of store: a line for each ("name=value", secrets behind "!").
// What is made of them asks nobody by itself; what is refused is told in words.

#include <algorithm>
#include <cstdint>
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
  [[nodiscard]] std::int64_t wall_ms() const override { return 1'700'000'000'000; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::seconds(1000));
  }
};

// Nobody is there; but what would be asked is well formed.
class Nobody final : public Http, public WebSockets, public Processes {
 public:
  Result<HttpAnswer> send(const HttpRequest& request) override {
    require(asks);
    const std::string_view fields = request.fields.view();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const auto c = static_cast<unsigned char>(fields[i]);
      require(c < 0x7f && (c >= ' ' || c == '\r' || c == '\n'));
      require((c == '\n') == (i != 0 && fields[i - 1] == '\r'));
    }
    require(request.url.starts_with("https://") || request.url.starts_with("http://"));
    require(request.url.find_first_of(" \r\n\t#") == std::string::npos);
    return failure(Failure::Why::kUnreachable, "nobody is there");
  }
  Result<std::unique_ptr<WebSocket>> open(const std::string& url) override {
    require(asks);
    require(url.starts_with("wss://") || url.starts_with("ws://"));
    return failure(Failure::Why::kUnreachable, "nobody is there");
  }
  Result<CommandOutcome> run(const Command& command) override {
    require(asks);
    require(command.program.starts_with('/'));
    for (const auto& [name, value] : command.environment) {
      require(!name.empty() && name.find('=') == std::string::npos && !name.starts_with("LD_"));
    }
    return failure(Failure::Why::kUnreachable, "nobody is there");
  }
  bool asks = false;
};

void look_at(const Failure& failure) {
  require(!failure.message.empty());
  require(encoding::printable(failure.message) == failure.message);
  require(encoding::printable(failure.hint) == failure.hint);
}

// Who pairs a store can give it no others.
bool is_known(const Kind& kind, std::string_view name) {
  return name == "ca" || name == "allow_net" ||
         std::any_of(kind.settings.begin(), kind.settings.end(), [&](const Setting& setting) {
           return setting.secret
                      ? name == "!" + std::string(setting.name)
                      : name == setting.name ||
                            (setting.program && name == std::string(setting.name) + ".sha256");
         });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 16 * 1024) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const StillClock clock;
  for (const Kind* const kind : kinds()) {
    vault::ExternalStore store;
    vault::StoreSecrets secrets;
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const std::size_t equals = std::min(line.find('='), line.size());
      const std::string value(line.substr(std::min(equals + 1, line.size())));
      if (!is_known(*kind, line.substr(0, equals))) {
        continue;
      }
      if (line.starts_with('!')) {
        auto secret = Secret::copy_of(value);
        require(secret.has_value());
        secrets.insert_or_assign(std::string(line.substr(1, equals - 1)), std::move(*secret));
      } else {
        store.settings[std::string(line.substr(0, equals))] = value;
      }
    }
    if (!vault::check_settings(store.settings)) {
      return 0;  // they do not come so far
    }
    Nobody nobody;
    Ports ports;
    ports.http = &nobody;
    ports.websockets = &nobody;
    ports.processes = &nobody;
    ports.clock = &clock;
    ports.keep = [](const vault::StoreSecrets&) { return Status(); };
    auto provider = kind->make(store, std::move(secrets), ports);
    if (!provider) {
      look_at(provider.error());
      continue;
    }
    nobody.asks = true;
    const auto about = (*provider)->test();
    if (!about) {
      look_at(about.error());
    }
    require((*provider)->item_of_host("api.example.com").empty() == !kind->finds_by_host ||
            kind->id == "cmd");
  }
  return 0;
}
