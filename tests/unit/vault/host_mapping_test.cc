#include "vault/host_mapping.h"

#include <catch2/catch.hpp>
#include <set>

#include "vault/host_reference.h"
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
      if (service.name == allowed->service()->name && service.host == allowed->service()->host) {
        return &service;
      }
    }
  }
  return snapshot.any_host ? &*snapshot.any_host : nullptr;
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

namespace {

// Whether an agent with this scope gets through to the host, by whatever is mapped to it.
bool gets(const Agent& scope, const PolicySnapshot& mapped, const std::string& host,
          Scheme scheme = Scheme::kHttps, std::uint16_t port = 443) {
  PolicySnapshot snapshot = mapped;
  Agent agent = scope;
  agent.name = "agent";
  agent.uid = "uid";
  snapshot.agents["agent"] = agent;
  snapshot.unmatched = UnmatchedPolicy::kDeny;
  RequestIdentity identity;
  identity.scheme = scheme;
  identity.authority = {host, port};
  identity.method = "GET";
  identity.target = *canonical_target("/");
  Principal principal;
  principal.agent = "agent";
  principal.agent_uid = "uid";
  PolicyInput input;
  input.snapshot = std::make_shared<PolicySnapshot>(std::move(snapshot));
  input.principal = &principal;
  const Decision decision = Policy::decide(input, identity);
  const auto* const allowed = std::get_if<AllowedRequest>(&decision);
  return allowed != nullptr && allowed->service() != nullptr;
}

HostMapping any_mapping(const std::string& store = "s1", const std::string& item = "web/{host}") {
  return mapping("*", store, item);
}

}  // namespace

TEST_CASE("an agent with a scope uses no mapping that it does not name", "[mapping]") {
  PolicySnapshot snapshot;
  add_mappings(snapshot, {mapping("api.example.com", "s1", "item"),
                          mapping("*.example.org", "s1", "item"), any_mapping()});
  Agent agent;
  for (const char* const host : {"api.example.com", "a.example.org", "other.example"}) {
    CHECK(gets(agent, snapshot, host));
  }
  agent.services = {"own-service"};
  for (const char* const host : {"api.example.com", "a.example.org", "other.example"}) {
    CHECK_FALSE(gets(agent, snapshot, host));
  }
  agent.services = {"map:api.example.com", "map:a.example.org"};
  CHECK(gets(agent, snapshot, "api.example.com"));
  CHECK(gets(agent, snapshot, "a.example.org"));
  CHECK_FALSE(gets(agent, snapshot, "b.example.org"));
  CHECK_FALSE(gets(agent, snapshot, "other.example"));
  // "*" is the mapping of that name, and not all of them.
  agent.services = {"map:*"};
  CHECK(gets(agent, snapshot, "other.example"));
  CHECK_FALSE(gets(agent, snapshot, "api.example.com"));
  CHECK_FALSE(gets(agent, snapshot, "a.example.org"));
  agent.services = {"map:other.example"};
  CHECK(gets(agent, snapshot, "other.example"));
  CHECK_FALSE(gets(agent, snapshot, "another.example"));
  // Each list that is not empty must have it.
  agent.credentials = {"OWN_KEY"};
  CHECK_FALSE(gets(agent, snapshot, "other.example"));
  agent.credentials = {"OWN_KEY", "map:other.example"};
  CHECK(gets(agent, snapshot, "other.example"));
}

TEST_CASE("outside of a scope there is no mapping of any host, and those of hosts are refused",
          "[mapping]") {
  PolicySnapshot snapshot;
  add_mappings(snapshot, {any_mapping(), mapping("api.example.com", "s1", "item")});
  Agent agent;
  agent.name = "agent";
  agent.uid = "uid";
  agent.services = {"own-service"};
  snapshot.agents["agent"] = agent;
  Principal principal;
  principal.agent = "agent";
  principal.agent_uid = "uid";
  PolicyInput input;
  input.snapshot = std::make_shared<PolicySnapshot>(snapshot);
  input.principal = &principal;
  const auto decide = [&](const char* host) {
    RequestIdentity identity;
    identity.scheme = Scheme::kHttps;
    identity.authority = {host, 443};
    identity.method = "GET";
    identity.target = *canonical_target("/");
    return Policy::decide(input, identity);
  };
  for (const char* const host : {"anything.example", "api.anthropic.com"}) {
    const Decision bare = decide(host);
    const auto* const allowed = std::get_if<AllowedRequest>(&bare);
    REQUIRE(allowed != nullptr);
    CHECK(allowed->service() == nullptr);
  }
  const Decision mapped = decide("api.example.com");
  REQUIRE(std::holds_alternative<Deny>(mapped));
  CHECK(std::get<Deny>(mapped).reason == Deny::Reason::kOutOfScope);
}

TEST_CASE("a scope names mappings by their hosts", "[mapping]") {
  Agent agent;
  agent.name = "agent";
  agent.services = {"own-service", "map:api.example.com", "map:*.example.com", "map:*"};
  agent.credentials = {"OWN_KEY", "map:api.example.com"};
  CHECK(check_agent(agent));
  for (const char* const bad : {"map:", "map:not a host", "map:**", "map:API.example.com",
                                "map:api.example.com/x", "mapping:api.example.com"}) {
    INFO(bad);
    agent.services = {bad};
    CHECK_FALSE(check_agent(agent));
    agent.services = {};
    agent.credentials = {bad};
    CHECK_FALSE(check_agent(agent));
    agent.credentials = {};
  }
}

