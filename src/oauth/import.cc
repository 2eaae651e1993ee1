#include "oauth/import.h"

#include <algorithm>
#include <functional>

#include "oauth/answer.h"
#include "oauth/jwt.h"

namespace av::oauth {
namespace {

using vault::JsonDocument;

// Public clients: what these programs themselves say they are.
constexpr std::string_view kCodexClient = "app_EMoamEEZ73f0CkXaXp7hrann";
constexpr std::string_view kCodexToken = "https://auth.openai.com/oauth/token";
constexpr std::string_view kCodexRevoke = "https://auth.openai.com/oauth/revoke";
constexpr std::string_view kClaudeClient = "9d1c250a-e61b-44d9-88ed-5944d1962f5e";
constexpr std::string_view kClaudeToken = "https://platform.claude.com/v1/oauth/token";
constexpr std::size_t kMostFile = std::size_t{256} << 10;
constexpr std::size_t kMostToken = std::size_t{64} << 10;

Error invalid(std::string message, std::string hint = {}) {
  return make_error(ErrorCode::kInvalid, std::move(message), std::move(hint));
}

using UseFile = std::function<Expected<ImportedLogin>(const JsonView&)>;

Expected<ImportedLogin> with_file(const Secret& file, std::string_view what, const UseFile& use) {
  if (file.size() > kMostFile) {
    return invalid(std::string(what) + " is larger than 256 KiB");
  }
  return file.reveal([&](std::string_view bytes) -> Expected<ImportedLogin> {
    const auto document = JsonDocument::parse(bytes);
    if (!document || !document->root().is(JsonView::Kind::kObject)) {
      return invalid(std::string(what) + " is no JSON object");
    }
    return use(document->root());
  });
}

// Empty when absent or null.
Expected<Secret> token_of(const JsonView& object, std::string_view name, char least) {
  const auto found = object.find(name);
  if (!found || found->is(JsonView::Kind::kNull)) {
    return Secret();
  }
  auto token = found->secret();
  const bool good =
      token && token->size() <= kMostToken && token->reveal([&](std::string_view bytes) {
        return std::all_of(bytes.begin(), bytes.end(),
                           [&](char c) { return c >= least && c < '\x7f'; });
      });
  if (!good) {
    return invalid(std::string(name) + " is no token");
  }
  return token;
}

// For showing; nothing rests on it.
std::string word_of(const JsonView& object, std::string_view name) {
  const std::string text = text_of(object, name);
  const bool good = text.size() <= 320 && std::all_of(text.begin(), text.end(),
                                                      [](char c) { return c > ' ' && c < '\x7f'; });
  return good ? text : std::string();
}

void read_codex_claims(const Secret& id_token, ImportedLogin& out) {
  peek_claims(id_token, [&](const JsonView& claims) {
    out.email = word_of(claims, "email");
    const auto own = claims.find("https://api.openai.com/auth");
    if (own) {
      out.plan = word_of(*own, "chatgpt_plan_type");
      if (out.account.empty()) {
        out.account = word_of(*own, "chatgpt_account_id");
      }
    }
    const auto profile = claims.find("https://api.openai.com/profile");
    if (out.email.empty() && profile) {
      out.email = word_of(*profile, "email");
    }
  });
}

std::int64_t expiry_of(const Secret& access_token) {
  std::int64_t out = 0;
  peek_claims(access_token, [&](const JsonView& claims) {
    const auto found = claims.find("exp");
    const auto seconds = found ? found->integer() : std::nullopt;
    if (seconds && *seconds > 0 && *seconds < (std::int64_t{1} << 40)) {
      out = *seconds * 1000;
    }
  });
  return out;
}

vault::OauthClient public_client(std::string_view client_id, std::string_view token_url) {
  vault::OauthClient out;
  out.flow = vault::OauthFlow::kPasted;
  out.client_id = client_id;
  out.token_url = token_url;
  out.auth = vault::ClientAuth::kNone;
  out.json_body = true;
  return out;
}

Expected<ImportedLogin> read_codex(const JsonView& file) {
  const auto tokens = file.find("tokens");
  if (!tokens || !tokens->is(JsonView::Kind::kObject)) {
    const auto key = file.find("OPENAI_API_KEY");
    if (key && key->is(JsonView::Kind::kString)) {
      return invalid("the file holds an API key and no login of ChatGPT",
                     "agent-vault vault credential set OPENAI_API_KEY");
    }
    return invalid("the file holds no login of ChatGPT", "codex login");
  }
  ImportedLogin out;
  out.client = public_client(kCodexClient, kCodexToken);
  out.client.revocation_url = kCodexRevoke;
  AV_TRY(out.access_token, token_of(*tokens, "access_token", '!'));
  AV_TRY(out.secrets.refresh_token, token_of(*tokens, "refresh_token", ' '));
  if (out.access_token.empty() && out.secrets.refresh_token.empty()) {
    return invalid("the file holds no login of ChatGPT", "codex login");
  }
  out.expires_ms = expiry_of(out.access_token);
  out.account = word_of(*tokens, "account_id");
  AV_TRY(const Secret id_token, token_of(*tokens, "id_token", '!'));
  read_codex_claims(id_token, out);
  if (out.plan.empty()) {
    read_codex_claims(out.access_token, out);
  }
  return out;
}

Expected<ImportedLogin> read_claude(const JsonView& file) {
  const auto login = file.find("claudeAiOauth");
  if (!login || !login->is(JsonView::Kind::kObject)) {
    return invalid("the file holds no login of Claude", "claude /login");
  }
  ImportedLogin out;
  out.client = public_client(kClaudeClient, kClaudeToken);
  AV_TRY(out.access_token, token_of(*login, "accessToken", '!'));
  AV_TRY(out.secrets.refresh_token, token_of(*login, "refreshToken", ' '));
  if (out.access_token.empty() && out.secrets.refresh_token.empty()) {
    return invalid("the file holds no login of Claude", "claude /login");
  }
  const auto expires = login->find("expiresAt");
  const auto ms = expires ? expires->integer() : std::nullopt;
  out.expires_ms = ms && *ms > 0 && *ms < (std::int64_t{1} << 50) ? *ms : 0;
  const auto scopes = login->find("scopes");
  for (const JsonView& one : scopes ? scopes->children() : std::vector<JsonView>()) {
    const std::string scope = one.text();
    const bool good = !scope.empty() && std::all_of(scope.begin(), scope.end(), [](char c) {
      return c > ' ' && c < '\x7f' && c != '"' && c != '\\';
    });
    if (good && out.client.scopes.size() < 50) {
      out.client.scopes.push_back(scope);
    }
  }
  out.plan = word_of(*login, "subscriptionType");
  return out;
}

// https://oauth2.googleapis.com/token, or another of Google's; a file that names another place is
// somebody's attempt to get assertions.
bool is_googles(std::string_view url) {
  constexpr std::string_view kHttps = "https://";
  if (!vault::check_endpoint(url, "token_uri")) {
    return false;
  }
  if (!url.starts_with(kHttps)) {
    return true;  // this machine itself, which check_endpoint has seen to
  }
  url.remove_prefix(kHttps.size());
  const std::string_view host = url.substr(0, url.find_first_of(":/?"));
  return host.ends_with(".googleapis.com") || host == "accounts.google.com";
}

Expected<ImportedLogin> read_service_account(const JsonView& file) {
  if (text_of(file, "type") != "service_account") {
    return invalid("the file is no key of a service account",
                   "make one in the Google Cloud console, as JSON");
  }
  ImportedLogin out;
  out.client.flow = vault::OauthFlow::kJwtBearer;
  out.client.provider = "google";
  out.client.client_id = text_of(file, "client_email");
  out.client.key_id = text_of(file, "private_key_id");
  out.client.token_url = text_of(file, "token_uri");
  out.client.auth = vault::ClientAuth::kNone;
  out.client.pkce = false;
  out.email = word_of(file, "client_email");
  if (!is_googles(out.client.token_url)) {
    return make_error(ErrorCode::kNotPermitted, "token_uri in the file is not Google's");
  }
  const auto key = file.find("private_key");
  if (!key || !key->is(JsonView::Kind::kString)) {
    return invalid("the file has no private_key");
  }
  AV_TRY(out.secrets.private_key, key->secret());
  // Not at the first request.
  AV_TRY(const Secret tried, sign_jwt(out.secrets.private_key, "{}", {}));
  AV_CHECK(vault::check_oauth_client(out.client));
  return out;
}

}  // namespace

void read_account(const Secret& token, ImportedLogin& out) {
  read_codex_claims(token, out);
}

vault::OauthClient program_client(std::string_view program) {
  vault::OauthClient out;
  if (program == "codex") {
    out = public_client(kCodexClient, kCodexToken);
    out.revocation_url = kCodexRevoke;
  } else if (program == "claude") {
    out = public_client(kClaudeClient, kClaudeToken);
  }
  return out;
}

Expected<ImportedLogin> import_codex(const Secret& file) {
  return with_file(file, "auth.json", read_codex);
}

Expected<ImportedLogin> import_claude(const Secret& file) {
  return with_file(file, ".credentials.json", read_claude);
}

Expected<ImportedLogin> import_service_account(const Secret& file) {
  return with_file(file, "the key file", read_service_account);
}

}  // namespace av::oauth
