#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli_fixture.h"
#include "cmd/audit_filter.h"
#include "cmd/otlp_client.h"
#include "cmd/otlp_json.h"
#include "core/encoding.h"
#include "store/audit_root.h"

using namespace av;
using namespace av::test;
using nlohmann::json;

namespace {

// "event decision error" of each record, in order.
std::vector<std::string> story(Cli& cli, const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"log", "--json", "-n", "0"};
  words.insert(words.end(), more.begin(), more.end());
  std::vector<std::string> all;
  std::string out = cli(words).out;
  for (std::size_t begin = 0; begin < out.size();) {
    const std::size_t end = out.find('\n', begin);
    const json record = json::parse(out.substr(begin, end - begin));
    all.push_back(record.value("event", "") + " " + record.value("decision", "") + " " +
                  record.value("error", ""));
    begin = end + 1;
  }
  return all;
}

using Story = std::vector<std::string>;

bool fits(const cmd::AuditFilterWords& words, const vault::AuditRecord& record) {
  const auto filter = cmd::AuditFilter::make(words, "", 1'000'000'000'000);
  REQUIRE(filter);
  return filter->matches(record);
}

}  // namespace

TEST_CASE("audit: a command is on the log before it is tried and when it is known how it went",
          "[cmd][audit]") {
  Cli cli;
  REQUIRE(cli({"creds", "set", "KEY=the value"}).code == 0);
  REQUIRE(cli({"creds", "get", "KEY"}).code == 0);
  CHECK(cli({"creds", "get", "NOPE"}).code == 3);
  REQUIRE(cli({"vault", "create", "one"}).code == 0);
  CHECK(cli({"vault", "create", "one"}).code == 5);
  REQUIRE(cli({"key", "rotate"}).code == 0);
  REQUIRE(cli({"ca", "show"}).code == 0);
  REQUIRE(cli({"creds", "list", "--reveal"}).code == 0);
  CHECK(story(cli) == Story{"credential.set allow ", "credential.reveal allow ",
                            "credential.reveal error not_found", "vault.create allow ",
                            "vault.create error exists", "key.rotate allow ", "ca.create allow ",
                            "credential.reveal allow "});
  const Story all = story(cli, {"--all"});
  REQUIRE(all.size() == 16);
  for (std::size_t i = 0; i < all.size(); i += 2) {
    const std::string event = all[i + 1].substr(0, all[i + 1].find(' '));
    CHECK(all[i] == event + ".begin  ");
  }
  CHECK(story(cli, {"--errors"}).size() == 2);
  CHECK(story(cli, {"--event", "credential.*"}).size() == 4);
  CHECK(story(cli, {"--event", "credential.set.begin"}) == Story{"credential.set.begin  "});
  CHECK(story(cli, {"--credential", "KEY"}).size() == 3);
  CHECK(story(cli, {"--decision", "error"}).size() == 2);
  CHECK(cli({"log", "--json", "-n", "3"}).out.find("vault.create") == std::string::npos);
  CHECK(cli({"audit", "verify"}).code == 0);
}

TEST_CASE("audit: an announcement without an outcome is shown", "[cmd][audit]") {
  Cli cli;
  REQUIRE(cli({"creds", "set", "KEY=the value"}).code == 0);
  // A command that was killed: its file ends after the first line.
  for (const auto& entry : std::filesystem::directory_iterator(cli.root() / "data/audit")) {
    if (entry.path().extension() == ".jsonl") {
      std::ifstream in(entry.path());
      std::string first;
      std::getline(in, first);
      std::ofstream(entry.path(), std::ios::trunc) << first << "\n";
    }
  }
  CHECK(story(cli) == Story{"credential.set.begin  "});
}

