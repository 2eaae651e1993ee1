// Signing in with an issuer of identities, and what an attacker makes of that.

#include "browser_fixture.h"
#include "unit/oauth/test_keys.h"

using namespace av;
using namespace av::test;
using nlohmann::json;
using vault::VaultRole;

namespace {

const std::string kIssuer = "https://id.test";

struct SignIn : BrowserFixture {
  SignIn() {
    owner();
    add("ann@example.com");
    REQUIRE(store().people().add_member("default", "ann@example.com", VaultRole::kMember));
    api::SignInOptions wanted;
    wanted.name = "Acme";
    wanted.issuer = kIssuer;
    wanted.client_id = "client-1";
    wanted.client_secret = std::make_shared<const Secret>(secret("client-secret-1"));
    options().sign_in = std::move(wanted);
    script->on(kIssuer + "/.well-known/openid-configuration", 200,
               json{{"issuer", kIssuer},
                    {"authorization_endpoint", kIssuer + "/authorize"},
                    {"token_endpoint", kIssuer + "/token"},
                    {"jwks_uri", kIssuer + "/jwks"},
                    {"response_types_supported", {"code"}},
                    {"token_endpoint_auth_methods_supported", {"client_secret_post"}},
                    {"code_challenge_methods_supported", {"S256"}}}
                   .dump());
    script->on(kIssuer + "/jwks", 200, R"({"keys":[)" + TestKey::ec().jwk(R"(,"kid":"e1")") + "]}");
  }
  struct Begun {
    std::string state;
    std::string nonce;
    std::string cookie;
  };
  Begun begin(const std::string& next = "%2Fvaults%2Fdefault%2Flog") {
    const Got got = ask("GET", "/v1/auth/oidc/start?next=" + next);
    CAPTURE(got.head, got.body);
    REQUIRE(got.status == 303);
    const std::string url = got.field("Location");
    REQUIRE(url.starts_with(kIssuer + "/authorize?"));
    CHECK(parameter(url, "code_challenge_method") == "S256");
    return {parameter(url, "state"), parameter(url, "nonce"), flow_cookie_of(got)};
  }
  json claims(const Begun& begun) {
    const std::int64_t now = clock().wall_ms() / 1000;
    return {{"iss", kIssuer},
            {"aud", "client-1"},
            {"sub", "person-1"},
            {"nonce", begun.nonce},
            {"iat", now},
            {"exp", now + 600},
            {"email", "ann@example.com"},
            {"email_verified", true},
            {"auth_time", now}};
  }
  void token(const json& claims) {
    const std::string text =
        TestKey::ec().token(R"({"alg":"ES256","kid":"e1","typ":"JWT"})", claims.dump());
    script->on(
        kIssuer + "/token", 200,
        json{{"access_token", "access-1"}, {"token_type", "Bearer"}, {"id_token", text}}.dump());
  }
  Got answer(const Begun& begun, const std::string& cookie = {}) {
    return back("/v1/auth/oidc/callback",
                "code=c&state=" + begun.state + "&iss=https%3A%2F%2Fid.test", begun.cookie, cookie);
  }
  // The whole way, with claims that differ from good ones by `change`.
  Got whole(const json& change = json::object()) {
    const Begun begun = begin();
    json all = claims(begun);
    all.merge_patch(change);
    token(all);
    return answer(begun);
  }
  static bool in(const Got& got) {
    return got.status == 303 && got.field("Location") == "/vaults/default/log" &&
           got.field("Set-Cookie").starts_with("av_session=");
  }
  static bool out(const Got& got) {
    return got.status == 303 && got.field("Location") == "/login?oidc=refused" &&
           got.field("Set-Cookie").empty();
  }
  static std::string session_of(const Got& got) {
    const std::string field = got.field("Set-Cookie");
    return field.substr(11, field.find(';') - 11);
  }
};

}  // namespace

TEST_CASE("oidc: a verified address finds its user, the identity is theirs from then on",
          "[api][oidc]") {
  SignIn f;
  CHECK(f.ask("GET", "/v1/status").json()["oidc"]["name"] == "Acme");
  const Got got = f.whole();
  CAPTURE(got.head);
  REQUIRE(SignIn::in(got));
  CHECK(got.field("Set-Cookie").find("SameSite=Strict") != std::string::npos);
  CHECK(got.body.empty());
  CHECK(f.page(SignIn::session_of(got), "GET", "/v1/auth/me").json()["email"] == "ann@example.com");
  // The address is another one by now: the same person. And somebody who has the old one is not.
  CHECK(SignIn::in(f.whole({{"email", "ann.lee@example.com"}})));
  CHECK(SignIn::out(f.whole({{"sub", "person-2"}})));
  for (const auto& record : f.audit().records()) {
    for (const char* const word : {"access-1", "client-secret-1", "av_sess_"}) {
      CHECK(record.detail.find(word) == std::string::npos);
    }
  }
}

