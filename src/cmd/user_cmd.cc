#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include "cmd/option_set.h"

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/given_secret.h"
#include "cmd/output.h"
#include "cmd/remote_store.h"
#include "cmd/serve_options.h"
#include "cmd/term.h"
#include "cmd/user_words.h"
#include "vault/password.h"
#include "vault/token.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using vault::InstanceRole;

std::string_view state_of(const vault::User& user) {
  return user.waiting ? "waiting" : user.active() ? "active" : "disabled";
}

Json user_json(const vault::User& user) {
  return {{"email", user.email},
          {"role", vault::to_string(user.role)},
          {"state", state_of(user)},
          {"password", user.has_password},
          {"created", format_utc(user.created_ms)}};
}

Expected<vault::PasswordHash> ask_password(bool from_stdin) {
  Expected<Secret> password = Secret();
  if (from_stdin) {
    // Longer ones are refused for their length, not cut.
    password = fs::read_secret_fd(STDIN_FILENO, 4 * vault::kMaxPassword);
    if (password) {
      drop_final_newline(*password);
    }
  } else {
    password = read_hidden_twice("password: ");
    if (!password && password.error().hint.empty()) {
      password.error().hint = "pipe it in with --password-stdin";
    }
  }
  if (!password) {
    return password.error();
  }
  AV_CHECK(vault::check_password(*password));
  return vault::PasswordHasher().hash(*password);
}

struct AddOptions {
  std::string email;
  bool owner = false;
  bool from_stdin = false;
};

Expected<int> add(Context& context, const AddOptions& options) {
  AV_TRY(const std::string email, vault::canonical_email(options.email));
  store::People& people = context.store->people();
  // Before anybody types a password in vain.
  AV_TRY(const auto known, people.find_account(email));
  if (known) {
    return make_error(ErrorCode::kExists, "there is a user " + email,
                      "agent-vault user set-password " + email);
  }
  store::NewUser user;
  user.email = email;
  user.role = options.owner ? InstanceRole::kOwner : InstanceRole::kMember;
  AV_TRY(user.password, ask_password(options.from_stdin));
  AV_TRY(const bool had_owner, people.has_owner());
  AV_TRY(
      const vault::User made,
      audited(context, action("user.create", "", email + ", " + std::string(to_string(user.role))),
              [&] { return people.create_user(user); }));
  done(context, user_json(made), "added " + std::string(to_string(made.role)) + " " + made.email);
  if (!context.json && !options.owner) {
    notice(context, had_owner ? "to let them use a vault: agent-vault vault member add " +
                                    made.email + " --vault NAME"
                              : "nobody owns this instance yet: agent-vault user set-role " +
                                    made.email + " owner");
  }
  return 0;
}

Expected<int> list(Context& context) {
  store::People& people = context.store->people();
  AV_TRY(const auto users, people.list_users());
  Json array = Json::array();
  Table table({"EMAIL", "ROLE", "STATE", "VAULTS", "SESSIONS", "CREATED"});
  for (const vault::User& user : users) {
    AV_TRY(const auto vaults, people.memberships_of(user.uid));
    const auto sessions = people.list_user_sessions(user.uid);
    if (!sessions && sessions.error().code != ErrorCode::kUnsupported) {
      return sessions.error();
    }
    Json json = user_json(user);
    json["vaults"] = Json::array();
    std::vector<std::string> words;
    for (const vault::Membership& membership : vaults) {
      json["vaults"].push_back(
          {{"vault", membership.vault}, {"role", vault::to_string(membership.role)}});
      words.push_back(membership.vault + ":" + std::string(vault::to_string(membership.role)));
    }
    json["sessions"] = sessions ? Json(sessions->size()) : Json(nullptr);
    array.push_back(std::move(json));
    table.add({user.email, std::string(to_string(user.role)), std::string(state_of(user)),
               words.empty() ? "-" : join(words, ","),
               sessions ? std::to_string(sessions->size()) : "?", show_time(user.created_ms)});
  }
  if (context.json) {
    print(context.out, Json{{"users", array}}.dump() + "\n");
  } else if (table.empty()) {
    notice(context, "no users yet; to make the first: agent-vault user add EMAIL --owner");
  } else {
    table.print(context.out);
  }
  return 0;
}

Expected<int> remove(Context& context, const std::string& email, bool yes) {
  AV_TRY(const vault::User user, context.store->people().get_user(email));
  if (!yes) {
    AV_TRY(const bool sure, confirm("remove " + user.email + " for good? (disable keeps it)"));
    if (!sure) {
      notice(context, "nothing was removed");
      return 1;
    }
  }
  AV_CHECK(audited(context, action("user.delete", "", user.email),
                   [&] { return context.store->people().delete_user(user.email); }));
  done(context, {{"email", user.email}, {"removed", true}},
       "removed " + user.email + "; what they were signed in to has ended");
  return 0;
}

