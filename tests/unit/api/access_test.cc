// Every route with every kind of actor: exactly what the row says, no more and no less. The
// handlers are replaced by one that says that it was reached, so nothing else answers.

#include <set>

#include "api/call.h"
#include "api_fixture.h"

using namespace av;
using namespace av::test;
using api::Role;
using api::Who;

namespace {

struct Candidate {
  std::string words;
  std::string token;
  bool user = false;
  bool owner = false;
  Role role = Role::kNone;  // in "default"
};

api::Reply reached(api::Call& /*call*/) {
  return api::json_text_reply("{\"reached\":true}");
}

std::string concrete(std::string_view path, const std::string& vault) {
  std::string out(path);
  for (std::size_t at = out.find('{'); at != std::string::npos; at = out.find('{')) {
    const std::size_t end = out.find('}', at);
    out.replace(at, end - at + 1, out.substr(at, end - at + 1) == "{v}" ? vault : "1");
  }
  return out;
}

// The status that the row means, 200 for reached.
int meant(const api::Route& route, const Candidate& who) {
  switch (route.who.kind()) {
    case Who::Kind::kAnybody:
      return 200;
    case Who::Kind::kSignedIn:
      return who.token.empty() ? 401 : 200;
    case Who::Kind::kUser:
      return who.token.empty() ? 401 : who.user ? 200 : 403;
    case Who::Kind::kOwner:
      return who.token.empty() ? 401 : who.owner ? 200 : 403;
    case Who::Kind::kVault:
    case Who::Kind::kVaultOrOwner:
      if (who.token.empty()) {
        return 401;
      }
      if (who.owner && route.who.kind() == Who::Kind::kVaultOrOwner) {
        return 200;
      }
      if (who.role == Role::kNone) {
        return who.owner ? 403 : 404;
      }
      return who.role >= route.who.role() ? 200 : 403;
  }
  return 0;
}

}  // namespace

TEST_CASE("access: each route is open to whom its row names, and to nobody else",
          "[api][access][attack]") {
  ApiFixture api;
  REQUIRE(api.store().create_vault("other"));
  {
    const std::lock_guard lock(api.people().mutex);
    api.people().persons["pia"] = {"usr_pia", false};
    api.people().roles[{"usr_pia", "default"}] = Role::kProxy;
    api.people().persons["otto"] = {"usr_otto", false};
    api.people().roles[{"usr_otto", "other"}] = Role::kAdmin;
  }
  for (const api::Route& route : api::route_table()) {
    api.routes.push_back(route);
    api.routes.back().handler = reached;
  }
  const std::string builder = api.agent("builder");
  const std::string elsewhere = api.agent("elsewhere", {"other"});
  const std::string anywhere = api.agent("anywhere", {});
  const std::vector<Candidate> candidates = {
      {"nobody", "", false, false, Role::kNone},
      {"an unknown token", "av_sess_unknown", false, false, Role::kNone},
      {"an agent", builder, false, false, Role::kProxy},
      {"an agent of all vaults", anywhere, false, false, Role::kProxy},
      {"an agent of another vault", elsewhere, false, false, Role::kNone},
      {"a session", api.session("anywhere", "default"), false, false, Role::kProxy},
      {"a session of another vault", api.session("anywhere", "other"), false, false, Role::kNone},
      {"a member of no vault", "eve", true, false, Role::kNone},
      {"an admin of another vault", "otto", true, false, Role::kNone},
      {"a proxy", "pia", true, false, Role::kProxy},
      {"a member", "mike", true, false, Role::kMember},
      {"an admin", "alice", true, false, Role::kAdmin},
      {"the owner", "olga", true, true, Role::kNone},
  };
  std::size_t asked = 0;
  for (const api::Route& route : api::route_table()) {
    for (Candidate who : candidates) {
      const bool unknown = who.words == "an unknown token";
      // In a path the vault is named; elsewhere in the query, which all of them take.
      const bool in_path = route.path.find("{v}") != std::string_view::npos;
      const std::string target = concrete(route.path, "default") +
                                 (route.who.in_vault() && !in_path ? "?vault=default" : "");
      CAPTURE(route.method, route.path, who.words);
      const Got got = api.as(who.token, std::string(route.method), target);
      if (unknown) {
        who.token.clear();
      }
      CHECK(got.status == meant(route, who));
      if (got.status == 200) {
        CHECK(got.body.find("reached") != std::string::npos);
      } else if (got.status == 404) {
        CHECK(got.json()["message"] == "no vault named 'default' that you may use");
      }
      api.clock().pass(std::chrono::seconds(1));
      ++asked;
    }
  }
  CHECK(asked == candidates.size() * api::route_table().size());
}

TEST_CASE("access: agents, sessions and runs never reach what needs more than proxy",
          "[api][access][attack]") {
  for (const api::Route& route : api::route_table()) {
    CAPTURE(route.method, route.path);
    const std::string path(route.path);
    const bool decides = path.find("/decision") != std::string::npos ||
                         path.find("/approve") != std::string::npos ||
                         path.find("/reject") != std::string::npos;
    // To leave a vault takes nothing but being in it.
    const bool changes =
        route.method != "GET" && path.starts_with("/v1/vaults/{v}/") && !path.ends_with("/leave");
    if ((decides && route.method == "POST") || changes) {
      CHECK((route.who.needs_user() || route.who.kind() == Who::Kind::kVaultOrOwner));
    }
  }
}
