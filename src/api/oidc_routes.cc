// Signing in with an issuer of identities (OpenID Connect Core), and showing again that way who one
// is. The person is the issuer's subject; an address only finds the user the first time.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "api/accounts.h"
#include "api/browser_flow.h"
#include "api/route.h"
#include "core/encoding.h"
#include "oauth/id_token.h"
#include "oauth/token_endpoint.h"
#include "vault/token.h"

namespace av::api {
namespace {

constexpr std::string_view kCallback = "/v1/auth/oidc/callback";
constexpr std::string_view kGoogle = "https://accounts.google.com";
constexpr std::chrono::hours kMetadataTime{1};
// Of an issuer that does not answer, strangers may not take all the threads that ask providers.
constexpr int kMostAsking = 4;
// What may have passed since the person has shown who they are, when that is asked for anew.
constexpr std::int64_t kFreshS = 120;

proxy::LocalReply to_login(std::string_view how) {
  return go_to("/login?oidc=" + std::string(how));
}

Reply not_configured() {
  return fault(404, "not_found", "there is no sign-in with a provider here");
}

// Asks the issuer about itself when that is not known; then `go_on`, with the client of this
// instance.
Reply with_issuer(Call& call, std::function<Reply(Call&, vault::OauthClient, std::string)> go_on,
                  std::function<Reply(Call&, const Error&)> failed) {
  const SignInOptions& options = *call.options().sign_in;
  const auto use = [go_on](Call& now) -> Reply {
    const SignInOptions& wanted = *now.options().sign_in;
    vault::OauthClient client = now.issuer().known->client;
    client.flow = vault::OauthFlow::kCode;
    client.client_id = wanted.client_id;
    client.scopes = {"openid", "email"};
    client.token_params.clear();
    if (wanted.client_secret == nullptr) {
      client.auth = vault::ClientAuth::kNone;
    } else if (client.auth == vault::ClientAuth::kNone) {
      client.auth = vault::ClientAuth::kPost;
    }
    return go_on(now, std::move(client), now.issuer().known->jwks_url);
  };
  if (call.issuer().known && call.options().clock->steady() < call.issuer().until) {
    return use(call);
  }
  const auto ask = [issuer = options.issuer](oauth::HttpPort& http) -> Expected<oauth::Discovered> {
    AV_TRY(oauth::Discovered found, oauth::discover_issuer(http, issuer));
    if (found.client.issuer != issuer || found.jwks_url.empty() ||
        found.client.authorization_url.empty()) {
      return make_error(ErrorCode::kNotPermitted,
                        "the issuer says that it is another one, or "
                        "nothing about signing in");
    }
    return found;
  };
  if (call.issuer().asking >= kMostAsking) {
    return failed(call, make_error(ErrorCode::kBusy, "the issuer is being asked already"));
  }
  ++call.issuer().asking;
  const auto finish = [use, failed](Call& now, Expected<oauth::Discovered>& found) -> Reply {
    --now.issuer().asking;
    if (!found) {
      return failed(now, found.error());
    }
    now.issuer().known = std::move(*found);
    now.issuer().until = now.options().clock->steady() + kMetadataTime;
    return use(now);
  };
  const auto busy = [failed](Call& now) -> Reply {
    --now.issuer().asking;
    return failed(now, make_error(ErrorCode::kBusy, "too many providers are being asked"));
  };
  return after_provider<oauth::Discovered>(call, ask, finish, busy);
}

Expected<BegunFlow> begin(Call& call, Flow flow, vault::OauthClient client, std::string jwks_url) {
  AV_CHECK(vault::check_oauth_client(client));
  flow.client = std::move(client);
  flow.jwks_url = std::move(jwks_url);
  if (const auto& secret = call.options().sign_in->client_secret) {
    AV_TRY(flow.secrets.client_secret, secret->clone());
  }
  return begin_flow(call, std::move(flow), kCallback, /*openid=*/true);
}

Reply start(Call& call) {
  if (!call.options().sign_in || call.users().accounts() == nullptr) {
    return not_configured();
  }
  // Nobody's password is tried, so nothing is counted: whoever could use up the tries of a peer
  // would keep everybody behind it out. A browser has one attempt, and strangers have a bounded
  // number.
  const std::string next = own_path(call.query.get("next"));
  const auto failed = [](Call& now, const Error& why) -> Reply {
    note_refusal(now, "user.login", "by the provider: " + encoding::printable(why.message));
    return to_login(why.code == ErrorCode::kConflict ? "address" : "unreachable");
  };
  const auto go_on = [next, failed](Call& now, vault::OauthClient client,
                                    std::string jwks_url) -> Reply {
    Flow flow;
    flow.kind = Flow::Kind::kSignIn;
    flow.next = next;
    const auto begun = begin(now, std::move(flow), std::move(client), std::move(jwks_url));
    if (!begun) {
      return failed(now, begun.error());
    }
    proxy::LocalReply reply = go_to(begun->url);
    add_flow_cookie(reply, begun->cookie, now.request.secure);
    return reply;
  };
  return with_issuer(call, go_on, failed);
}

Reply reauthenticate(Call& call) {
  if (!call.options().sign_in || call.users().accounts() == nullptr) {
    return not_configured();
  }
  if (!call.actor.by_cookie) {
    return fault(403, "browser_needed", "only a browser has a use for this");
  }
  AV_CHECK(count_try(call, Try::kOutside, call.actor.name));
  const auto failed = [](Call&, const Error& why) -> Reply { return why; };
  const auto go_on = [](Call& now, vault::OauthClient client, std::string jwks_url) -> Reply {
    Flow flow;
    flow.kind = Flow::Kind::kReauthenticate;
    flow.owner = owner_of(now);
    // OpenID Connect Core section 3.1.2.1; whether it was done, `auth_time` says.
    client.authorize_params.emplace_back("prompt", "login");
    client.authorize_params.emplace_back("max_age", "0");
    AV_TRY(const BegunFlow begun,
           begin(now, std::move(flow), std::move(client), std::move(jwks_url)));
    proxy::LocalReply reply = json_reply({{"authorization_url", begun.url}, {"attempt", begun.id}});
    add_flow_cookie(reply, begun.cookie, now.request.secure);
    return reply;
  };
  return with_issuer(call, go_on, failed);
}

// Whether this identity may come in at all; what the address is good for.
Expected<store::OutsideIdentity> admitted(const SignInOptions& options,
                                          const oauth::Identity& identity) {
  store::OutsideIdentity out;
  out.issuer = identity.issuer;
  out.subject = identity.subject;
  const auto email = vault::canonical_email(identity.email);
  if (!email || !identity.email_verified) {
    return make_error(ErrorCode::kNotPermitted, "the issuer has not verified an address");
  }
  out.email = *email;
  const auto has = [](const std::vector<std::string>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
  };
  const std::string domain(vault::domain_of(out.email));
  if (has(options.allowed_emails, out.email) ||
      (options.allowed_emails.empty() && options.allowed_domains.empty())) {
    return out;
  }
  // With Google anybody can have an account with an address of a domain; those of the domain's own
  // organisation have `hd`.
  const bool of_domain =
      identity.issuer != kGoogle || domain == "gmail.com" || identity.hosted_domain == domain;
  if (!has(options.allowed_domains, domain) || !of_domain) {
    return make_error(ErrorCode::kNotPermitted, "this address is not among those allowed");
  }
  return out;
}

Reply refused(Call& call, const Flow& flow, const Error& why) {
  const std::string words = encoding::printable(why.message);
  if (flow.kind == Flow::Kind::kReauthenticate) {
    call.flows().finish(flow, false, words);
    note_refusal(call, "user.reauthenticate", words_for(call, flow.owner.email) + ": " + words);
    return go_to("/oauth/complete?attempt=" + flow.id);
  }
  note_refusal(call, "user.login", "by the provider: " + words);
  return to_login(why.code == ErrorCode::kNetwork ? "unreachable" : "refused");
}

Reply signed_in(Call& call, const Flow& flow, const oauth::Identity& identity) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  const SignInOptions& options = *call.options().sign_in;
  const auto guest = admitted(options, identity);
  if (!guest) {
    return refused(call, flow, guest.error());
  }
  const auto user = call.audited(
      call.action("user.identity", words_for(call, guest->email) + " by " + guest->issuer),
      [&] { return accounts->people().user_of_identity(*guest, options.auto_create); });
  if (!user) {
    return refused(call, flow, user.error());
  }
  AV_TRY(const NewSession session, new_session(call, *user, /*page=*/true, "browser"));
  proxy::LocalReply reply = go_to(flow.next);
  add_session_cookie(reply, session.token, call.request.secure);
  return reply;
}

Reply shown_again(Call& call, const Flow& flow, const oauth::Identity& identity) {
  const auto check = [&]() -> Status {
    AV_TRY(Accounts* const accounts, accounts_of(call));
    AV_CHECK(act_as_owner(call, flow.owner));
    AV_TRY(const bool theirs,
           accounts->people().has_identity(flow.owner.uid, identity.issuer, identity.subject));
    if (!theirs) {
      return make_error(ErrorCode::kNotPermitted, "somebody else signed in than who is here");
    }
    if (identity.auth_time_s == 0) {
      return make_error(ErrorCode::kNotPermitted,
                        "the provider does not say when you showed it who you are");
    }
    if (call.now_ms() / 1000 - identity.auth_time_s > kFreshS) {
      return make_error(ErrorCode::kNotPermitted, "the provider did not ask who you are");
    }
    return call.audited(call.action("user.reauthenticate"), [&] {
      return accounts->people().mark_reauthenticated(flow.owner.uid, flow.owner.session);
    });
  };
  if (const Status good = check(); !good) {
    return refused(call, flow, good.error());
  }
  try_worked(call, Try::kOutside, flow.owner.email);
  call.flows().finish(flow, true);
  return go_to("/oauth/complete?attempt=" + flow.id);
}

// The code for a token, and the token for a person. On a thread of the pool's.
Expected<oauth::Identity> identify_by(oauth::HttpPort& http, const Flow& flow, const Secret& code,
                                      std::int64_t now_s) {
  oauth::TokenEndpoint endpoint(http, flow.client, flow.secrets);
  const oauth::TokenResult tokens = code.reveal([&](std::string_view text) {
    return endpoint.exchange_code(text, flow.attempt.redirect_uri, flow.attempt.verifier);
  });
  if (!tokens) {
    return error_of(tokens.error());
  }
  if (tokens->id_token.empty()) {
    return make_error(ErrorCode::kNotPermitted, "the provider sent no ID token");
  }
  const auto verify = [&](std::string_view nonce) {
    oauth::IdTokenExpectation expected;
    expected.issuer = flow.client.issuer;
    expected.client_id = flow.client.client_id;
    expected.nonce = nonce;
    expected.now_s = now_s;
    return oauth::verify_id_token(http, flow.jwks_url, tokens->id_token, expected);
  };
  return flow.attempt.nonce.reveal(verify);
}

Reply callback(Call& call) {
  if (!call.options().sign_in || call.users().accounts() == nullptr) {
    return not_configured();
  }
  // Both kinds end here; which one it is, the state says.
  auto known = recognise(call, {Flow::Kind::kSignIn, Flow::Kind::kReauthenticate});
  if (!known) {
    note_refusal(call, "user.login", "by the provider: " + known.error().message);
    return to_login("refused");
  }
  const auto flow = std::make_shared<Flow>(std::move(*known));
  auto code = code_of_answer(call, *flow);
  if (!code) {
    return refused(call, *flow, code.error());
  }
  const auto secret = std::make_shared<Secret>(std::move(*code));
  const auto work = [flow, secret, now_s = call.now_ms() / 1000](oauth::HttpPort& http) {
    return identify_by(http, *flow, *secret, now_s);
  };
  const auto finish = [flow](Call& now, Expected<oauth::Identity>& token) -> Reply {
    if (!token) {
      return refused(now, *flow, token.error());
    }
    return flow->kind == Flow::Kind::kSignIn ? signed_in(now, *flow, *token)
                                             : shown_again(now, *flow, *token);
  };
  const auto busy = [flow](Call& now) -> Reply {
    return refused(now, *flow,
                   make_error(ErrorCode::kNetwork, "too many providers are being asked"));
  };
  return after_provider<oauth::Identity>(call, work, finish, busy);
}

}  // namespace

std::span<const Route> oidc_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/v1/auth/oidc/start", "sign in with the provider that is configured",
            Who::anybody(), Where::kServe, start, "", "303 @text/plain", "next"},
      Route{"GET", "/v1/auth/oidc/callback", "where that provider sends the browser back to",
            Who::anybody(), Where::kServe, callback, "", "303 @text/plain",
            "state code iss error error_description error_uri scope session_state authuser prompt "
            "hd"},
      Route{"POST", "/v1/auth/oidc/reauthenticate",
            "show the provider once more who you are: where the browser has to go", Who::user(),
            Where::kServe, reauthenticate, "", "{authorization_url:string, attempt:string}"},
  };
  return kRoutes;
}

}  // namespace av::api
