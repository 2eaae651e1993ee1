#include "vault/proposal_plan.h"

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/encoding.h"
#include "vault/matcher.h"
#include "vault/proposal_codec.h"
#include "vault/service_codec.h"
#include "vault/service_cover.h"

using namespace av;
using namespace av::vault;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;
constexpr std::int64_t kEnd = 1'893'456'000'000;  // 2030-01-01

Service service(const std::string& json) {
  auto out = service_from_json(json);
  INFO((out ? "" : out.error().message));
  REQUIRE(out);
  return *out;
}

ProposalRequest request(const std::string& json) {
  auto out = proposal_request_from_json(json);
  INFO((out ? "" : out.error().message));
  REQUIRE(out);
  return *out;
}

VaultState state() {
  VaultState out;
  out.services = {
      service(R"({"name":"github","host":"api.github.com","auth":{"type":"bearer","token":"GH"},)"
              R"("substitutions":[{"key":"GH","placeholder":"__GH__"}]})"),
      service(R"({"name":"other","host":"*.example.com","auth":{"type":"bearer","token":"OT"}})")};
  out.credentials = {{"GH", 3}, {"OT", 1}};
  return out;
}

std::string lines_of(const ProposalRequest& asked, const VaultState& now,
                     const Narrowing& narrowing = {}) {
  auto plan = plan_of(asked, now);
  INFO((plan ? "" : plan.error().message));
  REQUIRE(plan);
  REQUIRE(narrow(*plan, narrowing, kNow, "g"));
  std::string out;
  for (const DiffLine& line : diff_of(asked, *plan, now)) {
    CHECK(encoding::printable(line.text) == line.text);
    CHECK(line.text.size() <= 2000);
    out += std::string(to_string(line.kind)) + ": " + line.text + "\n";
  }
  return out;
}

std::string plan_error(const std::string& json) {
  const auto plan = plan_of(request(json), state());
  return plan ? "" : std::string(to_string(plan.error().code)) + ": " + plan.error().message;
}

