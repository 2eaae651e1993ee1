#include "vault/preset.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>

#include "vault/matcher.h"
#include "vault/names.h"
#include "vault/placeholder.h"

using namespace av::vault;

TEST_CASE("presets: every row is complete and valid", "[vault][preset]") {
  REQUIRE(presets().size() >= 35);
  std::set<std::string> ids;
  std::set<std::string> names;
  for (const Preset& preset : presets()) {
    CAPTURE(preset.id);
    CHECK(check_slug("preset", preset.id));
    CHECK(ids.insert(preset.id).second);
    CHECK_FALSE(preset.title.empty());
    CHECK(preset.obtain.substr(0, 8) == "https://");
    CHECK_FALSE(preset.credential_keys().empty());
    REQUIRE_FALSE(preset.services.empty());
    for (const Service& service : preset.services) {
      CAPTURE(service.name);
      CHECK(check_service(service));
      CHECK(names.insert(service.name).second);
      CHECK(service.enabled);
      CHECK_FALSE(service.allow_http);
      CHECK(service.port == 0);
      // One key per service, so that none is left in the child's environment unexplained.
      CHECK_FALSE(service.credential_keys().empty());
    }
  }
}

TEST_CASE("presets: the child finds a stand-in for every key", "[vault][preset]") {
  for (const Preset& preset : presets()) {
    CAPTURE(preset.id);
    std::set<std::string> reachable;
    for (const Service& service : preset.services) {
      for (const auto& [variable, key] : service.env) {
        reachable.insert(key);
        const bool substituted =
            std::any_of(service.substitutions.begin(), service.substitutions.end(),
                        [&key = key](const Substitution& s) { return s.credential_key == key; });
        CHECK((substituted || !service.placeholder_shape.empty()));
      }
    }
    for (const std::string& key : preset.credential_keys()) {
      CAPTURE(key);
      CHECK(reachable.count(key) == 1);
      CHECK(preset_for_credential(key) == &preset);  // setting the key can suggest the preset
    }
  }
}

TEST_CASE("presets: no two claim one variable or one matcher", "[vault][preset]") {
  std::map<std::string, std::string> variables;
  std::set<std::string> matchers;
  for (const Preset& preset : presets()) {
    for (const Service& service : preset.services) {
      CAPTURE(preset.id, service.name);
      CHECK(matchers.insert(service.matcher_text()).second);
      for (const auto& [variable, key] : service.env) {
        CHECK(variables.emplace(variable, preset.id).second);
      }
    }
  }
}

TEST_CASE("presets: stand-ins pass the checks of the tools that read them", "[vault][preset]") {
  const auto stand_in = [](std::string_view id) {
    return make_placeholder(find_preset(id)->services.front().placeholder_shape);
  };
  CHECK(stand_in("openai").substr(0, 3) == "sk-");
  CHECK(stand_in("anthropic").substr(0, 13) == "sk-ant-api03-");
  CHECK(stand_in("anthropic").size() == 108);
  CHECK(stand_in("github").substr(0, 4) == "ghp_");
  CHECK(stand_in("github").size() == 40);
  CHECK(stand_in("gemini").size() == 39);
  CHECK(stand_in("wandb").size() == 40);
  CHECK(stand_in("sendgrid").substr(0, 3) == "SG.");
  CHECK(stand_in("slack").substr(0, 5) == "xoxb-");
}

TEST_CASE("presets: the usual requests find their service", "[vault][preset]") {
  std::vector<Service> all;
  for (const Preset& preset : presets()) {
    all.insert(all.end(), preset.services.begin(), preset.services.end());
  }
  const Matcher matcher(std::move(all));
  const auto name = [&](std::string host, std::string path) -> std::string {
    RequestIdentity request;
    request.method = "POST";
    request.authority = {std::move(host), 443};
    request.target.path = std::move(path);
    const Service* service = matcher.find(request);
    return service == nullptr ? "none" : service->name;
  };
  CHECK(name("api.openai.com", "/v1/responses") == "openai");
  CHECK(name("api.anthropic.com", "/v1/messages") == "anthropic");
  CHECK(name("api.github.com", "/graphql") == "github-api");
  CHECK(name("github.com", "/owner/repo.git/info/refs") == "github-git");
  CHECK(name("gitlab.com", "/api/v4/projects") == "gitlab-api");
  CHECK(name("gitlab.com", "/group/project.git/info/refs") == "gitlab-git");
  CHECK(name("api.telegram.org", "/bot__TELEGRAM_BOT_TOKEN__/getMe") == "telegram");
  CHECK(name("acme.atlassian.net", "/rest/api/3/issue") == "jira");
  CHECK(name("openrouter.ai", "/docs") == "none");
}

TEST_CASE("presets: found by name or not at all", "[vault][preset]") {
  REQUIRE(find_preset("github") != nullptr);
  CHECK(find_preset("github")->services.size() > 1);
  CHECK(find_preset("GitHub") == nullptr);
  CHECK(find_preset("") == nullptr);
  CHECK(preset_for_credential("OPENAI_API_KEY") == find_preset("openai"));
  CHECK(preset_for_credential("NOBODY_KNOWS_THIS") == nullptr);
}
