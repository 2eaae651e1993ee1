// Credentials that are connected through a browser, and what an attacker makes of that.

#include "api/schema.h"
#include "browser_fixture.h"
#include "oauth/authorization.h"

using namespace av;
using namespace av::test;
using nlohmann::json;
using vault::VaultRole;

namespace {

constexpr const char* kTokens = "https://id.test/token";
constexpr const char* kGranted =
    R"({"access_token":"access-1","refresh_token":"refresh-1","token_type":"Bearer","expires_in":3600})";

struct Flows : BrowserFixture {
  Flows() {
    owner();
    for (const char* const name : {"ann", "mike", "eve"}) {
      add(std::string(name) + "@example.com");
    }
    REQUIRE(store().people().add_member("default", "ann@example.com", VaultRole::kMember));
    REQUIRE(store().people().add_member("default", "mike@example.com", VaultRole::kMember));
    ann = cookie_of("ann@example.com");
    mike = cookie_of("mike@example.com");
    script->on(kTokens, 200, kGranted);
  }
  static json client(const std::string& key = "TOKEN") {
    return {{"key", key},
            {"authorization_url", "https://id.test/authorize"},
            {"token_url", kTokens},
            {"revocation_url", "https://id.test/revoke"},
            {"client_id", "client-1"},
            {"client_secret", "client-secret-1"},
            {"scopes", json::array({"read"})}};
  }
  struct Begun {
    std::string state;
    std::string cookie;
    std::string attempt;
    std::string url;
  };
  Begun begin(const std::string& who, const json& body = client()) {
    const Got got = page(who, "POST", "/v1/credentials/oauth/connect", body.dump());
    CAPTURE(got.body);
    REQUIRE(got.status == 200);
    const std::string url = got.json()["authorization_url"];
    return {parameter(url, "state"), flow_cookie_of(got), got.json()["attempt"], url};
  }
  Got answer(const Begun& begun, const std::string& code = "code-1", const std::string& more = {}) {
    return back("/v1/oauth/callback", "code=" + code + "&state=" + begun.state + more,
                begun.cookie);
  }
  json outcome(const Begun& begun, const std::string& who) {
    return page(who, "GET", "/v1/oauth/attempts/" + begun.attempt).json();
  }
  bool stored(const std::string& key = "TOKEN") {
    return store().get_oauth("default", key).has_value();
  }
  void check_refused(const Begun& begun, const Got& got) {
    CHECK(got.status == 303);
    CHECK(got.field("Location").starts_with("/oauth/complete"));
    CHECK_FALSE(stored());
    // Whatever went wrong: that state is used up.
    CHECK(answer(begun).field("Location") == "/oauth/complete");
    CHECK_FALSE(stored());
  }
  std::string ann;
  std::string mike;
};

}  // namespace

TEST_CASE("connect: through the browser of whoever began, and no token in sight",
          "[api][oauth][security]") {
  Flows f;
  const auto begun = f.begin(f.ann);
  CHECK(begun.url.starts_with("https://id.test/authorize?"));
  CHECK(begun.state.size() == 43);
  CHECK(parameter(begun.url, "code_challenge_method") == "S256");
  CHECK(parameter(begun.url, "redirect_uri") ==
        "http%3A%2F%2F127.0.0.1%3A14321%2Fv1%2Foauth%2Fcallback");
  CHECK(begun.url.find("client-secret-1") == std::string::npos);
  CHECK(f.outcome(begun, f.ann)["state"] == "pending");
  const Got got = f.answer(begun);
  CHECK(got.status == 303);
  CHECK(got.field("Location") == "/oauth/complete?attempt=" + begun.attempt);
  CHECK(got.field("Referrer-Policy") == "no-referrer");
  CHECK(got.body.find("access-1") == std::string::npos);
  CHECK(f.outcome(begun, f.ann)["state"] == "done");
  CHECK(reveal(*f.store().get_credential("default", "TOKEN")) == "access-1");
  CHECK(reveal(f.store().oauth_secrets("default", "TOKEN")->refresh_token) == "refresh-1");
  const auto seen = f.script->seen();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].body.find("code=code-1") != std::string::npos);
  CHECK(seen[0].body.find("code_verifier=") != std::string::npos);
  const json status = f.page(f.ann, "GET", "/v1/credentials/oauth/status?key=TOKEN").json();
  CHECK(status["connected"] == true);
  CHECK(status["scopes"] == json::array({"read"}));
  for (const auto& record : f.audit().records()) {
    for (const char* const word : {"access-1", "refresh-1", "client-secret-1", "code-1"}) {
      CHECK(record.detail.find(word) == std::string::npos);
    }
  }
  CHECK(f.audit().records().back().event == "oauth.connect");
  CHECK(f.audit().records().back().detail.find("user:ann@example.com") == 0);
  // One state, one answer.
  CHECK(f.answer(begun, "code-2").field("Location") == "/oauth/complete");
  CHECK(f.script->seen().size() == 1);
}

