#include "cmd/agent_login.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/encoding.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kYearS = std::int64_t{365} * 24 * 3600;
// Marks a credential of this kind, whatever its key.
constexpr std::string_view kProgram = "program";

std::string label(const vault::OauthClient& client, std::string_view name) {
  for (const auto& [key, value] : client.labels) {
    if (key == name) {
      return value;
    }
  }
  return {};
}

vault::Service bearer_service(std::string name, std::string host, std::string path,
                              const std::string& key) {
  vault::Service service;
  service.name = std::move(name);
  service.host = std::move(host);
  service.path = std::move(path);
  service.auth = vault::BearerAuth{key};
  return service;
}

bool is_used(const vault::PolicySnapshot& snapshot, const std::string& key) {
  const auto& services = snapshot.matcher.services();
  return std::any_of(services.begin(), services.end(), [&](const vault::Service& service) {
    const auto keys = service.credential_keys();
    return service.enabled && std::find(keys.begin(), keys.end(), key) != keys.end();
  });
}

// Looks like a token to a program that wants to read its claims; nobody has signed it.
std::string stand_in_jwt(const Json& claims) {
  const auto part = [](std::string_view text) {
    return encoding::base64(text, encoding::Base64::kUrl);
  };
  return part(R"({"alg":"RS256","typ":"JWT","kid":"agent-vault"})") + "." + part(claims.dump()) +
         "." + part("worthless: agent-vault puts the real one into the request");
}

struct CodexTokens {
  std::string id_token;
  std::string access_token;
};

CodexTokens codex_tokens(const AgentLogin& login, std::int64_t now_ms) {
  const std::int64_t now_s = now_ms / 1000;
  const std::string account = label(login.client, "account");
  const std::string plan = label(login.client, "plan");
  const std::string email = label(login.client, "email");
  const Json own = {{"chatgpt_account_id", account},
                    {"chatgpt_plan_type", plan.empty() ? "unknown" : plan},
                    {"chatgpt_user_id", "agent-vault"}};
  const Json common = {{"iss", "https://auth.openai.com"},
                       {"iat", now_s},
                       {"exp", now_s + kYearS},
                       {"jti", login.placeholder},
                       {"https://api.openai.com/auth", own}};
  Json id = common;
  id["aud"] = Json::array({login.client.client_id});
  id["email"] = email.empty() ? "agent-vault@localhost" : email;
  id["email_verified"] = true;
  Json access = common;
  access["client_id"] = login.client.client_id;
  access["https://api.openai.com/profile"] = {{"email", id["email"]}};
  return {stand_in_jwt(id), stand_in_jwt(access)};
}

struct ClaudeTokens {
  std::string access_token;
  std::string refresh_token;
};

ClaudeTokens claude_tokens(const AgentLogin& login) {
  return {"sk-ant-oat01-" + login.placeholder, "sk-ant-ort01-" + login.placeholder};
}

}  // namespace

vault::OauthParams labels_of(const oauth::ImportedLogin& login) {
  vault::OauthParams out;
  for (const auto& [name, value] :
       {std::pair<const char*, const std::string&>{"account", login.account},
        {"plan", login.plan},
        {"email", login.email}}) {
    if (!value.empty()) {
      out.emplace_back(name, value);
    }
  }
  return out;
}

std::vector<vault::Service> services_of_login(bool codex, const std::string& key) {
  if (codex) {
    return {bearer_service("codex-login", "chatgpt.com", "/backend-api/*", key)};
  }
  return {bearer_service("claude-login", "api.anthropic.com", "", key),
          bearer_service("claude-login-mcp", "mcp-proxy.anthropic.com", "", key)};
}

AgentLogins logins_of(store::Store& store, const vault::PolicySnapshot& snapshot,
                      const Placeholders& placeholders) {
  AgentLogins out;
  if (!snapshot.has_tokens()) {
    return out;
  }
  const auto all = store.list_oauth(snapshot.vault_name);
  if (!all) {
    return out;
  }
  for (const store::Store::OauthInfo& info : *all) {
    const std::string program = label(info.status.client, kProgram);
    const auto placeholder = placeholders.find(info.key);
    if (program.empty() || placeholder == placeholders.end() || !is_used(snapshot, info.key)) {
      continue;
    }
    AgentLogin login{info.key, info.status.client, placeholder->second};
    (program == "codex" ? out.codex : out.claude) = std::move(login);
  }
  return out;
}

std::string codex_auth_file(const AgentLogin& login, std::int64_t now_ms) {
  const CodexTokens tokens = codex_tokens(login, now_ms);
  const Json file = {{"auth_mode", "chatgpt"},
                     {"OPENAI_API_KEY", nullptr},
                     {"tokens",
                      {{"id_token", tokens.id_token},
                       {"access_token", tokens.access_token},
                       {"refresh_token", login.placeholder},
                       {"account_id", label(login.client, "account")}}},
                     {"last_refresh", format_utc(now_ms)}};
  return file.dump();
}

std::string claude_credentials_file(const AgentLogin& login, std::int64_t now_ms) {
  const ClaudeTokens tokens = claude_tokens(login);
  const std::string plan = label(login.client, "plan");
  Json scopes = login.client.scopes;
  if (scopes.empty()) {
    scopes = Json::array({"user:inference", "user:profile"});
  }
  const Json file = {{"claudeAiOauth",
                      {{"accessToken", tokens.access_token},
                       {"refreshToken", tokens.refresh_token},
                       {"expiresAt", now_ms + kYearS * 1000},
                       {"scopes", scopes},
                       {"subscriptionType", plan.empty() ? Json() : Json(plan)}}}};
  return file.dump();
}

std::string claude_access_token(const AgentLogin& login) {
  return claude_tokens(login).access_token;
}

std::vector<proxy::LocalLogin> local_logins(const AgentLogins& logins, std::int64_t now_ms) {
  std::vector<proxy::LocalLogin> out;
  if (logins.codex) {
    const CodexTokens tokens = codex_tokens(*logins.codex, now_ms);
    const Json answer = {{"id_token", tokens.id_token},
                         {"access_token", tokens.access_token},
                         {"refresh_token", logins.codex->placeholder},
                         {"token_type", "Bearer"},
                         {"expires_in", kYearS}};
    out.push_back({"auth.openai.com", "/oauth/token", answer.dump()});
  }
  if (logins.claude) {
    const ClaudeTokens tokens = claude_tokens(*logins.claude);
    std::string scopes;
    for (const std::string& scope : logins.claude->client.scopes) {
      scopes += (scopes.empty() ? "" : " ") + scope;
    }
    const Json answer = {{"token_type", "Bearer"},
                         {"access_token", tokens.access_token},
                         {"refresh_token", tokens.refresh_token},
                         {"expires_in", kYearS},
                         {"scope", scopes}};
    for (const char* const host : {"platform.claude.com", "console.anthropic.com"}) {
      out.push_back({host, "/v1/oauth/token", answer.dump()});
    }
  }
  return out;
}

}  // namespace av::cmd
