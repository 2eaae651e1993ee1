#include "api/browser_flow.h"

#include <algorithm>
#include <utility>

#include "api/query.h"
#include "core/encoding.h"
#include "vault/canonical.h"
#include "vault/token.h"

namespace av::api {
namespace {

constexpr std::string_view kFlowToken = "av_flow_";
constexpr std::size_t kMostPath = 512;

std::string_view authority_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  return scheme == std::string_view::npos ? url : url.substr(scheme + 3);
}

Error not_ours(std::string why) {
  return make_error(ErrorCode::kNotPermitted, std::move(why));
}

}  // namespace

FlowOwner owner_of(const Call& call) {
  return call.actor.is_user() ? FlowOwner{call.actor.uid, call.actor.name, call.actor.run}
                              : FlowOwner{};
}

Expected<BegunFlow> begin_flow(Call& call, Flow flow, std::string_view path, bool openid) {
  const std::string base = call.base_url();
  // A cookie belongs to a host, whatever its port (RFC 6265 section 8.5); an address is told whole.
  const auto here = vault::parse_authority(call.request.field("host"), 80);
  const auto there = vault::parse_authority(authority_of(base), 80);
  if (!here || !there || here->host != there->host) {
    return make_error(ErrorCode::kConflict,
                      "the provider sends people back to " + base +
                          ", and these pages were opened under another address",
                      "open " + base + " and begin there");
  }
  AV_TRY(flow.attempt, oauth::begin_code(flow.client, base + std::string(path), openid));
  BegunFlow begun;
  begun.url = std::exchange(flow.attempt.url, {});
  const crypto::Digest state = vault::hash_of(std::exchange(flow.attempt.state, Secret()));
  // A browser that has begun another one in this session keeps its cookie, so that both can end.
  const bool known =
      !call.request.flow_cookie.empty() &&
      call.flows().knows(vault::hash_of(call.request.flow_cookie), flow.owner.session);
  if (flow.owner.session.empty() && !call.request.flow_cookie.empty()) {
    call.flows().drop(vault::hash_of(call.request.flow_cookie));
  }
  AV_TRY(begun.cookie, known ? call.request.flow_cookie.clone() : vault::make_token(kFlowToken));
  flow.browser = vault::hash_of(begun.cookie);
  begun.id = crypto::random_hex(10);
  flow.id = begun.id;
  AV_CHECK(call.flows().add(state, std::move(flow)));
  return begun;
}

void add_flow_cookie(proxy::LocalReply& reply, const Secret& cookie, bool secure) {
  SecretBuffer& field = reply.fields.begin("Set-Cookie");
  field.append(secure ? "__Host-av_flow=" : "av_flow=");
  field.append(cookie);
  // Lax: it comes along when the provider sends the browser back, which is a link to us.
  field.append("; Path=/; Max-Age=" + std::to_string(oauth::CodeAttempt::kAttemptMs / 1000) +
               "; HttpOnly; SameSite=Lax" + (secure ? "; Secure" : ""));
  reply.fields.end(proxy::HeadText::Kind::kSecret);
}

Expected<Flow> recognise(Call& call, std::initializer_list<Flow::Kind> kinds) {
  AV_TRY(const Secret state, Secret::copy_of(call.query.get("state")));
  if (state.empty()) {
    return not_ours("the answer has no state");
  }
  std::optional<Flow> flow = call.flows().take(vault::hash_of(state));
  if (!flow) {
    return not_ours("the answer belongs to no attempt that waits");
  }
  const auto refuse = [&](std::string why) {
    call.flows().finish(*flow, false, "the answer did not come from the browser that began this");
    return not_ours(std::move(why));
  };
  if (std::find(kinds.begin(), kinds.end(), flow->kind) == kinds.end()) {
    return refuse("the answer belongs to an attempt of another kind");
  }
  const crypto::Digest shown = vault::hash_of(call.request.flow_cookie);
  const auto text = [](const crypto::Digest& digest) {
    return std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size());
  };
  if (call.request.flow_cookie.empty() ||
      !crypto::constant_time_equal(text(shown), text(flow->browser))) {
    return refuse("the answer comes from another browser than the one that began");
  }
  // From a provider on another site the session's cookie does not come along; when one does, it
  // must be the right one.
  if (!flow->owner.uid.empty() && call.actor.is_user() &&
      (call.actor.uid != flow->owner.uid || call.actor.run != flow->owner.session)) {
    return refuse("somebody else is signed in than who began");
  }
  return std::move(*flow);
}

Expected<Secret> code_of_answer(Call& call, const Flow& flow) {
  oauth::CodeAttempt attempt;
  attempt.redirect_uri = flow.attempt.redirect_uri;
  // Its hash was that of the flow.
  AV_TRY(attempt.state, Secret::copy_of(call.query.get("state")));
  return oauth::code_from_redirect(flow.client, attempt, call.request.query);
}

Status act_as_owner(Call& call, const FlowOwner& owner) {
  AV_TRY(const std::optional<SignedInUser> user,
         call.users().user_of_session_id(owner.uid, owner.session));
  if (!user) {
    return not_ours("the session in which this was begun has ended");
  }
  call.actor.kind = Actor::Kind::kUser;
  call.actor.uid = user->uid;
  call.actor.name = user->email;
  call.actor.run = user->session;
  call.actor.owner = user->owner;
  call.actor.by_cookie = true;
  return {};
}

Status act_as_member(Call& call, const FlowOwner& owner, const std::string& vault) {
  AV_CHECK(act_as_owner(call, owner));
  AV_TRY(const Role role, call.role_in(vault));
  if (role < Role::kMember) {
    return not_ours("you are no member of the vault any more");
  }
  return {};
}

proxy::LocalReply go_to(std::string_view path) {
  proxy::LocalReply reply;
  reply.status = 303;
  reply.fields.add("Location", path);
  return reply;
}

std::string own_path(std::string_view text) {
  const bool good = text.starts_with('/') && !text.starts_with("//") && text.size() <= kMostPath &&
                    std::all_of(text.begin(), text.end(),
                                [](char c) { return c > ' ' && c < '\x7f' && c != '\\'; });
  return good ? std::string(text) : "/";
}

proxy::Fault provider_busy() {
  proxy::Fault busy = fault(503, "busy", "too many providers are being asked", "try again");
  busy.transient = true;
  busy.retry_after = 2;
  return busy;
}

Error error_of(const oauth::TokenFailure& failure) {
  const std::string message = failure.message.empty() ? failure.code : failure.message;
  switch (failure.kind) {
    case oauth::TokenFailure::Kind::kPermanent:
      return make_error(ErrorCode::kConflict, message,
                        "the token is not good any more, or not for this client");
    case oauth::TokenFailure::Kind::kClient:
      return make_error(
          ErrorCode::kConflict, message,
          "look at the client id, the secret and the scopes, as the provider has them");
    case oauth::TokenFailure::Kind::kUnreachable:
    case oauth::TokenFailure::Kind::kTransient:
    case oauth::TokenFailure::Kind::kPending:
    case oauth::TokenFailure::Kind::kSlowDown:
      break;
  }
  return make_error(ErrorCode::kNetwork, message, "try again in a moment");
}

}  // namespace av::api
