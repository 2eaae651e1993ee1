#include "vault/policy.h"

#include <catch2/catch.hpp>
#include <string>
#include <type_traits>

using namespace av::vault;

// Nobody but Policy makes one.
static_assert(!std::is_default_constructible_v<AllowedRequest>);
static_assert(!std::is_copy_constructible_v<AllowedRequest>);
static_assert(!std::is_constructible_v<AllowedRequest, SnapshotPtr, RequestIdentity, const Service*,
                                       const Rule*>);
static_assert(!std::is_constructible_v<HeldRequest, AllowedRequest>);

namespace {

SnapshotPtr snapshot(UnmatchedPolicy unmatched) {
  Service on;
  on.name = "on";
  on.host = "api.example.com";
  on.path = "/v1/*";
  Service off = on;
  off.name = "off";
  off.path = "/off/*";
  off.enabled = false;
  auto out = std::make_shared<PolicySnapshot>();
  out->vault_name = "default";
  out->unmatched = unmatched;
  out->set_services({on, off});
  return out;
}

RequestIdentity get(std::string host, std::string path) {
  RequestIdentity out;
  out.method = "GET";
  out.authority = {std::move(host), 443};
  out.target.path = std::move(path);
  return out;
}

Decision decide(SnapshotPtr snapshot, RequestIdentity request,
                std::optional<UnmatchedPolicy> unmatched = std::nullopt) {
  const Principal nobody;
  PolicyInput input;
  input.snapshot = std::move(snapshot);
  input.principal = &nobody;
  input.unmatched = unmatched;
  return Policy::decide(input, std::move(request));
}

std::string decision(UnmatchedPolicy unmatched, RequestIdentity request,
                     std::optional<UnmatchedPolicy> override_policy = std::nullopt) {
  const auto result = decide(snapshot(unmatched), std::move(request), override_policy);
  if (const auto* deny = std::get_if<Deny>(&result)) {
    return deny->reason == Deny::Reason::kServiceDisabled ? "disabled " + deny->service
                                                          : "unmatched";
  }
  const auto& allowed = std::get<AllowedRequest>(result);
  return allowed.service() == nullptr ? "pass" : "inject " + allowed.service()->name;
}

}  // namespace

TEST_CASE("policy: a service decides, whatever happens to unmatched hosts", "[vault][policy]") {
  for (const UnmatchedPolicy unmatched : {UnmatchedPolicy::kDeny, UnmatchedPolicy::kPassthrough}) {
    CHECK(decision(unmatched, get("api.example.com", "/v1/x")) == "inject on");
    CHECK(decision(unmatched, get("api.example.com", "/off/x")) == "disabled off");
  }
}

TEST_CASE("policy: without a service the vault's word or the run's own counts", "[vault][policy]") {
  constexpr auto kDeny = UnmatchedPolicy::kDeny;
  constexpr auto kPass = UnmatchedPolicy::kPassthrough;
  for (const auto& request : {get("other.example.com", "/"), get("api.example.com", "/v2")}) {
    CHECK(decision(kDeny, request) == "unmatched");
    CHECK(decision(kPass, request) == "pass");
    CHECK(decision(kPass, request, kDeny) == "unmatched");
    CHECK(decision(kDeny, request, kPass) == "pass");
  }
}

TEST_CASE("policy: the allowed request keeps the snapshot that it was judged by",
          "[vault][policy]") {
  SnapshotPtr first = snapshot(UnmatchedPolicy::kDeny);
  const PolicySnapshot* const address = first.get();
  auto result = decide(std::move(first), get("api.example.com", "/v1/x"));
  const AllowedRequest allowed = std::get<AllowedRequest>(std::move(result));
  CHECK(&allowed.snapshot() == address);
  CHECK(allowed.identity().target.path == "/v1/x");
  CHECK(allowed.service()->name == "on");
}

TEST_CASE("policy: the words of the setting", "[vault][policy]") {
  for (const auto policy : {UnmatchedPolicy::kDeny, UnmatchedPolicy::kPassthrough}) {
    CHECK(unmatched_from_string(to_string(policy)) == policy);
  }
  CHECK_FALSE(unmatched_from_string("allow"));
  CHECK_FALSE(unmatched_from_string(""));
}

TEST_CASE("policy: a path that another reading gives to another service is refused",
          "[vault][policy]") {
  const auto reason = [](std::string path) {
    const auto result =
        decide(snapshot(UnmatchedPolicy::kPassthrough), get("api.example.com", std::move(path)));
    const auto* deny = std::get_if<Deny>(&result);
    return deny != nullptr && deny->reason == Deny::Reason::kAmbiguousPath;
  };
  CHECK(reason("//off/x"));
  CHECK(reason("/off;a=b/x"));
  CHECK(reason("/v1;a/x"));
  CHECK_FALSE(reason("/v1//x"));
  CHECK_FALSE(reason("/v1/https://a.example/"));
  CHECK_FALSE(reason("/v1/x;a=b"));
  CHECK_FALSE(reason("/elsewhere//x"));
}
