// `oauth import`: the login of a program becomes a credential, with the services that it is for.

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "cmd/agent_login.h"
#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/oauth_cmd.h"
#include "cmd/oauth_flow.h"
#include "cmd/oauth_options.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "vault/names.h"

namespace av::cmd {
namespace {

struct ImportWords {
  RunWords reach;
  std::string what;
  std::string file;
  std::string key;
};

std::string home_file(const char* variable, std::string_view fallback, std::string_view name) {
  const char* const directory = std::getenv(variable);
  if (directory != nullptr && *directory != '\0') {
    return std::string(directory) + "/" + std::string(name);
  }
  const char* const home = std::getenv("HOME");
  return std::string(home == nullptr ? "" : home) + "/" + std::string(fallback) + "/" +
         std::string(name);
}

// Those that come before the login's own, for the same requests.
void warn_of_others(Context& context, const std::string& vault,
                    const std::vector<vault::Service>& ours) {
  const auto services = context.store->list_services(vault);
  if (!services) {
    return;
  }
  for (const vault::Service& one : ours) {
    for (const vault::Service& other : *services) {
      const bool is_ours =
          std::any_of(ours.begin(), ours.end(),
                      [&](const vault::Service& service) { return service.name == other.name; });
      if (!is_ours && other.enabled && other.host == one.host) {
        warn(context, "the service " + other.name + " serves " + other.host +
                          " too, and comes first where both fit");
        notice(context, "hint: agent-vault vault service disable " + other.name);
      }
    }
  }
}

Expected<int> import_login(Context& context, const ImportWords& words) {
  const bool codex = words.what == "codex";
  if (!codex && words.what != "claude") {
    return usage_error("oauth import knows codex and claude");
  }
  const std::string file = !words.file.empty() ? words.file
                           : codex             ? home_file("CODEX_HOME", ".codex", "auth.json")
                                   : home_file("CLAUDE_CONFIG_DIR", ".claude", ".credentials.json");
  const std::string key =
      !words.key.empty() ? words.key : std::string(codex ? kCodexLoginKey : kClaudeLoginKey);
  AV_CHECK(vault::check_credential_key(key));
  AV_TRY(const std::string vault, context.vault_name());
  AV_CHECK(context.store->get_vault(vault));
  auto text = fs::read_secret_file(file, std::size_t{256} << 10);
  if (!text) {
    text.error().hint = codex ? "log in first: codex login" : "log in first: claude, then /login";
    return text.error();
  }
  AV_TRY(oauth::ImportedLogin login,
         codex ? oauth::import_codex(*text) : oauth::import_claude(*text));
  login.client.labels = labels_of(login);
  login.client.labels.emplace_back("program", codex ? "codex" : "claude");
  const auto services = services_of_login(codex, key);
  AV_TRY(const auto http, provider_http(context, words.reach));
  Secret own_token = std::move(login.access_token);
  const std::int64_t own_end_ms = login.expires_ms;
  ChosenClient chosen;
  chosen.client = std::move(login.client);
  chosen.secrets = std::move(login.secrets);
  const auto get = [&]() -> Expected<oauth::Tokens> {
    if (chosen.secrets.refresh_token.empty()) {
      notice(context, "the login has no refresh token: it cannot be renewed when it ends");
      oauth::Tokens tokens;
      tokens.access_token = std::move(own_token);
      tokens.expires_in_s = own_end_ms == 0 ? 0 : (own_end_ms - context.clock->wall_ms()) / 1000;
      return tokens;
    }
    // Whoever refreshes next makes the other's copy void: that is settled now, in our favour.
    auto fresh = refreshed_tokens(*http, chosen.client, chosen.secrets);
    if (!fresh) {
      fresh.error().message =
          "the login in " + file + " was tried and not taken: " + fresh.error().message;
    }
    return fresh;
  };
  warn_of_others(context, vault, services);
  // The tokens first: they come once only.
  const NewConnection wanted{vault, key, "import", {}, /*has_service=*/true};
  AV_TRY(const int code, connect_and_store(context, wanted, chosen, get));
  AV_CHECK(audited(context, action("service.set", vault, "login of " + words.what, {key}),
                   [&] { return context.store->put_services(vault, services); }));
  notice(context, "run it as: agent-vault run -- " + words.what);
  notice(context, "the copy in " + file + " is void now; " + words.what +
                      " without agent-vault has to log in again");
  return code;
}

}  // namespace

Run setup_oauth_import(OptionSet& app) {
  const auto words = std::make_shared<ImportWords>();
  app.add_option("PROGRAM", words->what, "codex or claude")->required();
  app.add_option("--file", words->file, "where its login is, if not in its usual place")
      ->type_name("FILE");
  app.add_option("--key", words->key, "name of the credential")->type_name("KEY");
  add_reach_options(app, words->reach);
  app.footer(
      "The login is refreshed at once, which makes the program's own copy void: from then on the\n"
      "program is logged in under `agent-vault run` only. Its file is left as it is.");
  return [words](Context& context) { return import_login(context, *words); };
}

}  // namespace av::cmd
