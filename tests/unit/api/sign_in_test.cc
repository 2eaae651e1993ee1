#include "accounts_fixture.h"

using namespace av;
using namespace av::test;
using nlohmann::json;

namespace {

using What = api::SignInLimiter::What;

std::string cookie_of(const Got& got) {
  const std::string field = got.field("Set-Cookie");
  REQUIRE(field.starts_with("av_session="));
  return field.substr(11, field.find(';') - 11);
}

std::string registration(const std::string& email, const std::string& words,
                         const std::string& code) {
  return json{{"email", email}, {"password", words}, {"setup_code", code}}.dump();
}

}  // namespace

TEST_CASE("setup: the code on the terminal makes the first owner, and nothing else does",
          "[api][accounts][security]") {
  AccountsFixture f;
  const std::string agent = f.agent("builder");
  f.api();
  REQUIRE(f.codes.size() == 1);
  const std::string code = f.codes[0];
  CHECK(code.size() == 26 + 4);
  CHECK(f.ask("GET", "/v1/status").json()["needs_first_user"] == true);
  CHECK(f.ask("POST", "/v1/auth/register",
              json{{"email", "eve@example.com"}, {"password", "evil password"}}.dump())
            .status == 400);
  CHECK(f.as(agent, "POST", "/v1/auth/register",
             registration("eve@example.com", "evil password", code))
            .status == 403);
  CHECK(f.ask("POST", "/v1/auth/register",
              registration("eve@example.com", "evil password", "AAAAA-AAAAA-AAAAA-AAAAA-AAAAAA"))
            .error() == "wrong_setup_code");

  std::string typed;  // as people copy it
  for (const char c : code) {
    typed += c == '-' ? ' ' : static_cast<char>(std::tolower(c));
  }
  const Got made = f.ask("POST", "/v1/auth/register",
                         registration("Root@example.com", "canary password", typed));
  REQUIRE(made.status == 201);
  CHECK(made.json()["role"] == "owner");
  const std::string token = made.json()["token"];
  CHECK(f.as(token, "GET", "/v1/auth/me").json()["is_owner"] == true);
  CHECK(f.as(token, "GET", "/v1/vaults/default/members").json()["members"][0]["role"] == "admin");
  // Once.
  CHECK(f.ask("POST", "/v1/auth/register", registration("eve@example.com", "evil password", code))
            .error() == "invite_only");
  for (const auto& record : f.audit().records()) {
    const std::string text = record.event + record.detail + record.error;
    CHECK(text.find("canary") == std::string::npos);
    CHECK(text.find(code) == std::string::npos);
    CHECK(text.find("av_sess_") == std::string::npos);
  }
}

TEST_CASE("setup: five wrong tries void the code, and the terminal shows a new one",
          "[api][accounts][security]") {
  AccountsFixture f;
  f.api();
  const std::string old = f.codes.at(0);
  for (int i = 0; i < 5; ++i) {
    CHECK(f.codes.size() == 1);
    CHECK(f.ask("POST", "/v1/auth/register",
                registration("eve@example.com", "evil password", std::to_string(i)))
              .status == 403);
  }
  REQUIRE(f.codes.size() == 2);
  CHECK(f.codes[1] != old);
  CHECK(f.ask("POST", "/v1/auth/register", registration("root@example.com", "good password", old))
            .status == 403);
  CHECK(f.ask("POST", "/v1/auth/register",
              registration("root@example.com", "good password", f.codes[1]))
            .status == 201);
}

TEST_CASE("setup: no code is shown where there is an owner, and none is made for nothing",
          "[api][accounts]") {
  AccountsFixture f;
  f.owner();
  f.api();
  CHECK(f.codes.empty());
}