TEST_CASE("a mapping of any host is for what nothing else covers", "[mapping]") {
  PolicySnapshot snapshot;
  snapshot.set_services({service_for("own.example.com/v1/*")});
  add_mappings(snapshot, {any_mapping(), mapping("api.example.com", "s1", "b"),
                          mapping("slack.com", "s1", "c"), mapping("*.example.org", "s1", "d")});
  CHECK(found(snapshot, "own.example.com", "/v1/x")->name == "own-service");
  CHECK(found(snapshot, "own.example.com", "/v2/x") == nullptr);
  CHECK(found(snapshot, "api.example.com")->name == "map:api.example.com");
  CHECK(found(snapshot, "a.example.org")->name == "map:*.example.org");
  CHECK(found(snapshot, "anything.example.net")->name == "map:*");
  const Agent nobody;
  // What another mapping of the host leaves out, or a service, is left out.
  CHECK_FALSE(gets(nobody, snapshot, "own.example.com"));
  CHECK_FALSE(gets(nobody, snapshot, "slack.com"));
  CHECK(gets(nobody, snapshot, "anything.example.net"));
  // In the clear, on other ports, by address, by a name that is not one of the network.
  CHECK_FALSE(gets(nobody, snapshot, "anything.example.net", Scheme::kHttp, 80));
  CHECK_FALSE(gets(nobody, snapshot, "anything.example.net", Scheme::kHttps, 8443));
  for (const char* const host : {"192.0.2.1", "[2001:db8::1]", "localhost", "intranet",
                                 "Upper.example", "trailing.example.", "under_score.example"}) {
    INFO(host);
    CHECK_FALSE(gets(nobody, snapshot, host));
  }
}

TEST_CASE("a mapping of any host authenticates as the catalogue says, where it does", "[mapping]") {
  PolicySnapshot snapshot;
  add_mappings(snapshot, {any_mapping(), any_mapping("s2", "there/{host}")});
  const Service* const anthropic = found(snapshot, "api.anthropic.com");
  REQUIRE(anthropic != nullptr);
  CHECK(anthropic->name == "map:*");
  CHECK(std::get<ApiKeyAuth>(anthropic->auth).header == "x-api-key");
  CHECK(std::get<ApiKeyAuth>(anthropic->auth).key == "map:*/VALUE");
  CHECK(std::holds_alternative<BearerAuth>(found(snapshot, "api.example.com")->auth));
  const auto& sources = snapshot.credentials.at("map:*/VALUE").sources;
  REQUIRE(sources.size() == 2);
  CHECK(sources[0] == SourceRef{"s1", "web/{host}", "key"});
  CHECK(sources[1] == SourceRef{"s2", "there/{host}", "key"});
  // Unless somebody has said how.
  HostMapping basic = any_mapping();
  basic.service.auth = BasicAuth{"USERNAME", "", "PASSWORD"};
  PolicySnapshot other;
  add_mappings(other, {basic});
  CHECK(found(other, "api.anthropic.com") == &*other.any_host);
  CHECK(other.mappings.services().empty());
}

TEST_CASE("the host of a request stands in a reference for one part, or not at all", "[mapping]") {
  CHECK(fill_host("web/{host}/token", "api.example.com") == "web/api.example.com/token");
  for (const char* const host : {"",
                                 ".",
                                 "..",
                                 "a",
                                 "../../etc.passwd",
                                 "a/b.example",
                                 "a.example/b",
                                 "a.example#x",
                                 "a.example?x=y",
                                 "a%2fb.example",
                                 "a b.example",
                                 "{host}.example",
                                 "192.0.2.1",
                                 "0x7f.0.0.1",
                                 "[::1]",
                                 "a..example",
                                 "-a.example",
                                 "a.example.",
                                 "A.example",
                                 "ä.example",
                                 "a.example\n",
                                 "a\0.example",
                                 "--url=x.example",
                                 "a.1"}) {
    INFO(host);
    CHECK(fill_host("web/{host}/token", host).empty());
  }
  CHECK(fill_host("web/{host}/token", std::string("a.example\0b.example", 19)).empty());
}

TEST_CASE("a reference names the host once, as a whole part of its path", "[mapping]") {
  for (const char* const good :
       {"bw://domain/{host}", "bw://domain/{host}#username", "op://Agents/{host}/token",
        "cmd://{host}", "cmd://{host}/x", "vault://secret/web/{host}?version=3#key"}) {
    INFO(good);
    CHECK(check_host_part(good));
  }
  for (const char* const bad :
       {"bw://domain/x", "bw://domain/{host}/{host}", "bw://domain/a-{host}", "{host}",
        "bw://domain/{host}.example", "bw://domain/x#{host}", "bw://x?env=/{host}",
        "bw://domain/x#/{host}", "bw://id/{HOST}"}) {
    INFO(bad);
    CHECK_FALSE(check_host_part(bad));
  }
}