Expected<int> set_password(Context& context, const AddOptions& options) {
  AV_TRY(const vault::User user, context.store->people().get_user(options.email));
  AV_TRY(const vault::PasswordHash hash, ask_password(options.from_stdin));
  AV_CHECK(audited(context, action("user.password", "", user.email),
                   [&] { return context.store->people().set_password(user.email, hash, ""); }));
  done(context, {{"email", user.email}, {"password", true}},
       "set the password of " + user.email + "; they have to sign in again");
  return 0;
}

Expected<int> set_role(Context& context, const std::string& email, const std::string& word) {
  const auto role = vault::instance_role_from_string(word);
  if (!role) {
    return usage_error("the role must be owner or member",
                       "what somebody may do in a vault: agent-vault vault member set");
  }
  AV_TRY(const vault::User user, context.store->people().get_user(email));
  AV_CHECK(audited(context, action("user.role", "", user.email + ", " + word),
                   [&] { return context.store->people().set_user_role(user.email, *role); }));
  done(context, {{"email", user.email}, {"role", word}}, user.email + " is now " + word);
  return 0;
}

Expected<int> enable(Context& context, const std::string& email, bool enabled) {
  AV_TRY(const vault::User user, context.store->people().get_user(email));
  const char* const event = enabled ? "user.enable" : "user.disable";
  AV_CHECK(audited(context, action(event, "", user.email), [&] {
    store::People& people = context.store->people();
    return enabled ? people.enable_user(user.email) : people.disable_user(user.email);
  }));
  done(context, {{"email", user.email}, {"enabled", enabled}},
       enabled ? user.email + " may sign in"
               : user.email + " may not sign in any more, and is signed out");
  return 0;
}