TEST_CASE("audit: what is refused inside a run is on the log where the store can be reached",
          "[cmd][audit][security]") {
  Cli cli;
  ::setenv("AGENT_VAULT_RUN", "run_0123", 1);
  CHECK(cli({"creds", "get", "KEY"}).code == 4);
  CHECK_FALSE(std::filesystem::exists(cli.root() / "data"));  // and makes no store
  ::unsetenv("AGENT_VAULT_RUN");
  REQUIRE(cli({"creds", "set", "KEY=the value"}).code == 0);
  ::setenv("AGENT_VAULT_RUN", "run_0123", 1);
  CHECK(cli({"creds", "get", "KEY"}).code == 4);
  CHECK(cli({"creds", "list", "--reveal"}).code == 4);
  ::unsetenv("AGENT_VAULT_RUN");
  CHECK(story(cli, {"--run", "run_0123", "--decision", "deny"}) ==
        Story{"command.refused deny not_permitted", "command.refused deny not_permitted"});
  CHECK(has(cli({"log"}).out, "vault credential get"));
}

TEST_CASE("audit: no value is printed when its record cannot be written",
          "[cmd][audit][security]") {
  Cli cli;
  REQUIRE(cli({"creds", "set", "KEY=the-canary"}).code == 0);
  std::filesystem::remove_all(cli.root() / "data/audit");
  cli.file("data/audit", "not a directory");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"creds", "get", "KEY"}, {"creds", "list", "--reveal"}}) {
    const Outcome outcome = cli(words);
    CHECK(outcome.code == 1);
    CHECK_FALSE(has(outcome.out + outcome.err, "canary"));
  }
}

TEST_CASE("audit: verify, head and prune from the command line", "[cmd][audit]") {
  Cli cli;
  CHECK(cli({"audit", "verify"}).out == "there is no audit log yet\n");
  CHECK(cli({"audit", "head"}).code == 3);
  REQUIRE(cli({"vault", "create", "one"}).code == 0);
  const json head = json::parse(cli({"audit", "head", "--json"}).out);
  CHECK(cli({"audit", "verify", "--head", head["head"], "--public-key", head["public_key"]}).code ==
        0);
  CHECK(cli({"audit", "verify", "--public-key", std::string(64, '0')}).code == 1);
  CHECK(cli({"audit", "verify", "--public-key", "00"}).code == 2);
  CHECK(cli({"audit", "verify", "--head", "1:" + std::string(64, '0')}).code == 1);
  CHECK(cli({"audit", "prune"}).code == 2);
  CHECK(cli({"audit", "prune", "--before", "yesterday"}).code == 2);
  cli.file("config/config.toml", "[audit]\nkeep = \"1d\"\n");
  CHECK(has(cli({"audit", "prune", "-y"}).err, "removed 0 files"));
  CHECK(has(cli({"audit", "prune", "--dry-run", "--before", "0s"}).err, "would remove"));
  cli.file("config/config.toml", "[audit]\nkeep = 90\n");
  CHECK(cli({"audit", "prune", "-y"}).code == 1);
  const json pruned = json::parse(cli({"audit", "prune", "-y", "--json", "--before", "0s"}).out);
  CHECK(pruned["files"].size() >= 1);
  const json report = json::parse(cli({"audit", "verify", "--json"}).out);
  CHECK(report["ok"] == true);
  CHECK(report["pruned_files"] == pruned["files"].size());
}

