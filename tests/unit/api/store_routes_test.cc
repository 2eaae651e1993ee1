// External stores through the API: pairing, what refers to them, what is asked of them; who may,
// what never comes out, and that a slow store holds up nobody.

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <set>

#include "api/cors.h"
#include "api/router.h"
#include "api/schema.h"
#include "api/store_pool.h"
#include "api/store_rights.h"
#include "api_fixture.h"

using namespace av;
using namespace av::test;
using nlohmann::json;

namespace {

using source::Failure;
using source::Result;

constexpr const char* kToken = "hvs.token-that-must-not-be-seen";
constexpr const char* kValue = "sk-value-of-the-store";

// What a store of this test is: shared between the test and the pool's threads.
struct World {
  std::mutex mutex;
  std::condition_variable wakes;
  std::map<std::string, std::string> items = {{"secret/app", kValue}};
  std::optional<Failure> trouble;
  bool slow = false;  // held until it is not
  int waiting = 0;    // in a call that is held
  int disconnected = 0;
  int revoked = 0;
  std::vector<vault::StoreSettings> made;  // what somebody tried to pair
  std::vector<std::string> tokens;

  void hold() {
    std::unique_lock lock(mutex);
    ++waiting;
    wakes.notify_all();
    wakes.wait_for(lock, std::chrono::seconds(15), [&] { return !slow; });
    --waiting;
  }
  void let_go() {
    const std::lock_guard lock(mutex);
    slow = false;
    wakes.notify_all();
  }
  void await(int calls) {
    std::unique_lock lock(mutex);
    REQUIRE(wakes.wait_for(lock, std::chrono::seconds(15), [&] { return waiting >= calls; }));
  }
};

class WorldStore final : public source::Provider {
 public:
  WorldStore(World& world, api::StorePort::Keep keep) : world_(world), keep_(std::move(keep)) {}
  Result<source::About> pair() override {
    if (keep_) {
      vault::StoreSecrets kept;
      kept["token"] = secret(std::string(kToken) + "-changed");
      (void)keep_(kept);
    }
    return test();
  }
  Result<source::About> test() override {
    world_.hold();
    const std::lock_guard lock(world_.mutex);
    if (world_.trouble) {
      return *world_.trouble;
    }
    return source::About{"app-role", "2 mounts"};
  }
  Result<source::Record> fetch(const std::string& item) override {
    world_.hold();
    const std::lock_guard lock(world_.mutex);
    if (world_.trouble) {
      return *world_.trouble;
    }
    const auto found = world_.items.find(item);
    if (found == world_.items.end()) {
      return source::failure(Failure::Why::kNotFound, "there is no " + item);
    }
    source::Record record;
    record.fields["key"] = secret(found->second);
    record.lease = source::Lease{"lease", 60'000, true};
    return record;
  }
  Result<void> revoke(const source::Lease& /*lease*/) override {
    const std::lock_guard lock(world_.mutex);
    ++world_.revoked;
    return {};
  }
  Result<std::vector<source::Listed>> list(const std::string& reference) override {
    world_.hold();
    if (reference == "vault://nowhere") {
      return source::failure(Failure::Why::kNotFound, "there is no such mount");
    }
    return std::vector<source::Listed>{
        {"vault://secret/app#key", "app", {"api.example.com"}, false},
        {"vault://secret", "secret/", {}, true}};
  }
  Result<void> disconnect() override {
    const std::lock_guard lock(world_.mutex);
    ++world_.disconnected;
    return {};
  }

 private:
  World& world_;
  api::StorePort::Keep keep_;
};

class WorldPort final : public api::StorePort {
 public:
  Opened make(const vault::ExternalStore& store, vault::StoreSecrets secrets, Keep keep) override {
    const std::lock_guard lock(world.mutex);
    world.made.push_back(store.settings);
    for (const auto& [name, value] : secrets) {
      world.tokens.push_back(reveal(value));
    }
    return Opened(
        std::shared_ptr<source::Provider>(std::make_shared<WorldStore>(world, std::move(keep))));
  }
  Opened open(const std::string& /*uid*/) override {
    return Opened(std::shared_ptr<source::Provider>(std::make_shared<WorldStore>(world, Keep())));
  }
  api::StoreHealth health(const std::string& /*uid*/) override {
    api::StoreHealth out;
    out.asked = 4;
    out.failed = 1;
    out.answer_us = 8'000;
    out.last_failure = "timeout";
    out.rests_ms = 1'500;
    return out;
  }
  World world;
};

struct StoreFixture : ApiFixture {
  StoreFixture() { options().stores = &port; }
  ~StoreFixture() {
    port.world.let_go();
    stop();
  }
  Got pair(const std::string& who, const json& more = json::object(),
           const std::string& vault = "default") {
    json body = {{"kind", "vault"},
                 {"name", "corp"},
                 {"settings", {{"url", "https://vault.example.com:8200"}}},
                 {"secrets", {{"token", kToken}}}};
    body.update(more);
    return as(who, "POST", "/v1/vaults/" + vault + "/stores", body.dump());
  }
  WorldPort port;
};

const char* const kStores = "/v1/vaults/default/stores";

std::string bytes_of(const std::filesystem::path& directory) {
  std::string out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) {
      std::ifstream in(entry.path(), std::ios::binary);
      out.append(std::istreambuf_iterator<char>(in), {});
    }
  }
  return out;
}

}  // namespace

