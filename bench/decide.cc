// Policy::decide alone: what a request costs with many rules.
#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common.h"
#include "modes.h"
#include "vault/policy.h"

namespace av::bench {
namespace {

constexpr double kRunSeconds = 0.3;
constexpr std::size_t kRequests = 4096;  // different ones
constexpr std::string_view kBusyHost = "busy.example.com";

std::mt19937_64 generator() {
  return std::mt19937_64(20260101);  // NOLINT: the same data in every run
}

std::string host_of(std::uint64_t i) {
  return "host" + std::to_string(i) + ".example.com";
}

// A third for hosts of their own, a third for paths of one host, a third of wildcards and of rules
// for every host. None is a limit: those count in a ledger, which is measured elsewhere.
std::vector<vault::Rule> make_rules(std::uint64_t count) {
  std::vector<vault::Rule> rules;
  rules.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    vault::Rule rule;
    rule.name = "rule-" + std::to_string(i);
    rule.uid = rule.name;
    rule.action = i % 2 == 0 ? vault::RuleAction::kBlock : vault::RuleAction::kApprove;
    if (i % 3 == 0) {
      rule.host = host_of(i);
      rule.methods = {"DELETE"};
    } else if (i % 3 == 1) {
      rule.host = kBusyHost;
      rule.path = "/tenants/" + std::to_string(i) + "/*";
    } else {
      rule.host = i % 2 == 0 ? "**." + host_of(i) : "";
      rule.path = "/admin/" + std::to_string(i);
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

vault::RequestIdentity request_to(std::string host, std::string path) {
  vault::RequestIdentity request;
  request.authority.host = std::move(host);
  request.authority.port = 443;
  request.method = "POST";
  request.target.path = std::move(path);
  return request;
}

double ns_per_decision(const vault::SnapshotPtr& snapshot,
                       const std::vector<vault::RequestIdentity>& requests) {
  const vault::Principal nobody;
  vault::PolicyInput input;
  input.snapshot = snapshot;
  input.principal = &nobody;
  std::uint64_t passed = 0;
  std::uint64_t done = 0;
  const double began = own_cpu_seconds();
  double elapsed = 0;
  while (elapsed < kRunSeconds) {
    for (const vault::RequestIdentity& request : requests) {
      const auto decision = vault::Policy::decide(input, request);
      passed += std::holds_alternative<vault::AllowedRequest>(decision) ? 1 : 0;
    }
    done += requests.size();
    elapsed = own_cpu_seconds() - began;
  }
  if (passed != done) {
    die("a request that should have passed did not");
  }
  return elapsed * 1e9 / static_cast<double>(done);
}

}  // namespace

void run_decide(std::uint64_t count) {
  auto snapshot = std::make_shared<vault::PolicySnapshot>();
  snapshot->unmatched = vault::UnmatchedPolicy::kPassthrough;
  snapshot->set_rules(make_rules(count));
  auto random = generator();
  std::vector<vault::RequestIdentity> plain;
  std::vector<vault::RequestIdentity> busy;
  std::vector<vault::RequestIdentity> odd;
  for (std::size_t i = 0; i < kRequests; ++i) {
    const std::string n = std::to_string(random());
    plain.push_back(request_to("api.example.org", "/v1/items/" + n));
    busy.push_back(request_to(std::string(kBusyHost), "/tenants/x" + n + "/items"));
    odd.push_back(request_to(std::string(kBusyHost), "/tenants/x;" + n + "//items%2F%3A" + n));
  }
  JsonLine line;
  line.count("rules", count);
  line.number("elsewhere_ns", ns_per_decision(snapshot, plain));
  line.number("busy_host_ns", ns_per_decision(snapshot, busy));
  line.number("odd_path_ns", ns_per_decision(snapshot, odd));
  line.print();
}

}  // namespace av::bench
