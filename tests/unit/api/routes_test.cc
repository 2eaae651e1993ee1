// What the routes answer, in the shapes that other people's programs read; and that each is what
// /v1/openapi.json says.

#include <fstream>
#include <set>

#include "api/router.h"
#include "api/schema.h"
#include "api_fixture.h"

using namespace av;
using namespace av::test;
using nlohmann::json;

namespace {

const char* const kService =
    R"({"name":"example","host":"api.example.com/v1/*","auth":{"type":"bearer","token":"KEY"}})";

// Keeps what was asked and whether the reply was as its row says.
class Walk {
 public:
  explicit Walk(ApiFixture& api) : api_(api), router_(api::route_table()) {}

  json good(const std::string& who, const std::string& method, const std::string& target,
            const std::string& body = {}) {
    CAPTURE(method, target, body);
    const auto found = router_.find(method, target.substr(0, target.find('?')), api::Where::kServe);
    REQUIRE(found.route != nullptr);
    walked_.insert(std::string(found.route->method) + " " + std::string(found.route->path));
    const Got got = api_.as(who, method, target, body);
    const api::ResponseShape shape = api::response_shape(found.route->response);
    CAPTURE(got.body);
    CHECK(got.status == shape.status);
    if (shape.type != "application/json") {
      return nullptr;
    }
    CHECK(got.field("Content-Type") == "application/json");
    const auto schema = api::schema_from_text(shape.schema);
    REQUIRE(schema);
    CHECK(api::mismatch_with(*schema, api::Json::parse(got.body)) == "");
    if (!found.route->request.empty() && !body.empty()) {
      const auto request = api::schema_from_text(found.route->request);
      REQUIRE(request);
      CHECK(api::mismatch_with(*request, api::Json::parse(body)) == "");
    }
    return got.json();
  }
  [[nodiscard]] const std::set<std::string>& walked() const { return walked_; }

 private:
  ApiFixture& api_;
  api::Router router_;
  std::set<std::string> walked_;
};

vault::ApprovalRequest approval(const std::string& id, std::int64_t now) {
  vault::ApprovalRequest request;
  request.id = id;
  request.vault = "default";
  request.run = "run_1";
  request.rule = "ask";
  request.method = "POST";
  request.url = "https://api.example.com/v1/pay?x=1";
  request.url_no_query = "https://api.example.com/v1/pay";
  request.created_ms = now;
  request.expires_ms = now + 180'000;
  return request;
}

}  // namespace

TEST_CASE("routes: every one is documented, and a good call's reply fits its schema",
          "[api][routes]") {
  ApiFixture api;
  api.options().base_url = "http://127.0.0.1:14321";
  Walk walk(api);
  for (const char* const path :
       {"/health", "/v1/health", "/v1/status", "/v1/mitm/ca.pem", "/v1/gateway/ca",
        "/v1/skills/cli", "/v1/skill/gateway", "/v1/service-catalog", "/v1/openapi.json", "/",
        "/login", "/setup", "/oauth/complete", "/account", "/instance", "/invite/x", "/approve/1",
        "/vaults/default/log", "/assets/index.html"}) {
    walk.good("", "GET", path);
  }
  api.set("default", "KEY", "value-of-key");
  walk.good("alice", "GET", "/discover");
  walk.good("alice", "GET", "/v1/discover?vault=default");
  walk.good("eve", "POST", "/v1/vaults", R"({"name":"fresh"})");
  walk.good("alice", "GET", "/v1/vaults");
  walk.good("eve", "POST", "/v1/vaults/fresh/rename", R"({"name":"renamed"})");
  walk.good("alice", "GET", "/v1/vaults/default/settings");
  walk.good("alice", "PATCH", "/v1/vaults/default/settings", R"({"unmatched_host_policy":"deny"})");
  walk.good("alice", "GET", "/v1/vaults/default/context");
  walk.good("olga", "DELETE", "/v1/vaults/renamed");
  walk.good("alice", "POST", "/v1/credentials", R"({"credentials":{"A":"1"},"vault":"default"})");
  walk.good("alice", "GET", "/v1/credentials?vault=default&reveal=true");
  walk.good("alice", "DELETE", "/v1/credentials", R"({"keys":["A"],"vault":"default"})");
  const std::string services = R"({"services":[)" + std::string(kService) + "]}";
  walk.good("alice", "POST", "/v1/vaults/default/services", services);
  walk.good("alice", "GET", "/v1/vaults/default/services");
  walk.good("alice", "GET", "/v1/vaults/default/services/credential-usage?key=KEY");
  walk.good("alice", "PATCH", "/v1/vaults/default/services/example", R"({"enabled":true})");
  walk.good("alice", "DELETE", "/v1/vaults/default/services/example");
  walk.good("alice", "PUT", "/v1/vaults/default/services", services);
  const std::string rules =
      R"({"rules":[{"name":"ask","action":"approve","host":"api.example.com"}]})";
  walk.good("alice", "POST", "/v1/vaults/default/rules", rules);
  walk.good("alice", "PUT", "/v1/vaults/default/rules", rules);
  walk.good("alice", "GET", "/v1/vaults/default/rules");
  walk.good("alice", "PATCH", "/v1/vaults/default/rules/ask", R"({"enabled":false})");
  walk.good("alice", "POST", "/v1/vaults/default/rules/test",
            R"({"method":"GET","url":"https://api.example.com/v1/x"})");
  walk.good("alice", "DELETE", "/v1/vaults/default/rules/ask");
  REQUIRE(api.store().add_approval(approval("apr_1", api.clock().wall_ms())));
  walk.good("mike", "GET", "/v1/vaults/default/approvals");
  walk.good("mike", "GET", "/v1/approvals/pending");
  walk.good("mike", "POST", "/v1/approvals/apr_1/decision", R"({"decision":"approve"})");
  REQUIRE(api.store().add_approval(approval("apr_g", api.clock().wall_ms())));
  walk.good("mike", "POST", "/v1/approvals/apr_g/decision", R"({"decision":"approve","uses":3})");
  walk.good("mike", "GET", "/v1/vaults/default/grants");
  walk.good("mike", "DELETE", "/v1/vaults/default/grants");
  walk.good("alice", "PUT", "/v1/vaults/default/rules", rules);
  vault::ApprovalRequest longer = approval("apr_h", api.clock().wall_ms());
  longer.rule_uids = {api.store().list_rules("default")->front().uid};
  REQUIRE(api.store().add_approval(longer));
  walk.good("mike", "POST", "/v1/approvals/apr_h/decision", R"({"decision":"approve","uses":3})");
  walk.good("mike", "DELETE", "/v1/vaults/default/grants/apr_h");
  walk.good("alice", "POST", "/v1/agents", R"({"name":"builder"})");
  walk.good("alice", "GET", "/v1/agents");
  walk.good("alice", "GET", "/v1/agents/builder");
  walk.good("alice", "GET", "/v1/vaults/default/agents");
  REQUIRE(api.as("olga", "POST", "/v1/vaults", R"({"name":"second"})").status == 201);
  walk.good("olga", "POST", "/v1/vaults/second/agents", R"({"name":"builder"})");
  walk.good("olga", "DELETE", "/v1/vaults/second/agents/builder");
  walk.good("alice", "POST", "/v1/agents/builder/rotate");
  const json session =
      walk.good("alice", "POST", "/v1/sessions", R"({"vault":"default","ttl_seconds":600})");
  walk.good("alice", "GET", "/v1/sessions?vault=default");
  walk.good("alice", "DELETE",
            "/v1/sessions/" + session["id"].get<std::string>() + "?vault=default");
  walk.good("alice", "GET", "/v1/container-config?agent=builder");
  walk.good("alice", "GET", "/v1/gateway-url");
  walk.good("alice", "GET", "/v1/vaults/default/logs");
  walk.good("alice", "GET", "/v1/vaults/default/activity");
  walk.good("alice", "GET", "/v1/vaults/default/discovered-hosts");
  walk.good("alice", "DELETE", "/v1/vaults/default/services");
  const std::string asked =
      R"({"services":[{"action":"set","name":"wanted","host":"api.wanted.com","auth":)"
      R"({"type":"bearer","token":"WANTED"}}],"credentials":[{"action":"set","key":"WANTED"}],)"
      R"("message":"please"})";
  const std::string agent = api.agent("asker");
  const json proposal = walk.good(agent, "POST", "/v1/proposals", asked);
  const std::string url = proposal["approval_url"];
  walk.good(agent, "GET", "/v1/proposals");
  walk.good(agent, "GET", "/v1/proposals/1");
  walk.good("", "GET", "/v1/proposals/approve-details?" + url.substr(url.find("token=")));
  walk.good("mike", "GET", "/v1/admin/proposals?vault=default&status=pending");
  walk.good("mike", "GET", "/v1/admin/proposals/1");
  walk.good("mike", "GET", "/v1/admin/proposals/1/diff");
  walk.good("mike", "POST", "/v1/admin/proposals/1/diff", R"({"vault":"default"})");
  walk.good("mike", "POST", "/v1/admin/proposals/1/approve",
            R"({"vault":"default","credentials":{"WANTED":"v"}})");
  walk.good(agent, "POST", "/v1/proposals", asked);
  walk.good("mike", "POST", "/v1/admin/proposals/2/reject", R"({"vault":"default"})");
  walk.good("alice", "POST", "/v1/agents/builder/revoke");
  walk.good("alice", "DELETE", "/v1/agents/builder");
  walk.good("alice", "POST", "/v1/agents/builder/delete");

  const json openapi = api.ask("GET", "/v1/openapi.json").json();
  for (const api::Route& route : api::route_table()) {
    CAPTURE(route.method, route.path);
    std::string path(route.path);
    if (path.ends_with("{*}")) {
      path.replace(path.size() - 3, 3, "{rest}");
    }
    std::string method(route.method);
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    REQUIRE(openapi["paths"].contains(path));
    CHECK(openapi["paths"][path].contains(method));
    const api::ResponseShape shape = api::response_shape(route.response);
    if (shape.type == "application/json") {
      CHECK(api::schema_from_text(shape.schema));
    }
    CHECK((route.request.empty() || api::schema_from_text(route.request)));
    // Those of people are walked with real accounts (people_routes_test.cc, sign_in_test.cc).
    const bool of_people =
        path.starts_with("/v1/auth/") || path.starts_with("/v1/users") ||
        path.find("/members") != std::string::npos || path.find("{v}/users") != std::string::npos ||
        path.find("{v}/leave") != std::string::npos || path.find("{v}/join") != std::string::npos ||
        path.starts_with("/v1/admin/users") || path.starts_with("/v1/admin/settings") ||
        path.starts_with("/v1/instance") || path == "/metrics";
    // oauth_flow_test.cc
    const bool of_browsers =
        path.starts_with("/v1/oauth/") || path.starts_with("/v1/credentials/oauth/");
    // store_routes_test.cc
    const bool of_stores = path.find("/stores") != std::string::npos ||
                           path.find("/mappings") != std::string::npos ||
                           path == "/v1/store-kinds" || path == "/v1/credentials/source";
    CHECK((of_people || of_browsers || of_stores ||
           walk.walked().contains(std::string(route.method) + " " + std::string(route.path))));
  }
}

TEST_CASE("routes: values are shown to members of the vault only, and on the log before",
          "[api][routes][attack]") {
  ApiFixture api;
  api.set("default", "KEY", "hunter2\"\n");
  const std::string builder = api.agent("builder");
  for (const std::string& who :
       {builder, api.session("builder", "default"), std::string("eve"), std::string("olga")}) {
    const Got got = api.as(who, "GET", "/v1/credentials?reveal=true");
    CHECK(got.status >= 403);
    CHECK(got.body.find("hunter2") == std::string::npos);
  }
  CHECK(api.audit().records().empty());
  const Got names = api.as(builder, "GET", "/v1/credentials");
  CHECK(names.json()["keys"] == json::array({"KEY"}));
  CHECK(names.body.find("hunter2") == std::string::npos);
  const Got shown = api.as("mike", "GET", "/v1/credentials?reveal=true&key=KEY");
  REQUIRE(shown.status == 200);
  CHECK(shown.json()["credentials"][0]["value"] == "hunter2\"\n");
  CHECK(api.audit().events() ==
        std::vector<std::string>{"credential.reveal.begin", "credential.reveal allow"});
  CHECK(api.audit().records()[0].credentials == std::vector<std::string>{"KEY"});
  api.audit().full = true;
  const Got refused = api.as("mike", "GET", "/v1/credentials?reveal=true");
  CHECK(refused.status == 507);
  CHECK(refused.body.find("hunter2") == std::string::npos);
}

TEST_CASE("routes: the calls of the published TypeScript SDK get the replies that it reads",
          "[api][routes][compat]") {
  ApiFixture api;
  api.options().base_url = "http://127.0.0.1:14321";
  const auto as = [&](const std::string& method, const std::string& target,
                      const std::string& body = {}) {
    Sent sent;
    sent.bearer = "eve";
    sent.fields = {{"x-vault", "my-vault"},
                   {"user-agent", "agent-vault-sdk-typescript/0.1.0"},
                   {"accept", "application/json"}};
    return api.ask(method, target, body, sent);
  };
  const json made = as("POST", "/v1/vaults", R"({"name":"my-vault"})").json();
  CHECK(made["name"] == "my-vault");
  CHECK(made["id"].is_string());
  CHECK(made["created_at"].is_string());
  CHECK(as("POST", "/v1/credentials", R"({"credentials":{"A":"1"},"vault":"my-vault"})").json() ==
        json{{"set", {"A"}}});
  const json listed = as("GET", "/v1/credentials?vault=my-vault&reveal=true&key=A").json();
  CHECK(listed["keys"] == json::array({"A"}));
  CHECK(listed["credentials"][0]["value"] == "1");
  const std::string path = "/v1/vaults/my-vault/services";
  CHECK(as("POST", path, R"({"services":[)" + std::string(kService) + "]}").json() ==
        json{{"vault", "my-vault"}, {"upserted", {"example"}}, {"services_count", 1}});
  CHECK(as("GET", path).json()["services"][0]["host"] == "api.example.com/v1/*");
  CHECK(as("GET", path + "/credential-usage?key=KEY").json() ==
        json{{"services", {{{"name", "example"}, {"host", "api.example.com/v1/*"}}}}});
  // A host with a path is one segment, decoded after routing.
  const json removed = as("DELETE", path + "/api.example.com%2Fv1%2F*").json();
  CHECK(removed == json{{"vault", "my-vault"},
                        {"removed", "example"},
                        {"removed_host", "api.example.com/v1/*"},
                        {"services_count", 0}});
  CHECK(as("PUT", path, R"({"services":[)" + std::string(kService) + "]}").json() ==
        json{{"vault", "my-vault"}, {"services_count", 1}});
  CHECK(as("DELETE", path).json() == json{{"vault", "my-vault"}, {"cleared", true}});
  const json session =
      as("POST", "/v1/sessions", R"({"vault":"my-vault","ttl_seconds":600,"vault_role":"proxy"})")
          .json();
  CHECK(session["token"].get<std::string>().starts_with("av_sess_"));
  CHECK(session["av_addr"] == "http://127.0.0.1:14321");
  CHECK(session["expires_at"].is_string());
  const Got own = api.as(session["token"], "GET", "/discover");
  CHECK(own.json()["vault"] == "my-vault");
  // Who has a session cannot make another one of it, nor see more with it.
  CHECK(api.as(session["token"], "POST", "/v1/sessions", R"({"vault":"my-vault"})").status == 403);
  CHECK(api.as(session["token"], "GET", "/v1/credentials?vault=default").status == 404);
  // It ends itself and no other.
  const json second = as("POST", "/v1/sessions", R"({"vault":"my-vault"})").json();
  CHECK(api.as(session["token"], "POST", "/v1/auth/logout").status == 200);
  CHECK(api.as(session["token"], "GET", "/discover").status == 401);
  CHECK(api.as(second["token"], "GET", "/discover").status == 200);
  CHECK(as("POST", "/v1/sessions", R"({"vault":"my-vault","ttl_seconds":299})").status == 400);
  CHECK(as("POST", "/v1/sessions", R"({"vault":"my-vault","vault_role":"admin"})").status == 400);
  CHECK(as("DELETE", "/v1/credentials", R"({"keys":["A"],"vault":"my-vault"})").json() ==
        json{{"deleted", {"A"}}});
  CHECK(as("DELETE", "/v1/vaults/my-vault").json() ==
        json{{"name", "my-vault"}, {"deleted", true}});
}

TEST_CASE("routes: an agent is made and managed in one's own vaults only",
          "[api][routes][attack]") {
  ApiFixture api;
  REQUIRE(api.store().create_vault("other"));
  CHECK(api.as("mike", "POST", "/v1/agents", R"({"name":"mine"})").status == 403);
  CHECK(api.as("eve", "POST", "/v1/agents", R"({"name":"mine"})").status == 404);
  CHECK(api.as("alice", "POST", "/v1/agents",
               R"({"name":"mine","vaults":[{"vault_name":"other","vault_role":"proxy"}]})")
            .status == 404);
  CHECK(api.as("alice", "POST", "/v1/agents", R"({"name":"mine","all_vaults":true})").status ==
        403);
  const Got made =
      api.as("alice", "POST", "/v1/agents", R"({"name":"My Agent","identifier":"mine"})");
  REQUIRE(made.status == 201);
  CHECK(made.json()["vaults"][0]["vault_name"] == "default");
  CHECK(made.json()["identifier"] == "mine");
  const std::string token = made.json()["av_agent_token"];
  CHECK(api.as(token, "GET", "/discover").status == 200);
  CHECK(api.as("alice", "POST", "/v1/agents", R"({"name":"mine"})").status == 409);
  api.agent("foreign", {"other"});
  api.agent("everywhere", {});
  for (const char* const name : {"foreign", "missing"}) {
    CHECK(api.as("alice", "GET", "/v1/agents/" + std::string(name)).status == 404);
    CHECK(api.as("alice", "POST", "/v1/agents/" + std::string(name) + "/rotate").status == 404);
  }
  CHECK(api.as("alice", "POST", "/v1/agents/everywhere/rotate").status == 403);
  CHECK(api.as("mike", "POST", "/v1/agents/mine/rotate").status == 403);
  const Got rotated = api.as("alice", "POST", "/v1/agents/mine/rotate");
  CHECK(api.as(token, "GET", "/discover").status == 401);
  CHECK(api.as(rotated.json()["av_agent_token"], "GET", "/discover").status == 200);
  for (const auto& record : api.audit().records()) {
    CHECK(record.detail.find("av_agt_") == std::string::npos);
  }
}

TEST_CASE("routes: somebody else's agent is not to be had by its name", "[api][routes][attack]") {
  ApiFixture api;
  REQUIRE(api.store().create_vault("other"));
  api.people().roles[{"usr_mike", "other"}] = api::Role::kAdmin;
  const std::string token = api.agent("foreign", {"other"});
  api.agent("everywhere", {});
  // Alice is an admin here and nothing there: to her the agent is not there.
  for (const char* const name : {"foreign", "nobody"}) {
    const Got got =
        api.as("alice", "POST", "/v1/vaults/default/agents", json{{"name", name}}.dump());
    CHECK(got.status == 404);
  }
  CHECK(api.as("alice", "POST", "/v1/vaults/default/agents", R"({"name":"everywhere"})").status ==
        403);
  CHECK(api.as(token, "GET", "/discover?vault=default").status == 404);
  // A member there sees it, which is not enough either: it takes an admin of both.
  api.people().roles[{"usr_alice", "other"}] = api::Role::kMember;
  CHECK(api.as("alice", "POST", "/v1/vaults/default/agents", R"({"name":"foreign"})").status ==
        403);
  CHECK(api.as(token, "GET", "/discover?vault=default").status == 404);
  api.people().roles[{"usr_alice", "other"}] = api::Role::kAdmin;
  CHECK(api.as("alice", "POST", "/v1/vaults/default/agents", R"({"name":"foreign"})").status ==
        201);
  CHECK(api.as(token, "GET", "/discover?vault=default").status == 200);
}

TEST_CASE("routes: a member of a body that nobody knows is refused, and nothing is done",
          "[api][routes][attack]") {
  ApiFixture api;
  REQUIRE(api.store().create_vault("other"));
  api.people().roles[{"usr_alice", "other"}] = api::Role::kAdmin;
  // Without the refusal: an agent of the default vault, which nobody asked for.
  const Got typo = api.as("alice", "POST", "/v1/agents", R"({"name":"mine","vualts":["other"]})");
  CHECK(typo.status == 400);
  CHECK(typo.error() == "unknown_field");
  CHECK(typo.json()["message"] == "this request has no member \"vualts\"");
  CHECK(typo.json()["help"] == "did you mean \"vaults\"?");
  CHECK_FALSE(api.store().get_agent("mine"));
  const Got deep = api.as("alice", "POST", "/v1/agents",
                          R"({"name":"mine","vaults":[{"vault_name":"other","rolle":"proxy"}]})");
  CHECK(deep.error() == "unknown_field");
  CHECK(deep.json()["help"] == "it takes: vault_name, vault_role");
  for (const char* const vaults : {"\"other\"", "{\"vault_name\":\"other\"}", "[]", "true"}) {
    CHECK(api.as("alice", "POST", "/v1/agents",
                 R"({"name":"mine","vaults":)" + std::string(vaults) + "}")
              .status == 400);
  }
  CHECK(api.as("alice", "POST", "/v1/sessions", R"({"vualt":"other"})").error() == "unknown_field");
  CHECK(api.store().list_sessions("")->empty());
  api.set("default", "KEY", "v");
  CHECK(
      api.as("alice", "DELETE", "/v1/credentials", R"({"keys":["KEY"],"vualt":"other"})").error() ==
      "unknown_field");
  CHECK(api.store().list_credentials("default")->size() == 1);
  // Where nothing is read, nothing may be there; the vault may be named wherever one is meant.
  CHECK(api.as("alice", "DELETE", "/v1/vaults/other", R"({"dry_run":true})").error() ==
        "unknown_field");
  CHECK(api.store().get_vault("other"));
  CHECK(api.as("alice", "DELETE", "/v1/vaults/other", "{}").status == 200);
  CHECK(
      api.as("alice", "POST", "/v1/approvals/apr_1/decision", R"({"decision":"approve","uzes":1})")
          .error() == "unknown_field");
  // What other people's clients send besides (their call tables): nothing comes of it.
  CHECK(api.as("alice", "POST", "/v1/agents",
               R"({"name":"Nano Claw","identifier":"nano-claw","parentIdentifier":"x"})")
            .status == 201);
  CHECK(api.as("alice", "POST", "/v1/agents",
               R"({"name":"theirs","role":"no-access",)"
               R"("vaults":[{"vault_name":"default","vault_role":"proxy"}]})")
            .status == 201);
  CHECK(api.as("alice", "POST", "/v1/sessions",
               R"({"vault":"default","ttl_seconds":600,"vault_role":"proxy","label":"x"})")
            .status == 200);
  // Who may not do it does not learn what it takes.
  CHECK(api.as("eve", "DELETE", "/v1/vaults/default", R"({"dry_run":true})").status == 404);
}

TEST_CASE("routes: whoever asks for a container again and again has one session",
          "[api][routes][attack]") {
  ApiFixture api;
  api.options().base_url = "http://127.0.0.1:14321";
  const std::string builder = api.agent("builder");
  const auto ask = [&](const std::string& who) {
    const json config = api.as(who, "GET", "/v1/container-config?agent=builder").json();
    return config["env"]["AGENT_VAULT_TOKEN"].get<std::string>();
  };
  const auto count = [&] { return api.store().list_sessions("builder")->size(); };
  const std::string first = ask("alice");
  for (int i = 0; i < 50; ++i) {
    CHECK(ask("alice") == first);
    api.clock().pass(std::chrono::minutes(1));
  }
  CHECK(count() == 1);
  // Nobody gets another one's.
  const std::string own = ask(builder);
  CHECK(own != first);
  CHECK(ask("mike") != first);
  CHECK(count() == 3);
  // One that has ended, or soon will, is not handed out.
  const auto sessions = api.store().list_sessions("builder");
  for (const store::SessionInfo& session : *sessions) {
    REQUIRE(api.store().end_session(session.id));
  }
  const std::string second = ask("alice");
  CHECK(second != first);
  CHECK(api.as(second, "GET", "/discover").status == 200);
  api.clock().pass(std::chrono::hours(24 * 4));
  const std::string third = ask("alice");
  CHECK(third != second);
  CHECK(api.as(second, "GET", "/discover").status == 200);
  // A broker that is started anew has forgotten the tokens; the oldest sessions make room.
  for (int i = 0; i < 20; ++i) {
    api.stop();
    api.clock().pass(std::chrono::seconds(1));
    (void)ask("alice");
  }
  CHECK(count() == 16);
  CHECK(api.as(second, "GET", "/discover").status == 401);
  CHECK(api.as(builder, "GET", "/discover").status == 200);
}

TEST_CASE("routes: the agent behind a person's sessions is in nobody else's lists",
          "[api][routes][attack]") {
  ApiFixture api;
  api.options().base_url = "http://127.0.0.1:14321";
  REQUIRE(api.store().create_vault("other"));
  api.people().roles[{"usr_eve", "other"}] = api::Role::kAdmin;
  const Got session = api.as("alice", "POST", "/v1/sessions", R"({"vault":"default"})");
  REQUIRE(session.status == 200);
  const std::string name = session.json()["agent"];
  REQUIRE(name.starts_with("sessions-"));
  for (const char* const who : {"eve", "mike"}) {
    CHECK(api.as(who, "GET", "/v1/agents").body.find(name) == std::string::npos);
    CHECK(api.as(who, "GET", "/v1/agents/" + name).status == 404);
  }
  CHECK(api.as("eve", "GET", "/v1/vaults/other/agents").json()["agents"].empty());
  CHECK(api.as("mike", "GET", "/v1/vaults/default/agents").json()["agents"].empty());
  CHECK(api.as("alice", "GET", "/v1/agents").body.find(name) != std::string::npos);
  CHECK(api.as("olga", "GET", "/v1/agents").body.find(name) != std::string::npos);
  // It does not stand in the way of the one agent that there is.
  api.agent("builder");
  CHECK(api.as("alice", "GET", "/v1/container-config").json()["agent"] == "builder");
  // Nor can somebody have it before its person does.
  CHECK(api.as("alice", "POST", "/v1/agents", R"({"name":"sessions-0123456789ab"})").status == 400);
}

TEST_CASE("routes: a fingerprint that is empty is none that somebody has seen",
          "[api][routes][attack]") {
  ApiFixture api;
  const std::string agent = api.agent("asker");
  const std::string asked =
      R"({"credentials":[{"action":"set","key":"WANTED"}],"message":"please"})";
  REQUIRE(api.as(agent, "POST", "/v1/proposals", asked).status == 201);
  const auto approve = [&](const std::string& fingerprint) {
    return api
        .as("mike", "POST", "/v1/admin/proposals/1/approve",
            R"({"credentials":{"WANTED":"v"})" + fingerprint + "}")
        .status;
  };
  for (const char* const lost : {R"(,"fingerprint":"")", R"(,"fingerprint":null)",
                                 R"(,"fingerprint":1)", R"(,"fingerprint":["x"])"}) {
    CHECK(approve(lost) == 400);
  }
  CHECK(approve(R"(,"fingerprint":"0123")") == 409);
  CHECK(api.store().get_proposal("default", 1)->state == vault::ProposalState::kPending);
  CHECK(approve("") == 200);
}

TEST_CASE("routes: a held request is decided by a member of its vault, once",
          "[api][routes][attack]") {
  ApiFixture api;
  REQUIRE(api.store().add_approval(approval("apr_1", api.clock().wall_ms())));
  const std::string body = R"({"decision":"approve"})";
  const std::string builder = api.agent("builder");
  CHECK(api.as(builder, "POST", "/v1/approvals/apr_1/decision", body).status == 403);
  CHECK(api.as("eve", "POST", "/v1/approvals/apr_1/decision", body).status == 404);
  CHECK(api.as("olga", "POST", "/v1/approvals/apr_1/decision", body).status == 404);
  CHECK(api.as("mike", "POST", "/v1/approvals/apr_2/decision", body).error() ==
        "approval_not_found");
  CHECK(api.as("mike", "POST", "/v1/approvals/apr_1/decision", R"({"decision":"maybe"})").status ==
        422);
  CHECK(api.as("mike", "POST", "/v1/approvals/apr_1/decision", body).json()["success"] == true);
  CHECK(api.store().get_approval("apr_1")->state == vault::ApprovalState::kAllowed);
  CHECK(api.as("mike", "POST", "/v1/approvals/apr_1/decision", R"({"decision":"deny"})").status ==
        410);
  CHECK(api.store().get_approval("apr_1")->state == vault::ApprovalState::kAllowed);
}

TEST_CASE("routes: what was allowed for longer is listed and revoked by members of its vault",
          "[api][routes][attack]") {
  ApiFixture api;
  REQUIRE(api.store().create_vault("other"));
  api.people().roles[{"usr_eve", "other"}] = api::Role::kAdmin;
  vault::Rule rule;
  rule.name = "ask";
  rule.action = vault::RuleAction::kApprove;
  rule.host = "api.example.com";
  REQUIRE(api.store().put_rules("default", {rule}));
  const std::string uid = api.store().list_rules("default")->front().uid;
  const auto allow = [&](const std::string& id, const std::string& body) {
    vault::ApprovalRequest request = approval(id, api.clock().wall_ms());
    request.rule_uids = {uid};
    REQUIRE(api.store().add_approval(request));
    REQUIRE(api.as("mike", "POST", "/v1/approvals/" + id + "/decision", body).status == 200);
  };
  allow("apr_1", R"({"decision":"approve","uses":3})");
  allow("apr_2", R"({"decision":"approve","for_seconds":60})");
  allow("apr_3", R"({"decision":"approve"})");
  const json grants = api.as("mike", "GET", "/v1/vaults/default/grants").json()["grants"];
  REQUIRE(grants.size() == 2);
  CHECK(grants[0]["id"] == "apr_1");
  CHECK(grants[0]["rule"] == "ask");
  CHECK(grants[0]["url"] == "https://api.example.com/v1/pay");
  CHECK(grants[0]["uses_left"] == 2);
  CHECK(grants[1]["uses_left"].is_null());
  // Not by who is no member there, nor by an agent, whichever path they take.
  const std::string agent = api.agent("builder");
  for (const std::string& who : {std::string("eve"), agent}) {
    CHECK(api.as(who, "GET", "/v1/vaults/default/grants").status >= 403);
    CHECK(api.as(who, "DELETE", "/v1/vaults/default/grants/apr_1").status >= 403);
    CHECK(api.as(who, "DELETE", "/v1/vaults/default/grants").status >= 403);
  }
  CHECK(api.as("eve", "DELETE", "/v1/vaults/other/grants/apr_1").status == 404);
  CHECK(api.as("eve", "DELETE", "/v1/vaults/other/grants").json()["revoked"].empty());
  CHECK(api.store().list_grants("default")->size() == 2);
  const int before = api.grants_changes;
  CHECK(api.as("mike", "DELETE", "/v1/vaults/default/grants/apr_1").json()["revoked"] ==
        json::array({"apr_1"}));
  CHECK(api.grants_changes > before);  // proxies go by it before the answer
  CHECK(api.as("mike", "DELETE", "/v1/vaults/default/grants/apr_1").status == 404);
  CHECK(api.store().load_snapshot("default").value()->grants.size() == 1);
  CHECK(api.as("mike", "DELETE", "/v1/vaults/default/grants").json()["revoked"] ==
        json::array({"apr_2"}));
  CHECK(api.store().load_snapshot("default").value()->grants.empty());
  allow("apr_4", R"({"decision":"approve","for_seconds":60})");
  api.clock().pass(std::chrono::seconds(61));
  CHECK(api.as("mike", "GET", "/v1/vaults/default/grants").json()["grants"].empty());
}

TEST_CASE("routes: a long poll is answered when another process changes the store",
          "[api][routes][poll]") {
  ApiFixture api;
  Sent sent;
  sent.bearer = "mike";
  auto waiting = api.send("GET", "/v1/approvals/pending", "", sent);
  CHECK(waiting.wait_for(std::chrono::milliseconds(300)) == std::future_status::timeout);
  REQUIRE(api.store().add_approval(approval("apr_1", api.clock().wall_ms())));
  REQUIRE(waiting.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  const json got = waiting.get().json();
  CHECK(got["requests"][0]["id"] == "apr_1");
  CHECK(got["requests"][0]["host"] == "api.example.com");
  CHECK(got["timeoutSeconds"] == 180);
  // What is known already is left out; the time passes, and there is nothing.
  auto nothing = api.send("GET", "/v1/approvals/pending?exclude=apr_1", "", sent);
  CHECK(nothing.wait_for(std::chrono::milliseconds(200)) == std::future_status::timeout);
  api.clock().pass(std::chrono::seconds(31));
  REQUIRE(nothing.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  CHECK(nothing.get().json()["requests"].empty());
  // Who is no member any more does not get what they waited for.
  auto removed = api.send("GET", "/v1/approvals/pending?exclude=apr_1", "", sent);
  CHECK(removed.wait_for(std::chrono::milliseconds(200)) == std::future_status::timeout);
  {
    const std::lock_guard lock(api.people().mutex);
    api.people().persons.erase("mike");
  }
  REQUIRE(api.store().add_approval(approval("apr_2", api.clock().wall_ms())));
  REQUIRE(removed.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  CHECK(removed.get().status == 401);
}

TEST_CASE("routes: an agent sees its own proposals, and nobody approves with a link or a token",
          "[api][routes][attack]") {
  ApiFixture api;
  const std::string asker = api.agent("asker");
  const std::string other = api.agent("other-one");
  const std::string body =
      R"({"services":[{"action":"set","name":"wanted","host":"api.wanted.com","auth":)"
      R"({"type":"bearer","token":"WANTED"}}],"credentials":[{"action":"set","key":"WANTED"}]})";
  const json made = api.as(asker, "POST", "/v1/proposals", body).json();
  const std::string url = made["approval_url"];
  const std::string token = url.substr(url.find("token=") + 6);
  CHECK(api.as(other, "GET", "/v1/proposals/1").status == 404);
  CHECK(api.as(asker, "GET", "/v1/proposals/1").json()["status"] == "pending");
  const std::string approve = R"({"vault":"default","credentials":{"WANTED":"s3cret"}})";
  for (const std::string& who : {asker, other, token, std::string()}) {
    CHECK(api.as(who, "POST", "/v1/admin/proposals/1/approve", approve).status >= 401);
  }
  CHECK(api.as("eve", "POST", "/v1/admin/proposals/1/approve", approve).status == 404);
  CHECK(api.ask("GET", "/v1/proposals/approve-details?token=" + token + "&id=2").status == 404);
  const json details = api.ask("GET", "/v1/proposals/approve-details?token=" + token).json();
  CHECK(details["can_approve"] == false);
  Sent sent;
  sent.bearer = asker;
  auto waiting = api.send("GET", "/v1/proposals/1?wait=30", "", sent);
  CHECK(waiting.wait_for(std::chrono::milliseconds(200)) == std::future_status::timeout);
  CHECK(api.as("mike", "POST", "/v1/admin/proposals/1/approve", R"({"vault":"default"})").status ==
        400);
  CHECK(api.as("mike", "POST", "/v1/admin/proposals/1/approve", approve).json()["status"] ==
        "applied");
  REQUIRE(waiting.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  CHECK(waiting.get().json()["status"] == "applied");
  CHECK(reveal(*api.store().get_credential("default", "WANTED")) == "s3cret");
  for (const auto& record : api.audit().records()) {
    CHECK(record.detail.find("s3cret") == std::string::npos);
    CHECK(record.detail.find(token) == std::string::npos);
  }
}

TEST_CASE("routes: files of the pages have a strong tag, and pages cannot be framed",
          "[api][routes]") {
  ApiFixture api;
  const Got page = api.ask("GET", "/vaults/default/log");
  CHECK(page.field("Content-Type") == "text/html; charset=utf-8");
  CHECK(page.field("X-Frame-Options") == "DENY");
  CHECK(page.field("Content-Security-Policy").find("default-src 'none'") == 0);
  const Got file = api.ask("GET", "/assets/app.js");
  REQUIRE(file.status == 200);
  CHECK(file.field("Cache-Control") == "no-cache");
  const std::string tag = file.field("ETag");
  CHECK(tag.size() == 66);
  Sent sent;
  sent.fields = {{"if-none-match", tag}};
  const Got same = api.ask("GET", "/assets/app.js", "", sent);
  CHECK(same.status == 304);
  CHECK(same.body.empty());
  for (const char* const path : {"/assets/..%2f..%2fetc/passwd", "/assets/../route.h",
                                 "/assets/nothing.js", "/assets/%2e%2e/route.h"}) {
    CHECK(api.ask("GET", path).status == 404);
  }
}

TEST_CASE("routes: figures are for this machine and the owner", "[api][routes]") {
  struct Figures final : api::MetricsSource {
    std::string metrics() override { return "agent_vault_requests_total 1\n"; }
  } figures;
  ApiFixture api;
  api.options().metrics = &figures;
  CHECK(api.ask("GET", "/metrics").body == "agent_vault_requests_total 1\n");
  Sent far;
  far.peer = "10.0.0.7";
  CHECK(api.ask("GET", "/metrics", "", far).status == 401);
  far.bearer = "alice";
  CHECK(api.ask("GET", "/metrics", "", far).status == 403);
  far.bearer = "olga";
  CHECK(api.ask("GET", "/metrics", "", far).status == 200);
  // A reverse proxy on this machine asks for others, and says so.
  for (const char* const field : {"x-forwarded-for", "forwarded", "x-real-ip", "via"}) {
    Sent carried;
    carried.fields = {{field, "10.0.0.7"}};
    CHECK(api.ask("GET", "/metrics", "", carried).status == 401);
    carried.bearer = "olga";
    CHECK(api.ask("GET", "/metrics", "", carried).status == 200);
  }
}

TEST_CASE("routes: the man page names every route", "[api][routes][docs]") {
  std::ifstream file(std::string(AV_SOURCE_DIR) + "/man/agent-vault-api.7");
  const std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  REQUIRE_FALSE(page.empty());
  for (const api::Route& route : api::route_table()) {
    CAPTURE(route.method, route.path);
    CHECK(page.find("\n.It Cm " + std::string(route.method) + " " + std::string(route.path) +
                    "\n") != std::string::npos);
  }
}