TEST_CASE("stores: an admin pairs one, and what it was paired with never comes out",
          "[api][stores]") {
  StoreFixture api;
  const Got paired = api.pair("alice");
  REQUIRE(paired.status == 200);
  CHECK(paired.json()["store"]["account"] == "app-role");
  CHECK(paired.json()["store"]["state"] == "works");
  CHECK(paired.json()["detail"] == "2 mounts");
  CHECK(api.port.world.tokens == std::vector<std::string>{kToken});
  CHECK(api.port.world.made.back()["auth"] ==
        "token");  // what the table has where nothing is given
  // What the store made of the token is kept, not what was typed.
  const auto info = *api.store().get_store("default", "corp");
  CHECK(reveal(api.store().open_store(info.store.uid)->secrets.at("token")) ==
        std::string(kToken) + "-changed");
  const Got listed = api.as("mike", "GET", kStores);
  const Got shown = api.as("mike", "GET", std::string(kStores) + "/corp");
  CHECK(listed.json()["stores"][0]["name"] == "corp");
  CHECK(listed.json()["stores"][0]["health"]["average_ms"] == 2);
  CHECK(listed.json()["stores"][0]["health"]["rests_seconds"] == 2);
  for (const Got& got : {paired, listed, shown}) {
    CHECK(got.body.find("hvs.") == std::string::npos);
  }
  for (const auto& record : api.audit().records()) {
    CHECK(record.detail.find("hvs.") == std::string::npos);
  }
  CHECK(api.audit().events() == std::vector<std::string>{"store.pair.begin", "store.pair allow"});
  CHECK(api.audit().records()[1].detail == "user:alice@example.com: corp, vault");
  CHECK(bytes_of(api.home().paths().data).find("hvs.") == std::string::npos);
  // Anew: another revision, by which the running broker knows; what refers to it stays.
  REQUIRE(api.pair("alice").status == 200);
  CHECK(api.store().get_store("default", "corp")->revision == info.revision + 1);
  CHECK(api.store().get_store("default", "corp")->store.uid == info.store.uid);
}

