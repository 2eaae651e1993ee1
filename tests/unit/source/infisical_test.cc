// Infisical, against tests/support/fake_infisical.py.

#include <thread>

#include "source/infisical_provider.h"
#include "unit/source/counterpart.h"
#include "unit/source/fake_http.h"

using namespace av;
using namespace av::source;
using namespace av::test;
using nlohmann::json;
using Why = Failure::Why;

namespace {

constexpr const char* kProject = "11111111-2222-3333-4444-555555555555";
constexpr const char* kClientSecret = "cs-infisical-agent-0123456789";

using Words = std::map<std::string, std::string>;

struct Setup {
  Counterpart infisical{"fake_infisical.py"};
  MovedClock clock;

  Result<std::unique_ptr<Provider>> make(Words settings, Words secrets) {
    Ports ports;
    ports.http = &infisical.http;
    ports.clock = &clock;
    vault::ExternalStore store;
    store.settings.insert(settings.begin(), settings.end());
    for (const auto& [name, text] : Words{{"url", infisical.url()},
                                          {"project", kProject},
                                          {"environment", "prod"},
                                          {"client_id", "client-agent"}}) {
      store.settings.emplace(name, text);
    }
    vault::StoreSecrets sealed;
    for (const auto& [name, text] : secrets) {
      sealed.emplace(name, secret(text));
    }
    return kInfisical.make(store, std::move(sealed), ports);
  }
  std::unique_ptr<Provider> provider(Words settings = {}) {
    auto out = make(std::move(settings), {{"client_secret", kClientSecret}});
    INFO((out ? "" : out.error().message));
    REQUIRE(out);
    return std::move(*out);
  }
  void pass_s(int seconds) {
    clock.pass_s(seconds);
    infisical.control("clock", {{"advance", seconds}});
  }
  void set(const json& settings) { infisical.control("settings", settings); }
  int logins() { return infisical.look("state")["logins"].get<int>(); }
};

std::string read(Provider& provider, std::string_view reference) {
  const auto parsed = parse_infisical(reference);
  if (!parsed) {
    return parsed.error().message;
  }
  const auto got = provider.fetch(parsed->item);
  if (!got) {
    return std::string(to_string(got.error().why)) + ": " + got.error().message;
  }
  const auto found = field_of(*got, parsed->field);
  return found ? shown(**found) : found.error().message;
}

Failure failed(Provider& provider, std::string_view reference) {
  const auto parsed = parse_infisical(reference);
  REQUIRE(parsed);
  const auto got = provider.fetch(parsed->item);
  REQUIRE_FALSE(got);
  CHECK(got.error().message.find('\n') == std::string::npos);
  return got.error();
}

std::vector<std::string> references(const Result<std::vector<Listed>>& listed) {
  std::vector<std::string> out;
  if (!listed) {
    return {listed.error().message};
  }
  for (const Listed& one : *listed) {
    out.push_back(one.reference);
  }
  return out;
}

}  // namespace

