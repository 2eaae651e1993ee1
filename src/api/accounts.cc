#include "api/accounts.h"

#include <nlohmann/json.hpp>

#include "vault/token.h"

namespace av::api {
namespace {

Role role_of(vault::VaultRole role) {
  switch (role) {
    case vault::VaultRole::kProxy:
      return Role::kProxy;
    case vault::VaultRole::kMember:
      return Role::kMember;
    case vault::VaultRole::kAdmin:
      return Role::kAdmin;
  }
  return Role::kNone;
}

}  // namespace

Accounts::Accounts(store::Store& store, AccountsOptions options)
    : people_(store.people()),
      clock_(*options.clock),
      limiter_(*options.clock),
      setup_code_(options.announce),
      passwords_(options.password) {
  const auto owned = people_.has_owner();
  if (owned && !*owned && options.announce) {
    // Without one the command line is the way in.
    static_cast<void>(setup_code_.make().has_value());
  }
}

void Accounts::note_peer(std::string_view address, std::string_view user_agent) {
  peer_ = address;
  user_agent_ = user_agent;
}

Expected<std::optional<SignedInUser>> Accounts::user_of_session(const crypto::Digest& token_hash) {
  const auto found = people_.user_of_token(token_hash, peer_, user_agent_);
  if (!found) {
    if (found.error().code == ErrorCode::kNotPermitted) {
      return std::optional<SignedInUser>();
    }
    return found.error();
  }
  SignedInUser user;
  user.uid = found->user.uid;
  user.email = found->user.email;
  user.session = found->session.id;
  user.owner = found->user.role == vault::InstanceRole::kOwner;
  return std::optional<SignedInUser>(std::move(user));
}

Expected<std::optional<SignedInUser>> Accounts::user_of_session_id(std::string_view user_uid,
                                                                   std::string_view session) {
  const auto user = people_.get_user_by_uid(user_uid);
  if (!user && user.error().code != ErrorCode::kNotFound) {
    return user.error();
  }
  if (!user || !user->active()) {
    return std::optional<SignedInUser>();
  }
  AV_TRY(const auto sessions, people_.list_user_sessions(user_uid));
  for (const store::UserSession& each : sessions) {
    if (each.id == session) {
      return std::optional<SignedInUser>(
          SignedInUser{user->uid, user->email, each.id, user->role == vault::InstanceRole::kOwner});
    }
  }
  return std::optional<SignedInUser>();
}

Expected<Role> Accounts::role_in(std::string_view user_uid, std::string_view vault) {
  AV_TRY(const auto role, people_.role_in(user_uid, vault));
  return role ? role_of(*role) : Role::kNone;
}

Status Accounts::set_role(std::string_view user_uid, std::string_view vault, Role role) {
  AV_TRY(const vault::User user, people_.get_user_by_uid(user_uid));
  const auto wanted = vault::vault_role_from_string(to_string(role));
  if (!wanted) {
    return people_.remove_member(vault, user.email);
  }
  Status added = people_.add_member(vault, user.email, *wanted);
  if (!added && added.error().code == ErrorCode::kExists) {
    return people_.set_member(vault, user.email, *wanted);
  }
  return added;
}

Expected<bool> Accounts::reauthenticated(std::string_view user_uid, std::string_view session) {
  AV_TRY(const auto sessions, people_.list_user_sessions(user_uid));
  for (const store::UserSession& each : sessions) {
    if (each.id == session) {
      const std::int64_t age = clock_.wall_ms() - each.reauth_ms;
      return each.reauth_ms != 0 && age >= 0 && age < store::kReauthMs;
    }
  }
  return false;
}

Expected<Accounts*> accounts_of(Call& call) {
  Accounts* const accounts = call.users().accounts();
  if (accounts == nullptr) {
    return make_error(ErrorCode::kNotFound, "there are no accounts here",
                      "they are managed with: agent-vault user");
  }
  return accounts;
}

proxy::Outcome<void> check_reauthenticated(Call& call) {
  if (!call.actor.by_cookie) {
    return {};
  }
  const auto recent = call.users().reauthenticated(call.actor.uid, call.actor.run);
  if (!recent) {
    return fault_of(recent.error());
  }
  if (!*recent) {
    return fault(403, "reauthentication_required", "this needs the password once more",
                 "POST /v1/auth/reauthenticate {\"password\"}; it holds for five minutes");
  }
  return {};
}

proxy::Outcome<void> count_try(Call& call, Try what, std::string_view account) {
  const auto accounts = accounts_of(call);
  if (!accounts) {
    return fault_of(accounts.error());
  }
  const std::int64_t wait = (*accounts)->limiter().take(what, call.request.peer, account);
  if (wait == 0) {
    return {};
  }
  proxy::Fault slow = fault(429, "too_many_requests", "too many tries to sign in",
                            "try again in " + std::to_string(wait) + " s");
  slow.retry_after = wait;
  slow.transient = true;
  return slow;
}

void try_worked(Call& call, Try what, std::string_view account) {
  if (Accounts* const accounts = call.users().accounts()) {
    accounts->limiter().give_back(what, call.request.peer, account);
  }
}

Reply after(Call& call, const std::shared_ptr<PasswordTask>& task, FinishTask finish) {
  const auto busy = [] {
    proxy::Fault fault_busy = fault(503, "busy", "too many people sign in at once", "try again");
    fault_busy.transient = true;
    fault_busy.retry_after = 1;
    return fault_busy;
  };
  AV_TRY(Accounts* const accounts, accounts_of(call));
  if (!accounts->passwords().submit(task)) {
    return busy();
  }
  Parked parked;
  parked.eager = true;
  parked.poll = [task, finish = std::move(finish), busy](Call& waiting,
                                                         bool last) -> std::optional<Reply> {
    if (!task->done()) {
      return last ? std::optional<Reply>(busy()) : std::nullopt;
    }
    if (task->error()) {
      return Reply(*task->error());
    }
    return finish(waiting, *task);
  };
  return parked;
}

Reply after_hashing(Call& call, Secret password, FinishTask finish) {
  const auto task = std::make_shared<PasswordTask>();
  task->make(std::move(password));
  return after(call, task, std::move(finish));
}

void clear_cookie(proxy::LocalReply& reply, bool secure) {
  reply.fields.add("Set-Cookie", secure ? "av_session=; Path=/; Max-Age=0; HttpOnly; "
                                          "SameSite=Strict; Secure"
                                        : "av_session=; Path=/; Max-Age=0; HttpOnly; "
                                          "SameSite=Strict");
}

Expected<NewSession> new_session(Call& call, const vault::User& user, bool page,
                                 const std::string& label) {
  AV_TRY(Accounts* const accounts, accounts_of(call));
  store::People& people = accounts->people();
  store::UserSession wanted;
  wanted.label = label;
  wanted.ip = call.request.peer;
  wanted.user_agent = call.request.field("user-agent");
  NewSession made;
  AV_TRY(made.token, vault::make_token(vault::kSessionToken));
  const crypto::Digest hash = page ? vault::hash_of_cookie(made.token) : vault::hash_of(made.token);
  AV_TRY(made.session, call.audited(call.action("user.login", words_for(call, user.email)), [&] {
    return people.create_user_session(user.uid, wanted, hash);
  }));
  if (call.actor.is_user() && call.actor.by_cookie) {
    // May be over already: a new password ended all.
    static_cast<void>(people.end_user_session(call.actor.uid, call.actor.run).has_value());
  }
  return made;
}

void add_session_cookie(proxy::LocalReply& reply, const Secret& token, bool secure) {
  SecretBuffer& cookie = reply.fields.begin("Set-Cookie");
  cookie.append("av_session=");
  cookie.append(token);
  cookie.append("; Path=/; Max-Age=" + std::to_string(store::kSessionIdleMs / 1000) +
                "; HttpOnly; SameSite=Strict" + (secure ? "; Secure" : ""));
  reply.fields.end(proxy::HeadText::Kind::kSecret);
}

Reply sign_in(Call& call, const vault::User& user, int status, Json body) {
  const bool page = call.request.field("x-agent-vault") == "1";
  // A label of another kind is none: what was asked for may be done by now.
  const std::string label = call.text_or("device_label", "").value_or("");
  AV_TRY(const NewSession made, new_session(call, user, page, label));
  body["expires_at"] = format_utc(made.session.expires_ms);
  const std::string text = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  SecretBuffer out;
  out.append("{");
  if (!page) {
    out.append("\"token\":\"");
    out.append(made.token);
    out.append("\",");
  }
  out.append(std::string_view(text).substr(1));
  out.push_back('\n');
  proxy::LocalReply reply = secret_reply("application/json", std::move(out), status);
  if (page) {
    add_session_cookie(reply, made.token, call.request.secure);
  }
  return reply;
}

void note_refusal(Call& call, std::string_view event, std::string_view detail) {
  const Error refused = make_error(ErrorCode::kNotPermitted, "refused");
  // The refusal stands whether or not the log can be written.
  static_cast<void>(
      vault::note_outcome(call.log(), call.action(event, detail), &refused).has_value());
}

std::string words_for(Call& call, std::string_view email) {
  const auto canonical = vault::canonical_email(email);
  return (canonical ? "user:" + *canonical : std::string("an address that is none")) + " from " +
         vault::shown_label(call.request.peer, 64);
}

Expected<Secret> secret_member(Call& call, std::string_view name) {
  AV_TRY(const JsonView body, call.body());
  const auto member = body.find(name);
  if (!member || !member->is(JsonView::Kind::kString)) {
    return make_error(ErrorCode::kInvalid, "\"" + std::string(name) + "\" must be a string");
  }
  // What is longer than any password, each byte of it escaped, is none: it is not copied into the
  // locked memory, of which there is little.
  if (member->source().size() > vault::kMaxPassword * 6 + 2) {
    return Secret();
  }
  return member->secret();
}

Json user_json(const vault::User& user) {
  return {{"email", user.email},
          {"role", vault::to_string(user.role)},
          {"state", user.waiting    ? "waiting"
                    : user.active() ? "active"
                                    : "disabled"},
          {"created_at", format_utc(user.created_ms)}};
}

}  // namespace av::api
