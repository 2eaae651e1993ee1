#include "accounts_fixture.h"

using namespace av;
using namespace av::test;
using nlohmann::json;
using vault::VaultRole;

namespace {

// The owner, an admin of "project", a member of it, and one who is nowhere; each signed in.
struct Team : AccountsFixture {
  Team() {
    owner();
    REQUIRE(store().create_vault("project"));
    for (const char* name : {"admin", "member", "outsider"}) {
      add(std::string(name) + "@example.com");
    }
    REQUIRE(store().people().add_member("project", "admin@example.com", VaultRole::kAdmin));
    REQUIRE(store().people().add_member("project", "member@example.com", VaultRole::kMember));
    root = token_of("root@example.com");
    admin = token_of("admin@example.com");
    member = token_of("member@example.com");
    outsider = token_of("outsider@example.com");
  }
  Got invite(const std::string& who, const std::string& email, const std::string& vault = {},
             const std::string& role = "member") {
    json body = {{"email", email}};
    if (!vault.empty()) {
      body["vaults"] = json::array({{{"vault_name", vault}, {"vault_role", role}}});
    }
    return as(who, "POST", "/v1/users/invites", body.dump());
  }
  std::string link(const Got& got) {
    REQUIRE(got.status == 201);
    const std::string url = got.json()["invite_link"];
    const std::string prefix = "http://127.0.0.1:14321/invite/";
    REQUIRE(url.starts_with(prefix + "av_uinv_"));
    return url.substr(prefix.size());
  }
  Got accept(const std::string& token, const std::string& words, const Sent& sent = {}) {
    return ask("POST", "/v1/users/invites/" + token + "/accept",
               words.empty() ? "" : json{{"password", words}}.dump(), sent);
  }
  std::string root;
  std::string admin;
  std::string member;
  std::string outsider;
};

}  // namespace

TEST_CASE("invites: a link makes an account that is signed in, once", "[api][accounts][security]") {
  Team f;
  const std::string token = f.link(f.invite(f.root, "new@example.com", "project", "admin"));
  const json details = f.ask("GET", "/v1/users/invites/" + token + "/details").json();
  CHECK(details["email"] == "new@example.com");
  CHECK(details["needs_account"] == true);
  CHECK(details["vaults"][0]["vault_name"] == "project");
  CHECK(f.accept(token, "short").status == 400);
  const Got made = f.accept(token, "new password");
  REQUIRE(made.status == 201);
  CHECK(f.as(made.json()["token"], "GET", "/v1/auth/me").json()["email"] == "new@example.com");
  CHECK(f.as(made.json()["token"], "GET", "/v1/vaults/project/members").status == 200);
  CHECK(f.accept(token, "other password").status == 404);
  CHECK(f.ask("GET", "/v1/users/invites/" + token + "/details").status == 404);
  CHECK(f.login("new@example.com", "other password").status == 401);
  CHECK(f.login("new@example.com", "new password").status == 200);
  for (const auto& record : f.audit().records()) {
    CHECK(record.detail.find("av_uinv_") == std::string::npos);
  }
}

TEST_CASE("invites: not for somebody else, not for an account without its password, not for agents",
          "[api][accounts][security]") {
  Team f;
  const std::string agent = f.agent("builder");
  const std::string token = f.link(f.invite(f.admin, "outsider@example.com", "project", "admin"));
  Sent sent;
  sent.bearer = f.member;
  CHECK(f.accept(token, "", sent).status == 403);
  CHECK(f.accept(token, "evil password").status == 401);
  sent.bearer = agent;
  CHECK(f.accept(token, "evil password", sent).status == 403);
  CHECK(f.as(f.outsider, "GET", "/v1/vaults/project/members").status == 404);
  sent.bearer = f.outsider;
  CHECK(f.accept(token, "", sent).status == 200);
  CHECK(f.as(f.outsider, "GET", "/v1/vaults/project/members").status == 200);
  // Registering with a link for another address.
  const std::string other = f.link(f.invite(f.root, "new@example.com"));
  CHECK(f.ask("POST", "/v1/auth/register",
              json{{"email", "eve@example.com"}, {"password", "evil password"}, {"invite", other}}
                  .dump())
            .status == 403);
  CHECK(f.ask("POST", "/v1/auth/register",
              json{{"email", "New@example.com"}, {"password", "good password"}, {"invite", other}}
                  .dump())
            .status == 201);
}

