// Tokens that somebody has already, and what becomes of those that are stored: a new one made now,
// and given back to the provider.

#include <array>
#include <mutex>
#include <nlohmann/json.hpp>

#include "api/browser_flow.h"
#include "api/oauth_client_words.h"
#include "api/route.h"
#include "core/encoding.h"
#include "oauth/connection.h"
#include "oauth/token_endpoint.h"
#include "vault/names.h"

namespace av::api {
namespace {

using OauthInfo = store::Store::OauthInfo;

constexpr std::int64_t kMostLifetimeS = std::int64_t{10} * 365 * 24 * 3600;

Reply reply_of(Call& call, const std::string& vault, const std::string& key,
               const ForProposal& proposal) {
  if (proposal.number != 0) {
    return json_reply({{"connected", true}, {"key", key}, {"proposal", proposal.number}});
  }
  AV_TRY(const OauthInfo info, call.store().get_oauth(vault, key));
  return json_reply(oauth_status_json(info, call.now_ms()));
}

// What is pasted, on its way.
struct Pasted {
  WantedClient wanted;
  std::string vault;
  std::string key;
  FlowOwner owner;
};

// A refresh token is used at once: what does not work now must not be found out by an agent.
Reply prove(Call& call, const std::shared_ptr<Pasted>& pasted) {
  if (pasted->wanted.client.token_url.empty() || pasted->wanted.client.client_id.empty()) {
    return bad_request("a refresh token needs to know where it is used, and by whom",
                       "give \"provider\" or \"token_url\", and \"client_id\"");
  }
  AV_CHECK(vault::check_oauth_client(pasted->wanted.client));
  const auto refresh = [pasted](oauth::HttpPort& http) -> Expected<oauth::Tokens> {
    oauth::TokenEndpoint endpoint(http, pasted->wanted.client, pasted->wanted.secrets);
    oauth::TokenResult tokens = endpoint.refresh();
    if (!tokens) {
      Error error = error_of(tokens.error());
      error.message = "the refresh token was tried and not taken: " + error.message;
      return error;
    }
    return std::move(*tokens);
  };
  const auto finish = [pasted](Call& now, Expected<oauth::Tokens>& tokens) -> Reply {
    const WantedClient& wanted = pasted->wanted;
    const auto failed = [&](const Error& why) {
      vault::AuditRecord record =
          connect_record(now, "paste", pasted->vault, pasted->key, wanted.proposal, wanted.client);
      static_cast<void>(vault::note_outcome(now.log(), std::move(record), &why).has_value());
    };
    if (!tokens) {
      failed(tokens.error());
      proxy::Fault why = fault_of(tokens.error());
      why.code = "oauth_token_refused";
      why.status = tokens.error().code == ErrorCode::kNetwork ? 502 : 400;
      return why;
    }
    if (const Status may = act_as_member(now, pasted->owner, pasted->vault); !may) {
      failed(may.error());
      return may.error();
    }
    AV_CHECK(keep_connection(now, "paste", pasted->vault, pasted->key, wanted.proposal,
                             oauth::connection_of(wanted.client, std::move(pasted->wanted.secrets),
                                                  std::move(*tokens), now.now_ms())));
    return reply_of(now, pasted->vault, pasted->key, wanted.proposal);
  };
  return after_provider<oauth::Tokens>(call, refresh, finish);
}

Reply paste(Call& call) {
  const auto pasted = std::make_shared<Pasted>();
  pasted->vault = call.vault();
  pasted->owner = owner_of(call);
  AV_TRY(pasted->key, call.text("key"));
  AV_CHECK(vault::check_credential_key(pasted->key));
  AV_TRY(pasted->wanted, wanted_client(call, pasted->key));
  pasted->wanted.client.flow = vault::OauthFlow::kPasted;
  AV_TRY(pasted->wanted.secrets.refresh_token, secret_or_empty(call, "refresh_token"));
  if (!pasted->wanted.secrets.refresh_token.empty()) {
    if (!call.providers().usable()) {
      return Reply(make_error(ErrorCode::kUnsupported, "providers are not reached from here"));
    }
    return prove(call, pasted);
  }
  oauth::Tokens tokens;
  AV_TRY(tokens.access_token, secret_or_empty(call, "access_token"));
  if (tokens.access_token.empty()) {
    return bad_request("neither \"access_token\" nor \"refresh_token\" is there");
  }
  AV_TRY(tokens.expires_in_s, call.number_or("expires_in", 1, kMostLifetimeS, 0));
  AV_CHECK(
      keep_connection(call, "paste", call.vault(), pasted->key, pasted->wanted.proposal,
                      oauth::connection_of(pasted->wanted.client, std::move(pasted->wanted.secrets),
                                           std::move(tokens), call.now_ms())));
  return reply_of(call, call.vault(), pasted->key, pasted->wanted.proposal);
}

// What the refresher says, from a thread of its own.
class Told {
 public:
  void say(vault::RefreshResult result) {
    const std::lock_guard lock(mutex_);
    result_.emplace(std::move(result));
  }
  [[nodiscard]] std::optional<vault::RefreshResult> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(result_, std::nullopt);
  }

