#include "api/oauth_client_words.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/ascii.h"
#include "core/encoding.h"
#include "oauth/connection.h"
#include "oauth/provider.h"
#include "oauth/slot_client.h"
#include "oauth/token_endpoint.h"
#include "vault/names.h"

namespace av::api {
namespace {

// What the pages of the system that this API follows show instead of a secret.
constexpr std::string_view kSameSecret =
    "\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2"
    "\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2";
constexpr std::size_t kMostSecret = std::size_t{64} << 10;

void add_scopes(std::string_view text, std::vector<std::string>& out) {
  for (const std::string_view one : ascii::words(text, " ,\t\n")) {
    if (std::find(out.begin(), out.end(), one) == out.end()) {
      out.emplace_back(one);
    }
  }
}

Expected<const oauth::Provider*> provider_of(const std::string& id) {
  const oauth::Provider* const provider = oauth::find_provider(id);
  if (provider == nullptr) {
    const std::string near = oauth::nearest_provider(id);
    return make_error(
        ErrorCode::kInvalid, "no provider of that name",
        near.empty() ? "GET /v1/oauth/providers lists them" : "did you mean \"" + near + "\"?");
  }
  return provider;
}

// Endpoints of a proposal are the proposal's: what the person looked at is what happens.
Expected<WantedClient> client_of_proposal(Call& call, const std::string& key,
                                          std::uint64_t number) {
  for (const char* const name :
       {"provider", "authorization_url", "token_url", "revocation_url", "scope_separator"}) {
    AV_TRY(const std::string given, call.text_or(name, ""));
    if (!given.empty()) {
      return make_error(ErrorCode::kInvalid,
                        "\"" + std::string(name) + "\" is the proposal's to say");
    }
  }
  AV_TRY(const vault::Proposal proposal, call.store().get_proposal(call.vault(), number));
  const vault::CredentialSlot* const slot = proposal.request.slot(key);
  if (proposal.state != vault::ProposalState::kPending) {
    return make_error(ErrorCode::kConflict, "the proposal does not wait any more");
  }
  if (slot == nullptr || !slot->oauth || slot->action != vault::ProposalAction::kSet) {
    return make_error(ErrorCode::kInvalid, "the proposal does not ask to connect " + key);
  }
  WantedClient wanted;
  wanted.proposal = {number, proposal.uid};
  AV_TRY(wanted.client, oauth::client_of_slot(*slot->oauth));
  return wanted;
}

Expected<WantedClient> begin_wanted(Call& call, const std::string& key) {
  constexpr std::int64_t kMostNumber = std::int64_t{1} << 53;
  AV_TRY(const std::int64_t proposal, call.number_or("proposal", 1, kMostNumber, 0));
  if (proposal != 0) {
    return client_of_proposal(call, key, static_cast<std::uint64_t>(proposal));
  }
  WantedClient wanted;
  AV_TRY(const std::string provider, call.text_or("provider", ""));
  AV_TRY(const std::string authorization_url, call.text_or("authorization_url", ""));
  AV_TRY(const std::string token_url, call.text_or("token_url", ""));
  AV_TRY(const std::string revocation_url, call.text_or("revocation_url", ""));
  if (!provider.empty()) {
    AV_TRY(const oauth::Provider* const known, provider_of(provider));
    wanted.client = known->client;
    wanted.client.provider = known->id;
  } else if (token_url.empty()) {
    auto before = call.store().get_oauth(call.vault(), key);
    if (before) {
      wanted.client = std::move(before->status.client);
    }
  }
  const auto replace = [](std::string& target, const std::string& word) {
    if (!word.empty()) {
      target = word;
    }
  };
  replace(wanted.client.authorization_url, authorization_url);
  replace(wanted.client.token_url, token_url);
  replace(wanted.client.revocation_url, revocation_url);
  return wanted;
}

Status take_details(Call& call, vault::OauthClient& client) {
  AV_TRY(const std::string client_id, call.text_or("client_id", ""));
  if (!client_id.empty()) {
    client.client_id = client_id;
  }
  AV_TRY(const std::string separator, call.text_or("scope_separator", ""));
  if (!separator.empty()) {
    client.scope_separator = separator;
  }
  AV_TRY(const JsonView body, call.body());
  if (const auto scopes = body.find("scopes"); scopes && !scopes->is(JsonView::Kind::kNull)) {
    // Of the catalogue: those that are asked for always stay.
    const oauth::Provider* const known = oauth::find_provider(client.provider);
    client.scopes = known == nullptr ? std::vector<std::string>() : known->client.scopes;
    if (scopes->is(JsonView::Kind::kString)) {
      add_scopes(scopes->text(), client.scopes);
    } else {
      AV_TRY(const std::vector<std::string> list, call.texts("scopes"));
      for (const std::string& one : list) {
        add_scopes(one, client.scopes);
      }
    }
  }
  AV_TRY(const bool no_pkce, call.flag_or("disable_pkce", !client.pkce));
  client.pkce = !no_pkce;
  return {};
}

// The stored secret goes where it went before, for whom it went, and nowhere else: whoever may name
// one address only (for revoking, say) would get it there.
Expected<Secret> stored_secret(Call& call, const std::string& key,
                               const vault::OauthClient& client) {
  const auto before = call.store().get_oauth(call.vault(), key);
  if (!before || !oauth::same_endpoints(before->status.client, client) ||
      before->status.client.client_id != client.client_id) {
    return Secret();
  }
  AV_TRY(vault::OauthSecrets secrets, call.store().oauth_secrets(call.vault(), key));
  return std::move(secrets.client_secret);
}

}  // namespace

Expected<WantedClient> wanted_client(Call& call, const std::string& key) {
  AV_TRY(WantedClient wanted, begin_wanted(call, key));
  AV_CHECK(take_details(call, wanted.client));
  AV_TRY(wanted.secrets.client_secret, secret_or_empty(call, "client_secret"));
  AV_TRY(const Secret same, Secret::copy_of(kSameSecret));
  if (wanted.secrets.client_secret.equals(same) || wanted.secrets.client_secret.empty()) {
    AV_TRY(wanted.secrets.client_secret, stored_secret(call, key, wanted.client));
  }
  AV_TRY(const std::string method, call.text_or("token_auth_method", ""));
  if (!method.empty()) {
    const auto auth = vault::client_auth_from_string(method);
    if (!auth) {
      return make_error(ErrorCode::kInvalid,
                        "\"token_auth_method\" must be client_secret_post, client_secret_basic or "
                        "none");
    }
    wanted.client.auth = *auth;
  }
  if (wanted.secrets.client_secret.empty()) {
    wanted.client.auth = vault::ClientAuth::kNone;
  } else if (wanted.client.auth == vault::ClientAuth::kNone) {
    wanted.client.auth = vault::ClientAuth::kPost;
  }
  return wanted;
}

Expected<Secret> secret_or_empty(Call& call, std::string_view name) {
  AV_TRY(const JsonView body, call.body());
  const auto member = body.find(name);
  if (!member || member->is(JsonView::Kind::kNull)) {
    return Secret();
  }
  if (!member->is(JsonView::Kind::kString) || member->source().size() > kMostSecret) {
    return make_error(ErrorCode::kInvalid,
                      "\"" + std::string(name) + "\" must be a string of at most 64 KiB");
  }
  return member->secret();
}

Json oauth_status_json(const store::Store::OauthInfo& info, std::int64_t now_ms) {
  const vault::OauthStatus& status = info.status;
  const vault::OauthClient& client = status.client;
  Json json = {{"connected", vault::state_word(status, now_ms) != "reconnect"},
               {"state", vault::state_word(status, now_ms)},
               {"key", info.key},
               {"flow", vault::to_string(client.flow)},
               {"provider", client.provider},
               {"authorization_url", client.authorization_url},
               {"token_url", client.token_url},
               {"client_id", client.client_id},
               {"token_auth_method", vault::to_string(client.auth)},
               {"scopes", status.granted_scopes},
               {"has_refresh_token", status.has_refresh_token},
               {"connected_at", format_utc(status.connected_ms)},
               {"failures", status.failures}};
  if (status.expires_ms != 0) {
    json["token_expires_at"] = format_utc(status.expires_ms);
  }
  if (status.refreshed_ms != 0) {
    json["last_refreshed_at"] = format_utc(status.refreshed_ms);
  }
  if (!status.last_error.empty()) {
    json["last_error"] = status.last_error;
  }
  return json;
}

vault::AuditRecord connect_record(const Call& call, std::string_view how, const std::string& vault,
                                  const std::string& key, const ForProposal& proposal,
                                  const vault::OauthClient& client) {
  std::string detail = std::string(how) + ", " + vault::host_of_url(client.token_url);
  if (proposal.number != 0) {
    detail += ", for proposal " + std::to_string(proposal.number);
  }
  vault::AuditRecord record = call.action("oauth.connect", detail, {key});
  record.vault = vault;
  return record;
}

Status keep_connection(Call& call, std::string_view how, const std::string& vault,
                       const std::string& key, const ForProposal& proposal,
                       store::Store::OauthConnection connection) {
  const auto keep = [&]() -> Status {
    if (proposal.number != 0) {
      return call.shelf().put({proposal.uid, call.actor.uid}, key, std::move(connection));
    }
    const auto stored =
        call.store().connect_oauth(vault, key, connection, "oauth " + std::string(how));
    return stored ? Status() : Status(stored.error());
  };
  return call.audited(connect_record(call, how, vault, key, proposal, connection.client), keep);
}

}  // namespace av::api
