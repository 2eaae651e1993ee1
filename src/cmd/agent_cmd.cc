#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include "cmd/option_set.h"

#include "cmd/agent_show.h"
#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/output.h"
#include "cmd/remote_store.h"
#include "cmd/term.h"
#include "store/agent_lanes.h"
#include "vault/host_mapping.h"
#include "vault/names.h"
#include "vault/token.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using Names = std::vector<std::string>;

// As written on the command line; what is empty was not given.
struct AgentWords {
  std::string name;
  Names vaults;
  Names services;
  Names credentials;
  std::string max_concurrent;
  std::string limit;
};

std::shared_ptr<std::string> name_argument(OptionSet& app) {
  auto name = std::make_shared<std::string>();
  app.add_option("NAME", *name, "name of the agent")->required();
  return name;
}

std::shared_ptr<AgentWords> agent_words(OptionSet& app, const char* all) {
  auto words = std::make_shared<AgentWords>();
  const std::string rest = std::string("; repeatable (") + all + ")";
  app.add_option("NAME", words->name, "name of the agent")->required();
  app.add_option("--vault", words->vaults, "let it use this vault" + rest)
      ->type_name("NAME")
      ->repeatable();
  app.add_option("--service", words->services, "let it use this service" + rest)
      ->type_name("NAME")
      ->repeatable();
  app.add_option("--credential", words->credentials,
                 "let it use services with this credential" + rest)
      ->type_name("KEY")
      ->repeatable();
  app.add_option("--max-concurrent", words->max_concurrent,
                 "requests at one time, over all its runs; 0: no limit")
      ->type_name("N");
  app.add_option("--limit", words->limit,
                 "requests in a second, minute, hour or day, over all its runs; 0: no limit")
      ->type_name("N/WINDOW");
  return words;
}

std::optional<std::uint32_t> number_of(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

// "100/hour"; "0" for none.
Expected<vault::RateLimit> parse_limit(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto count = number_of(text.substr(0, slash));
  vault::RateLimit limit;
  if (slash == std::string_view::npos && count == 0U) {
    return limit;
  }
  const auto window = vault::rate_window_from_string(
      slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1));
  if (!count || !window) {
    return usage_error("--limit wants a number and a window",
                       "like --limit 100/hour, or 0 for none");
  }
  limit.count = *count;
  limit.window = *window;
  return limit;
}

// A list replaces the one that was there; "*" alone stands for everything.
void set_list(Names& list, const Names& words) {
  if (words.empty()) {
    return;
  }
  list.clear();
  for (const std::string& word : words) {
    if (word != "*" && std::find(list.begin(), list.end(), word) == list.end()) {
      list.push_back(word);
    }
  }
}

Status apply(const AgentWords& words, vault::Agent& agent) {
  for (const Names* const list : {&words.vaults, &words.services, &words.credentials}) {
    if (list->size() > 1 && std::find(list->begin(), list->end(), "*") != list->end()) {
      return usage_error("\"*\" means all of them and stands alone");
    }
  }
  set_list(agent.vaults, words.vaults);
  set_list(agent.services, words.services);
  set_list(agent.credentials, words.credentials);
  if (!words.max_concurrent.empty()) {
    const auto number = number_of(words.max_concurrent);
    if (!number) {
      return usage_error("--max-concurrent wants a number", "0 means no limit");
    }
    agent.max_concurrent = *number;
  }
  if (!words.limit.empty()) {
    AV_TRY(agent.limit, parse_limit(words.limit));
  }
  return vault::check_agent(agent);
}

void warn_about(const Context& context, const char* what, const Names& wanted, const Names& known,
                const char* where) {
  for (const std::string& name : wanted) {
    if (std::find(known.begin(), known.end(), name) != known.end()) {
      continue;
    }
    const std::string near = vault::did_you_mean(name, known);
    warn(context, "there is no " + std::string(what) + " named '" + name + "'" + where +
                      (near.empty() ? "" : "; did you mean '" + near + "'?"));
  }
}