TEST_CASE("connect: an answer in another browser is nobody's", "[api][oauth][attack]") {
  Flows f;
  // The attacker began, and has the victim open the answer with the victim's code or with none of
  // the victim's doing; or the victim began, and the attacker has the state.
  for (const bool with_session : {false, true}) {
    const auto begun = f.begin(f.ann);
    const Got got = f.back("/v1/oauth/callback", "code=code-1&state=" + begun.state, "",
                           with_session ? f.mike : "");
    f.check_refused(begun, got);
  }
  const auto begun = f.begin(f.ann);
  const auto other = f.begin(f.mike);
  f.check_refused(begun,
                  f.back("/v1/oauth/callback", "code=code-1&state=" + begun.state, other.cookie));
  // The right browser, in which somebody else has signed in meanwhile.
  const auto third = f.begin(f.ann);
  f.check_refused(third, f.back("/v1/oauth/callback", "code=code-1&state=" + third.state,
                                third.cookie, f.mike));
  CHECK(f.script->seen().empty());
  // The control: the same answer where it belongs.
  CHECK(f.answer(f.begin(f.ann)).status == 303);
  CHECK(f.stored());
}

TEST_CASE("connect: what is over, in time or by right, stores nothing", "[api][oauth][attack]") {
  Flows f;
  auto begun = f.begin(f.ann);
  f.clock().pass(std::chrono::milliseconds(oauth::CodeAttempt::kAttemptMs + 1));
  f.check_refused(begun, f.answer(begun));
  begun = f.begin(f.ann);
  REQUIRE(f.store().people().remove_member("default", "ann@example.com"));
  f.check_refused(begun, f.answer(begun));
  REQUIRE(f.store().people().add_member("default", "ann@example.com", VaultRole::kProxy));
  CHECK(f.page(f.ann, "POST", "/v1/credentials/oauth/connect", Flows::client().dump()).status ==
        403);
  REQUIRE(f.store().people().set_member("default", "ann@example.com", VaultRole::kMember));
  begun = f.begin(f.ann);
  REQUIRE(f.page(f.ann, "POST", "/v1/auth/logout").status == 200);
  f.check_refused(begun, f.answer(begun));
  CHECK(f.script->seen().size() == 2);
}

TEST_CASE("connect: answers that are malformed, of another issuer, or a refusal",
          "[api][oauth][attack]") {
  Flows f;
  auto begun = f.begin(f.ann);
  f.check_refused(begun,
                  f.back("/v1/oauth/callback",
                         "error=access_denied&error_description=no%20%3Cb%3E&state=" + begun.state,
                         begun.cookie));
  CHECK(f.outcome(begun, f.ann)["message"] == "the provider refused: access_denied (no <b>)");
  json google = {{"key", "TOKEN"}, {"provider", "google"}, {"client_id", "c"}};
  begun = f.begin(f.ann, google);
  CHECK(begun.url.starts_with("https://accounts.google.com/"));
  f.check_refused(begun, f.answer(begun, "code-1", "&iss=https%3A%2F%2Fevil.test"));
  CHECK(f.script->seen().empty());
  f.script->on(kTokens, 400, R"({"error":"invalid_grant"})");
  begun = f.begin(f.ann);
  f.check_refused(begun, f.answer(begun));
  f.script->fail(ErrorCode::kNotPermitted);
  begun = f.begin(f.ann);
  f.check_refused(begun, f.answer(begun));
  CHECK(f.outcome(begun, f.ann)["state"] == "failed");
  // What went on is told to whoever began it, and to nobody else.
  CHECK(f.page(f.mike, "GET", "/v1/oauth/attempts/" + begun.attempt).status == 404);
}