// A service with everything in it, so that each field can be changed alone.
Service rich() {
  Service out = service(
      R"({"name":"wide","host":"*.example.com:8443/v1/*","methods":["GET","POST"],)"
      R"("auth":{"type":"bearer","token":"A_KEY"},"allow_http":true,"allow_uninspected":true,)"
      R"("allow_quoted_placeholders":true,"expires":"2030-01-01T00:00:00Z","uses":10,)"
      R"("substitutions":[{"key":"A_KEY","placeholder":"__A__"}],"env":{"A_VAR":"A_KEY"},)"
      R"("tls":{"certificate":"CERT"}})");
  return out;
}

struct Change {
  const char* name;
  bool narrower;
  std::function<void(Service&)> make;
};

const std::vector<Change>& changes() {
  static const std::vector<Change> all = {
      {"nothing", true, [](Service&) {}},
      {"one host of the wildcard", true, [](Service& s) { s.host = "a.example.com"; }},
      {"a deeper host", false, [](Service& s) { s.host = "a.b.example.com"; }},
      {"the wildcard's parent", false, [](Service& s) { s.host = "example.com"; }},
      {"another host", false, [](Service& s) { s.host = "a.example.org"; }},
      {"a look-alike host", false, [](Service& s) { s.host = "aexample.com"; }},
      {"a deeper wildcard", false, [](Service& s) { s.host = "*.a.example.com"; }},
      {"another port", false, [](Service& s) { s.port = 443; }},
      {"the default port", false, [](Service& s) { s.port = 0; }},
      {"a path below", true, [](Service& s) { s.path = "/v1/users"; }},
      {"the path's own root", true, [](Service& s) { s.path = "/v1"; }},
      {"a pattern below", true, [](Service& s) { s.path = "/v1/*/x"; }},
      {"a path beside", false, [](Service& s) { s.path = "/v2/*"; }},
      {"a path that begins alike", false, [](Service& s) { s.path = "/v1*"; }},
      {"every path", false, [](Service& s) { s.path = ""; }},
      {"every path with a star", false, [](Service& s) { s.path = "/*"; }},
      {"one method", true, [](Service& s) { s.methods = {"POST"}; }},
      {"another method", false,
       [](Service& s) {
         s.methods = {"GET", "DELETE"};
       }},
      {"HEAD beside GET", false,
       [](Service& s) {
         s.methods = {"GET", "HEAD"};
       }},
      {"every method", false, [](Service& s) { s.methods.clear(); }},
      {"switched off", true, [](Service& s) { s.enabled = false; }},
      {"an earlier end", true, [](Service& s) { s.expires_ms = kEnd - 1; }},
      {"a later end", false, [](Service& s) { s.expires_ms = kEnd + 1; }},
      {"no end", false,
       [](Service& s) {
         s.expires_ms = 0;
         s.max_uses = 0;
       }},
      {"fewer uses", true, [](Service& s) { s.max_uses = 1; }},
      {"more uses", false, [](Service& s) { s.max_uses = 11; }},
      {"any number of uses", false, [](Service& s) { s.max_uses = 0; }},
      {"https only", true, [](Service& s) { s.allow_http = false; }},
      {"inspected", true, [](Service& s) { s.allow_uninspected = false; }},
      {"no quotes", true, [](Service& s) { s.allow_quoted_placeholders = false; }},
      {"cookies kept", true, [](Service& s) { s.drop_cookies = true; }},
      {"another credential", false, [](Service& s) { s.auth = BearerAuth{"B_KEY"}; }},
      {"another place", false,
       [](Service& s) {
         ApiKeyAuth auth;
         auth.key = "A_KEY";
         s.auth = auth;
       }},
      {"no authentication", false, [](Service& s) { s.auth = PassthroughAuth{}; }},
      {"no substitutions", false, [](Service& s) { s.substitutions.clear(); }},
      {"another place to substitute", false,
       [](Service& s) {
         s.substitutions = {{"A_KEY", "__A__", 31}};
       }},
      {"no variables", false, [](Service& s) { s.env.clear(); }},
      {"no client certificate", false, [](Service& s) { s.tls = {}; }},
      {"roots", false, [](Service& s) { s.tls.ca_pem = "-----BEGIN CERTIFICATE-----"; }},
      {"a shape", false, [](Service& s) { s.placeholder_shape = "k-{20}"; }},
  };
  return all;
}

}  // namespace

TEST_CASE("narrowing: every pair of changes is covered exactly when both are",
          "[vault][proposal]") {
  const Service wide = rich();
  for (const Change& first : changes()) {
    for (const Change& second : changes()) {
      Service changed = wide;
      first.make(changed);
      Service both = changed;
      second.make(both);
      INFO(first.name << " and " << second.name);
      // The second may take back what the first did; then it is alone.
      Service only_second = wide;
      second.make(only_second);
      const bool first_is_gone = service_to_json(both) == service_to_json(only_second);
      CHECK(check_covered(both, wide).has_value() ==
            (second.narrower && (first.narrower || first_is_gone)));
    }
  }
}

TEST_CASE("narrowing: what covers lets through all that the narrower one does",
          "[vault][proposal]") {
  // Every pair of patterns over a small alphabet, against every path of it: a pair that is called
  // covered must be.
  const std::vector<std::string> parts = {"", "a", "b", "*", "a*", "*b"};
  std::vector<std::string> patterns = {""};
  std::vector<std::string> paths;
  for (const std::string& one : parts) {
    for (const std::string& two : parts) {
      patterns.push_back("/" + one + (two.empty() ? "" : "/" + two));
    }
  }
  for (const char* one : {"", "a", "b", "ab", "ba", "aab", "abb", "c"}) {
    for (const char* two : {"", "/", "/a", "/b", "/ab", "/a/b", "/c/d"}) {
      paths.push_back(std::string("/") + one + two);
    }
  }
  std::size_t covered = 0;
  for (const std::string& wide_path : patterns) {
    for (const std::string& narrow_path : patterns) {
      Service wide = rich();
      Service narrower = wide;
      wide.path = wide_path;
      narrower.path = narrow_path;
      if (!check_covered(narrower, wide)) {
        continue;
      }
      ++covered;
      for (const std::string& path : paths) {
        if (path_matches(narrow_path, path)) {
          INFO(wide_path << " is said to cover " << narrow_path << ", not " << path);
          CHECK(path_matches(wide_path, path));
        }
      }
    }
  }
  CHECK(covered > patterns.size());  // more than each by itself
}

