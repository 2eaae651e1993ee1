// People: who there is, invites, members of vaults, and who may come in.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "api/accounts.h"
#include "api/route.h"
#include "vault/token.h"

namespace av::api {
namespace {

Reply list_users(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const auto users, accounts->people().list_users());
  Json list = Json::array();
  for (const vault::User& user : users) {
    AV_TRY(const auto vaults, accounts->people().memberships_of(user.uid));
    Json item = user_json(user);
    item["vaults"] = Json::array();
    for (const vault::Membership& membership : vaults) {
      item["vaults"].push_back(
          {{"vault_name", membership.vault}, {"vault_role", vault::to_string(membership.role)}});
    }
    list.push_back(std::move(item));
  }
  return json_reply({{"users", list}});
}

Reply get_user(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const vault::User user, accounts->people().get_user(call.parts[0]));
  return json_reply(user_json(user));
}

// What all changes of one user have in common.
template <typename F>
Reply change_user(Call& call, std::string_view event, F&& change) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  store::People& people = accounts->people();
  AV_TRY(const vault::User user, people.get_user(call.parts[0]));
  AV_CHECK(call.audited(call.action(event, user.email),
                        [&]() -> Status { return change(people, user.email); }));
  const auto now = people.get_user(user.email);
  return json_reply(now ? user_json(*now) : Json{{"email", user.email}, {"deleted", true}});
}

Reply delete_user(Call& call) {
  AV_CHECK(check_reauthenticated(call));
  return change_user(call, "user.delete", [](store::People& people, const std::string& email) {
    return people.delete_user(email);
  });
}

Reply set_user_role(Call& call) {
  AV_CHECK(check_reauthenticated(call));
  AV_TRY(const std::string word, call.text("role"));
  const auto role = vault::instance_role_from_string(word);
  if (!role) {
    return bad_request("\"role\" must be \"owner\" or \"member\"");
  }
  return change_user(call, "user.role", [&](store::People& people, const std::string& email) {
    return people.set_user_role(email, *role);
  });
}

Reply disable_user(Call& call) {
  return change_user(call, "user.disable", [](store::People& people, const std::string& email) {
    return people.disable_user(email);
  });
}

Reply enable_user(Call& call) {
  return change_user(call, "user.enable", [](store::People& people, const std::string& email) {
    return people.enable_user(email);
  });
}

// -- invites

Json vaults_json(const std::vector<vault::Membership>& vaults) {
  Json list = Json::array();
  for (const vault::Membership& grant : vaults) {
    list.push_back({{"vault_name", grant.vault}, {"vault_role", vault::to_string(grant.role)}});
  }
  return list;
}

Json invite_json(const store::Invite& invite) {
  return {{"id", invite.id},
          {"email", invite.email},
          {"role", vault::to_string(invite.role)},
          {"vaults", vaults_json(invite.vaults)},
          {"created_by", invite.created_by_email},
          {"needs_account", invite.needs_account},
          {"created_at", format_utc(invite.created_ms)},
          {"expires_at", format_utc(invite.expires_ms)}};
}

// Nobody gives what they have not: owners may ask anybody in, others bring people into the vaults
// that they administer and nowhere else. This hangs on what the body says, so it is checked here.
proxy::Outcome<void> check_may_invite(Call& call, const store::Invite& invite) {
  if (!call.actor.owner && (invite.role == vault::InstanceRole::kOwner || invite.vaults.empty())) {
    return fault(403, "forbidden", "only an owner may invite without naming a vault, or an owner",
                 "name a vault of which you are admin");
  }
  if (invite.role == vault::InstanceRole::kOwner) {
    AV_CHECK(check_reauthenticated(call));
  }
  for (const vault::Membership& grant : invite.vaults) {
    const auto role = call.role_in(grant.vault);
    if (!role) {
      return fault_of(role.error());
    }
    if (*role == Role::kNone && !call.actor.owner) {
      return unknown_vault(grant.vault);
    }
    if (*role < Role::kAdmin && !call.actor.owner) {
      return fault(403, "forbidden", "only an admin of '" + grant.vault + "' may invite to it");
    }
  }
  return {};
}