TEST_CASE("stores: members, agents and strangers pair nothing, ask nothing, refer to nothing",
          "[api][stores][attack]") {
  StoreFixture api;
  REQUIRE(api.pair("alice").status == 200);
  const std::string agent = api.agent("builder");
  const std::string session = api.session("builder", "default");
  const std::size_t before = api.port.world.made.size();
  for (const std::string& who : {agent, session, std::string("eve"), std::string("mike")}) {
    CAPTURE(who);
    const int refused = who == "eve" ? 404 : 403;
    CHECK(api.pair(who).status == refused);
    for (const char* const path : {"/stores/corp/test", "/stores/corp/browse", "/mappings"}) {
      CHECK(api.as(who, "POST", "/v1/vaults/default" + std::string(path),
                   R"({"host":"api.example.com","reference":"vault://secret/app#key"})")
                .status == refused);
    }
    CHECK(api.as(who, "DELETE", std::string(kStores) + "/corp").status == refused);
    CHECK(api.as(who, "POST", "/v1/credentials/source",
                 R"({"vault":"default","key":"K","reference":"vault://secret/app#key"})")
              .status == refused);
    CHECK(api.as(who, "POST", std::string(kStores) + "/corp/read",
                 R"({"reference":"vault://secret/app#key"})")
              .status == refused);
    if (who != "mike") {  // a member sees what there is
      CHECK(api.as(who, "GET", kStores).status == refused);
      CHECK(api.as(who, "GET", "/v1/vaults/default/mappings").status == refused);
    }
  }
  CHECK(api.as(agent, "GET", "/v1/store-kinds").status == 403);
  CHECK(api.port.world.made.size() == before);
  CHECK(api.store().list_sources("default")->empty());
}

TEST_CASE("stores: what is about the server's machine is the owner's alone",
          "[api][stores][attack]") {
  StoreFixture api;
  api.people().roles[{"usr_olga", "default"}] = api::Role::kAdmin;
  struct Case {
    const char* words;
    json body;
  };
  const json url = {{"url", "https://vault.example.com"}};
  const auto with = [&](const char* name, const char* value) {
    json settings = url;
    settings[name] = value;
    return json{{"settings", settings}};
  };
  const std::vector<Case> cases = {
      {"a network", with("allow_net", "10.0.0.0/8")},
      {"a file", with("token_file", "/etc/shadow")},
      {"the service account of the server",
       json{{"settings",
             {{"url", "https://evil.example.com"}, {"auth", "kubernetes"}, {"role", "x"}}},
            {"secrets", json::object()}}},
      {"files", json{{"kind", "file"}, {"settings", json::object()}, {"secrets", json::object()}}},
      {"variables",
       json{{"kind", "env"}, {"settings", json::object()}, {"secrets", json::object()}}},
  };
  for (const Case& one : cases) {
    CAPTURE(one.words);
    json body = one.body;
    body["name"] = "st-" + std::to_string(&one - cases.data());
    const std::size_t before = api.port.world.made.size();
    const Got refused = api.pair("alice", body);
    CHECK(refused.status == 403);
    CHECK(refused.json()["message"].get<std::string>().starts_with("only the owner"));
    CHECK(api.port.world.made.size() == before);
    // The control: the owner may.
    CHECK(api.pair("olga", body).status == 200);
    CHECK(api.port.world.made.size() == before + 1);
  }
  // What a store of such a kind is asked for is the owner's to say as well.
  REQUIRE(api.store().get_store("default", "st-3")->store.kind == "file");
  const char* const source =
      R"({"vault":"default","key":"SHADOW","reference":"file:///etc/shadow"})";
  const char* const mapping = R"({"host":"api.example.com","reference":"file:///etc/shadow"})";
  const char* const reference = R"({"reference":"file:///etc/shadow"})";
  for (const char* const who : {"alice", "olga"}) {
    const int wanted = std::string(who) == "olga" ? 200 : 403;
    CAPTURE(who);
    CHECK(api.as(who, "POST", "/v1/credentials/source", source).status == wanted);
    CHECK(api.as(who, "POST", "/v1/vaults/default/mappings", mapping).status == wanted);
    CHECK(api.as(who, "POST", std::string(kStores) + "/st-3/browse", "{}").status == wanted);
    const Got read = api.as(who, "POST", std::string(kStores) + "/st-3/read", reference);
    CHECK((wanted == 200 ? read.status != 403 : read.status == 403));
  }
}

TEST_CASE("stores: each kind and setting has been thought about", "[api][stores]") {
  std::set<std::string> admins;
  for (const source::Kind* const kind : source::kinds()) {
    if (!api::is_owners_kind(*kind)) {
      admins.insert(std::string(kind->id));
      for (const source::Setting& setting : kind->settings) {
        CAPTURE(kind->id, setting.name);
        // Infisical's identity_id is of auth=kubernetes, which shows the server's own token.
        const bool machine = setting.program || setting.name.find("file") != std::string::npos ||
                             setting.name == "allow_net" || setting.name == "identity_id";
        CHECK(api::is_owners_setting(*kind, setting.name) == machine);
      }
      CHECK(api::is_owners_setting(*kind, "allow_net"));
      CHECK(api::is_owners_setting(*kind, "something_new"));
    } else {
      CHECK(api::owners_alone(*kind, {}).has_value());
    }
  }
  CHECK(admins == std::set<std::string>{"1password-connect", "bitwarden", "bitwarden-sm", "vault",
                                        "infisical"});
  CHECK(api::are_owners_references("env"));
  CHECK(api::are_owners_references("a kind of later"));
  CHECK_FALSE(api::are_owners_references("1password"));
}

TEST_CASE("stores: a body is checked before anybody is asked, and quotes no secret",
          "[api][stores]") {
  StoreFixture api;
  const auto refused = [&](const json& more) {
    const Got got = api.pair("alice", more);
    CAPTURE(got.body);
    CHECK(got.status == 400);
    CHECK(got.body.find("hvs.") == std::string::npos);
    return got.json()["message"].get<std::string>();
  };
  CHECK(refused({{"settings", {{"url", "https://x.example"}, {"token", kToken}}}}) ==
        "\"token\" is a secret");
  CHECK(refused({{"secrets", {{"token", kToken}, {"url", "x"}}}}) == "\"url\" is no secret");
  CHECK(refused({{"settings", {{"urll", "x"}}}}).find("no setting \"urll\"") != std::string::npos);
  CHECK(refused({{"settings", json::object()}}).find("\"url\" is missing") == 0);
  CHECK(refused({{"secrets", {{"token", 3}}}}).find("no string") != std::string::npos);
  CHECK(refused({{"secrets", kToken}}).find("must be an object") != std::string::npos);
  CHECK(refused({{"name", "Not A Slug"}}).find("external store") != std::string::npos);
  CHECK(api.pair("alice", {{"kind", "nosuch"}}).status == 404);
  CHECK(api.pair("alice", {{"extra", true}}).error() == "unknown_field");
  CHECK(api.port.world.made.empty());
  // Of another kind under this name: before a code that works once is spent.
  REQUIRE(api.pair("alice").status == 200);
  const Got other = api.pair("alice", {{"kind", "bitwarden-sm"}, {"settings", json::object()}});
  CHECK(other.status == 409);
  CHECK(api.port.world.made.size() == 1);
}

TEST_CASE("stores: the server's own environment is not an admin's", "[api][stores][attack]") {
  StoreFixture api;
  ::setenv("VAULT_TOKEN", "token-of-the-server", 1);
  ::setenv("VAULT_ADDR", "https://inside.example", 1);
  const Got got = api.pair("alice", {{"secrets", json::object()}});
  const Got none = api.pair("alice", {{"settings", json::object()}});
  ::unsetenv("VAULT_TOKEN");
  ::unsetenv("VAULT_ADDR");
  CHECK(none.status == 400);
  for (const std::string& token : api.port.world.tokens) {
    CHECK(token != "token-of-the-server");
  }
  CHECK(api.port.world.tokens.empty());
  static_cast<void>(got);
}

TEST_CASE("stores: a store that refuses is a typed error, and nothing is kept", "[api][stores]") {
  StoreFixture api;
  struct Case {
    Failure::Why why;
    int status;
    const char* code;
  };
  for (const Case& one : {Case{Failure::Why::kDenied, 403, "external_store_denied"},
                          Case{Failure::Why::kRefused, 403, "external_store_refused"},
                          Case{Failure::Why::kUnreachable, 502, "external_store_unreachable"},
                          Case{Failure::Why::kTimeout, 504, "external_store_timeout"},
                          Case{Failure::Why::kLocked, 503, "external_store_locked"},
                          Case{Failure::Why::kMalformed, 502, "external_store_malformed"},
                          Case{Failure::Why::kInvalid, 400, "external_store_invalid"}}) {
    {
      const std::lock_guard lock(api.port.world.mutex);
      api.port.world.trouble = source::failure(one.why, "no", "do this");
    }
    const Got got = api.pair("alice");
    CHECK(got.status == one.status);
    CHECK(got.error() == one.code);
    CHECK(got.json()["message"] == "corp: no");
    CHECK(got.json()["help"] == "do this");
  }
  CHECK(api.store().list_stores("default")->empty());
  CHECK(api.audit().events().back() == "store.pair error");
}

TEST_CASE("stores: credentials and hosts refer to one, and a test says what is not there",
          "[api][stores]") {
  StoreFixture api;
  REQUIRE(api.pair("alice").status == 200);
  const Got made =
      api.as("alice", "POST", "/v1/credentials/source",
             R"({"vault":"default","key":"KEY","reference":"vault://secret/app#key"})");
  REQUIRE(made.status == 200);
  CHECK(made.json()["created"] == true);
  CHECK(made.json()["store"] == "corp");
  REQUIRE(api.as("alice", "POST", "/v1/vaults/default/mappings",
                 R"({"host":"api.example.com","reference":"vault://secret/gone#key"})")
              .status == 200);
  const Got wrong = api.as("alice", "POST", "/v1/vaults/default/mappings",
                           R"({"host":"api.example.com","reference":"op://a/b/c"})");
  CHECK(wrong.status == 404);
  // Its value is elsewhere: the list says where, to people.
  const json row = api.as("mike", "GET", "/v1/credentials").json()["credentials"][0];
  CHECK(row["type"] == "external");
  CHECK(row["store"] == "corp");
  CHECK(row["reference"] == "vault://secret/app#key");
  const json to_agent = api.as(api.agent("builder"), "GET", "/v1/credentials").json();
  CHECK(to_agent["keys"] == json::array({"KEY"}));
  CHECK_FALSE(to_agent["credentials"][0].contains("reference"));
  api.set("default", "OWN", "own-value");
  const json revealed = api.as("mike", "GET", "/v1/credentials?reveal=true").json();
  CHECK(revealed["credentials"].size() == 1);

  const Got tested = api.as("alice", "POST", std::string(kStores) + "/corp/test");
  REQUIRE(tested.status == 200);
  const json checks = tested.json()["checks"];
  REQUIRE(checks.size() == 3);
  CHECK(tested.json()["ok"] == false);
  CHECK(checks[0]["result"] == "app-role, 2 mounts");
  CHECK((checks[1]["what"] == "KEY" && checks[1]["ok"] == true));
  CHECK((checks[2]["what"] == "api.example.com" && checks[2]["code"] == "not_found"));
  CHECK(tested.body.find(kValue) == std::string::npos);
  CHECK(api.port.world.revoked == 1);  // a lease that was made to look
  CHECK(api.as("mike", "GET", kStores).json()["stores"][0]["stale"] == 1);
  CHECK(api.as("mike", "GET", "/v1/vaults/default/mappings")
            .json()["mappings"][0]["missing_since"]
            .is_string());
  const json vaults = api.as("mike", "GET", "/v1/vaults").json()["vaults"];
  CHECK((vaults[0]["stores"] == 1 && vaults[0]["failing_stores"] == 0));
  {
    const std::lock_guard lock(api.port.world.mutex);
    api.port.world.trouble = source::failure(Failure::Why::kUnreachable, "no route");
  }
  api.clock().pass(std::chrono::seconds(61));
  const Got failing = api.as("alice", "POST", std::string(kStores) + "/corp/test");
  CHECK(failing.json()["checks"].size() == 1);
  CHECK(failing.json()["checks"][0]["code"] == "unreachable");
  CHECK(api.as("mike", "GET", std::string(kStores) + "/corp").json()["state"] == "failing");
  CHECK(api.as("mike", "GET", "/v1/vaults").json()["vaults"][0]["failing_stores"] == 1);
}

TEST_CASE("stores: names are listed, and no value", "[api][stores]") {
  StoreFixture api;
  REQUIRE(api.pair("alice").status == 200);
  const Got got = api.as("alice", "POST", std::string(kStores) + "/corp/browse", "{}");
  REQUIRE(got.status == 200);
  CHECK(got.json()["items"][0]["reference"] == "vault://secret/app#key");
  CHECK(got.json()["items"][0]["hosts"] == json::array({"api.example.com"}));
  CHECK(got.json()["items"][1]["folder"] == true);
  CHECK(got.json()["more"] == false);
  CHECK(got.body.find(kValue) == std::string::npos);
  CHECK(api.as("alice", "POST", std::string(kStores) + "/corp/browse",
               R"({"reference":"vault://nowhere"})")
            .error() == "external_store_not_found");
  CHECK(api.as("alice", "POST", std::string(kStores) + "/corp/browse",
               json{{"reference", std::string(3000, 'x')}}.dump())
            .status == 400);
}

TEST_CASE("stores: a value is shown as a credential is revealed, and on the log before",
          "[api][stores][attack]") {
  StoreFixture api;
  REQUIRE(api.pair("alice").status == 200);
  REQUIRE(api.as("alice", "POST", "/v1/credentials/source",
                 R"({"vault":"default","key":"KEY","reference":"vault://secret/app#key"})")
              .status == 200);
  const std::string path = std::string(kStores) + "/corp/read";
  // A member: of a credential; an admin: of anything that a credential could be made of.
  CHECK(api.as("mike", "POST", path, R"({"key":"KEY"})").json()["value"] == kValue);
  CHECK(api.as("mike", "POST", path, R"({"reference":"vault://secret/app#key"})").status == 403);
  CHECK(
      api.as("alice", "POST", path, R"({"reference":"vault://secret/app#key"})").json()["value"] ==
      kValue);
  CHECK(api.as("mike", "POST", path, R"({"key":"OTHER"})").status == 404);
  CHECK(api.as("mike", "POST", path, "{}").status == 400);
  const auto records = api.audit().records();
  CHECK(records.back().event == "credential.reveal");
  // From a browser: with the password once more.
  for (const bool recent : {false, true}) {
    api.people().recent = recent;
    Sent browser;
    browser.cookie = "mike";
    browser.fields = {{"origin", "http://127.0.0.1:14321"}, {"x-agent-vault", "1"}};
    const Got got = api.ask("POST", path, R"({"key":"KEY"})", browser);
    CHECK(got.status == (recent ? 200 : 403));
    CHECK((got.body.find(kValue) != std::string::npos) == recent);
    CHECK((recent || got.error() == "reauthentication_required"));
  }
  api.audit().full = true;
  const Got refused = api.as("mike", "POST", path, R"({"key":"KEY"})");
  CHECK(refused.status == 507);
  CHECK(refused.body.find(kValue) == std::string::npos);
  for (const auto& record : records) {
    CHECK(record.detail.find(kValue) == std::string::npos);
  }
}

TEST_CASE("stores: who may do it no more while a store thinks gets nothing",
          "[api][stores][attack]") {
  for (const bool still : {true, false}) {
    CAPTURE(still);
    StoreFixture api;
    REQUIRE(api.pair("alice").status == 200);
    REQUIRE(api.as("alice", "POST", "/v1/credentials/source",
                   R"({"vault":"default","key":"KEY","reference":"vault://secret/app#key"})")
                .status == 200);
    api.port.world.slow = true;
    Sent mike;
    mike.bearer = "mike";
    Sent alice;
    alice.bearer = "alice";
    auto read = api.send("POST", std::string(kStores) + "/corp/read", R"({"key":"KEY"})", mike);
    auto pair = api.send("POST", kStores,
                         R"({"kind":"vault","name":"late","settings":{"url":"https://v.example"},)"
                         R"("secrets":{"token":"t"}})",
                         alice);
    api.port.world.await(2);
    if (!still) {
      const std::lock_guard lock(api.people().mutex);
      api.people().roles[{"usr_mike", "default"}] = api::Role::kProxy;
      api.people().roles[{"usr_alice", "default"}] = api::Role::kMember;
    }
    api.port.world.let_go();
    REQUIRE(read.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
    REQUIRE(pair.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
    const Got got = read.get();
    CHECK(got.status == (still ? 200 : 403));
    CHECK((got.body.find(kValue) != std::string::npos) == still);
    CHECK(pair.get().status == (still ? 200 : 403));
    CHECK(api.store().get_store("default", "late").has_value() == still);
  }
}

TEST_CASE("stores: a slow store holds up nobody, and one person has few questions under way",
          "[api][stores][attack]") {
  StoreFixture api;
  REQUIRE(api.pair("alice").status == 200);
  api.people().roles[{"usr_olga", "default"}] = api::Role::kAdmin;
  api.port.world.slow = true;
  Sent alice;
  alice.bearer = "alice";
  std::vector<std::future<Got>> waiting;
  for (std::size_t i = 0; i < api::StorePool::kMostEach; ++i) {
    waiting.push_back(api.send("POST", std::string(kStores) + "/corp/test", "", alice));
  }
  api.port.world.await(static_cast<int>(api::StorePool::kMostEach));
  // Everything else is answered meanwhile; her next question is not taken, another's is.
  CHECK(api.as("alice", "GET", kStores).status == 200);
  const Got more = api.as("alice", "POST", std::string(kStores) + "/corp/browse", "{}");
  CHECK(more.status == 429);
  CHECK(more.field("Retry-After") == "2");
  Sent olga;
  olga.bearer = "olga";
  waiting.push_back(api.send("POST", std::string(kStores) + "/corp/browse", "{}", olga));
  api.port.world.await(static_cast<int>(api::StorePool::kMostEach) + 1);
  api.port.world.let_go();
  for (auto& one : waiting) {
    REQUIRE(one.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
    CHECK(one.get().status == 200);
  }
  CHECK(api.as("alice", "POST", std::string(kStores) + "/corp/browse", "{}").status == 200);
}

TEST_CASE("stores: one is forgotten when nothing refers to it, or with what does",
          "[api][stores]") {
  StoreFixture api;
  REQUIRE(api.pair("alice").status == 200);
  REQUIRE(api.as("alice", "POST", "/v1/credentials/source",
                 R"({"vault":"default","key":"KEY","reference":"vault://secret/app#key"})")
              .status == 200);
  REQUIRE(api.as("alice", "POST", "/v1/vaults/default/mappings",
                 R"({"host":"*.example.com","reference":"vault://secret/app#key"})")
              .status == 200);
  const std::string path = std::string(kStores) + "/corp";
  CHECK(api.as("alice", "DELETE", path).status == 409);
  CHECK(api.port.world.disconnected == 0);
  const Got gone = api.as("alice", "DELETE", path, R"({"remove_references":true})");
  REQUIRE(gone.status == 200);
  CHECK(gone.json()["told"] == "yes");
  CHECK(gone.json()["credentials"] == json::array({"KEY"}));
  CHECK(gone.json()["hosts"] == json::array({"*.example.com"}));
  CHECK(api.port.world.disconnected == 1);
  CHECK(api.store().list_stores("default")->empty());
  CHECK(api.store().list_credentials("default")->empty());
  CHECK(api.as("alice", "GET", path).status == 404);
}

TEST_CASE("stores: every route's good reply fits its schema", "[api][stores][routes]") {
  StoreFixture api;
  const api::Router router(api::route_table());
  const auto fits = [&](const char* method, const std::string& target,
                        const std::string& body = {}) {
    CAPTURE(method, target);
    const Got got = api.as("alice", method, target, body);
    const auto found = router.find(method, target.substr(0, target.find('?')), api::Where::kServe);
    REQUIRE(found.route != nullptr);
    REQUIRE(got.status == 200);
    const auto schema = api::schema_from_text(found.route->response);
    REQUIRE(schema);
    CHECK(api::mismatch_with(*schema, api::Json::parse(got.body)) == "");
  };
  fits("GET", "/v1/store-kinds");
  fits("POST", kStores,
       R"({"kind":"vault","name":"corp","settings":{"url":"https://v.example"},)"
       R"("secrets":{"token":"t"}})");
  fits("POST", "/v1/credentials/source", R"({"key":"KEY","reference":"vault://secret/app#key"})");
  fits("POST", "/v1/vaults/default/mappings",
       R"({"host":"a.example","reference":"vault://secret/app#key",)"
       R"("auth":{"type":"basic","username":"USERNAME","password":"PASSWORD"}})");
  fits("GET", "/v1/vaults/default/mappings");
  fits("GET", "/v1/credentials");
  fits("GET", "/v1/vaults");
  fits("GET", kStores);
  fits("GET", std::string(kStores) + "/corp");
  fits("POST", std::string(kStores) + "/corp/test");
  fits("POST", std::string(kStores) + "/corp/browse", "{}");
  fits("POST", std::string(kStores) + "/corp/read", R"({"key":"KEY"})");
  fits("DELETE", "/v1/vaults/default/mappings/a.example?store=corp");
  fits("DELETE", std::string(kStores) + "/corp", R"({"remove_references":true})");
}