TEST_CASE("narrowing: the default port is of each scheme that is allowed", "[vault][proposal]") {
  Service wide = service(R"({"host":"a.example.com","auth":{"type":"bearer","token":"K"}})");
  Service narrower = wide;
  narrower.port = 443;
  CHECK(check_covered(narrower, wide));
  narrower.port = 80;
  CHECK_FALSE(check_covered(narrower, wide));
  // http://a.example.com:443 is not what was proposed.
  wide.allow_http = true;
  narrower.port = 443;
  narrower.allow_http = true;
  CHECK_FALSE(check_covered(narrower, wide));
  narrower.allow_http = false;
  CHECK(check_covered(narrower, wide));
}

TEST_CASE("plan: what does not fit the vault is refused", "[vault][proposal]") {
  const std::string bearer = R"("auth":{"type":"bearer","token":"GH"})";
  CHECK(plan_error(
            R"({"services":[{"host":"a.example.org","auth":{"type":"bearer","token":"NO"}}]})") ==
        "invalid: the service a-example-org uses NO, which is neither stored nor proposed");
  CHECK(plan_error(R"({"services":[{"host":"a.example.org",)" + bearer + "}]}") == "");
  CHECK(plan_error(R"({"services":[{"action":"delete","name":"nobody"}]})") ==
        "not_found: there is no service nobody in this vault");
  CHECK(plan_error(R"({"services":[{"name":"nobody","enabled":true}]})") ==
        "not_found: there is no service nobody in this vault");
  CHECK(plan_error(R"({"credentials":[{"action":"delete","key":"NO"}]})") ==
        "not_found: there is no credential NO in this vault");
  // A name and a host that are not of one service.
  CHECK(plan_error(R"({"services":[{"action":"delete","name":"github","host":"a.test.com"}]})") ==
        "not_found: there is no service github in this vault");
  // Named after its host, and then by name: one service, twice.
  CHECK_THAT(plan_error(R"({"services":[{"host":"api.github.com",)" + bearer +
                        R"(},{"name":"github","enabled":false}]})"),
             Catch::Contains("twice"));
  VaultState twins = state();
  twins.services.push_back(twins.services[0]);
  twins.services.back().name = "github-two";
  const auto plan =
      plan_of(request(R"({"services":[{"action":"delete","host":"api.github.com"}]})"), twins);
  REQUIRE_FALSE(plan);
  CHECK(plan.error().code == ErrorCode::kConflict);
}

TEST_CASE("plan: names and substitutions", "[vault][proposal]") {
  const std::string bearer = R"("auth":{"type":"bearer","token":"GH"})";
  const auto after = [&](const std::string& json, const VaultState& now) {
    const auto plan = plan_of(request(json), now);
    REQUIRE(plan);
    return *plan->services.front().after;
  };
  // Without a name, the host finds the service; its substitutions stay.
  const Service found =
      after(R"({"services":[{"host":"api.github.com",)" + bearer + "}]}", state());
  CHECK(found.name == "github");
  CHECK(found.substitutions.size() == 1);
  CHECK(after(R"({"services":[{"host":"api.github.com","substitutions":[],)" + bearer + "}]}",
              state())
            .substitutions.empty());
  // Nobody's credential moves to another host because nothing was said about it.
  CHECK(
      after(R"({"services":[{"name":"github","host":"evil.example.org",)" + bearer + "}]}", state())
          .substitutions.empty());
  // A name made from the host does not replace what has that name already.
  VaultState taken = state();
  taken.services[1].name = "new-example-org";
  CHECK(after(R"({"services":[{"host":"new.example.org",)" + bearer + "}]}", taken).name ==
        "new-example-org-2");
}

