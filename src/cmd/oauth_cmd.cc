#include "cmd/oauth_cmd.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <thread>

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/oauth_flow.h"
#include "cmd/oauth_options.h"
#include "cmd/oauth_words.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "core/encoding.h"
#include "oauth/provider.h"
#include "oauth/refresh_attempt.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

void show_one(Context& context, const store::Store::OauthInfo& info) {
  const vault::OauthStatus& status = info.status;
  const std::int64_t now = context.clock->wall_ms();
  const auto line = [&](std::string_view name, const std::string& value) {
    print(context.out, std::string(name) + std::string(14 - name.size(), ' ') +
                           encoding::printable(value) + "\n");
  };
  line("key", info.key);
  line("vault", info.vault);
  line("state", std::string(vault::state_word(status, now)));
  line("provider", provider_title(status.client));
  line("flow", std::string(vault::to_string(status.client.flow)));
  line("client", status.client.client_id);
  line("scopes", status.granted_scopes.empty() ? "-" : join(status.granted_scopes, " "));
  line("expires", show_expiry(status.expires_ms, now) +
                      (status.expires_ms == 0 ? "" : " (" + show_time(status.expires_ms) + ")"));
  line("refreshes", vault::mints(status.client.flow) ? "by itself, from the stored key"
                    : status.has_refresh_token       ? "by itself"
                                                     : "no: there is no refresh token");
  line("connected", show_time(status.connected_ms));
  line("refreshed", show_time(status.refreshed_ms));
  if (!status.last_error.empty()) {
    line("last error", status.last_error);
  }
  if (status.state == vault::OauthState::kReconnect) {
    notice(context, "connect it again: agent-vault oauth connect " + info.key);
  }
}

Expected<int> show_status(Context& context, const std::string& key) {
  AV_TRY(const std::string vault, context.vault_name());
  const std::int64_t now = context.clock->wall_ms();
  if (!key.empty()) {
    AV_TRY(const store::Store::OauthInfo info, context.store->get_oauth(vault, key));
    if (context.json) {
      print(context.out, oauth_json(info, now).dump() + "\n");
    } else {
      show_one(context, info);
    }
    return 0;
  }
  AV_TRY(const auto all, context.store->list_oauth(vault));
  Json list = Json::array();
  Table table({"KEY", "PROVIDER", "STATE", "EXPIRES", "REFRESHED", "LAST ERROR"});
  for (const auto& info : all) {
    list.push_back(oauth_json(info, now));
    table.add({info.key, provider_title(info.status.client),
               std::string(vault::state_word(info.status, now)),
               show_expiry(info.status.expires_ms, now), show_time(info.status.refreshed_ms),
               info.status.last_error});
  }
  if (context.json) {
    print(context.out, Json{{"credentials", list}}.dump() + "\n");
  } else if (all.empty()) {
    notice(context,
           "no OAuth credentials yet; connect one: agent-vault oauth connect GITHUB_TOKEN "
           "--provider github");
  } else {
    table.print(context.out);
  }
  return 0;
}

Run setup_status(OptionSet& app) {
  const auto key = std::make_shared<std::string>();
  app.add_option("KEY", *key, "name of the credential; all of the vault when not given");
  return [key](Context& context) { return show_status(context, *key); };
}

