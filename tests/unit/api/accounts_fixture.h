#pragma once
// An API with the people of its store, cheap passwords, and the setup codes that were shown.

#include <optional>

#include "api/accounts.h"
#include "unit/api/api_fixture.h"

namespace av::test {

class AccountsFixture : public ApiFixture {
 public:
  explicit AccountsFixture(crypto::Argon2Params params = {1, 8, 1}) {
    options().base_url = "http://127.0.0.1:14321";
    options().users = [this, params](store::Store& store) {
      api::AccountsOptions given;
      given.clock = &clock();
      given.password = params;
      given.announce = [this](const Secret& code) { codes.push_back(reveal(code)); };
      auto made = std::make_unique<api::Accounts>(store, std::move(given));
      accounts = made.get();
      return made;
    };
  }
  ~AccountsFixture() { stop(); }

  // Made in the store, as the command line does.
  vault::User add(const std::string& email, vault::InstanceRole role = vault::InstanceRole::kMember,
                  const std::string& words = "correct horse") {
    store::NewUser user;
    user.email = email;
    user.role = role;
    user.password = std::move(*vault::PasswordHasher({1, 8, 1}).hash(secret(words)));
    const auto made = store().people().create_user(user);
    REQUIRE(made);
    return *made;
  }
  vault::User owner() { return add("root@example.com", vault::InstanceRole::kOwner); }

  Got login(const std::string& email, const std::string& words, const Sent& sent = {}) {
    return ask("POST", "/v1/auth/login",
               nlohmann::json{{"email", email}, {"password", words}}.dump(), sent);
  }
  // Signed in; the token.
  std::string token_of(const std::string& email, const std::string& words = "correct horse") {
    const Got got = login(email, words);
    REQUIRE(got.status == 200);
    return got.json()["token"];
  }
  // Signed in on a page of ours; the cookie.
  std::string cookie_of(const std::string& email, const std::string& words = "correct horse") {
    Sent sent;
    sent.fields = {{"x-agent-vault", "1"}, {"origin", "http://127.0.0.1:14321"}};
    const Got got = login(email, words, sent);
    REQUIRE(got.status == 200);
    const std::string field = got.field("Set-Cookie");
    REQUIRE(field.starts_with("av_session="));
    return field.substr(11, field.find(';') - 11);
  }
  // As a page of ours, with the cookie.
  Got page(const std::string& token, const std::string& method, const std::string& target,
           const std::string& body = {}) {
    Sent sent;
    sent.cookie = token;
    sent.fields = {{"x-agent-vault", "1"}, {"origin", "http://127.0.0.1:14321"}};
    return ask(method, target, body, sent);
  }
  [[nodiscard]] std::uint64_t hashes() const { return accounts->passwords().hasher().computed(); }

  std::vector<std::string> codes;  // read when no request is under way
  api::Accounts* accounts = nullptr;
};

}  // namespace av::test