TEST_CASE("audit: filters", "[cmd][audit]") {
  vault::AuditRecord r;
  r.time_ms = 999'999'990'000;  // ten seconds before now
  r.event = "request";
  r.method = "POST";
  r.host = "api.example.com";
  r.path = "/v1/things/1";
  r.status = 404;
  r.rule = "limit";
  r.credentials = {"ONE", "TWO"};
  r.decision = "allow";
  cmd::AuditFilterWords words;
  struct Case {
    std::string cmd::AuditFilterWords::*option;
    std::vector<std::string> fitting, others, wrong;
  };
  using Words = cmd::AuditFilterWords;
  const std::vector<Case> cases = {
      {&Words::status,
       {"404", "4xx", "400-499", "404-404"},
       {"403", "5xx", "200-403"},
       {"4x", "xx", "0xx", "40", "4044", "499-400", "-", "404-", "4xxx", "+04"}},
      {&Words::method, {"POST", "post"}, {"GET"}, {}},
      {&Words::path, {"/", "/v1", "/v1/things/1"}, {"/v2", "/v1/things/1/2", "v1"}, {}},
      {&Words::rule, {"limit"}, {"lim"}, {}},
      {&Words::credential, {"ONE", "TWO"}, {"THREE", "ON"}, {}},
      {&Words::event, {"request"}, {"request.*", "req", "request.begin"}, {}},
      {&Words::since, {"11s", "1m", "2001-09-09T01:46:29Z"}, {"9s"}, {"soon", "9", "s", "-1s"}},
      {&Words::until, {"9s", "0s", "2001-09-10"}, {"11s", "2000-01-01"}, {"soon"}},
      {&Words::decision, {"allow"}, {"deny"}, {"maybe"}},
  };
  for (const Case& one : cases) {
    for (const auto& [list, want] : {std::pair(&one.fitting, 1), std::pair(&one.others, 0)}) {
      for (const std::string& text : *list) {
        words = {};
        words.*one.option = text;
        CAPTURE(text);
        CHECK(fits(words, r) == (want == 1));
      }
    }
    for (const std::string& text : one.wrong) {
      words = {};
      words.*one.option = text;
      CAPTURE(text);
      CHECK_FALSE(cmd::AuditFilter::make(words, "", 0));
    }
  }
  words = {};
  r.event = "credential.set.begin";
  CHECK(fits(words, r));
  r.event = "request.begin";
  CHECK_FALSE(fits(words, r));
  words.all = true;
  CHECK(fits(words, r));
}

TEST_CASE("otlp: a record becomes what the encoding wants", "[cmd][audit]") {
  vault::AuditRecord r;
  r.time_ms = 1'700'000'000'123;
  r.event = "request";
  r.method = "GET";
  r.scheme = "https";
  r.host = "api.example.com";
  r.port = 443;
  r.path = "/caf\xc3\xa9\xff";  // not all of it UTF-8
  r.status = 200;
  r.decision = "allow";
  r.bytes_out = 18446744073709551615ULL;
  r.upstream = "[2001:db8::1]:8443 (proxy)";
  r.credentials = {"A", "B"};
  const json request = json::parse(cmd::otlp_logs({{r, "abc"}}, 1'700'000'001'000));
  const json& log = request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
  CHECK(log["timeUnixNano"] == "1700000000123000000");
  CHECK(log["observedTimeUnixNano"] == "1700000001000000000");
  CHECK(log["severityNumber"] == 9);
  std::map<std::string, json> found;
  for (const json& one : log["attributes"]) {
    CHECK(found.emplace(one["key"], one["value"]).second);
  }
  CHECK(found["server.port"] == json{{"intValue", "443"}});
  CHECK(found["http.response.status_code"] == json{{"intValue", "200"}});
  CHECK(found["network.peer.address"] == json{{"stringValue", "2001:db8::1"}});
  CHECK(found["network.peer.port"] == json{{"intValue", "8443"}});
  CHECK(found["log.record.uid"] == json{{"stringValue", "abc"}});
  CHECK(found["agent_vault.credentials"]["arrayValue"]["values"].size() == 2);
  CHECK(found.count("agent_vault.rule") == 0);
  r.error = "placeholder_misuse";
  CHECK(has(cmd::otlp_logs({{r, ""}}, 0), R"("severityNumber":17)"));
}

TEST_CASE("otlp: what a collector rejects is read in both spellings", "[cmd][audit]") {
  using cmd::parse_otlp_answer;
  CHECK(parse_otlp_answer("").rejected == 0);
  CHECK(parse_otlp_answer("{}").rejected == 0);
  CHECK(parse_otlp_answer("[1").rejected == 0);
  CHECK(parse_otlp_answer(R"({"partialSuccess":7})").rejected == 0);
  const auto answer =
      parse_otlp_answer(R"({"partialSuccess":{"rejectedLogRecords":"12","errorMessage":"no"}})");
  CHECK(answer.rejected == 12);
  CHECK(answer.message == "no");
  CHECK(parse_otlp_answer(R"({"partialSuccess":{"rejectedLogRecords":12}})").rejected == 12);
}