TEST_CASE(
    "sign in: a cookie that scripts cannot read and other sites cannot use; a token for "
    "programs",
    "[api][accounts]") {
  AccountsFixture f;
  f.owner();
  const Got got = f.login("ROOT@example.com", "correct horse");
  REQUIRE(got.status == 200);
  const std::string token = got.json()["token"];
  CHECK(got.field("Set-Cookie").empty());
  CHECK(got.field("Cache-Control") == "no-store");
  CHECK(f.as(token, "GET", "/v1/auth/me").json()["email"] == "root@example.com");

  // A page of ours gets the cookie alone: a script that came in has nothing to carry away.
  Sent page;
  page.fields = {{"x-agent-vault", "1"}, {"origin", "http://127.0.0.1:14321"}};
  const Got for_page = f.login("root@example.com", "correct horse", page);
  REQUIRE(for_page.status == 200);
  CHECK_FALSE(for_page.json().contains("token"));
  CHECK(for_page.body.find(cookie_of(for_page)) == std::string::npos);
  for (const char* part : {"; HttpOnly", "; SameSite=Strict", "; Path=/"}) {
    CHECK(for_page.field("Set-Cookie").find(part) != std::string::npos);
  }
  CHECK(f.page(cookie_of(for_page), "GET", "/v1/auth/me").status == 200);
}

TEST_CASE("sign in: a cookie's value is no bearer token, and a token no cookie",
          "[api][accounts][security]") {
  AccountsFixture f;
  f.owner();
  const std::string token = f.token_of("root@example.com");
  const std::string cookie = f.cookie_of("root@example.com");
  // Each is good where it belongs.
  REQUIRE(f.as(token, "GET", "/v1/auth/me").status == 200);
  REQUIRE(f.page(cookie, "GET", "/v1/auth/me").status == 200);
  // Else a cookie that was carried away needs no page's Origin, and no password again: as a cookie
  // it may not remove the account.
  CHECK(f.page(cookie, "DELETE", "/v1/auth/account").error() == "reauthentication_required");
  CHECK(f.as(cookie, "GET", "/v1/auth/me").status == 401);
  CHECK(f.as(cookie, "DELETE", "/v1/auth/account").status == 401);
  CHECK(f.page(token, "GET", "/v1/auth/me").status == 401);
  CHECK(f.login("root@example.com", "correct horse").status == 200);
  // A page that sets a new password has a cookie again, a program a token.
  REQUIRE(
      f.page(cookie, "POST", "/v1/auth/reauthenticate", R"({"password":"correct horse"})").status ==
      200);
  const std::string body = R"({"current_password":"correct horse","new_password":"better horse"})";
  const Got by_page = f.page(cookie, "POST", "/v1/auth/change-password", body);
  REQUIRE(by_page.status == 200);
  CHECK_FALSE(by_page.json().contains("token"));
  CHECK(f.as(cookie_of(by_page), "GET", "/v1/auth/me").status == 401);
  CHECK(f.page(cookie_of(by_page), "GET", "/v1/auth/me").status == 200);
}

TEST_CASE("sign in: who mistypes passwords can still open an invite, and the other way round",
          "[api][accounts][security]") {
  AccountsFixture f;
  f.owner();
  const std::string token = f.token_of("root@example.com");
  const Got invited = f.as(token, "POST", "/v1/users/invites", R"({"email":"new@example.com"})");
  REQUIRE(invited.status == 201);
  const std::string link = invited.json()["invite_link"];
  const std::string accept = "/v1/users" + link.substr(link.find("/invite/")) + "/accept";
  const auto at = [](std::string path) {
    return path.replace(path.find("/invite/"), 8, "/invites/");
  };
  // An "address" that is the name of what else is counted.
  for (const char* const email : {"invite", "i", "", "setup", "register"}) {
    for (int i = 0; i < 9; ++i) {
      REQUIRE(f.login(email, "wrong").status == 401);
    }
  }
  for (int i = 0; i < 5; ++i) {
    REQUIRE(f.login("root@example.com", "wrong").status == 401);
  }
  CHECK(f.login("root@example.com", "correct horse").status == 429);  // fifty from this peer
  CHECK(f.ask("POST", at(accept), R"({"password":"correct horse"})").status == 201);
  f.clock().pass(std::chrono::minutes(5));
  for (int i = 0; i < 10; ++i) {
    REQUIRE(f.ask("POST", "/v1/users/invites/av_uinv_x/accept", R"({"password":"correct horse"})")
                .status == 404);
  }
  CHECK(f.ask("POST", "/v1/users/invites/av_uinv_x/accept", R"({"password":"correct horse"})")
            .status == 429);
  CHECK(f.login("root@example.com", "correct horse").status == 200);
}