Run setup_providers(OptionSet& app) {
  const auto name = std::make_shared<std::string>();
  app.add_option("NAME", *name, "show what is known about this one");
  return [name](Context& context) -> Expected<int> {
    Json list = Json::array();
    Table table({"NAME", "TITLE", "FLOWS", "SCOPES (EXAMPLES)"});
    for (const oauth::Provider& provider : oauth::providers()) {
      if (!name->empty() && provider.id != *name) {
        continue;
      }
      std::vector<std::string> flows = {"code"};
      if (!provider.client.device_url.empty()) {
        flows.emplace_back("device");
      }
      std::vector<std::string> scopes;
      Json hints = Json::array();
      for (const oauth::ScopeHint& hint : provider.suggested_scopes) {
        scopes.push_back(hint.scope);
        hints.push_back({{"scope", hint.scope}, {"meaning", hint.meaning}});
      }
      list.push_back({{"name", provider.id},
                      {"title", provider.title},
                      {"flows", flows},
                      {"authorization_url", provider.client.authorization_url},
                      {"token_url", provider.client.token_url},
                      {"device_url", provider.client.device_url},
                      {"revocation_url", provider.client.revocation_url},
                      {"token_auth", vault::to_string(provider.client.auth)},
                      {"register", provider.register_url},
                      {"hosts", provider.hosts},
                      {"scopes", hints},
                      {"note", provider.note}});
      if (!name->empty() && !context.json) {
        print(context.out, provider.title +
                               "\n  register an application: " + provider.register_url +
                               "\n  takes its tokens:        " + join(provider.hosts, ", ") +
                               "\n  flows:                   " + join(flows, ", ") + "\n");
        for (const oauth::ScopeHint& hint : provider.suggested_scopes) {
          print(context.out, "  scope " + hint.scope + ": " + hint.meaning + "\n");
        }
        if (!provider.note.empty()) {
          print(context.out, "  note: " + provider.note + "\n");
        }
      }
      scopes.resize(std::min<std::size_t>(scopes.size(), 3));
      table.add({provider.id, provider.title, join(flows, ", "), join(scopes, " ")});
    }
    if (list.empty()) {
      return make_error(ErrorCode::kNotFound, "no provider named '" + *name + "'",
                        "see: agent-vault oauth providers");
    }
    if (context.json) {
      print(context.out, Json{{"providers", list}}.dump() + "\n");
    } else if (name->empty()) {
      table.print(context.out);
      notice(context,
             "any other provider works by --url, or by --authorization-url and --token-url");
    }
    return 0;
  };
}

struct RefreshWords {
  RunWords reach;
  std::string key;
};

// `words`: what only the owner is told; may be empty.
Error error_of_refusal(const vault::RefreshRefusal& refusal, const std::string& words,
                       const std::string& key) {
  using Why = vault::RefreshRefusal::Why;
  const std::string message =
      key + " was not refreshed: " + (words.empty() ? refusal.message : words);
  switch (refusal.why) {
    case Why::kReconnect:
    case Why::kImpossible:
      return make_error(ErrorCode::kNotPermitted, message, "agent-vault oauth connect " + key);
    case Why::kGone:
      return make_error(ErrorCode::kNotFound, message, "agent-vault oauth status");
    case Why::kBusy:
    case Why::kLater:
    case Why::kFailed:
    case Why::kNotStored:
      break;
  }
  return make_error(ErrorCode::kNetwork, message, "agent-vault oauth status " + key);
}

Expected<int> refresh_now(Context& context, const RefreshWords& words) {
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const store::Store::OauthInfo info, context.store->get_oauth(vault, words.key));
  AV_TRY(const auto http, provider_http(context, words.reach));
  const oauth::RefreshTools tools{*context.store,
                                  *http,
                                  *context.clock,
                                  [](Millis time) {
                                    std::this_thread::sleep_for(time);
                                    return true;
                                  },
                                  Millis{50},
                                  Millis{1'000},
                                  [&](const vault::RefreshRefusal& refusal) {
                                    warn(context, "trying again to store it: " + refusal.message);
                                  }};
  const auto attempt = [&]() -> Expected<vault::FreshToken> {
    auto outcome =
        oauth::attempt_refresh(tools, info.name, info.version, vault::RefreshReason::kAsked);
    if (!outcome.result) {
      return error_of_refusal(outcome.result.error(), outcome.words, words.key);
    }
    return std::move(*outcome.result);
  };
  AV_TRY(const vault::FreshToken fresh,
         audited(context, action("oauth.refresh", vault, "", {words.key}), attempt));
  const std::int64_t now = context.clock->wall_ms();
  if (context.json) {
    print(context.out, Json{{"key", words.key},
                            {"vault", vault},
                            {"version", fresh.version},
                            {"expires", time_or_null(fresh.expires_ms)}}
                               .dump() +
                           "\n");
  } else {
    notice(context, words.key + " is refreshed; it ends: " + show_expiry(fresh.expires_ms, now));
  }
  return 0;
}

Run setup_refresh(OptionSet& app) {
  const auto words = std::make_shared<RefreshWords>();
  app.add_option("KEY", words->key, "name of the credential")->required();
  add_reach_options(app, words->reach);
  return [words](Context& context) { return refresh_now(context, *words); };
}

