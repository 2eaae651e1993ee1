// The set of rules: the stricter decides in whatever order they stand; what is found is what a loop
// over all rules finds; and how many rules are looked at does not grow with how many there are.

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cctype>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/ascii.h"
#include "rule_fixture.h"
#include "vault/body_conditions.h"
#include "vault/matcher.h"

using namespace av::vault;
using namespace av::test;

namespace {

constexpr std::array<RuleAction, 4> kActions = {RuleAction::kBlock, RuleAction::kApprove,
                                                RuleAction::kRateLimit, RuleAction::kAllow};

// Grants so many.
class Ledger final : public LimitLedger {
 public:
  explicit Ledger(int grants) : left(grants) {}
  av::Expected<Count> take(LimitKey, std::uint32_t, std::int64_t, std::int64_t now_ms) override {
    taken += 1;
    Count count;
    count.granted = left-- > 0;
    count.window_end_ms = now_ms + 1000;
    return count;
  }
  void give_back(LimitKey, std::int64_t, const Count&) override { given_back += 1; }
  av::Expected<Count> look(LimitKey, std::uint32_t, std::int64_t, std::int64_t) override {
    return Count{};
  }
  int left;
  int taken = 0;
  int given_back = 0;
};

struct Says {
  std::string what;
  std::string rule;
};

Says decide(const std::vector<Rule>& rules, UnmatchedPolicy unmatched, LimitLedger* ledger,
            std::vector<Service> services = {}) {
  auto snapshot = std::make_shared<PolicySnapshot>();
  snapshot->unmatched = unmatched;
  snapshot->set_services(std::move(services));
  snapshot->set_rules(rules);
  const Principal nobody;
  PolicyInput input;
  input.snapshot = snapshot;
  input.principal = &nobody;
  input.limits = ledger;
  const auto decision = Policy::decide(input, request("POST https://a.test/x"));
  if (const auto* deny = std::get_if<Deny>(&decision)) {
    const bool blocked = deny->reason == Deny::Reason::kBlocked;
    const bool limited = deny->reason == Deny::Reason::kRateLimited;
    return {blocked ? "block" : limited ? "limited" : "deny", deny->rule};
  }
  if (const auto* held = std::get_if<HeldRequest>(&decision)) {
    return {"approve", held->rules().front()->name};
  }
  if (const auto* allowed = std::get_if<AllowedRequest>(&decision)) {
    return {"pass", allowed->rule() == nullptr ? "" : allowed->rule()->name};
  }
  return {"needs body", ""};
}

// -- the rules said again in the slowest way, from the man page rather than from the program

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

std::string decoded(const std::string& text, bool slash, bool percent) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const std::string two = text.substr(i + 1, 2);
      if (std::isxdigit(static_cast<unsigned char>(two[0])) != 0 &&
          std::isxdigit(static_cast<unsigned char>(two[1])) != 0) {
        const char c = static_cast<char>(std::stoi(two, nullptr, 16));
        if ((c != '/' || slash) && (c != '%' || percent)) {
          out += av::ascii::lower(c);
          i += 2;
          continue;
        }
      }
    }
    out += av::ascii::lower(text[i]);
  }
  return out;
}

std::string no_parameters(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == ';') {
      i = std::min(text.find('/', i), text.size());
    } else {
      out += text[i++];
    }
  }
  return out;
}

std::string merged(std::string text) {
  while (text.find("//") != std::string::npos) {
    text = replaced(text, "//", "/");
  }
  return text;
}

std::string trimmed(std::string text, bool pattern) {
  std::string out = text;
  while (out.size() > 1 && out.back() == '/') {
    out.pop_back();
  }
  return pattern && !out.empty() && out.back() == '*' ? text : out;
}

std::vector<std::string> naive_readings(const std::string& path, bool pattern) {
  std::vector<std::string> out;
  for (int bits = 0; bits < 32; ++bits) {
    std::string text = decoded(path, false, false);
    if ((bits & 1) != 0) {
      for (int layer = 0; layer < 8; ++layer) {
        text = decoded(decoded(text, false, true), false, false);
      }
    }
    text = (bits & 2) != 0 ? replaced(text, "%2f", "/") : text;
    text = (bits & 4) != 0 ? no_parameters(text) : text;
    text = (bits & 8) != 0 ? merged(text) : text;
    text = (bits & 16) != 0 ? trimmed(text, pattern) : text;
    out.push_back(text);
  }
  return out;
}

