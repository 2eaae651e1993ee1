// Signing in and out, and what people do to their own accounts.

#include <array>
#include <nlohmann/json.hpp>

#include "api/accounts.h"
#include "api/route.h"
#include "vault/token.h"

namespace av::api {
namespace {

proxy::Fault wrong_password() {
  return fault(401, "unauthorized", "the address or the password is wrong",
               "an owner can set a new one: agent-vault user set-password EMAIL");
}

// What nobody has is not made longer to hash.
Secret bounded(Secret given) {
  return given.size() > vault::kMaxPassword ? Secret() : std::move(given);
}

// What the tries at one account are counted under, whoever spells it how.
std::string account_key(const std::string& email) {
  return vault::canonical_email(email).value_or(email.substr(0, 254));
}

// Whoever it is for, and whatever is wrong: one hash, one text.
Reply login(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const std::string email, call.text("email"));
  AV_TRY(Secret given, secret_member(call, "password"));
  AV_CHECK(count_try(call, Try::kPassword, account_key(email)));
  AV_TRY(const auto account, accounts->people().find_account(email));
  const auto task = std::make_shared<PasswordTask>();
  task->check(bounded(std::move(given)), account ? account->password : std::nullopt);
  const auto finish = [email](Call& now, const PasswordTask& done) -> Reply {
    AV_TRY(Accounts* const ours, accounts_of(now));
    // Looked up again: it may have been disabled or removed meanwhile.
    AV_TRY(const auto found, ours->people().find_account(email));
    if (!done.right() || !found || !found->user.active()) {
      note_refusal(now, "user.login", words_for(now, email));
      return wrong_password();
    }
    try_worked(now, Try::kPassword, account_key(email));
    return sign_in(now, found->user, 200,
                   {{"email", found->user.email}, {"role", vault::to_string(found->user.role)}});
  };
  return after(call, task, finish);
}

Reply logout(Call& call) {
  if (call.actor.is_user()) {
    AV_TRY(Accounts* const accounts, accounts_of(call));
    AV_CHECK(call.audited(call.action("user.logout"), [&] {
      return accounts->people().end_user_session(call.actor.uid, call.actor.run);
    }));
  } else if (call.actor.kind == Actor::Kind::kSession) {
    vault::AuditRecord record = call.action("session.end", call.actor.run);
    record.vault = call.actor.own_vault;
    AV_CHECK(
        call.audited(std::move(record), [&] { return call.store().end_session(call.actor.run); }));
  }
  proxy::LocalReply reply = json_reply({{"status", "ok"}});
  clear_cookie(reply, call.request.secure);
  return reply;
}

Reply me(Call& call) {
  const Actor& actor = call.actor;
  if (actor.is_user()) {
    AV_TRY(const bool recent, call.users().reauthenticated(actor.uid, actor.run));
    Json out = {{"type", "user"},
                {"email", actor.name},
                {"role", actor.owner ? "owner" : "member"},
                {"is_owner", actor.owner},
                {"reauthenticated", recent}};
    if (Accounts* const accounts = call.users().accounts()) {
      AV_TRY(const vault::User user, accounts->people().get_user_by_uid(actor.uid));
      out["has_password"] = user.has_password;
    }
    return json_reply(out);
  }
  Json out = {{"type", actor.kind == Actor::Kind::kAgent ? "agent" : "session"},
              {"agent_name", actor.name},
              {"role", "proxy"},
              {"is_owner", false}};
  if (!actor.own_vault.empty()) {
    out["vault"] = actor.own_vault;
  }
  return json_reply(out);
}

// The password of whoever is signed in, then `finish`.
Reply with_password(Call& call, Secret given, Secret fresh, FinishTask finish) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_CHECK(count_try(call, Try::kPassword, call.actor.name));
  AV_TRY(const auto account, accounts->people().find_account(call.actor.name));
  const auto task = std::make_shared<PasswordTask>();
  task->check(bounded(std::move(given)), account ? account->password : std::nullopt);
  if (!fresh.empty()) {
    task->make(std::move(fresh));
  }
  return after(call, task,
               [finish = std::move(finish)](Call& now, const PasswordTask& done) -> Reply {
                 if (!done.right()) {
                   note_refusal(now, "user.reauthenticate", words_for(now, now.actor.name));
                   return fault(403, "wrong_password", "the password is wrong");
                 }
                 try_worked(now, Try::kPassword, now.actor.name);
                 return finish(now, done);
               });
}

