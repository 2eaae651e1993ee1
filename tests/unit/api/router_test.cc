#include "api/router.h"

#include <set>

#include "api_fixture.h"

using namespace av;
using namespace av::test;
using api::Where;

namespace {

std::string path_of(const api::Router& router, const std::string& method, const std::string& path,
                    Where where = Where::kServe) {
  const auto found = router.find(method, path, where);
  return found.route == nullptr ? "" : std::string(found.route->path);
}

}  // namespace

TEST_CASE("router: no two rows of the table are the same", "[api][router]") {
  std::set<std::string> seen;
  for (const api::Route& route : api::route_table()) {
    CAPTURE(route.method, route.path);
    CHECK(seen.insert(std::string(route.method) + " " + std::string(route.path)).second);
    CHECK(route.handler != nullptr);
    CHECK_FALSE(route.summary.empty());
    CHECK(route.path.starts_with('/'));
  }
}

TEST_CASE("router: an encoded slash does not split, a literal beats a name", "[api][router]") {
  static constexpr auto kNothing = [](api::Call&) -> api::Reply {
    return api::json_text_reply("{}");
  };
  const std::array<api::Route, 4> routes = {
      api::Route{"GET", "/v1/things/{v}/usage", "s", api::Who::anybody(), Where::kServe, kNothing},
      api::Route{"GET", "/v1/things/{v}/{name}", "s", api::Who::anybody(), Where::kServe, kNothing},
      api::Route{"PUT", "/v1/things/{v}/{name}", "s", api::Who::anybody(), Where::kServe, kNothing},
      api::Route{"GET", "/assets/{*}", "s", api::Who::anybody(), Where::kRuns, kNothing}};
  const api::Router router(routes);
  CHECK(path_of(router, "GET", "/v1/things/a/usage") == "/v1/things/{v}/usage");
  CHECK(path_of(router, "GET", "/api/things/a/usage") == "/v1/things/{v}/usage");
  CHECK(path_of(router, "HEAD", "/v1/things/a/b") == "/v1/things/{v}/{name}");
  const auto slash = router.find("GET", "/v1/things/a/x%2Fy", Where::kServe);
  REQUIRE(slash.route != nullptr);
  CHECK(slash.parts == std::vector<std::string_view>{"a", "x%2Fy"});
  CHECK(path_of(router, "GET", "/v1/things/a/x/y").empty());
  CHECK(path_of(router, "GET", "/v1/things//usage").empty());
  CHECK(path_of(router, "GET", "/v1/things/a/usage/").empty());
  CHECK(path_of(router, "GET", "/v1/THINGS/a/usage").empty());
  const auto other = router.find("POST", "/v1/things/a/b", Where::kServe);
  CHECK(other.route == nullptr);
  CHECK(other.allowed == "GET, PUT");
  const auto rest = router.find("GET", "/assets/js/app.js", Where::kServe);
  REQUIRE(rest.route != nullptr);
  CHECK(rest.parts == std::vector<std::string_view>{"js/app.js"});
  CHECK(path_of(router, "GET", "/assets").empty());
  CHECK(path_of(router, "GET", "/v1/things/a/usage", Where::kRuns).empty());
  CHECK(path_of(router, "GET", "/assets/x", Where::kRuns) == "/assets/{*}");
}

TEST_CASE("router: no vault has the name of a path", "[api][router]") {
  // Where one row has a hole, another has a literal: what is called like that cannot be reached.
  const api::Router router(api::route_table());
  std::size_t asked = 0;
  for (const api::Route& route : api::route_table()) {
    const std::string path(route.path);
    const std::size_t hole = path.find("{v}");
    if (hole == std::string::npos) {
      continue;
    }
    for (const char* const name :
         {"users", "members", "services", "rules", "settings", "admin", "vaults", "agents", "join",
          "context", "invites", "sessions", "logs", "approvals", "default"}) {
      std::string there = path;
      there.replace(hole, 3, name);
      CAPTURE(there);
      CHECK(path_of(router, std::string(route.method), there) == path);
      ++asked;
    }
  }
  CHECK(asked > 300);
}

TEST_CASE("router: at the proxy's port of serve there is what agents need, whatever it is spelt",
          "[api][router][attack]") {
  const api::Router router(api::route_table());
  for (const char* const path : {"/discover", "/v1/discover", "/health", "/api/health",
                                 "/v1/status", "/v1/mitm/ca.pem", "/v1/gateway/ca", "/v1/proposals",
                                 "/v1/proposals/1", "/v1/skills/cli", "/v1/skill/gateway"}) {
    CHECK_FALSE(path_of(router, "GET", path, Where::kEverywhere).empty());
  }
  for (const char* const path :
       {"/", "/login", "/approve/1", "/assets/app.js", "/v1/auth/me", "/v1/admin/proposals",
        "/api/admin/proposals", "/v1/vaults", "/v1/openapi.json", "/v1/service-catalog"}) {
    CHECK(path_of(router, "GET", path, Where::kEverywhere).empty());
  }
  CHECK(path_of(router, "POST", "/v1/auth/login", Where::kEverywhere).empty());
  CHECK_FALSE(path_of(router, "POST", "/v1/auth/login", Where::kRuns).empty());
}

TEST_CASE("query: pluses are blanks, what is there twice is refused", "[api][query]") {
  const auto query = api::Query::parse("vault=my+vault&reveal=true&key=A%2FB&empty&n=12");
  REQUIRE(query);
  CHECK(query->get("vault") == "my vault");
  CHECK(query->flag("reveal"));
  CHECK(query->get("key") == "A/B");
  CHECK(query->has("empty"));
  CHECK_FALSE(query->flag("empty"));
  CHECK(*query->number("n", 0, 100, 5) == 12);
  CHECK(*query->number("m", 0, 100, 5) == 5);
  CHECK_FALSE(query->number("n", 0, 10, 5));
  CHECK_FALSE(query->number("vault", 0, 10, 5));
  for (const char* const bad :
       {"a=%", "a=%2", "a=%zz", "a=%00", "a=%0d", "a=1&a=2", "a=1&%61=2", "a=%ff"}) {
    CAPTURE(bad);
    CHECK_FALSE(api::Query::parse(bad));
  }
}

TEST_CASE("router: a Host of somebody else's is refused", "[api][router][attack]") {
  api::ApiOptions options;
  options.base_url = "https://vault.example.com";
  options.other_urls = {"http://broker.lan:14321"};
  for (const char* const good :
       {"127.0.0.1:14321", "127.0.0.1", "[::1]:14321", "localhost:14321", "LOCALHOST",
        "10.1.2.3:80", "vault.example.com", "vault.example.com:443", "broker.lan:14321"}) {
    CAPTURE(good);
    CHECK(api::is_our_host(good, options));
  }
  for (const char* const bad : {"", "evil.example", "evil.example:14321", "localhost.evil.example",
                                "127.0.0.1.evil.example", "vault.example.com.evil.example",
                                "xvault.example.com", "user@127.0.0.1", "127.1", "0x7f.0.0.1"}) {
    CAPTURE(bad);
    CHECK_FALSE(api::is_our_host(bad, options));
  }
}
