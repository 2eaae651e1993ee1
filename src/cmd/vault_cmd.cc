#include <array>
#include <nlohmann/json.hpp>
#include "cmd/option_set.h"

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/output.h"
#include "cmd/term.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

void done(const Context& context, const Json& json, std::string_view words) {
  if (context.json) {
    print(context.out, json.dump() + "\n");
  } else {
    notice(context, words);
  }
}

std::shared_ptr<std::string> name_argument(OptionSet& app, const char* what = "NAME",
                                           const char* help = "name of the vault") {
  auto name = std::make_shared<std::string>();
  app.add_option(what, *name, help)->required();
  return name;
}

Run setup_create(OptionSet& app) {
  const auto name = name_argument(app);
  return [name](Context& context) -> Expected<int> {
    AV_CHECK(audited(context, action("vault.create", *name),
                     [&] { return context.store->create_vault(*name); }));
    done(context, {{"vault", *name}, {"created", true}}, "created vault '" + *name + "'");
    return 0;
  };
}

Run setup_list(OptionSet&) {
  return [](Context& context) -> Expected<int> {
    AV_TRY(const auto vaults, context.store->list_vaults());
    AV_TRY(const std::string current, context.vault_name());
    Json list = Json::array();
    Table table({"", "NAME", "CREDENTIALS", "SERVICES", "UNMATCHED", "CREATED"});
    for (const auto& info : vaults) {
      list.push_back({{"name", info.name},
                      {"current", info.name == current},
                      {"credentials", info.credentials},
                      {"services", info.services},
                      {"unmatched", vault::to_string(info.unmatched)},
                      {"created", format_utc(info.created_ms)}});
      table.add({info.name == current ? "*" : "", info.name, std::to_string(info.credentials),
                 std::to_string(info.services), std::string(vault::to_string(info.unmatched)),
                 show_time(info.created_ms)});
    }
    if (context.json) {
      print(context.out, Json{{"vaults", list}}.dump() + "\n");
    } else {
      table.print(context.out);
    }
    return 0;
  };
}

Run setup_delete(OptionSet& app) {
  const auto name = name_argument(app);
  const auto yes = std::make_shared<bool>(false);
  app.add_flag("-y,--yes", *yes, "do not ask");
  return [name, yes](Context& context) -> Expected<int> {
    AV_TRY(const auto info, context.store->get_vault(*name));
    if (!*yes) {
      AV_TRY(const bool sure, confirm("delete vault '" + info.name + "' with " +
                                      count_of(info.credentials, "credential") + " and " +
                                      count_of(info.services, "service") + " for good?"));
      if (!sure) {
        notice(context, "nothing was deleted");
        return 1;
      }
    }
    AV_CHECK(audited(context, action("vault.delete", *name),
                     [&] { return context.store->delete_vault(*name); }));
    done(context, {{"vault", *name}, {"deleted", true}}, "deleted vault '" + *name + "'");
    return 0;
  };
}

Run setup_rename(OptionSet& app) {
  const auto from = name_argument(app, "FROM", "its name now");
  const auto to = name_argument(app, "TO", "its new name");
  return [from, to](Context& context) -> Expected<int> {
    AV_CHECK(audited(context, action("vault.rename", *from, "to " + *to),
                     [&] { return context.store->rename_vault(*from, *to); }));
    done(context, {{"vault", *to}, {"renamed_from", *from}},
         "renamed vault '" + *from + "' to '" + *to + "'");
    return 0;
  };
}

Run setup_use(OptionSet& app) {
  const auto name = name_argument(app);
  return [name](Context& context) -> Expected<int> {
    AV_CHECK(context.store->get_vault(*name));
    AV_CHECK(audited(context, action("vault.use", *name),
                     [&] { return context.store->use_vault(*name); }));
    done(context, {{"vault", *name}}, "using vault '" + *name + "'");
    AV_TRY(const std::string effective, context.vault_name());
    if (effective != *name) {
      warn(context, "here '" + effective +
                        "' still wins: it is set by AGENT_VAULT_VAULT or by the project's "
                        "agent-vault.json");
    }
    return 0;
  };
}

Run setup_current(OptionSet&) {
  return [](Context& context) -> Expected<int> {
    AV_TRY(const std::string name, context.vault_name());
    AV_CHECK(context.store->get_vault(name));
    print(context.out, context.json ? Json{{"vault", name}}.dump() + "\n" : name + "\n");
    return 0;
  };
}

Run setup_settings(OptionSet& app) {
  const auto unmatched = std::make_shared<std::string>();
  app.add_option(
         "--unmatched", *unmatched,
         "what happens to requests that no service covers: pass without a credential, or be "
         "refused")
      ->type_name("deny|passthrough");
  return [unmatched](Context& context) -> Expected<int> {
    AV_TRY(const std::string name, context.vault_name());
    if (!unmatched->empty()) {
      AV_CHECK(context.refuse_inside_run("vault settings --unmatched"));
      const auto policy = vault::unmatched_from_string(*unmatched);
      if (!policy) {
        return usage_error("--unmatched must be deny or passthrough");
      }
      AV_CHECK(audited(context, action("vault.settings", name, "unmatched=" + *unmatched),
                       [&] { return context.store->set_unmatched(name, *policy); }));
    }
    AV_TRY(const auto info, context.store->get_vault(name));
    const std::string policy(vault::to_string(info.unmatched));
    if (context.json) {
      print(context.out, Json{{"vault", name}, {"unmatched", policy}}.dump() + "\n");
    } else {
      print(context.out, "unmatched  " + policy + "\n");
    }
    return 0;
  };
}

}  // namespace

std::span<const Command> vault_commands() {
  static constexpr std::array<Command, 7> kCommands = {{
      {"vault create", "make a vault", Needs::kStore, setup_create, true},
      {"vault list", "list the vaults", Needs::kStore, setup_list, false},
      {"vault delete", "delete a vault and everything in it", Needs::kStore, setup_delete, true},
      {"vault rename", "give a vault another name", Needs::kStore, setup_rename, true},
      {"vault use", "save which vault commands use", Needs::kStore, setup_use, true},
      {"vault current", "print which vault commands use here", Needs::kStore, setup_current, false},
      {"vault settings", "show or change the settings of a vault", Needs::kStore, setup_settings,
       false},
  }};
  return kCommands;
}

}  // namespace av::cmd