Reply change_password(Call& call) {
  AV_TRY(Secret current, secret_member(call, "current_password"));
  AV_TRY(Secret fresh, secret_member(call, "new_password"));
  AV_CHECK(vault::check_password(fresh));
  const auto finish = [](Call& now, const PasswordTask& done) -> Reply {
    AV_TRY(Accounts* const accounts, accounts_of(now));
    AV_TRY(const vault::User user, accounts->people().get_user_by_uid(now.actor.uid));
    // All sessions end, this one's token included: whoever has a copy of it is out.
    AV_CHECK(now.audited(now.action("user.password"), [&] {
      return accounts->people().set_password(user.email, *done.made(), "");
    }));
    return sign_in(now, user, 200, {{"status", "changed"}});
  };
  return with_password(call, std::move(current), std::move(fresh), finish);
}

Reply reauthenticate(Call& call) {
  AV_TRY(Secret given, secret_member(call, "password"));
  const auto finish = [](Call& now, const PasswordTask& /*done*/) -> Reply {
    AV_TRY(Accounts* const accounts, accounts_of(now));
    AV_CHECK(now.audited(now.action("user.reauthenticate"), [&] {
      return accounts->people().mark_reauthenticated(now.actor.uid, now.actor.run);
    }));
    return json_reply(
        {{"status", "ok"}, {"reauthenticated_until", format_utc(now.now_ms() + store::kReauthMs)}});
  };
  return with_password(call, std::move(given), Secret(), finish);
}

Reply sessions(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const auto all, accounts->people().list_user_sessions(call.actor.uid));
  Json list = Json::array();
  for (const store::UserSession& session : all) {
    list.push_back({{"id", session.id},
                    {"device_label", session.label},
                    {"last_ip", session.ip},
                    {"last_user_agent", session.user_agent},
                    {"created_at", format_utc(session.created_ms)},
                    {"last_used_at", format_utc(session.used_ms)},
                    {"expires_at", format_utc(session.expires_ms)},
                    {"current", session.id == call.actor.run}});
  }
  return json_reply({{"sessions", list}});
}

Reply end_session(Call& call) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  const std::string& id = call.parts[0];
  AV_CHECK(call.audited(call.action("user.session.end", id),
                        [&] { return accounts->people().end_user_session(call.actor.uid, id); }));
  const bool current = id == call.actor.run;
  proxy::LocalReply reply = json_reply({{"status", "ended"}, {"current", current}});
  if (current) {
    clear_cookie(reply, call.request.secure);
  }
  return reply;
}

Reply delete_account(Call& call) {
  AV_CHECK(check_reauthenticated(call));
  AV_TRY(Accounts* const accounts, accounts_of(call));
  const std::string email = call.actor.name;
  AV_CHECK(call.audited(call.action("user.delete", email),
                        [&] { return accounts->people().delete_user(email); }));
  proxy::LocalReply reply = json_reply({{"status", "deleted"}, {"email", email}});
  clear_cookie(reply, call.request.secure);
  return reply;
}