TEST_CASE("narrowing: what a human takes away, and no more", "[vault][proposal]") {
  const ProposalRequest asked = request(
      R"({"services":[{"name":"wide","host":"*.example.org/v1/*","auth":{"type":"bearer","token":"GH"}},)"
      R"({"name":"two","host":"b.example.org","auth":{"type":"bearer","token":"GH"},)"
      R"("expires":"2023-11-15T00:00:00Z"}]})");
  ProposalPlan plan = *plan_of(asked, state());
  Narrowing by;
  by.services = {{"wide", "api.example.org", "/v1/users/*", {"get"}}};
  by.for_ms = 7'200'000;
  by.uses = 5;
  REQUIRE(narrow(plan, by, kNow, "proposal-1"));
  const Service& wide = *plan.services[0].after;
  CHECK(wide.host == "api.example.org");
  CHECK(wide.path == "/v1/users/*");
  CHECK(wide.methods == std::vector<std::string>{"GET"});
  CHECK(wide.expires_ms == kNow + 7'200'000);
  CHECK(wide.max_uses == 5);
  CHECK(wide.grant == "proposal-1");
  // Its own end comes first.
  CHECK(plan.services[1].after->expires_ms == *parse_rfc3339("2023-11-15T00:00:00Z"));

  const auto refused = [&](const Narrowing& narrowing) {
    ProposalPlan fresh = *plan_of(asked, state());
    const Status status = narrow(fresh, narrowing, kNow, "g");
    return status ? "" : std::string(to_string(status.error().code));
  };
  const auto one = [](ServiceNarrowing service) {
    Narrowing out;
    out.services = {std::move(service)};
    return out;
  };
  CHECK(refused(one({"wide", "", "/v1/x", {}})) == "");
  CHECK(refused(one({"wide", "api.evil.org", "", {}})) == "not_permitted");
  CHECK(refused(one({"wide", "", "/", {}})) == "not_permitted");
  CHECK(refused(one({"wide", "*.example.org/v2", "", {}})) == "not_permitted");
  CHECK(refused(one({"wide", "api.example.org:8443", "", {}})) == "not_permitted");
  CHECK(refused(one({"wide", "", "no slash", {}})) == "invalid");
  CHECK(refused(one({"nobody", "", "", {"GET"}})) == "invalid");
  CHECK(refused(one({"", "", "", {"GET"}})) == "invalid");  // which of the two?
  Narrowing twice;
  twice.services = {{"wide", "", "", {"GET"}}, {"wide", "", "", {"POST"}}};
  CHECK(refused(twice) == "invalid");
  // A number of uses alone ends some day too.
  Narrowing uses;
  uses.uses = 1;
  ProposalPlan fresh = *plan_of(asked, state());
  REQUIRE(narrow(fresh, uses, kNow, "g"));
  CHECK(fresh.services[0].after->expires_ms == kNow + ProposalLimits::kGrantMs);
  // What sets no service cannot be limited.
  ProposalPlan only_keys = *plan_of(request(R"({"credentials":[{"key":"NEW"}]})"), state());
  CHECK_FALSE(narrow(only_keys, uses, kNow, "g"));
}

TEST_CASE("diff: what the agent can do before and after", "[vault][proposal]") {
  CHECK(lines_of(request(R"({"services":[{"name":"stripe","host":"api.stripe.com/v1/*",)"
                         R"("methods":["GET","POST"],"auth":{"type":"bearer","token":"SK"}}],)"
                         R"("credentials":[{"key":"SK"}]})"),
                 state()) ==
        "same: service stripe: new\n"
        "add: GET https://api.stripe.com/v1/* with SK as bearer token\n"
        "add: POST https://api.stripe.com/v1/* with SK as bearer token\n"
        "remove: so far such requests pass without a credential of the vault\n"
        "add: credential SK: new; the value comes from you; the agent does not get it\n");
  // A known credential for an unknown host: the theft that a person has to see.
  CHECK_THAT(lines_of(request(R"({"services":[{"host":"evil.example.org",)"
                              R"("auth":{"type":"bearer","token":"GH"}}]})"),
                      state()),
             Catch::Contains("warn: sends GH, which is stored already, to evil.example.org, where "
                             "it has not gone so far"));
  const std::string replaced = lines_of(
      request(
          R"({"services":[{"name":"github","host":"api.github.com/repos/*","methods":["GET"],)"
          R"("auth":{"type":"bearer","token":"GH"}}],"credentials":[{"key":"GH","has_value":true}]})"),
      state());
  CHECK_THAT(replaced, Catch::Contains("same: service github: changed\n"
                                       "remove: any method https://api.github.com/* with GH"));
  CHECK_THAT(replaced, Catch::Contains("warn: replaces the service github, which is for "
                                       "api.github.com\n"));
  CHECK_THAT(replaced, Catch::Contains("same: puts GH in the place of __GH__ (in: path, query)"));
  CHECK_THAT(replaced, Catch::Contains("the value comes from the agent, which knows it"));
  CHECK_THAT(replaced, Catch::Contains("warn: replaces the value of GH, which these services use: "
                                       "github\n"));
  CHECK_THAT(lines_of(request(R"({"credentials":[{"action":"delete","key":"GH"}]})"), state()),
             Catch::Contains("warn: deletes GH, which these services use: github; their requests "
                             "will fail\n"));
  CHECK_THAT(lines_of(request(R"({"services":[{"action":"delete","name":"github"}]})"), state()),
             Catch::Contains("same: service github: removed\nremove: any method"));
  // One that another covers.
  CHECK_THAT(lines_of(request(R"({"services":[{"name":"mine","host":"a.example.com",)"
                              R"("auth":{"type":"bearer","token":"GH"}}]})"),
                      state()),
             Catch::Contains("warn: so far such requests go to the service other (OT)\n"));
  CHECK_THAT(lines_of(request(R"({"services":[{"host":"*.example.org","allow_http":true,)"
                              R"("auth":{"type":"bearer","token":"GH"}}]})"),
                      state()),
             Catch::Contains("warn: covers every name directly below example.org\n") &&
                 Catch::Contains("warn: the credential may go over cleartext"));
  VaultState off = state();
  off.services[0].enabled = false;
  CHECK_THAT(lines_of(request(R"({"services":[{"name":"github","enabled":true}]})"), off),
             Catch::Contains("remove: nothing: the service is switched off") &&
                 Catch::Contains("add: any method https://api.github.com/*"));
  Narrowing limited;
  limited.for_ms = 3'600'000;
  limited.uses = 2;
  CHECK_THAT(lines_of(request(R"({"services":[{"host":"a.example.org",)"
                              R"("auth":{"type":"bearer","token":"GH"}}]})"),
                      state(), limited),
             Catch::Contains("add: until 2023-11-14T23:13:20.000Z\nadd: 2 requests in all\n"));
}

TEST_CASE("diff: a key that stands in a template is masked", "[vault][proposal]") {
  const std::string lines =
      lines_of(request(R"({"services":[{"host":"a.example.org","auth":{"type":"custom","headers":)"
                       R"({"X-One":"ghp_0123456789abcdefghijklmnop {{ GH }}"}}}]})"),
               state());
  CHECK(lines.find("ghp_") == std::string::npos);
  CHECK_THAT(lines, Catch::Contains("{{ GH }}"));
}

TEST_CASE("fingerprint: it is of all that the proposal touches, and of nothing else",
          "[vault][proposal]") {
  Proposal proposal;
  proposal.uid = "u";
  proposal.request = request(
      R"({"services":[{"name":"github","host":"api.github.com","auth":{"type":"bearer","token":"GH"}}],)"
      R"("credentials":[{"key":"GH"}]})");
  const auto print = [&](const VaultState& now) {
    return fingerprint_of(proposal, *plan_of(proposal.request, now), now);
  };
  const std::string before = print(state());
  CHECK(print(state()) == before);
  VaultState now = state();
  now.credentials["UNRELATED"] = 1;
  CHECK(print(now) == before);
  now.credentials["GH"] = 4;
  CHECK(print(now) != before);
  now = state();
  now.services[0].methods = {"GET"};
  CHECK(print(now) != before);
  now = state();
  now.services[1].substitutions = {{"GH", "__X__"}};  // another that uses the key
  CHECK(print(now) != before);
  proposal.uid = "v";
  CHECK(print(state()) != before);
}
