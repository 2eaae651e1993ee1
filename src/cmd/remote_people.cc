#include "cmd/remote_people.h"

#include "api/json_view.h"
#include "cmd/remote_json.h"
#include "vault/names.h"

namespace av::cmd {
namespace {

using remote_json::ask;
using remote_json::done;
using remote_json::Json;
using remote_json::not_here;
using remote_json::path;
using remote_json::tell;
using remote_json::text;

vault::User user_of(const Json& json) {
  vault::User user;
  user.email = text(json, "email");
  user.uid = user.email;
  user.role =
      vault::instance_role_from_string(text(json, "role")).value_or(vault::InstanceRole::kMember);
  user.created_ms = remote_json::time(json, "created_at");
  const std::string state = text(json, "state");
  user.waiting = state == "waiting";
  user.disabled_ms = state == "active" ? 0 : 1;
  user.has_password = true;  // not told
  return user;
}

std::vector<vault::Membership> vaults_of(const Json& json) {
  std::vector<vault::Membership> out;
  for (const Json& item : remote_json::list(json, "vaults")) {
    if (const auto role = vault::vault_role_from_string(text(item, "vault_role"))) {
      out.push_back({text(item, "vault_name"), *role});
    }
  }
  return out;
}

}  // namespace

Expected<std::vector<vault::User>> RemotePeople::list_users() {
  AV_TRY(const Json json, ask(*api_, "GET", "/v1/users"));
  std::vector<vault::User> users;
  for (const Json& item : remote_json::list(json, "users")) {
    users.push_back(user_of(item));
  }
  return users;
}

Expected<vault::User> RemotePeople::get_user(std::string_view email) {
  auto json = ask(*api_, "GET", path({"admin", "users", email}));
  if (json) {
    return user_of(*json);
  }
  if (json.error().code != ErrorCode::kNotPermitted) {
    return json.error();
  }
  // Who may not look people up may still name one: the server says whether there is one.
  vault::User user;
  AV_TRY(user.email, vault::canonical_email(email));
  user.uid = user.email;
  return user;
}

Expected<vault::User> RemotePeople::get_user_by_uid(std::string_view uid) {
  return get_user(uid);
}

Expected<bool> RemotePeople::has_owner() {
  AV_TRY(const Json json, ask(*api_, "GET", "/v1/status"));
  return remote_json::flag(json, "initialized");
}

Expected<std::optional<store::Account>> RemotePeople::find_account(std::string_view email) {
  return not_here("making an account for somebody",
                  "let them make it themselves: agent-vault user invite " + std::string(email));
}

Expected<vault::User> RemotePeople::create_user(const store::NewUser& user) {
  AV_CHECK(find_account(user.email));
  return user_of(Json::object());
}

Expected<vault::User> RemotePeople::create_first_owner(const store::NewUser& user) {
  return create_user(user);
}

Status RemotePeople::set_password(std::string_view /*email*/, const vault::PasswordHash& /*hash*/,
                                  std::string_view /*keep_session*/) {
  return not_here("setting somebody's password");
}

Status RemotePeople::set_user_role(std::string_view email, vault::InstanceRole role) {
  return done(tell(*api_, "POST", path({"admin", "users", email, "role"}),
                   Json{{"role", vault::to_string(role)}}));
}

Status RemotePeople::change(std::string_view email, const char* what) {
  return done(ask(*api_, "POST", path({"admin", "users", email, what})));
}

Status RemotePeople::disable_user(std::string_view email) {
  return change(email, "disable");
}

Status RemotePeople::enable_user(std::string_view email) {
  return change(email, "enable");
}

Status RemotePeople::delete_user(std::string_view email) {
  return done(ask(*api_, "DELETE", path({"admin", "users", email})));
}

Expected<std::vector<store::Member>> RemotePeople::list_members(std::string_view vault) {
  AV_TRY(const Json json, ask(*api_, "GET", path({"vaults", vault, "members"})));
  std::vector<store::Member> members;
  for (const Json& item : remote_json::list(json, "members")) {
    store::Member member;
    member.email = text(item, "email");
    member.uid = member.email;
    member.role =
        vault::vault_role_from_string(text(item, "role")).value_or(vault::VaultRole::kProxy);
    member.created_ms = remote_json::time(item, "created_at");
    members.push_back(std::move(member));
  }
  return members;
}

Expected<std::vector<vault::Membership>> RemotePeople::memberships_of(std::string_view uid) {
  AV_TRY(const Json json, ask(*api_, "GET", "/v1/users"));
  for (const Json& item : remote_json::list(json, "users")) {
    if (text(item, "email") == uid) {
      return vaults_of(item);
    }
  }
  return std::vector<vault::Membership>();
}

Expected<std::optional<vault::VaultRole>> RemotePeople::role_in(std::string_view uid,
                                                                std::string_view vault) {
  AV_TRY(const auto members, list_members(vault));
  for (const store::Member& member : members) {
    if (member.uid == uid) {
      return std::optional<vault::VaultRole>(member.role);
    }
  }
  return std::optional<vault::VaultRole>();
}

// The API's "add" also changes: what the command means by it is asked here.
Status RemotePeople::add_member(std::string_view vault, std::string_view email,
                                vault::VaultRole role) {
  AV_TRY(const auto known, role_in(email, vault));
  if (known) {
    return make_error(ErrorCode::kExists,
                      std::string(email) + " is a member of '" + std::string(vault) + "' already",
                      "agent-vault vault member set " + std::string(email) + " --role ROLE");
  }
  return done(tell(*api_, "POST", path({"vaults", vault, "members"}),
                   Json{{"email", email}, {"role", vault::to_string(role)}}));
}

Status RemotePeople::set_member(std::string_view vault, std::string_view email,
                                vault::VaultRole role) {
  AV_TRY(const auto known, role_in(email, vault));
  if (!known) {
    return make_error(ErrorCode::kNotFound,
                      std::string(email) + " is no member of '" + std::string(vault) + "'",
                      "agent-vault vault member add " + std::string(email));
  }
  return done(tell(*api_, "POST", path({"vaults", vault, "members", email, "role"}),
                   Json{{"role", vault::to_string(role)}}));
}

Status RemotePeople::remove_member(std::string_view vault, std::string_view email) {
  return done(ask(*api_, "DELETE", path({"vaults", vault, "members", email})));
}

Expected<store::UserSession> RemotePeople::create_user_session(
    std::string_view /*uid*/, store::UserSession /*session*/,
    const crypto::Digest& /*token_hash*/) {
  return not_here("a session for somebody");
}

Expected<store::SignedIn> RemotePeople::user_of_token(const crypto::Digest& /*token_hash*/,
                                                      std::string_view /*ip*/,
                                                      std::string_view /*user_agent*/) {
  return not_here("whose a token is");
}

Expected<std::vector<store::UserSession>> RemotePeople::list_user_sessions(std::string_view uid) {
  AV_TRY(const Json me, ask(*api_, "GET", "/v1/auth/me"));
  if (text(me, "email") != uid) {
    return not_here("what somebody else is signed in to");
  }
  AV_TRY(const Json json, ask(*api_, "GET", "/v1/auth/sessions"));
  std::vector<store::UserSession> sessions;
  for (const Json& item : remote_json::list(json, "sessions")) {
    store::UserSession session;
    session.id = text(item, "id");
    session.label = text(item, "device_label");
    session.ip = text(item, "last_ip");
    session.user_agent = text(item, "last_user_agent");
    session.created_ms = remote_json::time(item, "created_at");
    session.used_ms = remote_json::time(item, "last_used_at");
    session.expires_ms = remote_json::time(item, "expires_at");
    sessions.push_back(std::move(session));
  }
  return sessions;
}

Status RemotePeople::end_user_session(std::string_view uid, std::string_view id) {
  AV_CHECK(list_user_sessions(uid));
  return done(ask(*api_, "DELETE", path({"auth", "sessions", id})));
}

Status RemotePeople::end_user_sessions(std::string_view uid, std::string_view but_id) {
  AV_TRY(const auto sessions, list_user_sessions(uid));
  for (const store::UserSession& session : sessions) {
    if (session.id != but_id) {
      AV_CHECK(done(ask(*api_, "DELETE", path({"auth", "sessions", session.id}))));
    }
  }
  return {};
}

Status RemotePeople::mark_reauthenticated(std::string_view /*uid*/, std::string_view /*id*/) {
  return not_here("giving a password once more");
}

Expected<RemotePeople::IssuedInvite> RemotePeople::invite(const store::Invite& wanted) {
  Json body = {
      {"email", wanted.email}, {"role", vault::to_string(wanted.role)}, {"vaults", Json::array()}};
  for (const vault::Membership& grant : wanted.vaults) {
    body["vaults"].push_back(
        {{"vault_name", grant.vault}, {"vault_role", vault::to_string(grant.role)}});
  }
  AV_TRY(const HttpReply reply, api_->exchange("POST", "/v1/users/invites", body.dump()));
  AV_TRY(const api::JsonDocument document, api::JsonDocument::parse(reply.body.view()));
  const auto link = document.root().find("invite_link");
  const auto expires = document.root().find("expires_at");
  if (!link) {
    return make_error(ErrorCode::kNetwork, "the answer of agent-vault has no link");
  }
  IssuedInvite issued;
  issued.invite = wanted;
  issued.invite.expires_ms = expires ? parse_rfc3339(expires->text()).value_or(0) : 0;
  AV_TRY(issued.link, link->secret());
  return issued;
}

Expected<store::Invite> RemotePeople::create_invite(const store::Invite& /*invite*/,
                                                    const crypto::Digest& /*token_hash*/) {
  return not_here("a link of one's own");
}

Expected<std::vector<store::Invite>> RemotePeople::list_invites(std::string_view /*created_by*/) {
  return not_here("the list of invites", "see the page of the instance, in a browser");
}

Expected<store::Invite> RemotePeople::invite_of_token(const crypto::Digest& /*token_hash*/) {
  return not_here("what an invite is for");
}

Status RemotePeople::delete_invite(std::string_view id) {
  return done(ask(*api_, "DELETE", path({"users", "invites", id})));
}

Expected<vault::User> RemotePeople::accept_invite(
    const crypto::Digest& /*token_hash*/, std::string_view /*uid*/,
    const std::optional<vault::PasswordHash>& /*password*/) {
  return not_here("taking an invite", "open its link in a browser");
}

Expected<vault::User> RemotePeople::user_of_identity(
    const store::OutsideIdentity& /*identity*/, std::optional<vault::InstanceRole> /*create*/) {
  return not_here("whose identity this is");
}

Expected<bool> RemotePeople::has_identity(std::string_view /*uid*/, std::string_view /*issuer*/,
                                          std::string_view /*subject*/) {
  return not_here("whose identity this is");
}

Expected<store::InstanceSettings> RemotePeople::instance_settings() {
  AV_TRY(const Json json, ask(*api_, "GET", "/v1/admin/settings"));
  store::InstanceSettings settings;
  settings.invite_only = remote_json::flag(json, "invite_only");
  settings.allowed_email_domains = remote_json::texts(json, "allowed_email_domains");
  return settings;
}

Status RemotePeople::set_instance_settings(const store::InstanceSettings& settings) {
  return done(tell(*api_, "PUT", "/v1/admin/settings",
                   Json{{"invite_only", settings.invite_only},
                        {"allowed_email_domains", settings.allowed_email_domains}}));
}

}  // namespace av::cmd