Reply accept_with(Call& call, const Secret& link, Secret password) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_CHECK(count_try(call, Try::kInvite));
  const crypto::Digest hash = vault::hash_of(link);
  AV_TRY(const store::Invite invite, accounts->people().invite_of_token(hash));
  if (call.actor.is_user()) {
    AV_TRY(const vault::User user, call.audited(call.action("user.invite.accept", invite.id), [&] {
      return accounts->people().accept_invite(hash, call.actor.uid, std::nullopt);
    }));
    try_worked(call, Try::kInvite);
    return json_reply({{"status", "accepted"}, {"email", user.email}});
  }
  if (!invite.needs_account) {
    return fault(401, "unauthorized", "this invite is for an account that exists",
                 "sign in to it, then open the link again");
  }
  AV_CHECK(vault::check_password(password));
  const auto finish = [hash](Call& now, const PasswordTask& done) -> Reply {
    AV_TRY(Accounts* const ours, accounts_of(now));
    AV_TRY(const vault::User user, now.audited(now.action("user.invite.accept"), [&] {
      return ours->people().accept_invite(hash, "", done.made());
    }));
    try_worked(now, Try::kInvite);
    return sign_in(now, user, 201,
                   {{"email", user.email},
                    {"role", vault::to_string(user.role)},
                    {"requires_verification", false},
                    {"authenticated", true},
                    {"message", "welcome"}});
  };
  return after_hashing(call, std::move(password), finish);
}

Reply accept_invite(Call& call) {
  if (call.actor.kind != Actor::Kind::kNobody && !call.actor.is_user()) {
    return fault(403, "forbidden", "only a person may do this");
  }
  AV_TRY(const Secret link, Secret::copy_of(call.parts[0]));
  Secret password;
  AV_TRY(const JsonView body, call.body());
  if (body.find("password")) {
    AV_TRY(password, secret_member(call, "password"));
  }
  return accept_with(call, link, std::move(password));
}

Reply first_owner(Call& call, const std::string& email, Secret password) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const Secret code, secret_member(call, "setup_code"));
  if (!accounts->setup_code().matches(code)) {
    note_refusal(call, "user.create", "first owner, " + words_for(call, email));
    return fault(403, "wrong_setup_code", "the setup code is wrong, or void by now",
                 "it stands on the terminal of agent-vault serve; five wrong tries make a new one");
  }
  const auto finish = [email](Call& now, const PasswordTask& done) -> Reply {
    AV_TRY(Accounts* const ours, accounts_of(now));
    store::NewUser user;
    user.email = email;
    user.password = done.made();
    AV_TRY(const vault::User owner,
           now.audited(now.action("user.create", "first owner, " + words_for(now, email)),
                       [&] { return ours->people().create_first_owner(user); }));
    ours->setup_code().forget();
    try_worked(now, Try::kSetupCode);
    return sign_in(now, owner, 201,
                   {{"email", owner.email},
                    {"role", "owner"},
                    {"requires_verification", false},
                    {"authenticated", true},
                    {"message", "you own this instance"}});
  };
  return after_hashing(call, std::move(password), finish);
}

// Somebody whom nobody asked. No mail is sent, so an address proves nothing: the account waits
// until an owner lets it in. Whether there was one already is not told.
Reply stranger(Call& call, const std::string& email, Secret password) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  AV_TRY(const store::InstanceSettings settings, accounts->people().instance_settings());
  const auto& domains = settings.allowed_email_domains;
  const bool listed =
      std::find(domains.begin(), domains.end(), vault::domain_of(email)) != domains.end();
  if (settings.invite_only || (!domains.empty() && !listed)) {
    return fault(403, "invite_only", "nobody may register here without an invite",
                 "ask an owner for one");
  }
  const auto finish = [email](Call& now, const PasswordTask& done) -> Reply {
    AV_TRY(Accounts* const ours, accounts_of(now));
    store::NewUser user;
    user.email = email;
    user.password = done.made();
    user.waiting = true;
    const auto made = now.audited(now.action("user.create", "waiting, " + words_for(now, email)),
                                  [&] { return ours->people().create_user(user); });
    if (!made && made.error().code != ErrorCode::kExists &&
        made.error().code != ErrorCode::kConflict) {
      return made.error();
    }
    return json_reply({{"email", email},
                       {"requires_verification", true},
                       {"email_sent", false},
                       {"authenticated", false},
                       {"message", "an owner has to let you in"}},
                      201);
  };
  return after_hashing(call, std::move(password), finish);
}

