#pragma once
// A store with people in it, a clock that stands still until it is moved, and cheap passwords.

#include "temp_home.h"
#include "vault/password.h"
#include "vault/token.h"

namespace av::test {

class StillClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return now_.load(); }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::milliseconds(now_.load()));
  }
  void advance(std::int64_t ms) { now_.fetch_add(ms); }

 private:
  std::atomic<std::int64_t> now_{1'700'000'000'000};
};

inline constexpr std::int64_t kMinuteMs = 60'000;
inline constexpr std::int64_t kDayMs = 24 * 60 * kMinuteMs;

inline const vault::PasswordHasher& cheap_hasher() {
  static const vault::PasswordHasher hasher({1, 8, 1});
  return hasher;
}

inline vault::PasswordHash password_hash(std::string_view text) {
  return std::move(*cheap_hasher().hash(secret(text)));
}

inline crypto::Digest digest(std::string_view token) {
  return crypto::sha256(token);
}

struct PeopleFixture {
  PeopleFixture() : store(std::move(*open_store(home, clock))), people(store->people()) {}

  vault::User add(const std::string& email,
                  vault::InstanceRole role = vault::InstanceRole::kMember) {
    store::NewUser user;
    user.email = email;
    user.role = role;
    user.password = password_hash("correct horse");
    auto made = people.create_user(user);
    return made ? *made : vault::User{};
  }
  vault::User owner(const std::string& email = "root@example.com") {
    return add(email, vault::InstanceRole::kOwner);
  }
  store::UserSession sign_in(const vault::User& user, std::string_view token) {
    auto session = people.create_user_session(user.uid, {}, digest(token));
    return session ? *session : store::UserSession{};
  }

  TempHome home;
  StillClock clock;
  std::unique_ptr<store::SqliteStore> store;
  store::People& people;
};

}  // namespace av::test
