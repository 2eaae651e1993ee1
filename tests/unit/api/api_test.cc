#include "api/api.h"

#include "api_fixture.h"

using namespace av;
using namespace av::test;

TEST_CASE("api: health and status need nobody", "[api]") {
  ApiFixture api;
  const Got health = api.ask("GET", "/health");
  CHECK(health.status == 200);
  CHECK(health.json()["status"] == "ok");
  CHECK(health.field("Content-Type") == "application/json");
  CHECK(health.field("Cache-Control") == "no-store");
  CHECK(health.field("X-Content-Type-Options") == "nosniff");
  CHECK(health.field("Referrer-Policy") == "no-referrer");
  CHECK(health.field("Content-Length") == std::to_string(health.body.size()));
  CHECK(api.ask("GET", "/api/health").status == 200);
  CHECK(api.ask("GET", "/v1/status").json()["initialized"] == true);
  const Got ca = api.ask("GET", "/v1/mitm/ca.pem");
  CHECK(ca.status == 200);
  CHECK(ca.field("X-MITM-Port") == "14322");
  CHECK(ca.body.starts_with("-----BEGIN"));
}

TEST_CASE("api: unknown paths, methods and hosts have answers of their own", "[api]") {
  ApiFixture api;
  const Got missing = api.ask("GET", "/v1/nothing");
  CHECK(missing.status == 404);
  CHECK(missing.error() == "not_found");
  CHECK(missing.field("X-Agent-Vault-Proxy-Error").empty());
  const Got method = api.ask("DELETE", "/v1/status");
  CHECK(method.status == 405);
  CHECK(method.field("Allow") == "GET");
  Sent rebound;
  rebound.host = "evil.example";
  rebound.bearer = "alice";
  CHECK(api.ask("GET", "/v1/vaults", "", rebound).status == 421);
  CHECK(api.ask("GET", "/health", "", rebound).status == 421);
}

TEST_CASE("api: vaults are listed to those who may use them", "[api]") {
  ApiFixture api;
  REQUIRE(api.store().create_vault("other"));
  const auto names = [&](const std::string& token) {
    std::vector<std::string> out;
    const nlohmann::json reply = api.as(token, "GET", "/v1/vaults").json();
    for (const auto& item : reply["vaults"]) {
      out.push_back(item["name"].get<std::string>() + ":" +
                    (item["role"].is_null() ? "-" : item["role"].get<std::string>()));
    }
    return out;
  };
  CHECK(names("alice") == std::vector<std::string>{"default:admin"});
  CHECK(names("eve").empty());
  CHECK(names("olga") == std::vector<std::string>{"default:-", "other:-"});
  const std::string builder = api.agent("builder");
  CHECK(names(builder) == std::vector<std::string>{"default:proxy"});
  const std::string all = api.agent("all-over", {});
  CHECK(names(all) == std::vector<std::string>{"default:proxy", "other:proxy"});
  CHECK(names(api.session("all-over", "other")) == std::vector<std::string>{"other:proxy"});
  CHECK(api.ask("GET", "/v1/vaults").status == 401);
  CHECK(api.as("nobody-has-this", "GET", "/v1/vaults").status == 401);
}

TEST_CASE("api: who makes a vault is its admin, and both records are on the log", "[api]") {
  ApiFixture api;
  const Got made = api.as("eve", "POST", "/v1/vaults", R"({"name":"fresh"})");
  REQUIRE(made.status == 201);
  CHECK(made.json()["name"] == "fresh");
  CHECK(api.as("eve", "GET", "/v1/vaults/fresh/context").json()["vault_role"] == "admin");
  CHECK(api.audit().events() ==
        std::vector<std::string>{"vault.create.begin", "vault.create allow"});
  CHECK(api.audit().records().front().detail == "user:eve@example.com: fresh");
  CHECK(api.audit().records().front().vault == "fresh");
  CHECK(api.grants_changes == 1);
  CHECK(api.as("eve", "POST", "/v1/vaults", R"({"name":"fresh"})").status == 409);
  CHECK(api.as("eve", "POST", "/v1/vaults", R"({"name":"X"})").status == 400);
  CHECK(api.as("eve", "POST", "/v1/vaults", R"({"name":5})").status == 400);
  CHECK(api.as("eve", "POST", "/v1/vaults", R"([1])").status == 400);
  CHECK(api.as(api.agent("builder"), "POST", "/v1/vaults", R"({"name":"mine"})").status == 403);
  CHECK(api.as("alice", "DELETE", "/v1/vaults/fresh").status == 404);
  CHECK(api.as("olga", "DELETE", "/v1/vaults/fresh").json()["deleted"] == true);
}

TEST_CASE("api: nothing is done when the log cannot be written", "[api]") {
  ApiFixture api;
  api.audit().full = true;
  CHECK(api.as("eve", "POST", "/v1/vaults", R"({"name":"fresh"})").status == 507);
  CHECK_FALSE(api.store().get_vault("fresh"));
}