Reply register_user(Call& call) {
  if (call.actor.kind != Actor::Kind::kNobody && !call.actor.is_user()) {
    return fault(403, "forbidden", "only a person may do this");
  }
  AV_TRY(const std::string typed, call.text("email"));
  AV_TRY(const std::string email, vault::canonical_email(typed));
  AV_TRY(Secret password, secret_member(call, "password"));
  AV_CHECK(vault::check_password(password));
  AV_TRY(const bool owned, call.users().has_owner());
  if (!owned) {
    AV_CHECK(count_try(call, Try::kSetupCode));
    return first_owner(call, email, std::move(password));
  }
  AV_TRY(const JsonView body, call.body());
  if (body.find("invite")) {
    AV_TRY(const Secret link, secret_member(call, "invite"));
    AV_TRY(Accounts* const accounts, accounts_of(call));
    AV_TRY(const store::Invite invite, accounts->people().invite_of_token(vault::hash_of(link)));
    if (invite.email != email) {
      return fault(403, "forbidden", "this invite is for somebody else");
    }
    return accept_with(call, link, std::move(password));
  }
  AV_CHECK(count_try(call, Try::kRegistration));
  return stranger(call, email, std::move(password));
}

constexpr std::string_view kSignedIn =
    "{token?:string, email:string, role:string, expires_at:time}";
constexpr std::string_view kRegistered =
    "201 {token?:string, email:string, role?:string, requires_verification:boolean, "
    "email_sent?:boolean, authenticated:boolean, message:string, expires_at?:time}";

}  // namespace

std::span<const Route> auth_routes() {
  static constexpr std::array kRoutes = {
      Route{"POST", "/v1/auth/register", "make an account: the first owner's, or an invited one",
            Who::anybody(), Where::kServe, register_user,
            "{email:string, password:string, setup_code?:string, invite?:string, "
            "device_label?:string}",
            kRegistered},
      Route{"POST", "/v1/auth/login", "sign in", Who::anybody(), Where::kRuns, login,
            "{email:string, password:string, device_label?:string}", kSignedIn},
      Route{"POST", "/v1/auth/logout", "sign out; the token of a session ends the session",
            Who::anybody(), Where::kRuns, logout, "", "{status:string}"},
      Route{"GET", "/v1/auth/me", "who you are", Who::signed_in(), Where::kRuns, me, "",
            "{type:'user'|'agent'|'session', email?:string, agent_name?:string, role:string, "
            "is_owner:boolean, reauthenticated?:boolean, has_password?:boolean, vault?:string}"},
      Route{"POST", "/v1/auth/change-password", "set a new password; signs you out elsewhere",
            Who::user(), Where::kServe, change_password,
            "{current_password:string, new_password:string, device_label?:string}",
            "{token?:string, status:string, expires_at:time}"},
      Route{"POST", "/v1/auth/reauthenticate", "give the password once more, for what needs it",
            Who::user(), Where::kRuns, reauthenticate, "{password:string}",
            "{status:string, reauthenticated_until:time}"},
      Route{"GET", "/v1/auth/sessions", "where you are signed in", Who::user(), Where::kServe,
            sessions, "",
            "{sessions:[{id:string, device_label:string, last_ip:string, last_user_agent:string, "
            "created_at:time, last_used_at:time, expires_at:time, current:boolean}]}"},
      Route{"DELETE", "/v1/auth/sessions/{id}", "sign out there", Who::user(), Where::kServe,
            end_session, "", "{status:string, current:boolean}"},
      Route{"DELETE", "/v1/auth/account", "remove your account", Who::user(), Where::kServe,
            delete_account, "", "{status:string, email:string}"},
      Route{"POST", "/v1/users/invites/{token}/accept", "take an invite", Who::anybody(),
            Where::kServe, accept_invite, "{password?:string, device_label?:string}",
            "{status?:string, token?:string, email:string, role?:string, "
            "requires_verification?:boolean, authenticated?:boolean, message?:string, "
            "expires_at?:time}"},
  };
  return kRoutes;
}

}  // namespace av::api
