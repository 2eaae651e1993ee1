#include "oauth/import.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "unit/oauth/fake_port.h"
#include "unit/oauth/test_keys.h"

using namespace av;
using namespace av::test;
using nlohmann::json;

namespace {

std::string unsigned_token(const json& claims) {
  return b64(R"({"alg":"RS256"})") + "." + b64(claims.dump()) + "." + b64("signature");
}

json codex_file() {
  const json claims = {{"email", "person@example.com"},
                       {"https://api.openai.com/auth",
                        {{"chatgpt_plan_type", "pro"}, {"chatgpt_account_id", "acc-from-claims"}}}};
  return {{"auth_mode", "chatgpt"},
          {"OPENAI_API_KEY", nullptr},
          {"tokens",
           {{"id_token", unsigned_token(claims)},
            {"access_token", unsigned_token({{"exp", 1'800'000'000}})},
            {"refresh_token", "rt-codex"},
            {"account_id", "acc-1"}}},
          {"last_refresh", "2026-01-01T00:00:00Z"}};
}

}  // namespace

TEST_CASE("import: a login of Codex", "[oauth][import]") {
  const auto login = oauth::import_codex(secret(codex_file().dump(2)));
  REQUIRE(login);
  CHECK(login->client.flow == vault::OauthFlow::kPasted);
  CHECK(login->client.token_url == "https://auth.openai.com/oauth/token");
  CHECK(login->client.client_id == "app_EMoamEEZ73f0CkXaXp7hrann");
  CHECK(login->client.auth == vault::ClientAuth::kNone);
  CHECK(login->client.json_body);
  CHECK(vault::check_oauth_client(login->client));
  CHECK(shown(login->secrets.refresh_token) == "rt-codex");
  CHECK(login->expires_ms == 1'800'000'000'000);
  CHECK(login->account == "acc-1");
  CHECK(login->plan == "pro");
  CHECK(login->email == "person@example.com");

  json without = codex_file();
  without["tokens"].erase("account_id");
  without["tokens"].erase("id_token");
  const auto less = oauth::import_codex(secret(without.dump()));
  REQUIRE(less);
  CHECK(less->email.empty());
  without["tokens"]["access_token"] = "opaque";
  CHECK(oauth::import_codex(secret(without.dump()))->expires_ms == 0);
  json other = codex_file();
  other["tokens"].erase("account_id");
  CHECK(oauth::import_codex(secret(other.dump()))->account == "acc-from-claims");
}

TEST_CASE("import: a Codex file with an API key is told apart", "[oauth][import]") {
  const auto key = oauth::import_codex(secret(R"({"OPENAI_API_KEY":"sk-secret-value"})"));
  REQUIRE_FALSE(key);
  CHECK(key.error().code == ErrorCode::kInvalid);
  CHECK_THAT(key.error().message, Catch::Contains("API key"));
  CHECK_THAT(key.error().message + key.error().hint, !Catch::Contains("sk-secret"));
  CHECK_FALSE(oauth::import_codex(secret("{}")));
  CHECK_FALSE(oauth::import_codex(secret(R"({"tokens":{}})")));
  CHECK_FALSE(oauth::import_codex(secret(R"({"tokens":"x"})")));
  CHECK_FALSE(oauth::import_codex(secret("[]")));
  CHECK_FALSE(oauth::import_codex(Secret()));
}

TEST_CASE("import: a login of Claude Code", "[oauth][import]") {
  const json file = {{"claudeAiOauth",
                      {{"accessToken", "sk-ant-oat01-abc"},
                       {"refreshToken", "sk-ant-ort01-abc"},
                       {"expiresAt", 1'800'000'000'123},
                       {"scopes", {"user:inference", "user:profile"}},
                       {"subscriptionType", "max"}}}};
  const auto login = oauth::import_claude(secret(file.dump()));
  REQUIRE(login);
  CHECK(login->client.token_url == "https://platform.claude.com/v1/oauth/token");
  CHECK(login->client.client_id == "9d1c250a-e61b-44d9-88ed-5944d1962f5e");
  CHECK(login->client.scopes == std::vector<std::string>{"user:inference", "user:profile"});
  CHECK(shown(login->access_token) == "sk-ant-oat01-abc");
  CHECK(shown(login->secrets.refresh_token) == "sk-ant-ort01-abc");
  CHECK(login->expires_ms == 1'800'000'000'123);
  CHECK(login->plan == "max");
  CHECK(vault::check_oauth_client(login->client));
  CHECK_FALSE(oauth::import_claude(secret("{}")));
  CHECK_FALSE(oauth::import_claude(secret(R"({"claudeAiOauth":{"expiresAt":1}})")));
}

TEST_CASE("import: a file's tokens cannot write a line of a request", "[oauth][import][attack]") {
  json codex = codex_file();
  codex["tokens"]["access_token"] = "a\r\nX-Evil: 1";
  CHECK_FALSE(oauth::import_codex(secret(codex.dump())));
  codex = codex_file();
  codex["tokens"]["refresh_token"] = std::string("a\0b", 3);
  CHECK_FALSE(oauth::import_codex(secret(codex.dump())));
  codex = codex_file();
  codex["tokens"]["account_id"] = "a\r\nX-Evil: 1";  // it goes into a field, too
  CHECK(oauth::import_codex(secret(codex.dump()))->account == "acc-from-claims");
  const json claude = {{"claudeAiOauth", {{"accessToken", "a b"}, {"scopes", {"a b", "ok", ""}}}}};
  CHECK_FALSE(oauth::import_claude(secret(claude.dump())));
  const json scopes = {{"claudeAiOauth", {{"accessToken", "ab"}, {"scopes", {"a b", "ok", ""}}}}};
  CHECK(oauth::import_claude(secret(scopes.dump()))->client.scopes ==
        std::vector<std::string>{"ok"});
}