bool naive_host(const std::string& pattern, const std::string& host) {
  if (pattern.empty() || pattern == host) {
    return true;
  }
  const bool deep = pattern.starts_with("**.");
  if (!deep && !pattern.starts_with("*.")) {
    return false;
  }
  const std::string suffix = pattern.substr(deep ? 2 : 1);  // ".x.y"
  if (host.size() <= suffix.size() || host.substr(host.size() - suffix.size()) != suffix) {
    return false;
  }
  const std::string front = host.substr(0, host.size() - suffix.size());
  return deep || front.find('.') == std::string::npos;
}

bool naive_match(const Rule& rule, const RequestIdentity& r, const std::string& agent) {
  const bool strict = rule.action != RuleAction::kAllow;
  if (!rule.enabled || !naive_host(rule.host, r.authority.host)) {
    return false;
  }
  const std::uint16_t own = r.scheme == Scheme::kHttps ? 443 : 80;
  if (rule.port != 0 ? rule.port != r.authority.port : !strict && r.authority.port != own) {
    return false;
  }
  const auto in = [](const std::vector<std::string>& list, const std::string& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
  };
  if (!rule.agents.empty() && !in(rule.agents, agent)) {
    return false;
  }
  if (!rule.methods.empty() && !in(rule.methods, r.method) &&
      !(strict && r.method == "HEAD" && in(rule.methods, "GET"))) {
    return false;
  }
  if (rule.path.empty()) {
    return true;
  }
  const auto patterns = naive_readings(rule.path, true);
  const auto readings = naive_readings(r.target.path, false);
  const auto covered = [&](const std::string& reading) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& p) { return path_matches(p, reading); });
  };
  return strict ? std::any_of(readings.begin(), readings.end(), covered)
                : path_matches(rule.path, r.target.path) &&
                      std::all_of(readings.begin(), readings.end(), covered);
}

std::string pick(std::mt19937& random, const std::vector<std::string>& from) {
  return from[random() % from.size()];
}

std::string random_path(std::mt19937& random, bool pattern) {
  static const std::vector<std::string> kPieces = {
      "/",   "/",   "/", "/",     "a",   "A",   "b",      "ab", ".x",  ";p", ";p=1", "//",
      "%2F", "%3A", ":", "%2561", "%25", "%3B", "%2F%2f", "v1", "/v1", "/a", "/b"};
  std::string out = "/";
  for (std::size_t i = random() % 6; i > 0; --i) {
    out += pattern && random() % 4 == 0 ? "*" : pick(random, kPieces);
  }
  return out;
}

Rule random_rule(std::mt19937& random, int index) {
  static const std::vector<std::string> kHosts = {
      "",          "a.test",      "b.test",   "x.a.test", "*.a.test",
      "**.a.test", "**.x.a.test", "*.b.test", "192.0.2.1"};
  Rule rule;
  rule.action = kActions[random() % kActions.size()];
  rule.limit.count = rule.action == RuleAction::kRateLimit ? 5 : 0;
  rule.host = pick(random, kHosts);
  rule.port = !rule.host.empty() && random() % 4 == 0 ? (random() % 2 == 0 ? 443 : 8443) : 0;
  rule.enabled = random() % 8 != 0;
  if (random() % 3 != 0) {
    const auto target = canonical_target(random_path(random, true));
    if (target && target->path.find("**") == std::string::npos) {
      rule.path = target->path;
    }
  }
  static const std::vector<std::string> kMethods = {"GET", "POST", "HEAD", "DELETE"};
  for (std::size_t i = random() % 3; i > 0; --i) {
    rule.methods.push_back(pick(random, kMethods));
  }
  static const std::vector<std::string> kAgents = {"claude", "codex"};
  for (std::size_t i = random() % 3; i > 1; --i) {
    rule.agents.push_back(pick(random, kAgents));
  }
  rule.name = "rule-" + std::to_string(index);
  rule.uid = "uid-" + rule.name;
  REQUIRE(check_rule(rule));
  return rule;
}

RequestIdentity random_request(std::mt19937& random) {
  static const std::vector<std::string> kHosts = {"a.test",     "b.test",       "x.a.test",
                                                  "y.x.a.test", "z.y.x.a.test", "x.b.test",
                                                  "192.0.2.1",  "other.test"};
  static const std::vector<std::string> kMethods = {"GET", "POST", "HEAD", "DELETE", "PUT"};
  RequestIdentity out;
  out.scheme = random() % 4 == 0 ? Scheme::kHttp : Scheme::kHttps;
  out.authority.host = pick(random, kHosts);
  out.authority.port = random() % 4 == 0 ? 8443 : default_port(out.scheme);
  out.method = pick(random, kMethods);
  for (;;) {
    auto target = canonical_target(random_path(random, false));
    if (target) {
      out.target = std::move(*target);
      return out;
    }
  }
}

}  // namespace