TEST_CASE("invites: nobody gives what they have not", "[api][accounts][security]") {
  Team f;
  CHECK(f.invite(f.admin, "a@example.com", "project", "admin").status == 201);
  CHECK(f.invite(f.admin, "b@example.com").status == 403);
  CHECK(f.invite(f.admin, "b@example.com", "default").status == 404);
  CHECK(f.invite(f.admin, "b@example.com", "nowhere").status == 404);
  CHECK(f.invite(f.admin, "b@example.com", "default").json()["message"] ==
        "no vault named 'default' that you may use");
  CHECK(f.invite(f.member, "b@example.com", "project", "proxy").status == 403);
  CHECK(f.invite(f.outsider, "b@example.com", "project").status == 404);
  CHECK(f.as(f.admin, "POST", "/v1/users/invites",
             R"({"email":"b@example.com","role":"owner",
                 "vaults":[{"vault_name":"project","vault_role":"member"}]})")
            .status == 403);
  CHECK(f.as(f.agent("builder"), "POST", "/v1/users/invites", R"({"email":"b@example.com"})")
            .status == 403);
  CHECK(f.ask("POST", "/v1/users/invites", R"({"email":"b@example.com"})").status == 401);
  CHECK(f.as(f.root, "GET", "/v1/users/invites").json()["invites"].size() == 1);
}

TEST_CASE("invites: each sees and withdraws their own, owners all", "[api][accounts][security]") {
  Team f;
  REQUIRE(f.invite(f.root, "a@example.com").status == 201);
  const Got own = f.invite(f.admin, "b@example.com", "project");
  const std::string old = f.link(own);
  const std::string id = own.json()["id"];
  CHECK(f.as(f.admin, "GET", "/v1/users/invites").json()["invites"].size() == 1);
  CHECK(f.as(f.root, "GET", "/v1/users/invites").json()["invites"].size() == 2);
  CHECK(f.as(f.member, "GET", "/v1/users/invites").json()["invites"].empty());
  CHECK(f.as(f.member, "DELETE", "/v1/users/invites/" + id).status == 404);
  CHECK(f.as(f.member, "POST", "/v1/users/invites/" + id + "/reinvite").status == 404);
  const Got again = f.as(f.admin, "POST", "/v1/users/invites/" + id + "/reinvite");
  const std::string fresh = f.link(again);
  CHECK(f.accept(old, "new password").status == 404);
  CHECK(f.ask("GET", "/v1/users/invites/" + fresh + "/details").status == 200);
  CHECK(
      f.as(f.root, "DELETE", "/v1/users/invites/" + again.json()["id"].get<std::string>()).status ==
      200);
  CHECK(f.accept(fresh, "new password").status == 404);
}

TEST_CASE("members: admins manage them, others do not; outsiders learn nothing",
          "[api][accounts][security]") {
  Team f;
  const std::string path = "/v1/vaults/project/members";
  const std::string body = R"({"email":"outsider@example.com","role":"proxy"})";
  CHECK(f.as(f.member, "POST", path, body).status == 403);
  CHECK(f.as(f.outsider, "POST", path, body).status == 404);
  CHECK(f.as(f.outsider, "GET", path).body == [&] {
    std::string text = f.as(f.outsider, "GET", "/v1/vaults/nowhere/members").body;
    return text.replace(text.find("nowhere"), 7, "project");
  }());
  CHECK(f.as(f.agent("builder", {"project"}), "GET", path).status == 403);
  const int changes = f.grants_changes;
  CHECK(f.as(f.admin, "POST", path, body).status == 200);
  CHECK(f.grants_changes > changes);
  // proxy: what agents may, and no more.
  CHECK(f.as(f.outsider, "GET", path).status == 403);
  CHECK(f.as(f.outsider, "GET", "/v1/vaults/project/context").json()["vault_role"] == "proxy");
  CHECK(f.as(f.admin, "POST", path + "/outsider@example.com/role", R"({"role":"member"})").status ==
        200);
  CHECK(f.as(f.outsider, "GET", path).json()["members"].size() == 3);
  CHECK(f.as(f.admin, "POST", path, R"({"email":"outsider@example.com","role":"none"})").status ==
        400);
  CHECK(f.as(f.admin, "POST", path, R"({"email":"nobody@example.com"})").status == 404);
  CHECK(f.as(f.member, "DELETE", path + "/outsider%40example.com").status == 403);
  CHECK(f.as(f.admin, "DELETE", path + "/outsider%40example.com").status == 200);
  CHECK(f.as(f.outsider, "GET", path).status == 404);
  CHECK(f.as(f.member, "POST", "/v1/vaults/project/leave").status == 200);
  CHECK(f.as(f.member, "GET", path).status == 404);
  CHECK(f.as(f.member, "POST", "/v1/vaults/project/leave").status == 404);
  CHECK(f.as(f.agent("leaver", {"project"}), "POST", "/v1/vaults/project/leave").status == 403);
}

TEST_CASE("members: an owner uses a vault only after joining it, which is on the log",
          "[api][accounts][security]") {
  Team f;
  CHECK(f.as(f.root, "GET", "/v1/vaults/project/context").status == 403);
  CHECK(f.as(f.root, "GET", "/v1/vaults/project/members").status == 200);
  REQUIRE(f.as(f.root, "POST", "/v1/vaults/project/join").status == 200);
  CHECK(f.as(f.root, "GET", "/v1/vaults/project/context").json()["vault_role"] == "admin");
  CHECK(f.as(f.member, "POST", "/v1/vaults/project/join").status == 403);
  CHECK(f.as(f.member, "POST", "/v1/vaults/default/join").status == 404);
  bool noted = false;
  for (const auto& record : f.audit().records()) {
    noted = noted || (record.event == "member.join" && record.decision == "allow" &&
                      record.detail.starts_with("user:root@example.com"));
  }
  CHECK(noted);
}

