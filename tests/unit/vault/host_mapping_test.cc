#include "vault/host_mapping.h"

#include <catch2/catch.hpp>
#include <set>

#include "vault/preset.h"

using namespace av;
using namespace av::vault;

namespace {

HostMapping mapping(const std::string& host, const std::string& store, const std::string& item) {
  HostMapping out;
  out.service = *mapping_service(host);
  out.ref = {store, item, "key"};
  return out;
}

const Service* found(const PolicySnapshot& snapshot, const std::string& host,
                     const std::string& path = "/") {
  RequestIdentity identity;
  identity.scheme = Scheme::kHttps;
  identity.authority = {host, 443};
  identity.method = "GET";
  identity.target = *canonical_target(path);
  const Principal nobody;
  PolicyInput input;
  input.snapshot = std::make_shared<PolicySnapshot>(snapshot);
  input.principal = &nobody;
  const Decision decision = Policy::decide(input, identity);
  const auto* const allowed = std::get_if<AllowedRequest>(&decision);
  REQUIRE(allowed != nullptr);
  // Of the copy: found again by its name.
  if (allowed->service() == nullptr) {
    return nullptr;
  }
  for (const Matcher* const matcher : {&snapshot.matcher, &snapshot.mappings}) {
    for (const Service& service : matcher->services()) {
      if (service.name == allowed->service()->name) {
        return &service;
      }
    }
  }
  return nullptr;
}

Service service_for(const std::string& text) {
  Service out;
  out.name = "own-service";
  REQUIRE(set_matcher_text(out, text));
  out.auth = BearerAuth{"OWN_KEY"};
  return out;
}

}  // namespace

TEST_CASE("a mapping authenticates as the catalogue says, else with a bearer token", "[mapping]") {
  CHECK(std::get<BearerAuth>(mapping_service("api.example.com")->auth).token_key == "VALUE");
  const Service anthropic = *mapping_service("API.Anthropic.com");
  CHECK(anthropic.host == "api.anthropic.com");
  CHECK(std::get<ApiKeyAuth>(anthropic.auth).header == "x-api-key");
  CHECK(std::get<ApiKeyAuth>(anthropic.auth).key == "VALUE");
  CHECK_FALSE(mapping_service("api.example.com/path/*"));
  CHECK_FALSE(mapping_service("api.example.com:8443"));
  CHECK_FALSE(mapping_service("not a host"));
}

TEST_CASE("every service of the catalogue can be mapped, as far as it goes, or says why not",
          "[mapping]") {
  for (const Preset& preset : presets()) {
    for (const Service& service : preset.services) {
      INFO(service.host << service.path);
      const auto mapped = mapping_service(service.host);
      if (preset_for_host(service.host).service != &service || !mapped) {
        // Outside of the headers; the control is that this is said, and not taken as done.
        CHECK((mapped || std::holds_alternative<PassthroughAuth>(service.auth)));
        continue;
      }
      CHECK(mapped->path == service.path);
      CHECK(check_mapping(*mapped));
    }
  }
  CHECK_FALSE(mapping_service("api.telegram.org"));
  CHECK(mapping_service("api.pagerduty.com"));
}

TEST_CASE("a mapping sends nothing to what is beside the catalogue's path", "[mapping]") {
  PolicySnapshot snapshot;
  add_mappings(snapshot, {mapping("slack.com", "s1", "one"), mapping("b.example", "s1", "two")});
  CHECK(found(snapshot, "slack.com", "/api/chat.postMessage") != nullptr);
  CHECK(found(snapshot, "slack.com", "/echo") == nullptr);
  CHECK(found(snapshot, "b.example", "/echo") != nullptr);
  Service elsewhere = *mapping_service("slack.com");
  elsewhere.path = "/other/*";
  CHECK_FALSE(check_mapping(elsewhere));
}

TEST_CASE("a mapping is used where no service names the host", "[mapping]") {
  PolicySnapshot snapshot;
  snapshot.set_services({service_for("own.example.com/v1/*")});
  add_mappings(snapshot,
               {mapping("own.example.com", "s1", "a"), mapping("api.example.com", "s1", "b"),
                mapping("*.example.org", "s1", "c")});
  CHECK(found(snapshot, "own.example.com", "/v1/x")->name == "own-service");
  // What a service of the host leaves out is left out.
  CHECK(found(snapshot, "own.example.com", "/v2/x") == nullptr);
  CHECK(found(snapshot, "api.example.com")->name == "map:api.example.com");
  CHECK(found(snapshot, "x.example.org")->name == "map:*.example.org");
  CHECK(found(snapshot, "x.y.example.org") == nullptr);
  CHECK(found(snapshot, "other.example.com") == nullptr);
}

TEST_CASE("the credentials of a mapping are fields of its item, and nobody else's", "[mapping]") {
  PolicySnapshot snapshot;
  snapshot.credentials["VALUE"].key = "VALUE";
  HostMapping basic = mapping("api.example.com", "s1", "item");
  basic.service.auth = BasicAuth{"USERNAME", "", "PASSWORD"};
  add_mappings(snapshot, {basic});
  const Service& service = snapshot.mappings.services().at(0);
  const auto keys = service.credential_keys();
  CHECK(std::set<std::string>(keys.begin(), keys.end()) ==
        std::set<std::string>{"map:api.example.com/USERNAME", "map:api.example.com/PASSWORD"});
  CHECK(snapshot.credentials.at("map:api.example.com/USERNAME").sources.at(0) ==
        SourceRef{"s1", "item", "username"});
  CHECK(snapshot.credentials.at("VALUE").sources.empty());
}

TEST_CASE("mappings of one host are choices, with the auth of the first", "[mapping]") {
  PolicySnapshot snapshot;
  HostMapping second = mapping("api.example.com", "s2", "there");
  second.service.auth = BasicAuth{"USERNAME", "", "PASSWORD"};
  add_mappings(snapshot, {mapping("api.example.com", "s1", "here"), second});
  REQUIRE(snapshot.mappings.services().size() == 1);
  CHECK(std::holds_alternative<BearerAuth>(snapshot.mappings.services()[0].auth));
  const auto& sources = snapshot.credentials.at("map:api.example.com/VALUE").sources;
  REQUIRE(sources.size() == 2);
  CHECK(sources[0] == SourceRef{"s1", "here", "key"});
  CHECK(sources[1] == SourceRef{"s2", "there", "key"});
}

TEST_CASE("an agent with a scope uses no mapping that it does not name", "[mapping]") {
  PolicySnapshot snapshot;
  add_mappings(snapshot, {mapping("api.example.com", "s1", "item")});
  const Service& service = snapshot.mappings.services()[0];
  Agent agent;
  CHECK(in_scope(agent, service));
  agent.services = {"own-service"};
  CHECK_FALSE(in_scope(agent, service));
  agent.services = {"map:api.example.com"};
  CHECK(in_scope(agent, service));
  agent.credentials = {"OWN_KEY"};
  CHECK_FALSE(in_scope(agent, service));
}