TEST_CASE("infisical: secrets are read by folder, name and environment, of both APIs",
          "[source][infisical]") {
  Setup s;
  const bool old = GENERATE(false, true);
  s.set({{"old", old}});
  const auto provider = s.provider();
  CHECK(read(*provider, "infisical://API_KEY") == "inf-api-key");
  CHECK(read(*provider, "infisical://backend/DB_URL") == "inf-db-url");
  CHECK(read(*provider, "infisical://backend/db/PASSWORD") == "inf-db-password");
  CHECK(read(*provider, "infisical://API_KEY?env=dev") == "inf-dev-key");
  CHECK(read(*provider, "infisical://GREETING") == "hello inf-api-key");  // references expanded
  CHECK(read(*provider, "infisical://SHARED") == "inf-shared");           // imported
  const auto below = s.provider({{"path", "/backend/"}});
  CHECK(read(*below, "infisical://DB_URL") == "inf-db-url");
  CHECK(read(*below, "infisical://db/PASSWORD") == "inf-db-password");
  CHECK(failed(*below, "infisical://API_KEY").why == Why::kNotFound);
  CHECK(s.infisical.count(old ? "/api/v4" : "/api/v3") == (old ? 2 : 0));
  const auto record = provider->fetch("API_KEY");
  REQUIRE(record);
  CHECK_FALSE(record->lease);
  CHECK(record->keep_ms == 60'000);
}

TEST_CASE("infisical: what is not there, and what may not be read", "[source][infisical]") {
  Setup s;
  const auto provider = s.provider();
  const Failure none = failed(*provider, "infisical://NONE");
  CHECK(none.why == Why::kNotFound);
  CHECK(none.message ==
        "Infisical has nothing for reading NONE: Secret with name 'NONE' not found");
  CHECK(failed(*provider, "infisical://nowhere/API_KEY").why == Why::kNotFound);
  CHECK(failed(*provider, "infisical://API_KEY?env=staging").why == Why::kNotFound);
  // "<hidden-by-infisical>" is no value.
  const Failure hidden = failed(*provider, "infisical://HIDDEN");
  CHECK(hidden.why == Why::kDenied);
  CHECK(hidden.message == "Infisical hides the value of HIDDEN");
  s.set({{"member", false}});
  const Failure stranger = failed(*provider, "infisical://API_KEY");
  CHECK(stranger.why == Why::kDenied);
  CHECK(s.logins() == 1);
}

TEST_CASE("infisical: pairing checks the identity, the project and the environment",
          "[source][infisical]") {
  Setup s;
  const auto about = s.provider()->pair();
  REQUIRE(about);
  CHECK(about->account == "Shop, prod");
  s.set({{"old", true}});
  CHECK(s.provider()->pair());
  s.set({{"old", false}});
  const auto staging = s.provider({{"environment", "staging"}})->pair();
  REQUIRE_FALSE(staging);
  CHECK(staging.error().message == "the project has no environment \"staging\"");
  CHECK(staging.error().hint == "it has dev, prod");
  CHECK(s.provider({{"project", "99999999-2222-3333-4444-555555555555"}})->pair().error().why ==
        Why::kNotFound);
  auto wrong = s.make({}, {{"client_secret", "cs-wrong-0123456789"}});
  REQUIRE(wrong);
  const auto denied = (*wrong)->pair();
  REQUIRE_FALSE(denied);
  CHECK(denied.error().why == Why::kDenied);
  CHECK(denied.error().message ==
        "Infisical did not let the machine identity in (HTTP 401): Invalid credentials");
}

TEST_CASE("infisical: settings that do not belong together are refused", "[source][infisical]") {
  Setup s;
  const auto why = [&](Words settings) {
    const auto got = s.make(std::move(settings), {{"client_secret", kClientSecret}});
    return got ? std::string("made") : got.error().message;
  };
  CHECK(why({}) == "made");
  CHECK(why({{"auth", "aws"}}) == "auth is neither universal nor kubernetes");
  CHECK(why({{"auth", "kubernetes"}}) == "identity_id is missing, or is none");
  CHECK(why({{"client_id", ""}}) == "client_id is missing, or is none");
  CHECK(why({{"client_id", "a\"b"}}) == "client_id is missing, or is none");
  CHECK(why({{"project", "my shop"}}) == "project is missing, or is no project's id");
  CHECK(why({{"environment", ""}}) == "environment is missing, or is no environment's slug");
  CHECK(why({{"project_slug", "a b"}}) == "project_slug is none");
  CHECK(why({{"path", "/a/../b"}}) != "made");
  CHECK(why({{"lease_ttl", "soon"}}) == "lease_ttl is no duration");
  CHECK(why({{"lease_ttl", "15m"}}) == "made");
  CHECK(why({{"url", "http://infisical.example.com"}}) == "url must be an https:// URL");
  CHECK(why({{"url", ""}}) == "made");  // the cloud
  const auto bare = s.make({}, {});
  REQUIRE_FALSE(bare);
  CHECK(bare.error().message.find("client_secret is missing") == 0);
}

TEST_CASE("infisical: by Kubernetes", "[source][infisical]") {
  Setup s;
  std::string path = "/tmp/av-infisical-XXXXXX";
  const UniqueFd fd(::mkstemp(path.data()));
  REQUIRE(fs::write_all(fd.get(), "eyJhbGciOiJSUzI1NiJ9.a3ViZQ.c2ln\n"));
  const Words settings = {
      {"auth", "kubernetes"}, {"identity_id", "identity-kube"}, {"token_file", path}};
  const auto provider = s.make(settings, {});
  REQUIRE(provider);
  CHECK(read(**provider, "infisical://API_KEY") == "inf-api-key");
  REQUIRE(fs::write_all(fd.get(), "and more"));
  s.infisical.control("revoke", {{"tokens", true}});
  CHECK(failed(**provider, "infisical://API_KEY").why == Why::kInvalid);
  ::unlink(path.c_str());
  CHECK(failed(**provider, "infisical://API_KEY").why == Why::kInvalid);
}

TEST_CASE("infisical: a token is made anew before it ends, and once when it is refused",
          "[source][infisical]") {
  Setup s;
  const auto provider = s.provider();
  const auto works = [&] { return read(*provider, "infisical://API_KEY") == "inf-api-key"; };
  CHECK(works());
  s.pass_s(6000);
  CHECK(works());
  CHECK(s.logins() == 1);
  s.pass_s(600);
  CHECK(works());
  CHECK(s.logins() == 2);
  s.infisical.control("revoke", {{"tokens", true}});
  CHECK(works());
  CHECK(s.logins() == 3);
  // It ends earlier than it was said to: 403 with "TokenError".
  s.infisical.control("clock", {{"advance", 7300}});
  CHECK(works());
  CHECK(s.logins() == 4);
  // Never in a circle.
  s.infisical.control("faults", {{"kind", "status"},
                                 {"status", 401},
                                 {"times", 100},
                                 {"match", "/secrets/"},
                                 {"body", R"({"message":"Unauthorized"})"}});
  const int before = s.infisical.count("/api/");
  CHECK(failed(*provider, "infisical://API_KEY").why == Why::kDenied);
  CHECK(s.infisical.count("/api/") - before == 3);
  CHECK(s.logins() == 5);
}

TEST_CASE("infisical: threads that need a login at the same time get one", "[source][infisical]") {
  Setup s;
  const auto provider = s.provider();
  s.infisical.control("faults",
                      {{"kind", "slow"}, {"seconds", 0.2}, {"match", "/login"}, {"times", 100}});
  for (int round = 1; round <= 2; ++round) {
    std::vector<std::thread> threads;
    std::atomic<int> good = 0;
    for (int i = 0; i < 12; ++i) {
      threads.emplace_back(
          [&] { good += read(*provider, "infisical://API_KEY") == "inf-api-key" ? 1 : 0; });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    CHECK(good == 12);
    CHECK(s.logins() == round);
    s.infisical.control("revoke", {{"tokens", true}});
  }
}

TEST_CASE("infisical: dynamic secrets are leases", "[source][infisical]") {
  Setup s;
  const auto provider = s.provider();
  const auto got = provider->fetch("dynamic:backend/postgres");
  INFO((got ? "" : got.error().message));
  REQUIRE(got);
  REQUIRE(got->lease);
  CHECK(got->lease->life_ms == 60'000);
  CHECK(got->keep_ms == 60'000);
  CHECK(got->fields.size() == 2);
  CHECK(shown(got->fields.at("DB_PASSWORD")).starts_with("infpw-"));
  s.pass_s(50);
  const auto renewed = provider->renew(*got->lease);
  REQUIRE(renewed);
  CHECK(renewed->id == got->lease->id);
  CHECK(renewed->life_ms == 60'000);
  s.pass_s(50);
  CHECK(provider->renew(*renewed));
  s.pass_s(50);
  const auto over = provider->renew(*renewed);  // 180 s are the most
  REQUIRE_FALSE(over);
  CHECK(over.error().why == Why::kNotFound);
  // By a provider that starts later, and only once.
  const auto later = s.provider();
  CHECK(later->revoke(*renewed));
  CHECK(s.infisical.look("state")["leases"][0]["alive"] == false);
  CHECK_FALSE(later->revoke(*renewed));

  const auto long_one = s.provider({{"lease_ttl", "2m"}, {"path", "/backend"}});
  const auto longer = long_one->fetch("dynamic:postgres");
  REQUIRE(longer);
  CHECK(longer->lease->life_ms == 120'000);
  const auto too_long = s.provider({{"lease_ttl", "1h"}});
  CHECK(failed(*too_long, "infisical://backend/postgres#DB_PASSWORD").why == Why::kInvalid);
  CHECK(failed(*provider, "infisical://backend/none#X").why == Why::kNotFound);
  Lease odd;
  odd.id = "../../x prod /";
  CHECK(provider->renew(odd).error().why == Why::kInvalid);
  CHECK(provider->revoke(odd).error().why == Why::kInvalid);

  // Who may not look up the project says its slug.
  s.set({{"slug_denied", true}});
  const Failure denied = failed(*s.provider(), "infisical://backend/postgres#DB_PASSWORD");
  CHECK(denied.why == Why::kDenied);
  CHECK(denied.hint.find("project_slug") != std::string::npos);
  CHECK(s.provider({{"project_slug", "shop-abcd"}})->fetch("dynamic:backend/postgres"));
}

TEST_CASE("infisical: nothing but a fetch makes a credential", "[source][infisical]") {
  Setup s;
  const auto provider = s.provider();
  REQUIRE(provider->pair());
  REQUIRE(provider->test());
  REQUIRE(provider->list("infisical://backend/"));
  CHECK(s.infisical.look("state")["leases"].empty());
  REQUIRE(provider->fetch("dynamic:backend/postgres"));  // the control
  CHECK(s.infisical.look("state")["leases"].size() == 1);
}

TEST_CASE("infisical: names can be listed, of both APIs, and no values come with them",
          "[source][infisical]") {
  Setup s;
  s.set({{"old", GENERATE(false, true)}});
  const auto provider = s.provider();
  using Names = std::vector<std::string>;
  CHECK(references(provider->list("")) == Names{"infisical://backend/", "infisical://API_KEY",
                                                "infisical://GREETING", "infisical://HIDDEN"});
  CHECK(references(provider->list("infisical://backend/")) ==
        Names{"infisical://backend/db/", "infisical://backend/DB_URL"});
  CHECK(references(provider->list("infisical://?env=dev")) ==
        Names{"infisical://common/?env=dev", "infisical://API_KEY?env=dev"});
  const json seen = s.infisical.look("requests");
  for (const auto& one : seen["requests"]) {
    if (one["path"].get<std::string>().find("/secrets") != std::string::npos) {
      CHECK(one["query"]["viewSecretValue"] == "false");
    }
  }
}

TEST_CASE("infisical: disconnecting gives its tokens back", "[source][infisical]") {
  Setup s;
  const auto provider = s.provider();
  CHECK(provider->disconnect());
  CHECK(s.logins() == 0);
  REQUIRE(provider->fetch("API_KEY"));
  CHECK(provider->disconnect());
  CHECK(s.infisical.look("state")["tokens"][0]["alive"] == false);
}

TEST_CASE("infisical: answers that are none", "[source][infisical]") {
  Setup s;
  const auto provider = s.provider();
  const auto with = [&](const char* match, json fault) {
    fault["match"] = match;
    s.infisical.control("faults", fault);
    return failed(*provider, "infisical://API_KEY");
  };
  for (const char* kind : {"html", "malformed", "huge", "close", "empty"}) {
    INFO(kind);
    CHECK(with("/login", {{"kind", kind}}).why == Why::kMalformed);
  }
  for (const char* kind : {"html", "malformed", "huge", "close", "empty"}) {
    INFO(kind);
    CHECK(with("/secrets/", {{"kind", kind}}).why == Why::kMalformed);
  }
  const auto body = [&](const char* text) {
    return with("/secrets/", {{"kind", "body"}, {"body", text}}).why;
  };
  CHECK(body(R"({"secret":{}})") == Why::kMalformed);
  CHECK(body(R"({"secret":{"secretValue":null}})") == Why::kMalformed);
  CHECK(body(R"({"secret":{"secretValue":{"a":1}}})") == Why::kMalformed);
  CHECK(with("/secrets/", {{"kind", "html"}, {"status", 404}}).why == Why::kMalformed);
  CHECK(with("/secrets/", {{"kind", "html"}, {"status", 502}}).why == Why::kUnreachable);
  const Failure busy = with("/secrets/", {{"kind", "status"}, {"status", 429}, {"retry_after", 9}});
  CHECK(busy.why == Why::kBusy);
  CHECK(busy.retry_ms == 9000);
  CHECK(with("/secrets/", {{"kind", "redirect"}, {"location", "https://evil.example.com/"}}).why ==
        Why::kRefused);
  CHECK(read(*provider, "infisical://API_KEY") == "inf-api-key");

  const auto fresh = s.provider();
  s.infisical.control("faults",
                      {{"kind", "status"},
                       {"status", 401},
                       {"match", "/login"},
                       {"body", std::string(R"({"message":"no )") + kClientSecret + "\"}"}});
  CHECK(failed(*fresh, "infisical://API_KEY").message ==
        "Infisical did not let the machine identity in (HTTP 401)");
}
