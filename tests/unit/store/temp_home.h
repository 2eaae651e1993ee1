#pragma once
// A temporary data directory, removed at the end of the test, and a clock that ticks by itself.

#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <string>

#include "core/clock.h"
#include "core/fs.h"
#include "core/secret.h"
#include "store/sqlite_store.h"

namespace av::test {

class TempHome {
 public:
  TempHome() {
    init_secret_arena();
    std::string pattern = (std::filesystem::temp_directory_path() / "av-test-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~TempHome() {
    std::error_code ec;
    std::filesystem::remove_all(root_, ec);
  }
  TempHome(const TempHome&) = delete;
  TempHome& operator=(const TempHome&) = delete;
  [[nodiscard]] fs::Paths paths() const { return {root_ / "data", root_ / "config"}; }
  [[nodiscard]] const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
};

class TickingClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return now_.fetch_add(1000); }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::milliseconds(now_.load()));
  }

 private:
  mutable std::atomic<std::int64_t> now_{1'700'000'000'000};
};

inline Secret secret(std::string_view text) {
  return std::move(*Secret::copy_of(text));
}

inline std::string reveal(const Secret& value) {
  return value.reveal([](std::string_view bytes) { return std::string(bytes); });
}

inline store::KeySources with_passphrase(std::string_view passphrase) {
  store::KeySources sources;
  sources.passphrase_from_environment = true;
  sources.passphrase = [text = std::string(passphrase)](bool) { return Secret::copy_of(text); };
  return sources;
}

inline store::KeySources with_key(char fill) {
  store::KeySources sources;
  sources.environment_key = secret(std::string(32, fill));
  return sources;
}

inline Expected<std::unique_ptr<store::SqliteStore>> open_store(const TempHome& home,
                                                                const Clock& clock,
                                                                store::KeySources sources = {}) {
  return store::SqliteStore::open(home.paths(), std::move(sources), clock);
}

inline Status set(store::Store& store, const std::string& key, std::string_view value,
                  std::string_view vault = "default") {
  std::vector<store::Store::NewValue> values;
  values.push_back({key, secret(value)});
  AV_CHECK(store.set_credentials(vault, values, "set"));
  return {};
}

inline std::string get(store::Store& store, std::string_view key,
                       std::string_view vault = "default") {
  const auto value = store.get_credential(vault, key);
  return value ? reveal(*value) : "error: " + value.error().message;
}

// A connection of an attacker, or of a test that plays one.
inline void tamper(const TempHome& home, const std::string& sql) {
  SQLite::Database db(home.paths().database().string(), SQLite::OPEN_READWRITE, 5000);
  db.exec(sql);
}

}  // namespace av::test
