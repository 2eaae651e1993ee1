#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "core/clock.h"
#include "vault/policy.h"
#include "vault/proposal_codec.h"
#include "vault/proposal_suggestion.h"
#include "vault/service_codec.h"

using namespace av;
using namespace av::vault;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

class Ledger final : public LimitLedger {
 public:
  Expected<Count> take(LimitKey key, std::uint32_t limit, std::int64_t window_ms,
                       std::int64_t now_ms) override {
    if (broken) {
      return make_error(ErrorCode::kIo, "no counters");
    }
    windows[key.value] = window_ms;
    Count out;
    out.window_end_ms = window_ms == 0 ? 0 : now_ms + window_ms;
    out.granted = used[key.value] < limit;
    used[key.value] += out.granted ? 1 : 0;
    return out;
  }
  void give_back(LimitKey key, std::int64_t window_ms, const Count&) override {
    CHECK(windows.at(key.value) == window_ms);
    --used[key.value];
  }
  Expected<Count> look(LimitKey, std::uint32_t, std::int64_t, std::int64_t) override {
    return Count();
  }
  [[nodiscard]] std::uint32_t total() const {
    std::uint32_t out = 0;
    for (const auto& [key, count] : used) {
      out += count;
    }
    return out;
  }
  std::map<std::uint64_t, std::uint32_t> used;
  std::map<std::uint64_t, std::int64_t> windows;
  bool broken = false;
};

Service service(const std::string& json) {
  auto out = service_from_json(json);
  INFO((out ? "" : out.error().message));
  REQUIRE(out);
  return *out;
}

std::string decide(const std::shared_ptr<PolicySnapshot>& snapshot, const std::string& path,
                   LimitLedger* ledger, std::int64_t now_ms = kNow) {
  const Principal nobody;
  PolicyInput input;
  input.snapshot = snapshot;
  input.principal = &nobody;
  input.limits = ledger;
  input.now_ms = now_ms;
  RequestIdentity identity;
  identity.method = "GET";
  identity.authority = {"api.example.com", 443};
  identity.target.path = path;
  const Decision decision = Policy::decide(input, identity);
  if (const auto* deny = std::get_if<Deny>(&decision)) {
    static const std::map<Deny::Reason, std::string> kWords = {
        {Deny::Reason::kServiceExpired, "expired "},
        {Deny::Reason::kServiceUsedUp, "used up "},
        {Deny::Reason::kLimitsUnknown, "unknown"},
        {Deny::Reason::kRateLimited, "limited"},
        {Deny::Reason::kAmbiguousPath, "ambiguous"}};
    const auto words = kWords.find(deny->reason);
    const bool named = deny->reason == Deny::Reason::kServiceExpired ||
                       deny->reason == Deny::Reason::kServiceUsedUp;
    return (words == kWords.end() ? "denied" : words->second) + (named ? deny->service : "");
  }
  const auto& allowed = std::get<AllowedRequest>(decision);
  return allowed.service() == nullptr ? "pass" : allowed.service()->name;
}

std::shared_ptr<PolicySnapshot> with(std::vector<Service> services) {
  auto out = std::make_shared<PolicySnapshot>();
  out->vault_uid = "v";
  out->set_services(std::move(services));
  return out;
}