TEST_CASE("connect: only from a page, and only where the cookie comes along",
          "[api][oauth][security]") {
  Flows f;
  const std::string body = Flows::client().dump();
  CHECK(
      f.as(f.token_of("ann@example.com"), "POST", "/v1/credentials/oauth/connect", body).error() ==
      "browser_needed");
  CHECK(f.as(f.agent("builder"), "POST", "/v1/credentials/oauth/connect", body).status == 403);
  CHECK(f.page(f.cookie_of("eve@example.com"), "POST", "/v1/credentials/oauth/connect", body)
            .status == 404);
  Sent sent;
  sent.cookie = f.ann;
  CHECK(f.ask("POST", "/v1/credentials/oauth/connect", body, sent).error() == "csrf");
  sent.host = "localhost:14321";
  sent.fields = {{"x-agent-vault", "1"}, {"origin", "http://localhost:14321"}};
  CHECK(f.ask("POST", "/v1/credentials/oauth/connect", body, sent).error() == "conflict");
  json odd = Flows::client();
  odd["token_url"] = "http://id.test/token";
  CHECK(f.page(f.ann, "POST", "/v1/credentials/oauth/connect", odd.dump()).status == 400);
  odd["token_url"] = "https://user@id.test/token";
  CHECK(f.page(f.ann, "POST", "/v1/credentials/oauth/connect", odd.dump()).status == 400);
}

TEST_CASE("connect: a browser that has left loses no token", "[api][oauth]") {
  Flows f;
  const auto begun = f.begin(f.ann);
  Sent sent;
  sent.flow_cookie = begun.cookie;
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  auto future = f.send("GET", "/v1/oauth/callback?code=c&state=" + begun.state, "", sent, gone);
  gone->store(true);
  f.stop();
  static_cast<void>(future.wait_for(std::chrono::seconds(20)));
  // Either nothing was begun, or it was seen to its end.
  CHECK(f.stored() == !f.script->seen().empty());
}

TEST_CASE("connect: again as it was, and a stored secret goes nowhere else",
          "[api][oauth][attack]") {
  Flows f;
  REQUIRE(f.answer(f.begin(f.ann)).status == 303);
  REQUIRE(f.answer(f.begin(f.ann, {{"key", "TOKEN"}})).status == 303);
  CHECK(f.script->seen().back().body.find("client_secret=client-secret-1") != std::string::npos);
  for (const json& changed :
       {json{{"key", "TOKEN"},
             {"authorization_url", "https://id.test/authorize"},
             {"token_url", "https://evil.test/token"},
             {"client_id", "client-1"}},
        json{{"key", "TOKEN"},
             {"token_url", "https://evil.test/token"},
             {"authorization_url", "https://id.test/authorize"},
             {"client_id", "client-1"},
             {"client_secret", "\u2022\u2022\u2022\u2022\u2022\u2022\u2022\u2022"}}}) {
    f.script->on("https://evil.test/token", 200, kGranted);
    REQUIRE(f.answer(f.begin(f.ann, changed)).status == 303);
    CHECK(f.script->seen().back().url == "https://evil.test/token");
    CHECK(f.script->seen().back().body.find("client_secret") == std::string::npos);
    REQUIRE(f.answer(f.begin(f.ann)).status == 303);
  }
}

TEST_CASE("paste: a stored secret does not go to an address that a member names",
          "[api][oauth][attack]") {
  Flows f;
  REQUIRE(f.answer(f.begin(f.ann)).status == 303);
  f.script->on("https://evil.test/revoke", 200, "{}");
  for (const char* const member : {"revocation_url", "authorization_url"}) {
    CAPTURE(member);
    // The control: with the address as it was, the secret is there.
    REQUIRE(f.page(f.mike, "POST", "/v1/credentials/oauth/tokens",
                   json{{"key", "TOKEN"}, {"access_token", "mine"}}.dump())
                .status == 200);
    CHECK(reveal(f.store().oauth_secrets("default", "TOKEN")->client_secret) == "client-secret-1");
    REQUIRE(
        f.page(
             f.mike, "POST", "/v1/credentials/oauth/tokens",
             json{{"key", "TOKEN"}, {"access_token", "mine"}, {member, "https://evil.test/revoke"}}
                 .dump())
            .status == 200);
    CHECK(f.store().oauth_secrets("default", "TOKEN")->client_secret.empty());
    CHECK(f.page(f.mike, "POST", "/v1/credentials/oauth/disconnect", R"({"key":"TOKEN"})").status ==
          200);
    for (const auto& seen : f.script->seen()) {
      CHECK((seen.url.starts_with("https://id.test/") ||
             (seen.body + seen.authorization).find("client-secret-1") == std::string::npos));
    }
    REQUIRE(f.answer(f.begin(f.ann)).status == 303);
  }
}