// What a scope names may come later, or was mistyped.
Status warn_about_unknown(const Context& context, const vault::Agent& agent) {
  AV_TRY(const auto infos, context.store->list_vaults());
  Names vaults;
  Names services;
  Names credentials;
  for (const store::VaultInfo& info : infos) {
    vaults.push_back(info.name);
    if (!agent.may_use_vault(info.name)) {
      continue;
    }
    AV_TRY(const auto list, context.store->list_services(info.name));
    for (const vault::Service& service : list) {
      services.push_back(service.name);
    }
    AV_TRY(const auto keys, context.store->list_credentials(info.name));
    for (const store::CredentialInfo& key : keys) {
      credentials.push_back(key.key);
    }
    AV_TRY(const auto mappings, context.store->list_mappings(info.name));
    for (const vault::HostMapping& mapping : mappings) {
      services.push_back(vault::mapping_name(mapping.service.host));
      credentials.push_back(services.back());
    }
  }
  warn_about(context, "vault", agent.vaults, vaults, "");
  warn_about(context, "service", agent.services, services, " in its vaults");
  warn_about(context, "credential", agent.credentials, credentials, " in its vaults");
  return {};
}

vault::AuditRecord about(std::string_view event, const std::string& name, std::string detail = {}) {
  vault::AuditRecord record = action(event, {}, std::move(detail));
  record.agent = name;
  return record;
}

std::string describe(const vault::Agent& agent) {
  return "vaults " + (agent.vaults.empty() ? "all" : join(agent.vaults, ",")) + "; scope " +
         scope_text(agent) + "; limits " + limits_text(agent);
}

// The only time that the token is shown.
Status print_token(Context& context, const std::string& name, const Secret& token) {
  SecretBuffer out;
  if (context.json) {
    out.append("{\"agent\":\"" + name + "\",\"token\":\"");
    out.append(token);
    out.append("\"}\n");
  } else {
    out.append(token);
    out.push_back('\n');
  }
  return print_secret(context.out, out.view());
}

void done(const Context& context, const Json& json, std::string_view words) {
  if (context.json) {
    print(context.out, json.dump() + "\n");
  } else {
    notice(context, words);
  }
}

// A store is told the hash of a token; a server makes the token.
Expected<Secret> create_with_token(Context& context, const vault::Agent& agent) {
  if (RemoteStore* const server = context.remote()) {
    return server->create_agent_with_token(agent);
  }
  AV_TRY(Secret token, vault::make_token(vault::kAgentToken));
  AV_CHECK(context.store->create_agent(agent, vault::hash_of(token)));
  return token;
}

Expected<Secret> rotate_token(Context& context, const std::string& name) {
  if (RemoteStore* const server = context.remote()) {
    return server->rotate_agent_token(name);
  }
  AV_TRY(Secret token, vault::make_token(vault::kAgentToken));
  AV_CHECK(context.store->rotate_agent(name, vault::hash_of(token)));
  return token;
}

Expected<int> create(Context& context, const AgentWords& words) {
  vault::Agent agent;
  agent.name = words.name;
  AV_CHECK(apply(words, agent));
  AV_CHECK(vault::check_new_agent(agent));
  AV_TRY(const Secret token, audited(context, about("agent.create", agent.name, describe(agent)),
                                     [&] { return create_with_token(context, agent); }));
  if (!context.json) {
    notice(context, "created agent '" + agent.name + "'; its token is shown this once, and `run " +
                        "--agent " + agent.name + "` does not need it");
  }
  AV_CHECK(print_token(context, agent.name, token));
  AV_CHECK(warn_about_unknown(context, agent));
  return 0;
}