struct DisconnectWords {
  RunWords reach;
  std::string key;
  bool keep_at_provider = false;
};

void tell_gone(Context& context, const std::string& vault, const std::string& key,
               const std::string& told) {
  if (context.json) {
    print(context.out, Json{{"key", key}, {"vault", vault}, {"revocation", told}}.dump() + "\n");
  } else {
    notice(context, key + " is gone from vault '" + vault + "'; revocation: " + told);
  }
}

// What cannot be read can be shown to no provider.
Expected<int> disconnect_damaged(Context& context, const std::string& vault,
                                 const std::string& key) {
  const std::string told = "not possible: what is stored of it is damaged";
  AV_CHECK(audited(context, action("oauth.disconnect", vault, "revocation " + told, {key}),
                   [&] { return context.store->delete_credentials(vault, {key}); }));
  tell_gone(context, vault, key, told);
  return 0;
}

Expected<int> disconnect(Context& context, const DisconnectWords& words) {
  AV_TRY(const std::string vault, context.vault_name());
  const auto found = context.store->get_oauth(vault, words.key);
  if (!found) {
    return found.error().code == ErrorCode::kCorrupt ? disconnect_damaged(context, vault, words.key)
                                                     : Expected<int>(found.error());
  }
  const store::Store::OauthInfo& info = *found;
  AV_TRY(const vault::OauthSecrets secrets, context.store->oauth_secrets(vault, words.key));
  AV_TRY(const Secret token, context.store->get_credential(vault, words.key));
  const std::string& url = info.status.client.revocation_url;
  std::string told = words.keep_at_provider ? "not asked for"
                     : url.empty()          ? "the provider has no address for it"
                                            : std::string();
  std::unique_ptr<oauth::HttpPort> http;
  if (told.empty()) {
    AV_TRY(http, provider_http(context, words.reach));
  }
  // On the log before the provider is told: that cannot be taken back.
  vault::AuditRecord record =
      action("oauth.disconnect", vault,
             told.empty() ? "revocation at " + vault::host_of_url(url) : "revocation " + told,
             {words.key});
  AV_CHECK(note_intention(context, record));
  if (told.empty()) {
    oauth::TokenEndpoint endpoint(*http, info.status.client, secrets);
    const Status revoked = endpoint.revoke(token);
    told = revoked ? "done" : "failed: " + revoked.error().message;
    record.detail += ": " + told;
  }
  // Only what the provider was told of: whatever has taken its place meanwhile stays.
  Status gone = context.store->delete_oauth(info);
  const Status noted = note_outcome(context, record, gone ? nullptr : &gone.error());
  if (!gone) {
    gone.error().message += "; revocation of the tokens that it had: " + told;
    return gone.error();
  }
  AV_CHECK(noted);
  tell_gone(context, vault, words.key, told);
  return 0;
}

Run setup_disconnect(OptionSet& app) {
  const auto words = std::make_shared<DisconnectWords>();
  app.add_option("KEY", words->key, "name of the credential")->required();
  app.add_flag("--no-revoke", words->keep_at_provider, "do not tell the provider");
  add_reach_options(app, words->reach);
  return [words](Context& context) { return disconnect(context, *words); };
}

}  // namespace

std::span<const Command> oauth_commands() {
  static constexpr std::array<Command, 7> kCommands = {{
      {"oauth connect", "connect a credential with a provider, which then refreshes itself",
       Needs::kStore, setup_oauth_connect, true, true},
      {"oauth paste", "store tokens that you have already", Needs::kStore, setup_oauth_paste, true,
       true},
      {"oauth import", "take over the login of codex or claude", Needs::kStore, setup_oauth_import,
       true, true},
      {"oauth status", "show the state of OAuth credentials", Needs::kStore, setup_status, false,
       true},
      {"oauth refresh", "have a new access token made now", Needs::kStore, setup_refresh, true,
       true},
      {"oauth disconnect", "revoke the tokens and remove the credential", Needs::kStore,
       setup_disconnect, true, true},
      {"oauth providers", "list the providers that are known", Needs::kNothing, setup_providers,
       false},
  }};
  return kCommands;
}

}  // namespace av::cmd