TEST_CASE("oidc: tokens that are forged, of another, or say too little", "[api][oidc][attack]") {
  SignIn f;
  for (const json& change :
       {json{{"nonce", "another"}}, json{{"aud", "another"}}, json{{"iss", "https://evil.test"}},
        json{{"exp", 1}}, json{{"email_verified", false}}, json{{"email_verified", nullptr}},
        json{{"email", nullptr}}, json{{"email", "nobody@example.com"}}}) {
    CAPTURE(change.dump());
    CHECK(SignIn::out(f.whole(change)));
  }
  const auto begun = f.begin();
  f.script->on(
      kIssuer + "/token", 200,
      json{{"access_token", "a"},
           {"token_type", "Bearer"},
           {"id_token", b64(R"({"alg":"none"})") + "." + b64(f.claims(begun).dump()) + "."}}
          .dump());
  CHECK(SignIn::out(f.answer(begun)));
  CHECK(f.store()
            .people()
            .list_user_sessions(f.store().people().get_user("ann@example.com")->uid)
            ->empty());
  CHECK(SignIn::in(f.whole()));
}

TEST_CASE("oidc: an answer in another browser, twice, of another kind, or of another issuer",
          "[api][oidc][attack]") {
  SignIn f;
  auto begun = f.begin();
  f.token(f.claims(begun));
  // Login CSRF: the attacker's answer in the victim's browser.
  CHECK(SignIn::out(f.back("/v1/auth/oidc/callback", "code=c&state=" + begun.state, "")));
  begun = f.begin();
  const auto other = f.begin();
  f.token(f.claims(begun));
  CHECK(SignIn::out(f.back("/v1/auth/oidc/callback", "code=c&state=" + begun.state, other.cookie)));
  CHECK(SignIn::out(f.answer(begun)));  // used up
  begun = f.begin();
  f.token(f.claims(begun));
  CHECK(
      f.back("/v1/oauth/callback", "code=c&state=" + begun.state, begun.cookie).field("Location") ==
      "/oauth/complete");
  begun = f.begin();
  f.token(f.claims(begun));
  CHECK(SignIn::out(f.back("/v1/auth/oidc/callback",
                           "code=c&state=" + begun.state + "&iss=https%3A%2F%2Fevil.test",
                           begun.cookie)));
  begun = f.begin();
  f.token(f.claims(begun));
  CHECK(SignIn::in(f.answer(begun)));
  CHECK(SignIn::out(f.answer(begun)));
}

TEST_CASE("oidc: next leads nowhere but to a page of ours", "[api][oidc][attack]") {
  SignIn f;
  for (const char* const next : {"https%3A%2F%2Fevil.test", "%2F%2Fevil.test", "%2F%5Cevil.test",
                                 "javascript%3Aalert(1)", "evil.test", "%2Fa%20b", ""}) {
    CAPTURE(next);
    const auto begun = f.begin(next);
    f.token(f.claims(begun));
    const Got got = f.answer(begun);
    CHECK(got.status == 303);
    CHECK(got.field("Location") == "/");
  }
}

TEST_CASE("oidc: who may come in", "[api][oidc][security]") {
  SignIn f;
  SECTION("an invite for exactly that address") {
    store::Invite invite;
    invite.email = "new@example.com";
    invite.vaults = {{"default", VaultRole::kMember}};
    REQUIRE(f.store().people().create_invite(invite, crypto::sha256("link")));
    CHECK(SignIn::out(f.whole({{"email", "other@example.com"}, {"sub", "p3"}})));
    CHECK(SignIn::in(f.whole({{"email", "New@example.com"}, {"sub", "p4"}})));
    const auto user = f.store().people().get_user("new@example.com");
    REQUIRE(user);
    CHECK_FALSE(user->has_password);
    CHECK(f.store().people().role_in(user->uid, "default")->value() == VaultRole::kMember);
    CHECK(f.store().people().list_invites("")->empty());
  }
  SECTION("those of a domain get accounts") {
    f.options().sign_in->allowed_domains = {"example.com"};
    f.options().sign_in->auto_create = vault::InstanceRole::kMember;
    CHECK(SignIn::out(f.whole({{"email", "new@evil.test"}, {"sub", "p5"}})));
    CHECK(SignIn::out(f.whole({{"email", "new@evil.example.com"}, {"sub", "p5"}})));
    // Somebody took the address, with a password, and waits to be let in.
    store::NewUser squatter;
    squatter.email = "new@example.com";
    squatter.waiting = true;
    squatter.password = std::move(*vault::PasswordHasher({1, 8, 1}).hash(secret("evil password")));
    REQUIRE(f.store().people().create_user(squatter));
    CHECK(SignIn::in(f.whole({{"email", "new@example.com"}, {"sub", "p6"}})));
    CHECK_FALSE(f.store().people().get_user("new@example.com")->has_password);
    CHECK(f.login("new@example.com", "evil password").status == 401);
  }
  SECTION("not who was disabled, by whichever way") {
    REQUIRE(SignIn::in(f.whole()));
    REQUIRE(f.store().people().disable_user("ann@example.com"));
    CHECK(SignIn::out(f.whole()));
    CHECK(SignIn::out(f.whole({{"sub", "p7"}})));
  }
}

