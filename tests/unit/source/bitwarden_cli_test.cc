#include "source/bitwarden_cli.h"

#include <catch2/catch.hpp>

#include "unit/source/aac_device.h"

namespace av::source {
namespace {

using testing::FakeClock;
using testing::json;
using testing::secret_of;
using testing::shown;
using Why = Failure::Why;

constexpr std::string_view kId = "01234567-89ab-cdef-0123-456789abcdef";

class FakeProcesses final : public Processes {
 public:
  Result<CommandOutcome> run(const Command& command) override {
    program = command.program;
    digest = command.digest;
    words = command.arguments;
    environment.clear();
    for (const auto& [name, value] : command.environment) {
      environment[name] = shown(value);
    }
    if (fails) {
      return *fails;
    }
    CommandOutcome out;
    out.exit_code = answer.find("\"success\":true") == std::string::npos ? 1 : 0;
    out.output = secret_of(answer);
    out.errors = errors;
    return out;
  }
  std::string answer;
  std::string errors;
  std::optional<Failure> fails;
  std::string program, digest;
  std::vector<std::string> words;
  std::map<std::string, std::string> environment;
};

class FakeHttp final : public Http {
 public:
  Result<HttpAnswer> send(const HttpRequest& request) override {
    CHECK(request.method == "GET");
    urls.push_back(request.url);
    HttpAnswer out;
    out.status = status;
    out.body = secret_of(body);
    return out;
  }
  int status = 200;
  std::string body;
  std::vector<std::string> urls;
};

json item(const std::string& name, const json& login) {
  return {{"object", "item"},
          {"id", kId},
          {"name", name},
          {"notes", nullptr},
          {"login", login},
          {"fields",
           {{{"name", "API key"}, {"value", "sk-1"}, {"type", 1}},
            {{"name", "flag"}, {"value", nullptr}, {"type", 2}}}}};
}
const json kGithub = {
    {"username", "octocat"},
    {"password", "hunter2"},
    {"totp", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"},
    {"uris",
     {{{"match", nullptr}, {"uri", "https://github.com/login"}}, {{"uri", "gist.github.com"}}}}};

std::string good(const json& data) {
  return json{{"success", true}, {"data", data}}.dump();
}
std::string list_of(const json& items) {
  return good({{"object", "list"}, {"data", items}});
}
std::string bad(const std::string& message) {
  return json{{"success", false}, {"message", message}}.dump();
}

struct Store {
  Store() {
    ports.http = &http;
    ports.processes = &processes;
    ports.clock = &clock;
  }
  Result<std::unique_ptr<Provider>> make(std::map<std::string, std::string> settings,
                                         const std::string& session = "c2Vzc2lvbg==") {
    vault::ExternalStore store;
    for (auto& [name, value] : settings) {
      store.settings.emplace(name, value);
    }
    vault::StoreSecrets secrets;
    if (!session.empty()) {
      secrets.emplace("session", secret_of(session));
    }
    return kBitwardenCli.make(store, std::move(secrets), ports);
  }
  std::unique_ptr<Provider> program() {
    auto made = make({{"program", "/usr/bin/bw"}, {"program.sha256", "abc"}});
    REQUIRE(made.has_value());
    return std::move(*made);
  }
  FakeClock clock;
  FakeProcesses processes;
  FakeHttp http;
  Ports ports;
};

std::string value(const Result<Record>& record, std::string_view field) {
  if (!record) {
    return "(" + std::string(to_string(record.error().why)) + ")";
  }
  const auto found = field_of(*record, field);
  return found ? shown(**found) : "(no field)";
}

TEST_CASE("Bitwarden CLI: an item by its identifier; the session in the child's environment only") {
  Store store;
  store.processes.answer = good(item("GitHub", kGithub));
  const auto provider = store.program();
  const auto record = provider->fetch("id/" + std::string(kId));
  CHECK(value(record, "password") == "hunter2");
  CHECK(value(record, "username") == "octocat");
  CHECK(value(record, "uri") == "https://github.com/login");
  CHECK(value(record, "field:API key") == "sk-1");
  CHECK(value(record, "field:flag") == "(no field)");
  CHECK(value(record, "notes") == "(no field)");
  CHECK(value(record, "totp").size() == 6);
  CHECK(record->keep_ms <= 30'000);
  CHECK(store.processes.words ==
        std::vector<std::string>{"get", "item", std::string(kId), "--response", "--nointeraction"});
  CHECK(store.processes.program == "/usr/bin/bw");
  CHECK(store.processes.digest == "abc");
  CHECK(store.processes.environment ==
        std::map<std::string, std::string>{{"BW_SESSION", "c2Vzc2lvbg=="}});
}

TEST_CASE("Bitwarden CLI: the login for a site, and what a search finds") {
  Store store;
  const auto provider = store.program();
  CHECK(provider->item_of_host("github.com") == "domain/github.com");
  store.processes.answer = list_of(json::array({item("GitHub", kGithub)}));
  CHECK(value(provider->fetch("domain/github.com"), "password") == "hunter2");
  CHECK(store.processes.words == std::vector<std::string>{"list", "items",
                                                          "--url=https://github.com", "--response",
                                                          "--nointeraction"});
  // One word, or bw would take it for its own option.
  CHECK(value(provider->fetch("search/--raw"), "password") == "hunter2");
  CHECK(store.processes.words[2] == "--search=--raw");
  CHECK(store.processes.words.size() == 5);

  json other = kGithub;
  other["password"] = "other";
  store.processes.answer =
      list_of(json::array({item("GitHub work", other), item("GitHub", kGithub)}));
  CHECK(value(provider->fetch("search/github"), "password") == "hunter2");
  CHECK(value(provider->fetch("search/git"), "password") == "(invalid)");
  store.processes.answer = list_of(json::array({item("GitHub", other), item("github", kGithub)}));
  CHECK(value(provider->fetch("search/github"), "password") == "(invalid)");
  store.processes.answer = list_of(json::array());
  CHECK(value(provider->fetch("domain/github.com"), "password") == "(not_found)");
}

TEST_CASE("Bitwarden CLI: of the logins of a domain, the one for this very host") {
  Store store;
  const auto provider = store.program();
  const auto login = [](const std::string& password, const std::string& uri) {
    return json{{"password", password}, {"uris", {{{"uri", uri}}}}};
  };
  const auto answers = [&](const json& items) { store.processes.answer = list_of(items); };
  answers(json::array({item("the site", login("site", "https://example.com/login")),
                       item("the API", login("api", "https://API.example.com:443/v1"))}));
  CHECK(value(provider->fetch("domain/api.example.com"), "password") == "api");
  CHECK(value(provider->fetch("domain/example.com"), "password") == "site");
  // None for this host: several of the domain are no answer, but for one that is called so.
  CHECK(value(provider->fetch("domain/www.example.com"), "password") == "(invalid)");
  answers(json::array({item("www.Example.com", login("named", "https://example.com")),
                       item("the API", login("api", "https://api.example.com"))}));
  CHECK(value(provider->fetch("domain/www.example.com"), "password") == "named");
  // Two for it: which one is for the owner to say.
  answers(json::array({item("mine", login("one", "https://api.example.com")),
                       item("theirs", login("two", "https://api.example.com/x"))}));
  CHECK(value(provider->fetch("domain/api.example.com"), "password") == "(invalid)");
  CHECK(provider->item_of_host("API.example.com") == "domain/api.example.com");
  CHECK(provider->item_of_host("not a host").empty());
}

TEST_CASE("Bitwarden CLI: its own words for what is wrong") {
  Store store;
  const auto provider = store.program();
  const auto why = [&](const std::string& answer) {
    store.processes.answer = answer;
    return provider->fetch("id/" + std::string(kId)).error();
  };
  CHECK(why(bad("Not found.")).why == Why::kNotFound);
  const Failure locked = why(bad("Vault is locked."));
  CHECK(locked.why == Why::kLocked);
  CHECK(locked.hint.find("bw unlock") != std::string::npos);
  CHECK(why(bad("You are not logged in.")).why == Why::kDenied);
  CHECK(why(bad("More than one result was found. Try getting a specific object by `id` instead. "
                "The following objects were found:\na\nb"))
            .why == Why::kInvalid);
  CHECK(why(bad("Access to this item type is restricted by organizational policy.")).why ==
        Why::kDenied);
  for (const std::string& answer :
       {std::string(), std::string("{"), std::string("[]"), std::string("{}"),
        std::string(R"({"success":"true"})"), std::string(R"({"success":true})"),
        std::string(R"({"success":true,"data":"x"})"), good({{"login", {{"password", 1}}}})}) {
    INFO(answer);
    CHECK(why(answer).why == Why::kMalformed);
  }
  store.processes.answer.clear();
  store.processes.errors = "node: bad\x1b[0m option\n";
  const Failure broken = provider->fetch("id/" + std::string(kId)).error();
  CHECK(broken.message.find("node: bad [0m option") != std::string::npos);
  store.processes.fails = failure(Why::kRefused, "the program has changed");
  CHECK(provider->fetch("domain/x.test").error().why == Why::kRefused);
}

TEST_CASE("Bitwarden CLI: the state of the vault, and what is in it") {
  Store store;
  const auto provider = store.program();
  const auto status = [](const std::string& state) {
    return good({{"object", "template"},
                 {"template",
                  {{"serverUrl", "https://vault.bitwarden.eu"},
                   {"userEmail", "a@b.test"},
                   {"status", state}}}});
  };
  store.processes.answer = status("unlocked");
  const auto about = provider->test();
  REQUIRE(about.has_value());
  CHECK(about->account == "a@b.test");
  CHECK(about->detail == "server https://vault.bitwarden.eu");
  CHECK(store.processes.words.front() == "status");
  store.processes.answer = status("locked");
  CHECK(provider->test().error().why == Why::kLocked);
  store.processes.answer = status("unauthenticated");
  CHECK(provider->pair().error().why == Why::kDenied);
  store.processes.answer = status("odd");
  CHECK(provider->test().error().why == Why::kMalformed);

  store.processes.answer = list_of(json::array({item("GitHub", kGithub)}));
  const auto listed = provider->list({});
  REQUIRE(listed.has_value());
  REQUIRE(listed->size() == 1);
  CHECK(listed->front().reference == "bw://id/" + std::string(kId));
  CHECK(listed->front().title == "GitHub");
  CHECK(listed->front().hosts == std::vector<std::string>{"github.com", "gist.github.com"});
  CHECK_FALSE(provider->list("bw://id/x").has_value());
}

TEST_CASE("Bitwarden CLI: the same questions to bw serve, on this machine only") {
  Store store;
  auto made = store.make({{"url", "http://localhost:8087/"}}, "");
  REQUIRE(made.has_value());
  store.http.body = good(item("GitHub", kGithub));
  CHECK(value((*made)->fetch("id/" + std::string(kId)), "password") == "hunter2");
  CHECK(store.http.urls.back() == "http://localhost:8087/object/item/" + std::string(kId));
  store.http.body = list_of(json::array({item("GitHub", kGithub)}));
  CHECK(value((*made)->fetch("domain/github.com"), "password") == "hunter2");
  CHECK(store.http.urls.back() ==
        "http://localhost:8087/list/object/items?url=https%3A%2F%2Fgithub.com");
  CHECK(value((*made)->fetch("search/a&b"), "password") == "hunter2");
  CHECK(store.http.urls.back() == "http://localhost:8087/list/object/items?search=a%26b");
  store.http.status = 400;
  store.http.body = bad("Vault is locked.");
  CHECK((*made)->test().error().why == Why::kLocked);
  store.http.status = 403;
  CHECK((*made)->test().error().why == Why::kDenied);
  store.http.status = 500;
  CHECK((*made)->test().error().why == Why::kMalformed);
  for (const std::string& url :
       {std::string("https://localhost:8087"), std::string("http://bw.example.com:8087"),
        std::string("http://localhost:8087/x"), std::string("http://u@localhost"),
        std::string("http://127.0.0.1.evil.test"), std::string("localhost:8087")}) {
    INFO(url);
    CHECK_FALSE(store.make({{"url", url}}).has_value());
  }
  CHECK(store.make({{"url", "http://[::1]:8087"}}).has_value());
  CHECK(store.make({{"url", "http://127.0.0.1:8087"}}).has_value());
}

TEST_CASE("Bitwarden CLI: settings that cannot be are refused") {
  Store store;
  CHECK_FALSE(store.make({{"program", "bw"}}).has_value());
  CHECK_FALSE(store.make({}).has_value());
  CHECK_FALSE(store.make({{"program", "/bw"}, {"directory", "x"}}).has_value());
  CHECK_FALSE(store.make({{"program", "/bw"}}, "a\nb").has_value());
  CHECK(store.make({{"program", "/bw"}, {"directory", "/x"}}, "").has_value());
}

}  // namespace
}  // namespace av::source
