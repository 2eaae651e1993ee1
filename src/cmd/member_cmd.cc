#include <array>
#include <nlohmann/json.hpp>
#include "cmd/option_set.h"

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/output.h"
#include "cmd/user_words.h"

namespace av::cmd {

Expected<vault::VaultRole> vault_role_of(std::string_view word) {
  if (word.empty()) {
    return vault::VaultRole::kMember;
  }
  const auto role = vault::vault_role_from_string(word);
  if (!role) {
    return usage_error("--role must be proxy, member or admin");
  }
  return *role;
}

void done(const Context& context, const nlohmann::ordered_json& json, std::string_view words) {
  if (context.json) {
    print(context.out, json.dump() + "\n");
  } else {
    notice(context, words);
  }
}

namespace {

using Json = nlohmann::ordered_json;

struct Words {
  std::string email;
  std::string role;
};

std::shared_ptr<Words> words_of(OptionSet& app, bool role) {
  auto words = std::make_shared<Words>();
  app.add_option("EMAIL", words->email, "address of the user")->required();
  if (role) {
    app.add_option("--role", words->role,
                   "proxy (names and proposals), member (default; credentials and decisions) or "
                   "admin (everything)")
        ->type_name("ROLE");
  }
  return words;
}

Expected<int> put(Context& context, const Words& words, bool fresh) {
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const vault::VaultRole role, vault_role_of(words.role));
  if (!fresh && words.role.empty()) {
    return usage_error("say which role: --role proxy, member or admin");
  }
  store::People& people = context.store->people();
  AV_TRY(const vault::User user, people.get_user(words.email));
  const std::string role_word(vault::to_string(role));
  AV_CHECK(audited(
      context, action(fresh ? "member.add" : "member.set", vault, user.email + ", " + role_word),
      [&] {
        return fresh ? people.add_member(vault, user.email, role)
                     : people.set_member(vault, user.email, role);
      }));
  done(context, {{"vault", vault}, {"email", user.email}, {"role", role_word}},
       user.email + " is " + role_word + " of '" + vault + "'");
  return 0;
}

Expected<int> list(Context& context) {
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const auto members, context.store->people().list_members(vault));
  Json array = Json::array();
  Table table({"EMAIL", "ROLE", "SINCE"});
  for (const store::Member& member : members) {
    const std::string role(vault::to_string(member.role));
    array.push_back(
        {{"email", member.email}, {"role", role}, {"since", format_utc(member.created_ms)}});
    table.add({member.email, role, show_time(member.created_ms)});
  }
  if (context.json) {
    print(context.out, Json{{"vault", vault}, {"members", array}}.dump() + "\n");
  } else if (table.empty()) {
    notice(context, "'" + vault + "' has no members; to add one: agent-vault vault member add " +
                        "EMAIL --vault " + vault);
  } else {
    table.print(context.out);
  }
  return 0;
}

Expected<int> remove(Context& context, const Words& words) {
  AV_TRY(const std::string vault, context.vault_name());
  store::People& people = context.store->people();
  AV_TRY(const vault::User user, people.get_user(words.email));
  AV_CHECK(audited(context, action("member.remove", vault, user.email),
                   [&] { return people.remove_member(vault, user.email); }));
  done(context, {{"vault", vault}, {"email", user.email}, {"removed", true}},
       user.email + " is no member of '" + vault + "' any more");
  return 0;
}

Run setup_add(OptionSet& app) {
  const auto words = words_of(app, true);
  return [words](Context& context) { return put(context, *words, true); };
}

Run setup_set(OptionSet& app) {
  const auto words = words_of(app, true);
  return [words](Context& context) { return put(context, *words, false); };
}

Run setup_list(OptionSet&) {
  return list;
}

Run setup_remove(OptionSet& app) {
  const auto words = words_of(app, false);
  return [words](Context& context) { return remove(context, *words); };
}

}  // namespace

std::span<const Command> member_commands() {
  static constexpr std::array<Command, 4> kCommands = {{
      {"vault member add", "let a user use a vault", Needs::kStore, setup_add, true},
      {"vault member list", "list who may use a vault, and how", Needs::kStore, setup_list, true},
      {"vault member set", "change what a member may do", Needs::kStore, setup_set, true},
      {"vault member remove", "let a user use a vault no more", Needs::kStore, setup_remove, true},
  }};
  return kCommands;
}

}  // namespace av::cmd