TEST_CASE("otlp: URLs and headers", "[cmd][audit]") {
  const auto url = [](const char* text) {
    const auto parsed = cmd::parse_collector_url(text, true);
    return parsed ? parsed->text() : "?";
  };
  CHECK(url("https://collector.example:4318") == "https://collector.example:4318/v1/logs");
  CHECK(url("https://collector.example/") == "https://collector.example/v1/logs");
  CHECK(url("https://collector.example/otlp/") == "https://collector.example/otlp/v1/logs");
  CHECK(url("http://[::1]:4318/v1/logs") == "http://[::1]:4318/v1/logs");
  CHECK(url("http://127.0.0.1:80") == "http://127.0.0.1/v1/logs");
  for (const char* bad : {"", "collector.example", "ftp://x", "https://", "https://u:p@x",
                          "https://x:port", "https://x/a?b", "https://x y", "https://x/\r\n"}) {
    CAPTURE(bad);
    CHECK(url(bad) == "?");
  }
  CHECK(cmd::parse_collector_url("https://x/y", false)->path == "/y");
  SecretBuffer headers;
  REQUIRE(cmd::append_headers(headers, "# a comment\nX-Api-Key:  the key \r\n\nA: b"));
  CHECK(headers.view() == "X-Api-Key: the key \r\nA: b\r\n");
  for (const char* bad :
       {"nothing", "A B: c", ": c", "A:", "Host: x", "content-length: 1", "A: b\x01"}) {
    CAPTURE(bad);
    CHECK_FALSE(cmd::append_headers(headers, bad));
  }
}

TEST_CASE("audit: only what is loopback in every spelling is taken for it",
          "[cmd][audit][security]") {
  const auto loopback = [](const std::string& host) {
    const auto url = cmd::parse_collector_url("http://" + host + ":4318", true);
    REQUIRE(url);
    return url->is_loopback();
  };
  for (const char* host :
       {"localhost", "127.0.0.1", "127.255.255.254", "[::1]", "[0:0:0:0:0:0:0:1]"}) {
    INFO(host);
    CHECK(loopback(host));
  }
  for (const char* host :
       {"127.example.com", "127.0.0.1.example.com", "127.", "127.0.0.1:x.example", "[::2]",
        "10.0.0.1", "localhost.example.com", "[::]", "128.0.0.1"}) {
    INFO(host);
    if (cmd::parse_collector_url(std::string("http://") + host + ":4318", true)) {
      CHECK_FALSE(loopback(host));
    }
  }
}

TEST_CASE("audit: a log that was emptied is not taken for one that never was",
          "[cmd][audit][security]") {
  Cli cli;
  REQUIRE(cli({"vault", "create", "one"}).code == 0);
  REQUIRE(cli({"audit", "verify"}).code == 0);
  const std::filesystem::path audit = "data/audit";
  for (const auto& entry : std::filesystem::directory_iterator(audit)) {
    if (entry.path().extension() == ".jsonl") {
      std::filesystem::remove(entry.path());
    }
  }
  std::filesystem::resize_file(audit / "root.chain", 0);
  // As it was signed for a moment when the log was begun; of nothing no line says by whom.
  std::ofstream(audit / "root.head")
      << "{\"n\":0,\"hash\":\"" << encoding::hex(store::root_beginning().hash) << "\",\"sig\":\""
      << std::string(128, '0') << "\"}" << std::string(19, ' ') << "\n";
  const auto result = cli({"audit", "verify"});
  CHECK(result.code == 1);
  CHECK(result.out.find("root.chain: is empty") != std::string::npos);
  CHECK(result.out.find("there is no audit log yet") == std::string::npos);
}