TEST_CASE("api: a vault that one may not use looks like one that is not there", "[api][attack]") {
  ApiFixture api;
  REQUIRE(api.store().create_vault("other"));
  const std::string builder = api.agent("builder");
  for (const std::string& who :
       {std::string("alice"), builder, api.session("builder", "default")}) {
    const Got there = api.as(who, "GET", "/v1/vaults/other/settings");
    Got missing = api.as(who, "GET", "/v1/vaults/otter/settings");
    CHECK(there.status == 404);
    CHECK(missing.status == 404);
    missing.body.replace(missing.body.find("otter"), 5, "other");
    CHECK(there.body == missing.body);
  }
  CHECK(api.as("olga", "GET", "/v1/vaults/other/settings").status == 403);
  CHECK(api.as("olga", "GET", "/v1/vaults/otter/settings").status == 404);
  // However the vault is named.
  Sent sent;
  sent.bearer = builder;
  CHECK(api.ask("GET", "/discover?vault=other", "", sent).status == 404);
  sent.fields = {{"x-vault", "other"}};
  CHECK(api.ask("GET", "/discover", "", sent).status == 404);
  sent.fields.clear();
  CHECK(api.ask("GET", "/discover", "", sent).json()["vault"] == "default");
}

TEST_CASE("api: a browser's request must come from our own page", "[api][attack]") {
  ApiFixture api;
  const auto post = [&](std::vector<std::pair<std::string, std::string>> fields,
                        const std::string& bearer = {}) {
    Sent sent;
    sent.cookie = "alice";
    sent.bearer = bearer;
    sent.fields = std::move(fields);
    return api.ask("PATCH", "/v1/vaults/default/settings", R"({"unmatched_host_policy":"deny"})",
                   sent);
  };
  const std::string own = "http://127.0.0.1:14321";
  CHECK(post({}).error() == "csrf");
  CHECK(post({{"origin", own}}).error() == "csrf");
  CHECK(post({{"x-agent-vault", "1"}}).error() == "csrf");
  CHECK(post({{"origin", "http://evil.example"}, {"x-agent-vault", "1"}}).error() == "csrf");
  CHECK(post({{"origin", "null"}, {"x-agent-vault", "1"}}).error() == "csrf");
  CHECK(post({{"origin", "http://127.0.0.1:1432"}, {"x-agent-vault", "1"}}).error() == "csrf");
  CHECK(post({{"origin", "https://127.0.0.1:14321"}, {"x-agent-vault", "1"}}).error() == "csrf");
  CHECK(api.store().get_vault("default")->unmatched == vault::UnmatchedPolicy::kPassthrough);
  CHECK(post({{"origin", own}, {"x-agent-vault", "1"}}).status == 200);
  CHECK(api.store().get_vault("default")->unmatched == vault::UnmatchedPolicy::kDeny);
  // A token in a field is not sent by a browser on its own.
  CHECK(post({}, "alice").status == 200);
  // A form cannot say that it is JSON.
  Sent form;
  form.bearer = "alice";
  form.fields = {{"content-type", "text/plain"}};
  CHECK(api.ask("PATCH", "/v1/vaults/default/settings", R"({"unmatched_host_policy":"deny"})", form)
            .status == 415);
  // The cookie of a person only: an agent's token is none.
  Sent cookie;
  cookie.cookie = api.agent("builder");
  CHECK(api.ask("GET", "/v1/vaults", "", cookie).status == 401);
}

TEST_CASE("api: on the port of a run there is what an agent needs, and no more", "[api]") {
  ApiFixture api(api::Mode::kRun);
  auto principal = std::make_shared<vault::Principal>();
  principal->run_id = "run_1";
  Sent sent;
  sent.run = principal;
  api.set("default", "KEY", "value");
  REQUIRE(api.store().create_vault("other"));
  const Got found = api.ask("GET", "/discover", "", sent);
  REQUIRE(found.status == 200);
  CHECK(found.json()["available_credentials"] == nlohmann::json::array({"KEY"}));
  CHECK(api.ask("GET", "/discover?vault=other", "", sent).status == 404);
  CHECK(api.ask("GET", "/discover").status == 401);
  CHECK(api.ask("GET", "/v1/vaults", "", sent).status == 404);
  CHECK(api.ask("GET", "/v1/skills/cli").body == "# agent-vault\n");
  CHECK(api.ask("GET", "/v1/status").json()["mode"] == "run");
}

TEST_CASE("api: one actor's flood is slowed down, and nobody else's requests", "[api]") {
  ApiFixture api;
  for (int i = 0; i < 240; ++i) {
    REQUIRE(api.as("alice", "GET", "/health").status == 200);
  }
  const Got slow = api.as("alice", "GET", "/health");
  CHECK(slow.status == 429);
  CHECK(slow.error() == "too_many_requests");
  CHECK(slow.field("Retry-After") == "1");
  CHECK(api.as("mike", "GET", "/health").status == 200);
  CHECK(api.ask("GET", "/health").status == 200);
  api.clock().pass(std::chrono::milliseconds(100));
  CHECK(api.as("alice", "GET", "/health").status == 200);
  CHECK(api.as("alice", "GET", "/health").status == 429);
}

TEST_CASE("api: before there is an owner, only what needs a person says so", "[api]") {
  ApiFixture api;
  api.people().persons.clear();
  CHECK(api.ask("GET", "/v1/status").json()["needs_first_user"] == true);
  const Got vaults = api.ask("POST", "/v1/vaults", R"({"name":"fresh"})");
  CHECK(vaults.status == 503);
  CHECK(vaults.error() == "not_initialized");
  CHECK(api.ask("GET", "/discover").status == 401);
  CHECK(api.as(api.agent("builder"), "GET", "/discover").status == 200);
}

TEST_CASE("api: what waits when it ends is answered", "[api]") {
  ApiFixture api;
  std::vector<std::future<Got>> futures;
  for (int i = 0; i < 50; ++i) {
    futures.push_back(api.send("GET", "/health"));
  }
  api.stop();
  for (auto& future : futures) {
    REQUIRE(future.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
    const int status = future.get().status;
    CHECK((status == 200 || status == 503));
  }
}