Expected<int> sessions(Context& context, const std::string& email, const std::string& revoke) {
  store::People& people = context.store->people();
  AV_TRY(const vault::User user, people.get_user(email));
  if (!revoke.empty()) {
    AV_CHECK(audited(context, action("user.session.end", "", user.email + ", " + revoke), [&] {
      return revoke == "all" ? people.end_user_sessions(user.uid, "")
                             : people.end_user_session(user.uid, revoke);
    }));
    done(context, {{"email", user.email}, {"ended", revoke}},
         "ended " + (revoke == "all" ? "all sessions" : "session " + revoke) + " of " + user.email);
    return 0;
  }
  AV_TRY(const auto all, people.list_user_sessions(user.uid));
  Json array = Json::array();
  Table table({"ID", "LABEL", "FROM", "LAST USED", "CREATED", "PROGRAM"});
  for (const store::UserSession& session : all) {
    array.push_back({{"id", session.id},
                     {"label", session.label},
                     {"ip", session.ip},
                     {"user_agent", session.user_agent},
                     {"created", format_utc(session.created_ms)},
                     {"last_used", format_utc(session.used_ms)},
                     {"expires", format_utc(session.expires_ms)}});
    table.add({session.id, session.label.empty() ? "-" : session.label,
               session.ip.empty() ? "-" : session.ip, show_time(session.used_ms),
               show_time(session.created_ms),
               session.user_agent.empty() ? "-" : session.user_agent.substr(0, 40)});
  }
  if (context.json) {
    print(context.out,
          Json{{"sessions", array}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  } else if (table.empty()) {
    notice(context, user.email + " is not signed in");
  } else {
    table.print(context.out);
  }
  return 0;
}

struct InviteOptions {
  std::string email;
  std::string vault;
  std::string role;
  std::string url;
  bool owner = false;
};

// Where `serve` is, as people reach it, by the configuration where nothing else says so.
Expected<std::string> base_url(const Context& context, const std::string& given) {
  const char* const environment = ::getenv("AGENT_VAULT_ADDR");
  std::string url = !given.empty() ? given : environment != nullptr ? environment : "";
  if (url.empty()) {
    AV_TRY(const ServeOptions serve,
           resolve_serve_options({}, context.paths.config_file(), std::getenv));
    url = !serve.base_url.empty() ? serve.base_url
                                  : std::string(serve.tls ? "https" : "http") + "://" + serve.host +
                                        ":" + std::to_string(serve.port);
  }
  while (url.ends_with('/')) {
    url.pop_back();
  }
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return usage_error("--url must begin with http:// or https://");
  }
  return url;
}

using IssuedInvite = RemotePeople::IssuedInvite;

// A store is told the hash of a token; a server makes the link.
Expected<IssuedInvite> issue_invite(Context& context, const store::Invite& wanted,
                                    const std::string& given_url) {
  if (context.remote() != nullptr) {
    return context.remote()->remote_people().invite(wanted);
  }
  AV_TRY(const std::string url, base_url(context, given_url));
  AV_TRY(const Secret token, vault::make_token(vault::kInviteToken));
  IssuedInvite issued;
  AV_TRY(issued.invite, context.store->people().create_invite(wanted, vault::hash_of(token)));
  SecretBuffer link;
  link.append(url + "/invite/");
  link.append(token);
  AV_TRY(issued.link, link.to_secret());
  return issued;
}

Expected<int> invite(Context& context, const InviteOptions& options) {
  store::Invite wanted;
  AV_TRY(wanted.email, vault::canonical_email(options.email));
  wanted.role = options.owner ? InstanceRole::kOwner : InstanceRole::kMember;
  if (options.vault.empty() && !options.role.empty()) {
    return usage_error("--role says what they are in a vault: give --vault too");
  }
  if (!options.vault.empty()) {
    AV_TRY(const vault::VaultRole role, vault_role_of(options.role));
    wanted.vaults.push_back({options.vault, role});
  }
  AV_TRY(const IssuedInvite issued,
         audited(context,
                 action("user.invite", options.vault,
                        wanted.email + ", " + std::string(to_string(wanted.role))),
                 [&] { return issue_invite(context, wanted, options.url); }));
  const store::Invite& made = issued.invite;
  SecretBuffer out;
  if (context.json) {
    out.append("{\"email\":\"" + made.email + "\",\"expires\":\"" + format_utc(made.expires_ms) +
               "\",\"link\":\"");
  } else {
    notice(context, "the link works once, until " + show_time(made.expires_ms) +
                        " (UTC), for whoever has it; send it to " + made.email + " alone");
  }
  out.append(issued.link);
  out.append(context.json ? "\"}\n" : "\n");
  return print_secret(context.out, out.view()) ? Expected<int>(0)
                                               : make_error(ErrorCode::kIo, "cannot write");
}

std::shared_ptr<std::string> email_argument(OptionSet& app) {
  auto email = std::make_shared<std::string>();
  app.add_option("EMAIL", *email, "address of the user")->required();
  return email;
}

Run setup_add(OptionSet& app) {
  const auto options = std::make_shared<AddOptions>();
  app.add_option("EMAIL", options->email, "address of the user")->required();
  app.add_flag("--owner", options->owner, "an owner: manages people and settings");
  app.add_flag("--password-stdin", options->from_stdin, "read the password from standard input");
  return [options](Context& context) { return add(context, *options); };
}

Run setup_list(OptionSet&) {
  return list;
}

Run setup_remove(OptionSet& app) {
  const auto email = email_argument(app);
  const auto yes = std::make_shared<bool>(false);
  app.add_flag("-y,--yes", *yes, "do not ask");
  return [email, yes](Context& context) { return remove(context, *email, *yes); };
}

Run setup_set_password(OptionSet& app) {
  const auto options = std::make_shared<AddOptions>();
  app.add_option("EMAIL", options->email, "address of the user")->required();
  app.add_flag("--password-stdin", options->from_stdin, "read the password from standard input");
  return [options](Context& context) { return set_password(context, *options); };
}

Run setup_set_role(OptionSet& app) {
  const auto email = email_argument(app);
  const auto role = std::make_shared<std::string>();
  app.add_option("ROLE", *role, "owner or member")->required();
  return [email, role](Context& context) { return set_role(context, *email, *role); };
}

Run setup_disable(OptionSet& app) {
  const auto email = email_argument(app);
  return [email](Context& context) { return enable(context, *email, false); };
}

Run setup_enable(OptionSet& app) {
  const auto email = email_argument(app);
  return [email](Context& context) { return enable(context, *email, true); };
}

Run setup_invite(OptionSet& app) {
  const auto options = std::make_shared<InviteOptions>();
  app.add_option("EMAIL", options->email, "address of whoever is invited")->required();
  app.add_option("--vault", options->vault, "make them a member of this vault")->type_name("NAME");
  app.add_option("--role", options->role, "what they are in it: proxy, member (default) or admin")
      ->type_name("ROLE");
  app.add_flag("--owner", options->owner, "make them an owner of the instance");
  app.add_option("--url", options->url,
                 "where people reach the server (default: AGENT_VAULT_ADDR, else "
                 "the configuration of serve)")
      ->type_name("URL");
  return [options](Context& context) { return invite(context, *options); };
}

Run setup_sessions(OptionSet& app) {
  const auto email = email_argument(app);
  const auto revoke = std::make_shared<std::string>();
  app.add_option("--revoke", *revoke, "end this session, or all of them")->type_name("ID|all");
  return [email, revoke](Context& context) { return sessions(context, *email, *revoke); };
}

}  // namespace

std::span<const Command> user_commands() {
  static constexpr std::array<Command, 9> kCommands = {{
      {"user add", "make an account for a person", Needs::kStore, setup_add, true},
      {"user list", "list the people, and what they may use", Needs::kStore, setup_list, true},
      {"user remove", "remove an account and what it is signed in to", Needs::kStore, setup_remove,
       true},
      {"user set-password", "give a user a new password", Needs::kStore, setup_set_password, true},
      {"user set-role", "make a user an owner, or a member", Needs::kStore, setup_set_role, true},
      {"user disable", "sign a user out and keep them out", Needs::kStore, setup_disable, true},
      {"user enable", "let a user in, or in again", Needs::kStore, setup_enable, true},
      {"user invite", "print a link with which somebody makes their own account", Needs::kStore,
       setup_invite, true},
      {"user sessions", "list or end what a user is signed in to", Needs::kStore, setup_sessions,
       true},
  }};
  return kCommands;
}

}  // namespace av::cmd