Expected<int> change(Context& context, const AgentWords& words) {
  AV_TRY(vault::Agent agent, context.store->get_agent(words.name));
  AV_CHECK(apply(words, agent));
  AV_CHECK(audited(context, about("agent.set", agent.name, describe(agent)),
                   [&] { return context.store->update_agent(agent); }));
  AV_CHECK(warn_about_unknown(context, agent));
  done(context, agent_json(agent), agent.name + ": " + describe(agent));
  return 0;
}

Expected<int> rotate(Context& context, const std::string& name) {
  AV_TRY(const vault::Agent agent, context.store->get_agent(name));
  AV_TRY(const Secret token, audited(context, about("agent.rotate", name),
                                     [&] { return rotate_token(context, name); }));
  if (!context.json) {
    notice(context, "the old token of '" + name + "' is void, and its sessions end; " +
                        (agent.revoked_ms == 0 ? "the new one is shown this once"
                                               : "it may act again, with this token"));
  }
  AV_CHECK(print_token(context, name, token));
  return 0;
}

Expected<int> revoke(Context& context, const std::string& name) {
  AV_CHECK(context.store->get_agent(name));
  AV_CHECK(audited(context, about("agent.revoke", name),
                   [&] { return context.store->revoke_agent(name); }));
  done(context, {{"agent", name}, {"revoked", true}},
       "revoked '" + name + "'; its sessions end within a second");
  return 0;
}

Expected<int> remove(Context& context, const std::string& name, bool yes) {
  // One whose row cannot be read can still be deleted; it has no uid to go by then.
  const auto agent = context.store->get_agent(name);
  if (!agent && agent.error().code != ErrorCode::kCorrupt) {
    return agent.error();
  }
  if (!yes) {
    AV_TRY(const bool sure,
           confirm("delete agent '" + name + "' for good? (revoke keeps it in " + "the list)"));
    if (!sure) {
      notice(context, "nothing was deleted");
      return 1;
    }
  }
  AV_CHECK(audited(context, about("agent.delete", name),
                   [&] { return context.store->delete_agent(name); }));
  if (agent && context.remote() == nullptr) {
    store::remove_lanes(context.paths, agent->uid);
  }
  done(context, {{"agent", name}, {"deleted", true}}, "deleted agent '" + name + "'");
  return 0;
}

Run setup_create(OptionSet& app) {
  const auto words = agent_words(app, "default: all");
  return [words](Context& context) { return create(context, *words); };
}

Run setup_set(OptionSet& app) {
  const auto words = agent_words(app, "replaces the list; \"*\" for all");
  return [words](Context& context) { return change(context, *words); };
}

Run setup_rotate(OptionSet& app) {
  const auto name = name_argument(app);
  return [name](Context& context) { return rotate(context, *name); };
}

Run setup_revoke(OptionSet& app) {
  const auto name = name_argument(app);
  return [name](Context& context) { return revoke(context, *name); };
}

Run setup_delete(OptionSet& app) {
  const auto name = name_argument(app);
  const auto yes = std::make_shared<bool>(false);
  app.add_flag("-y,--yes", *yes, "do not ask");
  return [name, yes](Context& context) { return remove(context, *name, *yes); };
}

}  // namespace

std::span<const Command> agent_commands() {
  static constexpr std::array<Command, 7> kCommands = {{
      {"agent create", "name an agent and print its token", Needs::kStore, setup_create, true},
      {"agent list", "list the agents", Needs::kStore, setup_agent_list, false},
      {"agent show", "print one agent in full", Needs::kStore, setup_agent_show, false},
      {"agent set", "change what an agent may use, and its limits", Needs::kStore, setup_set, true},
      {"agent rotate", "give an agent a new token", Needs::kStore, setup_rotate, true},
      {"agent revoke", "let an agent do nothing any more, at once", Needs::kStore, setup_revoke,
       true},
      {"agent delete", "delete an agent", Needs::kStore, setup_delete, true},
  }};
  return kCommands;
}

}  // namespace av::cmd