Expected<std::vector<vault::Membership>> vaults_asked(Call& call) {
  std::vector<vault::Membership> vaults;
  AV_TRY(const JsonView body, call.body());
  const auto list = body.find("vaults");
  if (!list || list->is(JsonView::Kind::kNull)) {
    return vaults;
  }
  for (const JsonView& item : list->children()) {
    const auto name = item.find("vault_name");
    const auto role = item.find("vault_role");
    const auto known = vault::vault_role_from_string(role ? role->text() : "member");
    if (!name || !known) {
      return make_error(ErrorCode::kInvalid,
                        "\"vaults\" must be a list of {\"vault_name\", \"vault_role\"}",
                        "roles are proxy, member and admin");
    }
    vaults.push_back({name->text(), *known});
  }
  return vaults;
}

// The link is shown this once.
Reply issue(Call& call, const store::Invite& wanted) {
  AV_CHECK(check_may_invite(call, wanted));
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const Secret token, vault::make_token(vault::kInviteToken));
  AV_TRY(const store::Invite made,
         call.audited(
             call.action("user.invite", wanted.email + ", " + std::string(to_string(wanted.role))),
             [&] { return accounts->people().create_invite(wanted, vault::hash_of(token)); }));
  const std::string rest = invite_json(made).dump();
  SecretBuffer out;
  out.append("{\"email_sent\":false,\"invite_link\":\"" + call.base_url() + "/invite/");
  out.append(token);
  out.append("\"," + rest.substr(1));
  out.push_back('\n');
  return secret_reply("application/json", std::move(out), 201);
}

Reply create_invite(Call& call) {
  store::Invite wanted;
  AV_TRY(wanted.email, call.text("email"));
  AV_TRY(const std::string word, call.text_or("role", "member"));
  const auto role = vault::instance_role_from_string(word);
  if (!role) {
    return bad_request("\"role\" must be \"owner\" or \"member\"");
  }
  wanted.role = *role;
  AV_TRY(wanted.vaults, vaults_asked(call));
  wanted.created_by = call.actor.uid;
  return issue(call, wanted);
}

// Owners see all, others what they sent.
Expected<std::vector<store::Invite>> seen_invites(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  return accounts->people().list_invites(call.actor.owner ? "" : call.actor.uid);
}

Expected<store::Invite> find_invite(Call& call) {
  AV_TRY(auto all, seen_invites(call));
  for (store::Invite& invite : all) {
    if (invite.id == call.parts[0]) {
      return std::move(invite);
    }
  }
  return make_error(ErrorCode::kNotFound, "there is no such invite");
}

Reply list_invites(Call& call) {
  AV_TRY(const auto all, seen_invites(call));
  Json list = Json::array();
  for (const store::Invite& invite : all) {
    list.push_back(invite_json(invite));
  }
  return json_reply({{"invites", list}});
}

Reply delete_invite(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const store::Invite invite, find_invite(call));
  AV_CHECK(call.audited(call.action("user.invite.delete", invite.email),
                        [&] { return accounts->people().delete_invite(invite.id); }));
  return json_reply({{"id", invite.id}, {"deleted", true}});
}

Reply reinvite(Call& call) {
  AV_TRY(store::Invite invite, find_invite(call));
  invite.created_by = call.actor.uid;
  return issue(call, invite);
}

Reply invite_details(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const Secret link, Secret::copy_of(call.parts[0]));
  AV_TRY(const store::Invite invite, accounts->people().invite_of_token(vault::hash_of(link)));
  return json_reply({{"email", invite.email},
                     {"role", vault::to_string(invite.role)},
                     {"vaults", vaults_json(invite.vaults)},
                     {"needs_account", invite.needs_account},
                     {"expires_at", format_utc(invite.expires_ms)}});
}

// -- members of vaults

Reply list_members(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const auto members, accounts->people().list_members(call.vault()));
  Json list = Json::array();
  for (const store::Member& member : members) {
    list.push_back({{"email", member.email},
                    {"role", vault::to_string(member.role)},
                    {"created_at", format_utc(member.created_ms)}});
  }
  return json_reply({{"vault", call.vault()}, {"members", list}});
}