Service granted(const std::string& more) {
  return service(R"({"name":"granted","host":"api.example.com/x/*","auth":{"type":"bearer",)"
                 R"("token":"K"},"expires":")" +
                 format_utc(kNow + 1000) + "\"" + more + "}");
}

}  // namespace

TEST_CASE("grant: a service is not there when its time is over", "[vault][policy]") {
  const auto alone = with({granted("")});
  CHECK(decide(alone, "/x/1", nullptr, kNow + 999) == "granted");
  // Not bare either, though the vault lets unmatched requests pass.
  CHECK(decide(alone, "/x/1", nullptr, kNow + 1000) == "expired granted");
  CHECK(decide(alone, "/y", nullptr, kNow + 1000) == "pass");
  // What was there before counts again.
  const auto both = with({granted(""), service(R"({"name":"old","host":"api.example.com",)"
                                               R"("auth":{"type":"bearer","token":"O"}})")});
  CHECK(decide(both, "/x/1", nullptr, kNow) == "granted");
  CHECK(decide(both, "/x/1", nullptr, kNow + 1000) == "old");
  // A path that servers read in two ways is ambiguous as long as the two are of different services.
  CHECK(decide(both, "//x/1", nullptr, kNow) == "ambiguous");
  CHECK(decide(both, "//x/1", nullptr, kNow + 1000) == "old");
}

TEST_CASE("grant: among many services of a host, those that are over are passed by",
          "[vault][matcher]") {
  std::vector<Service> services;
  for (int i = 0; i < 40; ++i) {
    Service one = granted("");
    one.name = "svc-" + std::to_string(i);
    one.path = "/x/" + std::to_string(i % 20) + "/*";
    one.expires_ms = i < 20 ? kNow + 1000 : 0;
    services.push_back(one);
  }
  const auto snapshot = with(services);
  for (int i = 0; i < 20; ++i) {
    const std::string path = "/x/" + std::to_string(i) + "/y";
    CHECK(decide(snapshot, path, nullptr, kNow) == "svc-" + std::to_string(i));
    CHECK(decide(snapshot, path, nullptr, kNow + 1000) == "svc-" + std::to_string(i + 20));
  }
}

TEST_CASE("grant: uses are counted in a window that never ends", "[vault][policy]") {
  Ledger ledger;
  const auto two = with({granted(R"(,"uses":2,"grant":"proposal-1")")});
  CHECK(decide(two, "/x/1", &ledger) == "granted");
  CHECK(decide(two, "/x/2", &ledger) == "granted");
  CHECK(decide(two, "/x/1", &ledger) == "used up granted");
  CHECK(ledger.total() == 2);
  CHECK(ledger.windows.begin()->second == 0);
  // Another grant counts anew; the same one does not, however the service is changed.
  CHECK(decide(with({granted(R"(,"uses":2,"grant":"proposal-2")")}), "/x/1", &ledger) == "granted");
  CHECK(decide(with({granted(R"(,"uses":2,"grant":"proposal-1","methods":["GET"])")}), "/x/1",
               &ledger) == "used up granted");
  // What cannot be counted is refused.
  CHECK(decide(two, "/x/1", nullptr) == "unknown");
  ledger.broken = true;
  CHECK(decide(two, "/x/1", &ledger) == "unknown");
}

TEST_CASE("grant: a request that something else refuses uses nothing up", "[vault][policy]") {
  Ledger ledger;
  const auto snapshot = with({granted(R"(,"uses":1,"grant":"g")")});
  Rule rule;
  rule.name = "slow";
  rule.uid = "r";
  rule.action = RuleAction::kRateLimit;
  rule.host = "api.example.com";
  rule.limit = {1, RateWindow::kMinute};
  snapshot->set_rules({rule});
  CHECK(decide(snapshot, "/y", &ledger) == "pass");  // takes the rule's one
  CHECK(decide(snapshot, "/x/1", &ledger) == "limited");
  CHECK(ledger.total() == 1);
  // And the other way round: the rule's is given back when the uses are at their end.
  ledger.used.clear();
  CHECK(decide(snapshot, "/x/1", &ledger) == "granted");
  ledger.used.erase(LimitKey::of("v", "r", "", milliseconds(RateWindow::kMinute)).value);
  CHECK(decide(snapshot, "/x/1", &ledger) == "used up granted");
  CHECK(ledger.total() == 1);
}

TEST_CASE("grant: end and uses of a service are read, written and checked", "[vault][service]") {
  const Service one = granted(R"(,"uses":7,"grant":"proposal-3")");
  CHECK(one.expires_ms == kNow + 1000);
  CHECK(one.max_uses == 7);
  CHECK(service_to_json(service(service_to_json(one))) == service_to_json(one));
  for (const char* bad : {R"("uses":7)", R"("expires":"tomorrow")", R"("expires":7)",
                          R"("expires":"")", R"("expires":"2030-01-01T00:00:00Z","uses":0)",
                          R"("expires":"2030-01-01T00:00:00Z","uses":-1)", R"("grant":"a b")"}) {
    INFO(bad);
    CHECK_FALSE(service_from_json(R"({"host":"api.example.com","auth":{"type":"passthrough"},)" +
                                  std::string(bad) + "}"));
  }
}

TEST_CASE("clock: times by RFC 3339", "[core]") {
  CHECK(parse_rfc3339("1970-01-01T00:00:00Z") == 0);
  CHECK(parse_rfc3339("2023-11-14T22:13:20Z") == kNow);
  CHECK(parse_rfc3339("2023-11-14T22:13:20.123456Z") == kNow + 123);
  CHECK(parse_rfc3339("2023-11-14t23:13:20+01:00") == kNow);
  CHECK(parse_rfc3339("2023-11-14 17:43:20-04:30") == kNow);
  CHECK(parse_rfc3339(format_utc(kNow + 7)) == kNow + 7);
  CHECK(parse_rfc3339("2024-02-29T00:00:00Z"));
  for (const char* bad :
       {"", "2023", "2023-02-29T00:00:00Z", "2023-13-01T00:00:00Z", "2023-01-01T24:00:00Z",
        "2023-01-01T00:60:00Z", "2023-01-01T00:00:00", "2023-01-01T00:00:00.Z",
        "2023-01-01T00:00:00+1:00", "2023-01-01T00:00:00Z ", "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00", "2023-01-01T00:00:00+24:00", "-023-01-01T00:00:00Z"}) {
    INFO(bad);
    CHECK_FALSE(parse_rfc3339(bad));
  }
}

TEST_CASE("suggestion: a denied request makes a proposal that can be sent as it is",
          "[vault][proposal]") {
  init_secret_arena();
  const auto read = [](const std::string& json) {
    auto out = read_proposal(*Secret::copy_of(json));
    INFO(json << "\n" << (out ? "" : out.error().message));
    REQUIRE(out);
    CHECK(json.size() < 4096);
    return std::move(out->request);
  };
  RequestIdentity request;
  request.method = "GET";
  request.authority = {"api.stripe.com", 443};
  request.target.path = "/v1/charges";
  const ProposalRequest stripe = read(suggested_proposal(request, nullptr, ""));
  CHECK(stripe.services.at(0).service.uses("STRIPE_SECRET_KEY"));
  CHECK_FALSE(stripe.slots.at(0).obtain.empty());
  // What is stored already is not asked for again.
  PolicySnapshot snapshot;
  snapshot.credentials["STRIPE_SECRET_KEY"] = {};
  CHECK(read(suggested_proposal(request, &snapshot, "")).slots.empty());
  // Unless the agent may not use it.
  Agent agent;
  agent.name = "claude";
  agent.credentials = {"OTHER"};
  snapshot.agents["claude"] = agent;
  CHECK(read(suggested_proposal(request, &snapshot, "claude")).slots.size() == 1);

  request.authority = {"internal.example.org", 8443};
  const ProposalRequest unknown = read(suggested_proposal(request, nullptr, ""));
  CHECK(unknown.services.at(0).service.port == 8443);
  CHECK(unknown.slots.at(0).key == "EXAMPLE_KEY");
  request.scheme = Scheme::kHttp;
  CHECK(read(suggested_proposal(request, nullptr, "")).services.at(0).service.allow_http);
  // Addresses, and the longest host that there is.
  for (const std::string& host :
       {std::string("10.0.0.1"), std::string("[2001:db8::1]"), std::string("localhost"),
        std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + ".com"}) {
    request.authority = {host, 443};
    request.scheme = Scheme::kHttps;
    read(suggested_proposal(request, nullptr, ""));
  }
  CHECK(read(renewal_proposal("stripe")).services.at(0).action == ProposedService::Action::kEnable);
  CHECK(read(credential_proposal("STRIPE_SECRET_KEY")).slots.at(0).obtain ==
        "https://dashboard.stripe.com/apikeys");
  CHECK(suggested_key("api.example.com") == "EXAMPLE_KEY");
  CHECK(suggested_key("x") == "X_KEY");
  CHECK(suggested_key("1.2.3.4") == "API_KEY");
}