TEST_CASE("sign in: who is not there, who is kept out and who is wrong look and cost the same",
          "[api][accounts][security]") {
  AccountsFixture f;
  f.owner();
  f.add("disabled@example.com");
  REQUIRE(f.store().people().disable_user("disabled@example.com"));
  store::NewUser waiting;
  waiting.email = "waiting@example.com";
  waiting.waiting = true;
  REQUIRE(f.store().people().create_user(waiting));
  store::NewUser elsewhere;
  elsewhere.email = "elsewhere@example.com";
  REQUIRE(f.store().people().create_user(elsewhere));
  f.api();
  const auto tries = std::vector<std::pair<std::string, std::string>>{
      {"root@example.com", "wrong horse"},
      {"nobody@example.com", "correct horse"},
      {"disabled@example.com", "correct horse"},
      {"waiting@example.com", "correct horse"},
      {"elsewhere@example.com", ""},
      {"elsewhere@example.com", "correct horse"},
      {"no address", "correct horse"},
      {"root@example.com", std::string(100'000, 'x')},
      {std::string(5000, 'x') + "@example.com", "correct horse"}};
  std::string first;
  for (const auto& [email, words] : tries) {
    INFO(email.substr(0, 40));
    const auto before = f.hashes();
    const Got got = f.login(email, words);
    CHECK(got.status == 401);
    CHECK(f.hashes() == before + 1);
    CHECK(got.field("Set-Cookie").empty());
    if (first.empty()) {
      first = got.head + got.body;
    }
    CHECK(got.head + got.body == first);
  }
  CHECK(f.audit().events() == std::vector<std::string>(tries.size(), "user.login deny"));
}

TEST_CASE("sign in: forged, foreign and ended cookies are nobody's", "[api][accounts][security]") {
  AccountsFixture f;
  f.owner();
  const std::string agent = f.agent("builder");
  const std::string token = f.cookie_of("root@example.com");
  REQUIRE(f.page(token, "GET", "/v1/auth/me").status == 200);
  for (const std::string& forged :
       {std::string("av_sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), token + "x",
        token.substr(0, token.size() - 1), agent, std::string("root@example.com")}) {
    CHECK(f.page(forged, "GET", "/v1/auth/me").status == 401);
  }
  SECTION("after signing out") {
    const Got out = f.page(token, "POST", "/v1/auth/logout");
    REQUIRE(out.status == 200);
    CHECK(out.field("Set-Cookie").find("Max-Age=0") != std::string::npos);
  }
  SECTION("after being disabled") {
    f.add("second@example.com", vault::InstanceRole::kOwner);
    REQUIRE(f.store().people().disable_user("root@example.com"));
  }
  SECTION("after the session was ended elsewhere") {
    const std::string other = f.token_of("root@example.com");
    const json all = f.as(other, "GET", "/v1/auth/sessions").json()["sessions"];
    REQUIRE(all.size() == 2);
    for (const json& session : all) {
      if (session["current"] == false) {
        CHECK(
            f.as(other, "DELETE", "/v1/auth/sessions/" + session["id"].get<std::string>()).status ==
            200);
      }
    }
  }
  CHECK(f.page(token, "GET", "/v1/auth/me").status == 401);
  CHECK(f.as(token, "GET", "/v1/auth/me").status == 401);
}

TEST_CASE("sign in: a token that somebody planted before is not taken over",
          "[api][accounts][security]") {
  AccountsFixture f;
  f.owner();
  const std::string planted = "av_sess_planted-by-somebody-else-0123456789abcdef";
  Sent sent;
  sent.cookie = planted;
  sent.fields = {{"x-agent-vault", "1"}, {"origin", "http://127.0.0.1:14321"}};
  const Got got = f.login("root@example.com", "correct horse", sent);
  REQUIRE(got.status == 200);
  CHECK(cookie_of(got) != planted);
  CHECK(f.page(planted, "GET", "/v1/auth/me").status == 401);
  // And one that was real is over once its browser signs in anew.
  sent.cookie = cookie_of(got);
  const Got again = f.login("root@example.com", "correct horse", sent);
  REQUIRE(again.status == 200);
  CHECK(f.page(cookie_of(got), "GET", "/v1/auth/me").status == 401);
  CHECK(f.page(cookie_of(again), "GET", "/v1/auth/me").status == 200);
}

TEST_CASE("sign in: ten tries in five minutes, however the address is spelt",
          "[api][accounts][security]") {
  AccountsFixture f;
  f.owner();
  f.add("bob@example.com");
  for (int i = 0; i < 10; ++i) {
    CHECK(f.login(i % 2 == 0 ? "root@example.com" : "ROOT@Example.com", "wrong horse").status ==
          401);
  }
  const auto before = f.hashes();
  const Got slow = f.login("root@example.com", "correct horse");
  CHECK(slow.status == 429);
  CHECK(slow.error() == "too_many_requests");
  CHECK(std::stoi(slow.field("Retry-After")) > 290);
  CHECK(f.hashes() == before);
  // Neither somebody else's address nor another peer is held up.
  CHECK(f.login("bob@example.com", "correct horse").status == 200);
  Sent elsewhere;
  elsewhere.peer = "192.0.2.7";
  CHECK(f.login("root@example.com", "correct horse", elsewhere).status == 200);
  f.clock().pass(std::chrono::minutes(5));
  CHECK(f.login("root@example.com", "correct horse").status == 200);
}

TEST_CASE("sign in: fifty tries from one peer, whichever addresses; what works is not counted",
          "[api][accounts][security]") {
  AccountsFixture f;
  f.owner();
  for (int i = 0; i < 60; ++i) {
    REQUIRE(f.login("root@example.com", "correct horse").status == 200);
  }
  // Loopback has many addresses; they are one peer.
  for (int i = 0; i < 50; ++i) {
    Sent sent;
    sent.peer = i % 3 == 0 ? "::1" : "127.0.0." + std::to_string(i + 1);
    CHECK(f.login("user" + std::to_string(i) + "@example.com", "wrong horse", sent).status == 401);
  }
  CHECK(f.login("root@example.com", "correct horse").status == 429);
}

TEST_CASE("sign in: the password once more is limited and counted with the rest",
          "[api][accounts][security]") {
  AccountsFixture f;
  f.owner();
  const std::string token = f.token_of("root@example.com");
  for (int i = 0; i < 10; ++i) {
    CHECK(f.as(token, "POST", "/v1/auth/reauthenticate", R"({"password":"wrong horse"})").status ==
          403);
  }
  CHECK(f.as(token, "POST", "/v1/auth/reauthenticate", R"({"password":"correct horse"})").status ==
        429);
  CHECK(f.login("root@example.com", "correct horse").status == 429);
}

TEST_CASE("sign in: at most two hashes at one time, and the API goes on meanwhile",
          "[api][accounts][security]") {
  AccountsFixture f({4, 16 * 1024, 1});
  f.owner();
  f.api();
  std::vector<std::future<Got>> waiting;
  for (int i = 0; i < 40; ++i) {
    Sent sent;
    sent.peer = "192.0.2." + std::to_string(i);
    waiting.push_back(f.send("POST", "/v1/auth/login",
                             R"({"email":"nobody@example.com","password":"wrong horse"})", sent));
  }
  CHECK(f.ask("GET", "/health").status == 200);
  int refused = 0;
  int busy = 0;
  for (auto& each : waiting) {
    REQUIRE(each.wait_for(std::chrono::seconds(60)) == std::future_status::ready);
    const int status = each.get().status;
    refused += status == 401 ? 1 : 0;
    busy += status == 503 ? 1 : 0;
  }
  CHECK(refused + busy == 40);
  CHECK(refused >= 16);
  CHECK(busy >= 1);
  CHECK(f.accounts->passwords().peak() <= 2);
}

TEST_CASE("sign in: a browser that another page gives orders to is not obeyed",
          "[api][accounts][security]") {
  AccountsFixture f;
  f.owner();
  const std::string token = f.cookie_of("root@example.com");
  for (const std::string& origin : {std::string(), std::string("http://evil.example"),
                                    std::string("null"), std::string("http://127.0.0.1:9999")}) {
    Sent sent;
    sent.cookie = token;
    sent.fields = {{"x-agent-vault", "1"}};
    if (!origin.empty()) {
      sent.fields.emplace_back("origin", origin);
    }
    CHECK(f.ask("POST", "/v1/auth/logout", "", sent).error() == "csrf");
    CHECK(f.ask("DELETE", "/v1/auth/account", "", sent).error() == "csrf");
  }
  Sent form;
  form.fields = {{"content-type", "text/plain"}};
  CHECK(f.login("root@example.com", "correct horse", form).status == 415);
  CHECK(f.page(token, "GET", "/v1/auth/me").status == 200);
}

TEST_CASE("passwords: a new one signs out everywhere and replaces the token at hand",
          "[api][accounts][security]") {
  AccountsFixture f;
  f.owner();
  const std::string own = f.token_of("root@example.com");
  const std::string stolen = f.token_of("root@example.com");
  const auto change = [&](const std::string& now, const std::string& next) {
    return f.as(own, "POST", "/v1/auth/change-password",
                json{{"current_password", now}, {"new_password", next}}.dump());
  };
  CHECK(change("wrong horse", "better horse").status == 403);
  CHECK(change("correct horse", "short").status == 400);
  CHECK(change("correct horse", std::string(1025, 'x')).status == 400);
  REQUIRE(f.as(stolen, "GET", "/v1/auth/me").status == 200);
  const Got changed = change("correct horse", "better horse");
  REQUIRE(changed.status == 200);
  CHECK(f.as(stolen, "GET", "/v1/auth/me").status == 401);
  CHECK(f.as(own, "GET", "/v1/auth/me").status == 401);
  CHECK(f.as(changed.json()["token"], "GET", "/v1/auth/me").status == 200);
  CHECK(f.login("root@example.com", "correct horse").status == 401);
  CHECK(f.login("root@example.com", "better horse").status == 200);
}

TEST_CASE("passwords: given once more, one holds for five minutes in that session alone",
          "[api][accounts][security]") {
  AccountsFixture f;
  f.owner();
  f.add("second@example.com", vault::InstanceRole::kOwner);
  const std::string one = f.cookie_of("root@example.com");
  const std::string two = f.cookie_of("root@example.com");
  CHECK(f.page(one, "DELETE", "/v1/auth/account").error() == "reauthentication_required");
  CHECK(f.page(one, "DELETE", "/v1/admin/users/second@example.com").error() ==
        "reauthentication_required");
  REQUIRE(
      f.page(one, "POST", "/v1/auth/reauthenticate", R"({"password":"correct horse"})").status ==
      200);
  CHECK(f.page(one, "GET", "/v1/auth/me").json()["reauthenticated"] == true);
  CHECK(f.page(two, "GET", "/v1/auth/me").json()["reauthenticated"] == false);
  CHECK(f.page(two, "DELETE", "/v1/auth/account").error() == "reauthentication_required");
  f.clock().pass(std::chrono::minutes(5));
  CHECK(f.page(one, "DELETE", "/v1/auth/account").error() == "reauthentication_required");
  REQUIRE(
      f.page(one, "POST", "/v1/auth/reauthenticate", R"({"password":"correct horse"})").status ==
      200);
  CHECK(f.page(one, "DELETE", "/v1/auth/account").status == 200);
  CHECK(f.page(one, "GET", "/v1/auth/me").status == 401);
  CHECK(f.login("root@example.com", "correct horse").status == 401);
}

TEST_CASE("limiter: a flood of other peers and accounts resets nobody's count and takes no memory",
          "[api][accounts][security]") {
  HandClock clock;
  api::SignInLimiter limiter(clock);
  const std::size_t bytes = limiter.bytes();
  CHECK(bytes < 1'000'000);
  for (int i = 0; i < 10; ++i) {
    REQUIRE(limiter.take(What::kPassword, "192.0.2.1", "victim@example.com") == 0);
  }
  REQUIRE(limiter.take(What::kPassword, "192.0.2.1", "victim@example.com") > 0);
  for (int i = 0; i < 200'000; ++i) {
    const std::string peer = "10." + std::to_string(i / 65536) + "." +
                             std::to_string(i / 256 % 256) + "." + std::to_string(i % 256);
    static_cast<void>(limiter.take(What::kPassword, peer, "victim@example.com"));
  }
  CHECK(limiter.take(What::kPassword, "192.0.2.1", "victim@example.com") > 0);
  CHECK(limiter.bytes() == bytes);
  clock.pass(std::chrono::minutes(5));
  CHECK(limiter.take(What::kPassword, "192.0.2.1", "victim@example.com") == 0);
}

TEST_CASE("limiter: the window slides, and a try that worked leaves no trace", "[api][accounts]") {
  HandClock clock;
  api::SignInLimiter limiter(clock);
  for (int i = 0; i < 10; ++i) {
    REQUIRE(limiter.take(What::kPassword, "192.0.2.1", "a") == 0);
    clock.pass(std::chrono::seconds(10));
  }
  CHECK(limiter.take(What::kPassword, "192.0.2.1", "a") == 200);
  clock.pass(std::chrono::seconds(199));
  CHECK(limiter.take(What::kPassword, "192.0.2.1", "a") == 1);
  clock.pass(std::chrono::seconds(1));
  CHECK(limiter.take(What::kPassword, "192.0.2.1", "a") == 0);
  CHECK(limiter.take(What::kPassword, "192.0.2.1", "a") == 10);
  limiter.give_back(What::kPassword, "192.0.2.1", "a");
  CHECK(limiter.take(What::kPassword, "192.0.2.1", "a") == 0);
}

TEST_CASE("limiter: addresses that one machine chooses among are one peer",
          "[api][accounts][security]") {
  using api::peer_key;
  CHECK(peer_key("127.0.0.1") == peer_key("127.255.3.4"));
  CHECK(peer_key("127.0.0.1") == peer_key("::1"));
  CHECK(peer_key("127.0.0.1") == peer_key("::ffff:127.0.0.9"));
  CHECK(peer_key("2001:db8:1:2::1") == peer_key("2001:db8:1:2:ffff::9"));
  CHECK(peer_key("2001:db8:1:2::1") != peer_key("2001:db8:1:3::1"));
  CHECK(peer_key("192.0.2.1") != peer_key("192.0.2.2"));
  CHECK(peer_key("192.0.2.1") == peer_key("::ffff:192.0.2.1"));
  CHECK(peer_key("fe80::1%eth0") == peer_key("fe80::2%eth0"));
}
