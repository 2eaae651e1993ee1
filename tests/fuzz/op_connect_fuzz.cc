// Any answers of a Connect server, and of `op --format json`: lists can be shown, records hold what
// the answer said, ids that reach a URL are ids. Answers are separated by NUL; each begins with a
// character that chooses its status.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/encoding.h"
#include "fuzz/require.h"
#include "source/op_connect.h"
#include "source/op_items.h"
#include "source/ports.h"
#include "vault/json_view.h"

namespace {

using namespace av;
using namespace av::source;

class Answers final : public Http {
 public:
  explicit Answers(const std::string& text) {
    std::size_t begin = 0;
    while (begin <= text.size()) {
      const std::size_t end = std::min(text.find('\0', begin), text.size());
      bodies_.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  Result<HttpAnswer> send(const HttpRequest& request) override {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ:/?=%-._~";
    require(request.url.starts_with("https://c.example/v1/vaults"));
    require(request.url.find_first_not_of(kPlain) == std::string::npos);
    require(request.url.find("..") == std::string::npos);
    HttpAnswer out;
    if (at_ >= bodies_.size()) {
      return failure(Failure::Why::kTimeout, "no more");
    }
    std::string body = bodies_[at_++];
    constexpr int kStatuses[] = {200, 200, 200, 200, 401, 403, 404, 429, 500, 503, 302, 400};
    if (!body.empty()) {
      const auto first = static_cast<unsigned char>(body[0]);
      out.status = kStatuses[first % std::size(kStatuses)];
      body.erase(0, 1);
    }
    auto secret = Secret::copy_of(body);
    require(secret.has_value());
    out.body = std::move(*secret);
    return out;
  }

 private:
  std::vector<std::string> bodies_;
  std::size_t at_ = 0;
};

void look_at(const Failure& failure) {
  require(!failure.message.empty() && failure.message.size() < 4096);
  require(encoding::printable(failure.message) == failure.message);
  require(encoding::printable(failure.hint) == failure.hint);
  require(failure.retry_ms >= 0 && failure.retry_ms <= 3'600'000);
}

void look_at(const Result<std::vector<Listed>>& list) {
  if (!list) {
    look_at(list.error());
    return;
  }
  require(list->size() <= 2000);
  for (const Listed& entry : *list) {
    require(entry.reference.starts_with("op://"));
    require(encoding::printable(entry.reference) == entry.reference);
    require(encoding::printable(entry.title) == entry.title);
    require(entry.folder || kOnePasswordConnect.parse(entry.reference).has_value());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 64 * 1024) {
    return 0;
  }
  const std::string text(reinterpret_cast<const char*>(data), size);
  const SystemClock clock;
  for (int turn = 0; turn < 6; ++turn) {
    Answers http(text);
    Ports ports;
    ports.http = &http;
    ports.clock = &clock;
    vault::ExternalStore store;
    store.settings["url"] = "https://c.example";
    vault::StoreSecrets secrets;
    auto token = Secret::copy_of("t");
    require(token.has_value());
    secrets.emplace("token", std::move(*token));
    auto provider = kOnePasswordConnect.make(store, std::move(secrets), ports);
    require(provider.has_value());
    if (turn < 2) {
      const auto record = (*provider)->fetch(turn == 0 ? "v/i" : "v/i?attribute=otp");
      if (!record) {
        look_at(record.error());
      } else {
        require(record->keep_ms > 0 && record->keep_ms <= 60'000);
      }
    } else if (turn == 2) {
      const auto about = (*provider)->test();
      if (!about) {
        look_at(about.error());
      }
    } else {
      look_at((*provider)->list(turn == 3 ? "" : turn == 4 ? "op://v" : "op://v/i"));
    }
  }
  return 0;
}