TEST_CASE("rules: of any two actions the stricter decides, in either order", "[vault][rules]") {
  const std::array<std::string, 4> kSays = {"block", "approve", "pass", "pass"};
  for (std::size_t a = 0; a < kActions.size(); ++a) {
    for (std::size_t b = 0; b < kActions.size(); ++b) {
      Rule first = rule_for(kActions[a], "a.test");
      Rule second = rule_for(kActions[b], "*/x");
      first.name = "first";
      second.name = "second";
      const std::string winner = a <= b ? "first" : "second";
      CAPTURE(to_string(kActions[a]), to_string(kActions[b]));
      for (const UnmatchedPolicy unmatched :
           {UnmatchedPolicy::kPassthrough, UnmatchedPolicy::kDeny}) {
        Ledger ledger(100);
        const Says says = decide({first, second}, unmatched, &ledger);
        // With unmatched requests denied, a block or an allow is needed for anything else.
        const bool named =
            std::min(a, b) == 0 || a == 3 || b == 3 || unmatched == UnmatchedPolicy::kPassthrough;
        CHECK(says.what == (named ? kSays[std::min(a, b)] : "deny"));
        CHECK(says.rule == (named ? winner : ""));
      }
    }
  }
}

TEST_CASE("rules: every limit counts, all or none, also of a request that is held",
          "[vault][rules]") {
  Rule one = rule_for(RuleAction::kRateLimit, "a.test");
  Rule two = rule_for(RuleAction::kRateLimit, "*");
  const Rule hold = rule_for(RuleAction::kApprove, "a.test");
  const Rule block = rule_for(RuleAction::kBlock, "a.test/x");
  SECTION("both grant") {
    Ledger ledger(2);
    CHECK(decide({one, two}, UnmatchedPolicy::kPassthrough, &ledger).what == "pass");
    CHECK(ledger.taken == 2);
    CHECK(ledger.given_back == 0);
  }
  SECTION("the second refuses, and the first gets its own back") {
    Ledger ledger(1);
    const Says says = decide({one, two}, UnmatchedPolicy::kPassthrough, &ledger);
    CHECK(says.what == "limited");
    CHECK(says.rule == two.name);
    CHECK(ledger.given_back == 1);
  }
  SECTION("held requests count") {
    Ledger ledger(2);
    CHECK(decide({one, hold}, UnmatchedPolicy::kPassthrough, &ledger).what == "approve");
    CHECK(ledger.taken == 1);
  }
  SECTION("blocked and unmatched ones do not") {
    Ledger ledger(2);
    CHECK(decide({one, block}, UnmatchedPolicy::kPassthrough, &ledger).what == "block");
    CHECK(decide({one}, UnmatchedPolicy::kDeny, &ledger).what == "deny");
    CHECK(ledger.taken == 0);
  }
  SECTION("without counters a limit refuses") {
    CHECK(decide({one}, UnmatchedPolicy::kPassthrough, nullptr).what == "deny");
    CHECK(decide({hold}, UnmatchedPolicy::kPassthrough, nullptr).what == "approve");
  }
}

TEST_CASE("rules: an allow opens what is unmatched, and nothing that a service refuses",
          "[vault][rules]") {
  const Rule allow = rule_for(RuleAction::kAllow, "a.test");
  CHECK(decide({}, UnmatchedPolicy::kDeny, nullptr).what == "deny");
  CHECK(decide({allow}, UnmatchedPolicy::kDeny, nullptr).what == "pass");
  Service service;
  service.name = "off";
  service.host = "a.test";
  service.enabled = false;
  CHECK(decide({allow}, UnmatchedPolicy::kDeny, nullptr, {service}).what == "deny");
}