 private:
  std::mutex mutex_;
  std::optional<vault::RefreshResult> result_;
};

// Beside what agents are told, what the provider has said: this goes to a person.
Reply refusal(Call& call, const vault::RefreshRefusal& why, const std::string& key) {
  using Why = vault::RefreshRefusal::Why;
  std::string message = key + " was not refreshed: " + encoding::printable(why.message);
  if (const auto info = call.store().get_oauth(call.vault(), key);
      info && !info->status.last_error.empty()) {
    message += " (" + encoding::printable(info->status.last_error) + ")";
  }
  switch (why.why) {
    case Why::kReconnect:
    case Why::kImpossible:
      return fault(409, "oauth_reconnect_required", message, "connect it again");
    case Why::kGone:
      return fault(404, "not_found", message);
    case Why::kBusy:
    case Why::kLater:
    case Why::kFailed:
    case Why::kNotStored:
      break;
  }
  proxy::Fault out = fault(502, "oauth_refresh_failed", message, "try again in a moment");
  out.transient = true;
  return out;
}

Reply refresh(Call& call) {
  AV_TRY(const std::string key, call.text("key"));
  if (!call.options().refresh_token) {
    return Reply(make_error(ErrorCode::kUnsupported, "nothing is refreshed from here"));
  }
  AV_TRY(const OauthInfo info, call.store().get_oauth(call.vault(), key));
  AV_CHECK(
      call.audited(call.action("oauth.refresh.ask", "", {key}), []() -> Status { return {}; }));
  const auto told = std::make_shared<Told>();
  call.options().refresh_token(info.name, info.version, [told](vault::RefreshResult result) {
    told->say(std::move(result));
  });
  Parked parked;
  parked.eager = true;
  parked.seconds = 50;
  parked.poll = [told, key](Call& now, bool last) -> std::optional<Reply> {
    const std::optional<vault::RefreshResult> result = told->take();
    if (!result) {
      return last ? std::optional<Reply>(provider_busy()) : std::nullopt;
    }
    return *result ? reply_of(now, now.vault(), key, {}) : refusal(now, result->error(), key);
  };
  return parked;
}

// One that is to go, as it was when that was asked for.
struct Leaving {
  OauthInfo info;
  vault::OauthSecrets secrets;
  Secret token;
  vault::AuditRecord record;  // announced
};

Reply gone(const std::string& key, const std::string& told) {
  return json_reply({{"key", key}, {"disconnected", true}, {"revocation", told}});
}

// Without the provider.
Reply forget(Call& call, const OauthInfo& info, const std::string& told) {
  AV_CHECK(call.audited(call.action("oauth.disconnect", "revocation " + told, {info.key}),
                        [&] { return call.store().delete_oauth(info); }));
  return gone(info.key, told);
}

// What cannot be read can be shown to no provider.
Reply forget_damaged(Call& call, const std::string& key) {
  const std::string told = "not possible: what is stored of it is damaged";
  AV_CHECK(call.audited(call.action("oauth.disconnect", "revocation " + told, {key}),
                        [&] { return call.store().delete_credentials(call.vault(), {key}); }));
  return gone(key, told);
}

// Only what the provider was told of: whatever has taken its place meanwhile stays.
Reply forget_told(Call& call, const std::shared_ptr<Leaving>& leaving, const std::string& told) {
  leaving->record.detail += ": " + told;
  const Status done =
      call.completed(leaving->record, [&] { return call.store().delete_oauth(leaving->info); });
  if (!done) {
    Error why = done.error();
    why.message += "; revocation of the tokens that it had: " + told;
    return why;
  }
  return gone(leaving->info.key, told);
}

Reply disconnect(Call& call) {
  AV_TRY(const std::string key, call.text("key"));
  AV_TRY(const bool revoke, call.flag_or("revoke", true));
  const auto leaving = std::make_shared<Leaving>();
  auto info = call.store().get_oauth(call.vault(), key);
  if (!info) {
    return info.error().code == ErrorCode::kCorrupt ? forget_damaged(call, key)
                                                    : Reply(info.error());
  }
  leaving->info = std::move(*info);
  const vault::OauthClient& client = leaving->info.status.client;
  if (!revoke) {
    return forget(call, leaving->info, "not asked for");
  }
  if (client.revocation_url.empty()) {
    return forget(call, leaving->info, "the provider has no address for it");
  }
  if (!call.providers().usable()) {
    return forget(call, leaving->info, "providers are not reached from here");
  }
  AV_TRY(leaving->secrets, call.store().oauth_secrets(call.vault(), key));
  AV_TRY(leaving->token, call.store().get_credential(call.vault(), key));
  leaving->record = call.action(
      "oauth.disconnect", "revocation at " + vault::host_of_url(client.revocation_url), {key});
  AV_CHECK(vault::note_intention(call.log(), leaving->record));
  const auto give_back = [leaving](oauth::HttpPort& http) -> Expected<bool> {
    oauth::TokenEndpoint endpoint(http, leaving->info.status.client, leaving->secrets);
    AV_CHECK(endpoint.revoke(leaving->token));
    return true;
  };
  const auto finish = [leaving](Call& now, Expected<bool>& revoked) -> Reply {
    return forget_told(
        now, leaving,
        revoked ? std::string("done") : "failed: " + encoding::printable(revoked.error().message));
  };
  const auto busy = [leaving](Call& now) -> Reply {
    const Error why = make_error(ErrorCode::kBusy, "too many providers are being asked");
    static_cast<void>(vault::note_outcome(now.log(), leaving->record, &why).has_value());
    return provider_busy();
  };
  return after_provider<bool>(call, give_back, finish, busy);
}

}  // namespace

std::span<const Route> oauth_token_routes() {
  static const std::string kTokens =
      "{vault?:string, key:string, access_token?:string, refresh_token?:string, "
      "expires_in?:integer, " +
      std::string(kClientMembers) + "}";
  static constexpr std::string_view kStatus =
      "{connected:boolean, key:string, state?:'connected'|'failing'|'reconnect', "
      "proposal?:integer, "
      "...}";
  static const std::array kRoutes = {
      Route{"POST", "/v1/credentials/oauth/tokens",
            "store tokens that you have; a refresh token is tried first", Who::vault(Role::kMember),
            Where::kServe, paste, kTokens, kStatus, "vault"},
      Route{"POST", "/v1/credentials/oauth/refresh", "have a new access token made now",
            Who::vault(Role::kMember), Where::kServe, refresh, "{vault?:string, key:string}",
            kStatus, "vault"},
      Route{"POST", "/v1/credentials/oauth/disconnect",
            "revoke the tokens at the provider and remove the credential",
            Who::vault(Role::kMember), Where::kServe, disconnect,
            "{vault?:string, key:string, revoke?:boolean}",
            "{key:string, disconnected:boolean, revocation:string}", "vault"},
  };
  return kRoutes;
}

}  // namespace av::api