Reply put_member(Call& call, const std::string& email) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const std::string word, call.text_or("role", "member"));
  const Role role = role_from_string(word);
  if (role == Role::kNone) {
    return bad_request("\"role\" must be \"proxy\", \"member\" or \"admin\"");
  }
  AV_TRY(const vault::User user, accounts->people().get_user(email));
  AV_CHECK(call.audited(call.action("member.set", user.email + ", " + word),
                        [&] { return call.users().set_role(user.uid, call.vault(), role); }));
  return json_reply({{"vault", call.vault()}, {"email", user.email}, {"role", word}});
}

Reply add_member(Call& call) {
  AV_TRY(const std::string email, call.text("email"));
  return put_member(call, email);
}

Reply set_member(Call& call) {
  return put_member(call, call.parts[1]);
}

Reply remove_member(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const vault::User user, accounts->people().get_user(call.parts[1]));
  AV_CHECK(call.audited(call.action("member.remove", user.email), [&] {
    return accounts->people().remove_member(call.vault(), user.email);
  }));
  return json_reply({{"vault", call.vault()}, {"email", user.email}, {"removed", true}});
}

// For people whatever they are in it; a vault in which one is nothing is not there.
Reply leave(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  const std::string& vault = call.parts[0];
  AV_TRY(const Role role, call.role_in(vault));
  if (role == Role::kNone) {
    return unknown_vault(vault);
  }
  vault::AuditRecord record = call.action("member.remove", call.actor.name);
  record.vault = vault;
  AV_CHECK(call.audited(std::move(record),
                        [&] { return accounts->people().remove_member(vault, call.actor.name); }));
  return json_reply({{"vault", vault}, {"email", call.actor.name}, {"removed", true}});
}

Reply join(Call& call) {
  AV_CHECK(call.audited(call.action("member.join", call.actor.name), [&] {
    return call.users().set_role(call.actor.uid, call.vault(), Role::kAdmin);
  }));
  return json_reply({{"vault", call.vault()}, {"email", call.actor.name}, {"role", "admin"}});
}

// -- settings

Reply settings(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const store::InstanceSettings now, accounts->people().instance_settings());
  return json_reply(
      {{"invite_only", now.invite_only}, {"allowed_email_domains", now.allowed_email_domains}});
}

Reply change_settings(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(store::InstanceSettings wanted, accounts->people().instance_settings());
  AV_TRY(wanted.invite_only, call.flag_or("invite_only", wanted.invite_only));
  AV_TRY(const JsonView body, call.body());
  if (body.find("allowed_email_domains")) {
    AV_TRY(wanted.allowed_email_domains, call.texts("allowed_email_domains"));
  }
  AV_CHECK(
      call.audited(call.action("instance.settings", wanted.invite_only ? "invite only" : "open"),
                   [&] { return accounts->people().set_instance_settings(wanted); }));
  return settings(call);
}

constexpr std::string_view kUser =
    "{email:string, role:string, state:'active'|'waiting'|'disabled', created_at:time}";
constexpr std::string_view kInvited =
    "201 {id:string, email:string, role:string, vaults:[{vault_name:string, vault_role:string}], "
    "created_by:string, needs_account:boolean, created_at:time, expires_at:time, "
    "invite_link:string, email_sent:boolean}";
constexpr std::string_view kMember = "{vault:string, email:string, role:string}";
constexpr std::string_view kMembers =
    "{vault:string, members:[{email:string, role:string, created_at:time}]}";
constexpr std::string_view kRemoved = "{vault:string, email:string, removed:boolean}";
constexpr std::string_view kAddMember = "{email:string, role?:'proxy'|'member'|'admin'}";
constexpr std::string_view kSetRole = "{role:'proxy'|'member'|'admin'}";
constexpr std::string_view kSettings = "{invite_only:boolean, allowed_email_domains:[string]}";
constexpr std::string_view kUsers =
    "{users:[{email:string, role:string, state:'active'|'waiting'|'disabled', created_at:time, "
    "vaults:[{vault_name:string, vault_role:string}]}]}";
constexpr Who kManage = Who::vault_or_owner(Role::kAdmin);
constexpr Who kSeeMembers = Who::vault_or_owner(Role::kMember);

}  // namespace