TEST_CASE("rules: what is found is what a loop over all rules finds", "[vault][rules][property]") {
  std::mt19937 random(20260101);  // NOLINT: the same cases in every run
  static const std::vector<std::string> kAgents = {"", "claude", "codex", "other"};
  int found_something = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<Rule> rules;
    for (int i = 0, count = static_cast<int>(random() % 40); i < count; ++i) {
      rules.push_back(random_rule(random, i));
    }
    const RuleSet set(rules);
    for (int i = 0; i < 20; ++i) {
      const RequestIdentity r = random_request(random);
      const std::string agent = pick(random, kAgents);
      std::vector<std::string> want;
      for (const Rule& rule : rules) {
        if (naive_match(rule, r, agent)) {
          want.push_back(rule.name);
        }
      }
      CAPTURE(to_string(r), agent, rules_to_toml(rules));
      std::vector<std::string> got;
      for (const Rule* rule : set.matching(r, agent, nullptr)) {
        got.push_back(rule->name);
      }
      REQUIRE(got == want);
      // find() goes another way than matching(): through the index.
      std::array<std::string, 4> first;
      std::vector<std::string> limits;
      for (const Rule& rule : rules) {
        if (std::find(want.begin(), want.end(), rule.name) != want.end()) {
          std::string& slot = first[static_cast<std::size_t>(rule.action)];
          slot = slot.empty() ? rule.name : slot;
          if (rule.action == RuleAction::kRateLimit) {
            limits.push_back(rule.name);
          }
        }
      }
      const RuleSet::Found found = set.find(r, agent, nullptr);
      const auto name = [](const Rule* rule) { return rule == nullptr ? "" : rule->name; };
      REQUIRE(name(found.block) == first[0]);
      REQUIRE(name(found.approvals.empty() ? nullptr : found.approvals.front()) == first[1]);
      REQUIRE(name(found.allow) == first[3]);
      std::vector<std::string> got_limits;
      for (const Rule* rule : found.limits) {
        got_limits.push_back(rule->name);
      }
      REQUIRE(got_limits == limits);
      found_something += want.empty() ? 0 : 1;
    }
  }
  CHECK(found_something > 1000);
}

TEST_CASE("rules: what restricts a request restricts it in every spelling",
          "[vault][rules][property][security]") {
  std::mt19937 random(7);  // NOLINT
  int compared = 0;
  for (int round = 0; round < 8000; ++round) {
    Rule rule = random_rule(random, 0);
    const RequestIdentity r = random_request(random);
    if (rule.action == RuleAction::kAllow || !naive_match(rule, r, "claude")) {
      continue;
    }
    const RuleSet set({rule});
    // As a client may write it: another case, escapes where none are needed, a detour.
    std::string respelt;
    for (const char c : r.target.path) {
      const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
      const bool in_escape =
          respelt.ends_with('%') || (respelt.size() > 1 && respelt[respelt.size() - 2] == '%');
      if (plain && !in_escape && random() % 3 == 0) {
        static constexpr char kHex[] = "0123456789abcdef";
        respelt += '%';
        respelt += kHex[static_cast<unsigned char>(c) >> 4U];
        respelt += kHex[static_cast<unsigned char>(c) & 15U];
      } else if (c == '/' && random() % 3 == 0) {
        respelt += "/./";
      } else {
        respelt += c;
      }
    }
    const auto target = canonical_target(respelt);
    if (!target || target->path != r.target.path) {
      continue;
    }
    RequestIdentity other = r;
    other.target = *target;
    CAPTURE(rule.matcher_text(), r.target.path, respelt);
    CHECK(set.find(other, "claude", nullptr).block == set.find(r, "claude", nullptr).block);
    for (char& c : other.target.path) {
      c = random() % 2 == 0 && std::isalpha(static_cast<unsigned char>(c)) != 0
              ? static_cast<char>(c ^ 0x20)
              : c;
    }
    CHECK_FALSE(set.matching(other, "claude", nullptr).empty());
    compared += 1;
  }
  CHECK(compared > 200);
}

TEST_CASE("rules: what a request costs does not grow with the rules", "[vault][rules]") {
  const auto candidates = [](int count) {
    std::vector<Rule> rules;
    for (int i = 0; i < count; ++i) {
      const std::string n = std::to_string(i);
      Rule rule = rule_for(RuleAction::kBlock, i % 4 == 0   ? "shared.test/tenants/" + n + "/*"
                                               : i % 4 == 1 ? "host" + n + ".test"
                                               : i % 4 == 2 ? "**.deep" + n + ".test"
                                                            : "*/only/" + n);
      rule.name = "rule-" + n;
      if (i % 8 == 1) {
        rule.host = "shared.test";
        rule.agents = {"agent-" + n};
      }
      rules.push_back(std::move(rule));
    }
    const RuleSet set(std::move(rules));
    std::size_t most = 0;
    for (const std::string url :
         {"https://shared.test/tenants/7000/x", "https://shared.test/tenants/8;x//y",
          "https://host5.test/only/7", "https://a.b.deep2.test/x", "https://other.test/"}) {
      most = std::max(most, set.candidates(request("GET " + url), "agent-9"));
    }
    return most;
  };
  const std::size_t few = candidates(100);
  CHECK(few <= 16);
  CHECK(candidates(20'000) <= few + 16);
}