TEST_CASE("disconnect: who leaves while the provider answers hides nothing",
          "[api][oauth][attack]") {
  for (const bool removed : {false, true}) {
    CAPTURE(removed);
    Flows f;
    REQUIRE(f.answer(f.begin(f.ann)).status == 303);
    f.script->on("https://id.test/revoke", 200, "{}");
    f.script->hold("https://id.test/revoke");
    Sent sent;
    sent.cookie = f.mike;
    sent.fields = {{"x-agent-vault", "1"}, {"origin", "http://127.0.0.1:14321"}};
    auto future = f.send("POST", "/v1/credentials/oauth/disconnect", R"({"key":"TOKEN"})", sent);
    f.script->wait_until_asked("https://id.test/revoke");
    // That it is tried is on the log, with the place, before anything is sent.
    const auto announced = f.audit().records().back();
    CHECK(announced.event == "oauth.disconnect.begin");
    CHECK(announced.detail == "user:mike@example.com: revocation at id.test");
    if (removed) {
      REQUIRE(f.store().people().remove_member("default", "mike@example.com"));
    } else {
      REQUIRE(f.page(f.mike, "POST", "/v1/auth/logout").status == 200);
    }
    f.script->let_go();
    REQUIRE(future.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
    CHECK_FALSE(f.stored());
    const auto outcome = f.audit().records().back();
    CHECK(outcome.event == "oauth.disconnect");
    CHECK(outcome.decision == "allow");
    CHECK(outcome.detail == "user:mike@example.com: revocation at id.test: done");
    CHECK(outcome.request == announced.request);
  }
}

TEST_CASE("disconnect: what has taken the place of what was revoked stays",
          "[api][oauth][attack]") {
  Flows f;
  REQUIRE(f.answer(f.begin(f.ann)).status == 303);
  f.script->on("https://id.test/revoke", 200, "{}");
  f.script->hold("https://id.test/revoke");
  Sent sent;
  sent.cookie = f.mike;
  sent.fields = {{"x-agent-vault", "1"}, {"origin", "http://127.0.0.1:14321"}};
  auto future = f.send("POST", "/v1/credentials/oauth/disconnect", R"({"key":"TOKEN"})", sent);
  f.script->wait_until_asked("https://id.test/revoke");
  REQUIRE(f.page(f.ann, "POST", "/v1/credentials/oauth/tokens",
                 R"({"key":"TOKEN","access_token":"newer"})")
              .status == 200);
  f.script->let_go();
  const Got got = future.get();
  CHECK(got.status == 409);
  CHECK(got.body.find("changed meanwhile") != std::string::npos);
  CHECK(reveal(*f.store().get_credential("default", "TOKEN")) == "newer");
  CHECK(f.audit().records().back().event == "oauth.disconnect");
  CHECK(f.audit().records().back().decision == "error");
}

TEST_CASE("disconnect: one that is damaged can be removed, without the provider",
          "[api][oauth][attack]") {
  Flows f;
  REQUIRE(f.answer(f.begin(f.ann)).status == 303);
  {
    SQLite::Database db(f.home().paths().database().string(), SQLite::OPEN_READWRITE);
    db.exec("UPDATE oauth SET client = '{'");
  }
  const std::size_t asked = f.script->seen().size();
  const Got got = f.page(f.ann, "POST", "/v1/credentials/oauth/disconnect", R"({"key":"TOKEN"})");
  CAPTURE(got.body);
  REQUIRE(got.status == 200);
  CHECK(got.json()["revocation"] == "not possible: what is stored of it is damaged");
  CHECK(f.script->seen().size() == asked);
  CHECK_FALSE(f.store().get_credential("default", "TOKEN"));
}

TEST_CASE("connect: a failure is on the log under the name of who began, once", "[api][oauth]") {
  Flows f;
  f.script->on(kTokens, 400, R"({"error":"invalid_grant"})");
  for (const bool with_session : {false, true}) {
    const auto begun = f.begin(f.ann);
    static_cast<void>(f.back("/v1/oauth/callback", "code=code-1&state=" + begun.state, begun.cookie,
                             with_session ? f.ann : ""));
    const auto record = f.audit().records().back();
    CHECK(record.event == "oauth.connect");
    CHECK(record.detail == "user:ann@example.com: connect, id.test");
  }
}

TEST_CASE("paste: a refresh token is tried, and kept only as the provider has replaced it",
          "[api][oauth]") {
  Flows f;
  json body = Flows::client();
  body.erase("scopes");
  body["refresh_token"] = "pasted";
  f.script->on(kTokens, 400, R"({"error":"invalid_grant"})");
  const Got refused = f.page(f.ann, "POST", "/v1/credentials/oauth/tokens", body.dump());
  CHECK(refused.status == 400);
  CHECK(refused.error() == "oauth_token_refused");
  CHECK_FALSE(f.stored());
  f.script->on(kTokens, 200, kGranted);
  const Got kept = f.page(f.ann, "POST", "/v1/credentials/oauth/tokens", body.dump());
  CAPTURE(kept.body);
  REQUIRE(kept.status == 200);
  CHECK(kept.json()["has_refresh_token"] == true);
  CHECK(kept.body.find("access-1") == std::string::npos);
  CHECK(reveal(f.store().oauth_secrets("default", "TOKEN")->refresh_token) == "refresh-1");
  CHECK(f.page(f.ann, "POST", "/v1/credentials/oauth/tokens",
               R"({"key":"OTHER","access_token":"plain"})")
            .status == 200);
  CHECK(f.stored("OTHER"));
  const json list = f.page(f.ann, "GET", "/v1/credentials").json();
  CHECK(list["credentials"][1]["type"] == "oauth");
  CHECK(list["credentials"][1].contains("token_expires_at"));
}

TEST_CASE("disconnect and refresh: asked of the provider", "[api][oauth]") {
  Flows f;
  std::string asked;
  f.refresh = [&](const vault::TokenName& name, const BrowserFixture::Refreshed& done) {
    asked = name.key;
    done(
        unexpected(vault::RefreshRefusal{vault::RefreshRefusal::Why::kReconnect, "invalid_grant"}));
  };
  REQUIRE(f.answer(f.begin(f.ann)).status == 303);
  const Got refused = f.page(f.ann, "POST", "/v1/credentials/oauth/refresh", R"({"key":"TOKEN"})");
  CHECK(refused.status == 409);
  CHECK(refused.error() == "oauth_reconnect_required");
  CHECK(asked == "TOKEN");
  f.script->on("https://id.test/revoke", 200, "{}");
  const Got gone = f.page(f.ann, "POST", "/v1/credentials/oauth/disconnect", R"({"key":"TOKEN"})");
  REQUIRE(gone.status == 200);
  CHECK(gone.json()["revocation"] == "done");
  CHECK(f.script->seen().back().body.find("token=refresh-1") != std::string::npos);
  CHECK_FALSE(f.stored());
  CHECK(f.page(f.ann, "GET", "/v1/credentials/oauth/status?key=TOKEN").json()["connected"] ==
        false);
  CHECK(f.page(f.ann, "GET", "/v1/oauth/providers").json()["providers"].size() > 10);
}

TEST_CASE("proposals: what was connected for one is stored by the allowing of whoever connected it",
          "[api][oauth][attack]") {
  Flows f;
  const std::string agent = f.agent("builder");
  const auto ask_for = [&](const std::string& authorize, const std::string& token) {
    const json body = {
        {"credentials",
         {{{"action", "set"},
           {"key", "TOKEN"},
           {"type", "oauth"},
           {"oauth",
            {{"authorization_url", authorize}, {"token_url", token}, {"scopes", "read"}}}}}},
        {"message", "please"}};
    const Got got = f.as(agent, "POST", "/v1/proposals", body.dump());
    CAPTURE(got.body);
    REQUIRE(got.status == 201);
    return got.json()["id"].get<int>();
  };
  // An agent that wants GitHub's code for itself.
  const int evil = ask_for("https://github.com/login/oauth/authorize", "https://evil.test/token");
  json words = {{"key", "TOKEN"}, {"proposal", evil}, {"client_id", "client-1"}};
  CHECK(f.page(f.ann, "POST", "/v1/credentials/oauth/connect", words.dump()).status == 403);
  const int number = ask_for("https://id.test/authorize", kTokens);
  words["proposal"] = number;
  json elsewhere = words;
  elsewhere["token_url"] = "https://evil.test/token";
  CHECK(f.page(f.ann, "POST", "/v1/credentials/oauth/connect", elsewhere.dump()).status == 400);
  const auto begun = f.begin(f.ann, words);
  CHECK(parameter(begun.url, "scope") == "read");
  REQUIRE(f.answer(begun).status == 303);
  CHECK(f.outcome(begun, f.ann)["proposal"] == number);
  CHECK_FALSE(f.stored());
  const std::string at = "/v1/admin/proposals/" + std::to_string(number);
  CHECK(f.page(f.ann, "GET", at + "/diff").json()["connected"] == json::array({"TOKEN"}));
  CHECK(f.page(f.mike, "GET", at + "/diff").json()["connected"] == json::array());
  CHECK(f.page(f.mike, "POST", at + "/approve", "{}").status == 400);
  CHECK_FALSE(f.stored());
  const Got allowed = f.page(f.ann, "POST", at + "/approve", "{}");
  CAPTURE(allowed.body);
  REQUIRE(allowed.status == 200);
  CHECK(reveal(f.store().oauth_secrets("default", "TOKEN")->refresh_token) == "refresh-1");
  CHECK(f.store().get_oauth("default", "TOKEN")->status.client.token_url == kTokens);
}