TEST_CASE("oidc: who has no password shows the issuer again who they are", "[api][oidc][attack]") {
  SignIn f;
  const std::string ann = SignIn::session_of(f.whole());
  const auto begin = [&] {
    const Got got = f.page(ann, "POST", "/v1/auth/oidc/reauthenticate");
    CAPTURE(got.body);
    REQUIRE(got.status == 200);
    const std::string url = got.json()["authorization_url"];
    CHECK(parameter(url, "prompt") == "login");
    CHECK(parameter(url, "max_age") == "0");
    return SignIn::Begun{parameter(url, "state"), parameter(url, "nonce"),
                         SignIn::flow_cookie_of(got)};
  };
  const auto recent = [&] {
    return f.page(ann, "GET", "/v1/auth/me").json()["reauthenticated"].get<bool>();
  };
  f.set("default", "KEY", "hunter2");
  CHECK(f.page(ann, "GET", "/v1/credentials?reveal=true").status == 403);
  // Somebody else; nobody asked; the issuer does not say when.
  for (const json& change :
       {json{{"sub", "person-2"}}, json{{"auth_time", f.clock().wall_ms() / 1000 - 3600}},
        json{{"auth_time", nullptr}}}) {
    CAPTURE(change.dump());
    const auto begun = begin();
    json all = f.claims(begun);
    all.merge_patch(change);
    f.token(all);
    CHECK(f.answer(begun).field("Location").starts_with("/oauth/complete?attempt="));
    CHECK_FALSE(recent());
  }
  const auto begun = begin();
  f.token(f.claims(begun));
  const Got got = f.answer(begun);
  CHECK(got.field("Set-Cookie").empty());
  CHECK(recent());
  CHECK(f.page(ann, "GET", "/v1/credentials?reveal=true").status == 200);
}

TEST_CASE(
    "oidc: strangers keep nobody from signing in, and an issuer that lies about itself is none",
    "[api][oidc][attack]") {
  SignIn f;
  SECTION("a flood of attempts") {
    const auto honest = f.begin();
    for (int i = 0; i < 150; ++i) {
      CHECK(f.ask("GET", "/v1/auth/oidc/start").status == 303);
    }
    // Whoever was under way still is, and the next one may begin, behind the same address.
    f.token(f.claims(honest));
    CHECK(SignIn::in(f.answer(honest)));
    CHECK(SignIn::in(f.whole()));
  }
  SECTION("one attempt for each browser") {
    const auto first = f.begin();
    Sent sent;
    sent.flow_cookie = first.cookie;
    REQUIRE(f.ask("GET", "/v1/auth/oidc/start", "", sent).status == 303);
    f.token(f.claims(first));
    CHECK(SignIn::out(f.answer(first)));
  }
  SECTION("metadata of somebody else") {
    f.script->on(kIssuer + "/.well-known/openid-configuration", 200,
                 json{{"issuer", "https://evil.test"},
                      {"authorization_endpoint", kIssuer + "/authorize"},
                      {"token_endpoint", "https://evil.test/token"},
                      {"jwks_uri", "https://evil.test/jwks"}}
                     .dump());
    CHECK(f.ask("GET", "/v1/auth/oidc/start").field("Location") == "/login?oidc=unreachable");
  }
  SECTION("none configured") {
    f.options().sign_in.reset();
    CHECK(f.ask("GET", "/v1/auth/oidc/start").status == 404);
    CHECK(f.ask("GET", "/v1/auth/oidc/callback?state=x").status == 404);
  }
}