std::span<const Route> user_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/v1/users", "everybody", Who::owner(), Where::kServe, list_users, "", kUsers},
      Route{"GET", "/v1/admin/users", "everybody", Who::owner(), Where::kServe, list_users, "",
            kUsers},
      Route{"GET", "/v1/admin/users/{email}", "one user", Who::owner(), Where::kServe, get_user, "",
            kUser},
      Route{"DELETE", "/v1/admin/users/{email}", "remove a user", Who::owner(), Where::kServe,
            delete_user, "", "{email:string, deleted:boolean}"},
      Route{"POST", "/v1/admin/users/{email}/role", "make a user an owner, or a member",
            Who::owner(), Where::kServe, set_user_role, "{role:'owner'|'member'}", kUser},
      Route{"POST", "/v1/admin/users/{email}/disable", "sign a user out and keep them out",
            Who::owner(), Where::kServe, disable_user, "", kUser},
      Route{"POST", "/v1/admin/users/{email}/enable", "let a user in, or in again", Who::owner(),
            Where::kServe, enable_user, "", kUser},
      Route{"POST", "/v1/users/invites", "invite somebody; the link is shown this once",
            Who::user(), Where::kServe, create_invite,
            "{email:string, role?:'owner'|'member', vaults?:[{vault_name:string, "
            "vault_role?:'proxy'|'member'|'admin'}]}",
            kInvited},
      Route{"GET", "/v1/users/invites", "invites that wait; all of them for an owner", Who::user(),
            Where::kServe, list_invites, "",
            "{invites:[{id:string, email:string, role:string, vaults:[{vault_name:string, "
            "vault_role:string}], created_by:string, needs_account:boolean, created_at:time, "
            "expires_at:time}]}"},
      Route{"DELETE", "/v1/users/invites/{id}", "withdraw an invite", Who::user(), Where::kServe,
            delete_invite, "", "{id:string, deleted:boolean}"},
      Route{"POST", "/v1/users/invites/{id}/reinvite", "a new link in place of the old",
            Who::user(), Where::kServe, reinvite, "", kInvited},
      Route{"GET", "/v1/users/invites/{token}/details", "what an invite is for", Who::anybody(),
            Where::kServe, invite_details, "",
            "{email:string, role:string, vaults:[{vault_name:string, vault_role:string}], "
            "needs_account:boolean, expires_at:time}"},
      Route{"GET", "/v1/vaults/{v}/members", "who may use a vault", kSeeMembers, Where::kServe,
            list_members, "", kMembers},
      Route{"POST", "/v1/vaults/{v}/members", "let a user use a vault, or change how", kManage,
            Where::kServe, add_member, kAddMember, kMember},
      Route{"POST", "/v1/vaults/{v}/members/{email}/role", "change what a member may do", kManage,
            Where::kServe, set_member, kSetRole, kMember},
      Route{"DELETE", "/v1/vaults/{v}/members/{email}", "let a user use a vault no more", kManage,
            Where::kServe, remove_member, "", kRemoved},
      Route{"GET", "/v1/vaults/{v}/users", "the same as members", kSeeMembers, Where::kServe,
            list_members, "", kMembers},
      Route{"POST", "/v1/vaults/{v}/users", "the same as members", kManage, Where::kServe,
            add_member, kAddMember, kMember},
      Route{"POST", "/v1/vaults/{v}/users/{email}/role", "the same as members", kManage,
            Where::kServe, set_member, kSetRole, kMember},
      Route{"DELETE", "/v1/vaults/{v}/users/{email}", "the same as members", kManage, Where::kServe,
            remove_member, "", kRemoved},
      Route{"POST", "/v1/vaults/{v}/join", "as the owner: become an admin of a vault", kManage,
            Where::kServe, join, "", kMember},
      Route{"POST", "/v1/vaults/{v}/leave", "be no member any more", Who::user(), Where::kServe,
            leave, "", kRemoved},
      Route{"GET", "/v1/admin/settings", "who may come in", Who::owner(), Where::kServe, settings,
            "", kSettings},
      Route{"PUT", "/v1/admin/settings", "change that", Who::owner(), Where::kServe,
            change_settings, "{invite_only?:boolean, allowed_email_domains?:[string]}", kSettings},
  };
  return kRoutes;
}

}  // namespace av::api
