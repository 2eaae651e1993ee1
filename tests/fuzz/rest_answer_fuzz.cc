// Answers of a Vault or Infisical that has gone mad: the first line says the statuses of the next
// answers ("200 403 ..."), the rest is the body of all of them. Nothing of it breaks a request's
// head, and every message can be shown.

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "source/hashi_provider.h"
#include "source/infisical_provider.h"

using namespace av;
using source::Failure;

namespace {

class StillClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return 1'700'000'000'000; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::seconds(1000));
  }
};

class MadHttp final : public source::Http {
 public:
  MadHttp(std::string_view statuses, std::string_view body) : statuses_(statuses), body_(body) {}

  source::Result<source::HttpAnswer> send(const source::HttpRequest& request) override {
    require(++sent_ < 64);  // never a circle
    // One line for each field: nothing of an answer has got out of its place.
    const std::string_view fields = request.fields.view();
    require(fields.empty() || fields.ends_with("\r\n"));
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const auto c = static_cast<unsigned char>(fields[i]);
      require(c < 0x7f && (c >= ' ' || c == '\r' || c == '\n'));
      require((c == '\n') == (i != 0 && fields[i - 1] == '\r'));
    }
    require(request.url.find_first_of(" \r\n\t#") == std::string::npos);
    source::HttpAnswer out;
    out.status = next_status();
    out.content_type = "application/json";
    out.retry_after = std::string(body_.substr(0, 20));
    auto body = Secret::copy_of(body_);
    require(body.has_value());
    out.body = std::move(*body);
    return out;
  }

 private:
  int next_status() {
    int status = 200;
    const std::size_t end = std::min(statuses_.find(' '), statuses_.size());
    (void)std::from_chars(statuses_.data(), statuses_.data() + end, status);
    statuses_.remove_prefix(std::min(end + 1, statuses_.size()));
    return status < 100 || status > 599 ? 200 : status;
  }
  std::string_view statuses_;
  std::string_view body_;
  int sent_ = 0;
};

void look_at_text(std::string_view text) {
  require(text.size() < 2048);
  for (const char c : text) {
    require(static_cast<unsigned char>(c) >= ' ' && static_cast<unsigned char>(c) < 0x7f);
  }
}

template <typename T>
bool good(const source::Result<T>& result) {
  if (result) {
    return true;
  }
  const Failure& failure = result.error();
  require(!failure.message.empty());
  look_at_text(failure.message);
  look_at_text(failure.hint);
  require(failure.retry_ms >= 0 && failure.retry_ms <= 3'600'000);
  return false;
}

void ask_everything(source::Provider& provider, const std::string& plain,
                    const std::string& dynamic, const std::string& folder) {
  for (const std::string& item : {plain, dynamic}) {
    auto record = provider.fetch(item);
    if (good(record)) {
      require(record->keep_ms >= 0 && record->fields.size() <= 1024);
      if (record->lease) {
        require(record->lease->life_ms >= 0 && !record->lease->id.empty());
        good(provider.renew(*record->lease));
        good(provider.revoke(*record->lease));
      }
    }
  }
  if (auto about = provider.test(); good(about)) {
    look_at_text(about->account);
    look_at_text(about->detail);
  }
  for (const std::string& below : {std::string(), folder}) {
    if (auto listed = provider.list(below); good(listed)) {
      for (const source::Listed& one : *listed) {
        look_at_text(one.reference);
        look_at_text(one.title);
      }
    }
  }
  good(provider.disconnect());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > (std::size_t{64} << 10)) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(text.find('\n'), text.size());
  const std::string_view statuses = text.substr(0, line);
  const std::string_view body = text.substr(std::min(line + 1, text.size()));
  const StillClock clock;
  const auto with = [&](const source::Kind& kind, vault::StoreSettings settings,
                        std::string_view name, const std::string& plain, const std::string& dynamic,
                        const std::string& folder) {
    MadHttp http(statuses, body);
    source::Ports ports;
    ports.http = &http;
    ports.clock = &clock;
    ports.keep = [](const vault::StoreSecrets&) { return Status(); };
    vault::ExternalStore store;
    store.settings = std::move(settings);
    vault::StoreSecrets secrets;
    auto secret = Secret::copy_of(std::string_view("a-secret-0123456789"));
    require(secret.has_value());
    secrets.emplace(std::string(name), std::move(*secret));
    auto provider = kind.make(store, std::move(secrets), ports);
    require(provider.has_value());
    ask_everything(**provider, plain, dynamic, folder);
  };
  const std::string url = "https://store.example.com";
  with(source::kHashi, {{"url", url}}, "token", "secret/app", "database/creds/app",
       "vault://secret/");
  with(source::kHashi, {{"url", url}, {"auth", "approle"}, {"role_id", "r"}}, "secret_id",
       "secret/app", "database/creds/app", "vault://secret/app");
  with(source::kInfisical,
       {{"url", url}, {"project", "p"}, {"environment", "prod"}, {"client_id", "c"}},
       "client_secret", "a/NAME", "dynamic:a/NAME", "infisical://a/");
  return 0;
}
