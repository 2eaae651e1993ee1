// Connecting a credential with a provider, through the browser of a person.

#include <array>
#include <nlohmann/json.hpp>

#include "api/browser_flow.h"
#include "api/oauth_client_words.h"
#include "api/route.h"
#include "core/encoding.h"
#include "oauth/connection.h"
#include "oauth/provider.h"
#include "oauth/token_endpoint.h"
#include "vault/names.h"

namespace av::api {
namespace {

constexpr std::string_view kCallback = "/v1/oauth/callback";

Reply connect(Call& call) {
  if (!call.actor.by_cookie) {
    return fault(403, "browser_needed", "the provider's answer comes back through a browser",
                 "open the pages and connect it there, or: agent-vault oauth connect KEY");
  }
  if (!call.providers().usable()) {
    return Reply(make_error(ErrorCode::kUnsupported, "providers are not reached from here"));
  }
  Flow flow;
  AV_TRY(flow.key, call.text("key"));
  AV_CHECK(vault::check_credential_key(flow.key));
  AV_TRY(WantedClient wanted, wanted_client(call, flow.key));
  wanted.client.flow = vault::OauthFlow::kCode;
  AV_CHECK(vault::check_oauth_client(wanted.client));
  flow.kind = Flow::Kind::kConnect;
  flow.owner = owner_of(call);
  flow.vault = call.vault();
  flow.proposal = wanted.proposal;
  flow.client = std::move(wanted.client);
  flow.secrets = std::move(wanted.secrets);
  AV_CHECK(call.audited(call.action("oauth.browser", flow.client.authorization_url, {flow.key}),
                        []() -> Status { return {}; }));
  AV_TRY(const BegunFlow begun, begin_flow(call, std::move(flow), kCallback, /*openid=*/false));
  proxy::LocalReply reply =
      json_reply({{"authorization_url", begun.url},
                  {"attempt", begun.id},
                  {"expires_at", format_utc(call.now_ms() + oauth::CodeAttempt::kAttemptMs)}});
  add_flow_cookie(reply, begun.cookie, call.request.secure);
  return reply;
}

std::string page_of(const Flow& flow) {
  return "/oauth/complete?attempt=" + flow.id;
}

// On the log, and on the page.
Reply failed(Call& call, const Flow& flow, const Error& error) {
  call.flows().finish(flow, false, encoding::printable(error.message));
  // The session's cookie does not come along from a provider: who began it, the flow knows.
  Actor owner;
  owner.kind = Actor::Kind::kUser;
  owner.uid = flow.owner.uid;
  owner.name = flow.owner.email;
  const Actor asking = std::exchange(call.actor, std::move(owner));
  vault::AuditRecord record =
      connect_record(call, "connect", flow.vault, flow.key, flow.proposal, flow.client);
  call.actor = asking;
  static_cast<void>(vault::note_outcome(call.log(), std::move(record), &error).has_value());
  return go_to(page_of(flow));
}

Status keep(Call& call, Flow& flow, oauth::Tokens tokens) {
  AV_CHECK(act_as_member(call, flow.owner, flow.vault));
  return keep_connection(
      call, "connect", flow.vault, flow.key, flow.proposal,
      oauth::connection_of(flow.client, std::move(flow.secrets), std::move(tokens), call.now_ms()));
}

Reply callback(Call& call) {
  auto known = recognise(call, {Flow::Kind::kConnect});
  if (!known) {
    vault::AuditRecord record = call.action("oauth.callback", known.error().message);
    static_cast<void>(
        vault::note_outcome(call.log(), std::move(record), &known.error()).has_value());
    return go_to("/oauth/complete");
  }
  const auto flow = std::make_shared<Flow>(std::move(*known));
  auto code = code_of_answer(call, *flow);
  if (!code) {
    return failed(call, *flow, code.error());
  }
  const auto secret = std::make_shared<Secret>(std::move(*code));
  const auto exchange = [flow, secret](oauth::HttpPort& http) -> Expected<oauth::Tokens> {
    oauth::TokenEndpoint endpoint(http, flow->client, flow->secrets);
    oauth::TokenResult tokens = secret->reveal([&](std::string_view text) {
      return endpoint.exchange_code(text, flow->attempt.redirect_uri, flow->attempt.verifier);
    });
    if (!tokens) {
      return error_of(tokens.error());
    }
    return std::move(*tokens);
  };
  const auto finish = [flow](Call& now, Expected<oauth::Tokens>& tokens) -> Reply {
    if (!tokens) {
      return failed(now, *flow, tokens.error());
    }
    if (const Status kept = keep(now, *flow, std::move(*tokens)); !kept) {
      return failed(now, *flow, kept.error());
    }
    now.flows().finish(*flow, true);
    return go_to(page_of(*flow));
  };
  const auto busy = [flow](Call& now) -> Reply {
    return failed(now, *flow, make_error(ErrorCode::kBusy, "too many providers are being asked"));
  };
  return after_provider<oauth::Tokens>(call, exchange, finish, busy);
}

Reply attempt(Call& call) {
  const FlowOutcome* const outcome = call.flows().outcome(call.parts[0], call.actor.uid);
  if (outcome == nullptr) {
    return fault(404, "not_found", "you have begun no such attempt, or it is long over");
  }
  std::string_view state = "pending";
  switch (outcome->state) {
    case FlowOutcome::State::kPending:
      break;
    case FlowOutcome::State::kDone:
      state = "done";
      break;
    case FlowOutcome::State::kFailed:
      state = "failed";
      break;
  }
  Json json = {{"state", state}, {"vault", outcome->vault}, {"key", outcome->key}};
  if (outcome->proposal != 0) {
    json["proposal"] = outcome->proposal;
  }
  if (!outcome->message.empty()) {
    json["message"] = outcome->message;
  }
  return json_reply(json);
}

Reply status(Call& call) {
  const std::string key(call.query.get("key"));
  AV_CHECK(vault::check_credential_key(key));
  const auto info = call.store().get_oauth(call.vault(), key);
  if (!info) {
    if (info.error().code == ErrorCode::kNotFound || info.error().code == ErrorCode::kInvalid) {
      return json_reply({{"connected", false}});
    }
    return info.error();
  }
  return json_reply(oauth_status_json(*info, call.now_ms()));
}

Reply providers(Call& call) {
  Json list = Json::array();
  for (const oauth::Provider& provider : oauth::providers()) {
    Json scopes = Json::array();
    for (const oauth::ScopeHint& hint : provider.suggested_scopes) {
      scopes.push_back({{"scope", hint.scope}, {"meaning", hint.meaning}});
    }
    list.push_back({{"id", provider.id},
                    {"title", provider.title},
                    {"register_url", provider.register_url},
                    {"authorization_url", provider.client.authorization_url},
                    {"token_url", provider.client.token_url},
                    {"revocation_url", provider.client.revocation_url},
                    {"token_auth_method", vault::to_string(provider.client.auth)},
                    {"scope_separator", provider.client.scope_separator},
                    {"scopes", scopes},
                    {"hosts", provider.hosts},
                    {"note", provider.note}});
  }
  return json_reply(
      {{"providers", list}, {"redirect_uri", call.base_url() + std::string(kCallback)}});
}

}  // namespace

std::span<const Route> oauth_routes() {
  static const std::string kConnect =
      "{vault?:string, key:string, " + std::string(kClientMembers) + "}";
  static const std::array kRoutes = {
      Route{"POST", "/v1/credentials/oauth/connect",
            "connect a credential through the browser: where it has to go",
            Who::vault(Role::kMember), Where::kServe, connect, kConnect,
            "{authorization_url:string, attempt:string, expires_at:time}", "vault"},
      Route{"GET", "/v1/oauth/callback", "where a provider sends the browser back to",
            Who::anybody(), Where::kServe, callback, "", "303 @text/plain",
            "state code iss error error_description error_uri scope session_state"},
      Route{"GET", "/v1/oauth/attempts/{id}", "how connecting went, for whoever began it",
            Who::user(), Where::kServe, attempt, "",
            "{state:'pending'|'done'|'failed', vault:string, key:string, proposal?:integer, "
            "message?:string}"},
      Route{"GET", "/v1/credentials/oauth/status", "the state of an OAuth credential",
            Who::vault(Role::kMember), Where::kServe, status, "",
            "{connected:boolean, state?:'connected'|'failing'|'reconnect', connected_at?:time, "
            "token_expires_at?:time, last_refreshed_at?:time, last_error?:string, ...}",
            "vault key"},
      Route{"GET", "/v1/oauth/providers", "the providers that are known", Who::signed_in(),
            Where::kServe, providers, "",
            "{providers:[{id:string, title:string, authorization_url:string, token_url:string, "
            "...}], redirect_uri:string}"},
  };
  return kRoutes;
}

}  // namespace av::api