TEST_CASE("users: owners alone see and change them, and one owner stays",
          "[api][accounts][security]") {
  Team f;
  const std::string bob = "/v1/admin/users/member@example.com";
  for (const std::string& who : {f.admin, f.member, f.agent("builder")}) {
    CHECK(f.as(who, "GET", "/v1/users").status == 403);
    CHECK(f.as(who, "DELETE", bob).status == 403);
    CHECK(f.as(who, "POST", bob + "/role", R"({"role":"owner"})").status == 403);
    CHECK(f.as(who, "POST", bob + "/disable").status == 403);
    CHECK(f.as(who, "PUT", "/v1/admin/settings", R"({"invite_only":false})").status == 403);
  }
  CHECK(f.as(f.root, "GET", "/v1/users").json()["users"].size() == 4);
  const std::string self = "/v1/admin/users/root@example.com";
  CHECK(f.as(f.root, "POST", self + "/role", R"({"role":"member"})").status == 409);
  CHECK(f.as(f.root, "POST", self + "/disable").status == 409);
  CHECK(f.as(f.root, "DELETE", self).status == 409);
  CHECK(f.as(f.root, "DELETE", "/v1/auth/account").status == 409);
  REQUIRE(f.as(f.root, "POST", bob + "/disable").json()["state"] == "disabled");
  CHECK(f.as(f.member, "GET", "/v1/auth/me").status == 401);
  REQUIRE(f.as(f.root, "POST", bob + "/enable").json()["state"] == "active");
  CHECK(f.as(f.member, "GET", "/v1/auth/me").status == 401);
  REQUIRE(f.as(f.root, "POST", bob + "/role", R"({"role":"owner"})").status == 200);
  REQUIRE(f.as(f.root, "DELETE", bob).json()["deleted"] == true);
  CHECK(f.as(f.root, "GET", bob).status == 404);
}

TEST_CASE("registration: closed; once opened, whoever comes waits for an owner and learns nothing",
          "[api][accounts][security]") {
  Team f;
  const auto attempt = [&](const std::string& email) {
    return f.ask("POST", "/v1/auth/register",
                 json{{"email", email}, {"password", "some password"}}.dump());
  };
  CHECK(attempt("new@example.com").error() == "invite_only");
  REQUIRE(f.as(f.root, "PUT", "/v1/admin/settings",
               R"({"invite_only":false,"allowed_email_domains":["Example.com"]})")
              .json()["allowed_email_domains"][0] == "example.com");
  CHECK(attempt("new@elsewhere.example").status == 403);
  const auto before = f.hashes();
  const Got fresh = attempt("new@example.com");
  CHECK(fresh.status == 201);
  CHECK(fresh.json()["authenticated"] == false);
  CHECK(fresh.field("Set-Cookie").empty());
  const Got taken = attempt("root@example.com");
  CHECK(f.hashes() == before + 2);
  CHECK(taken.status == 201);
  json expected = fresh.json();
  expected["email"] = "root@example.com";
  CHECK(taken.json() == expected);
  CHECK(f.login("root@example.com", "some password").status == 401);
  CHECK(f.login("root@example.com", "correct horse").status == 200);
  CHECK(f.login("new@example.com", "some password").status == 401);
  REQUIRE(f.as(f.root, "POST", "/v1/admin/users/new@example.com/enable").status == 200);
  CHECK(f.login("new@example.com", "some password").status == 200);
}

TEST_CASE("sessions: people see where they are signed in, and end it", "[api][accounts]") {
  Team f;
  Sent sent;
  sent.peer = "192.0.2.9";
  sent.fields = {{"user-agent", "Test/1.0 \x1b[31m"}};
  const Got got = f.ask(
      "POST", "/v1/auth/login",
      json{
          {"email", "admin@example.com"}, {"password", "correct horse"}, {"device_label", "laptop"}}
          .dump(),
      sent);
  REQUIRE(got.status == 200);
  const json all = f.as(f.admin, "GET", "/v1/auth/sessions").json()["sessions"];
  REQUIRE(all.size() == 2);
  for (const json& session : all) {
    if (session["current"] == true) {
      continue;
    }
    CHECK(session["device_label"] == "laptop");
    CHECK(session["last_ip"] == "192.0.2.9");
    CHECK(session["last_user_agent"] == "Test/1.0 [31m");
    const std::string id = session["id"];
    CHECK(f.as(f.member, "DELETE", "/v1/auth/sessions/" + id).status == 404);
    CHECK(f.as(f.admin, "DELETE", "/v1/auth/sessions/" + id).json()["current"] == false);
  }
  CHECK(f.as(got.json()["token"], "GET", "/v1/auth/me").status == 401);
}
