#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include "cmd/option_set.h"

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/find_named.h"
#include "cmd/output.h"
#include "cmd/service_add.h"
#include "cmd/term.h"
#include "vault/preset.h"
#include "vault/service_codec.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using Services = std::vector<vault::Service>;

Expected<const vault::Service*> find_service(const Services& services, const std::string& name) {
  return find_named(services, "service", name, "agent-vault vault service list");
}

Run setup_list(OptionSet& app) {
  const auto toml = std::make_shared<bool>(false);
  app.add_flag("--toml", *toml, "print a file for `vault service set -f`");
  return [toml](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    AV_TRY(const Services services, context.store->list_services(vault));
    if (context.json || *toml) {
      print(context.out, *toml ? vault::services_to_toml(services)
                               : vault::services_to_json(services, true) + "\n");
      return 0;
    }
    if (services.empty()) {
      notice(context,
             "no services yet; for common APIs: agent-vault vault service add --preset openai");
      return 0;
    }
    Table table({"NAME", "HOST", "AUTH", "CREDENTIALS", "METHODS", "STATE"});
    for (const vault::Service& service : services) {
      table.add({service.name, service.matcher_text(),
                 std::string(vault::auth_type_name(service.auth)),
                 join(service.credential_keys(), ","),
                 service.methods.empty() ? "all" : join(service.methods, ","),
                 service.enabled ? "enabled" : "disabled"});
    }
    table.print(context.out);
    AV_CHECK(warn_about_missing(context, vault, services));
    return 0;
  };
}

Run setup_show(OptionSet& app) {
  const auto name = std::make_shared<std::string>();
  app.add_option("NAME", *name, "name of the service")->required();
  return [name](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    AV_TRY(const Services services, context.store->list_services(vault));
    AV_TRY(const vault::Service* service, find_service(services, *name));
    print(context.out, context.json ? vault::service_to_json(*service, true) + "\n"
                                    : vault::services_to_toml({*service}));
    return 0;
  };
}

Run setup_remove(OptionSet& app) {
  const auto names = std::make_shared<std::vector<std::string>>();
  app.add_option("NAME", *names, "names of the services")->required();
  return [names](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    AV_TRY(const Services services, context.store->list_services(vault));
    std::sort(names->begin(), names->end());
    names->erase(std::unique(names->begin(), names->end()), names->end());
    for (const std::string& name : *names) {
      AV_CHECK(find_service(services, name));
    }
    const auto remove = [&]() -> Status {
      for (const std::string& name : *names) {
        AV_CHECK(context.store->remove_service(vault, name));
      }
      return {};
    };
    AV_CHECK(audited(context, action("service.remove", vault, join(*names, ", ")), remove));
    if (context.json) {
      print(context.out, Json{{"vault", vault}, {"removed", *names}}.dump() + "\n");
    } else {
      notice(context, "removed " + join(*names, ", "));
    }
    return 0;
  };
}

Run setup_switch(OptionSet& app, bool enabled) {
  const auto name = std::make_shared<std::string>();
  app.add_option("NAME", *name, "name of the service")->required();
  return [name, enabled](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    const std::string word = enabled ? "enable" : "disable";
    AV_CHECK(audited(context, action("service." + word, vault, *name),
                     [&] { return context.store->enable_service(vault, *name, enabled); }));
    if (context.json) {
      print(context.out, Json{{"service", *name}, {"enabled", enabled}}.dump() + "\n");
    } else {
      notice(context, word + "d " + *name);
    }
    if (enabled) {
      AV_TRY(const Services services, context.store->list_services(vault));
      AV_TRY(const vault::Service* service, find_service(services, *name));
      AV_CHECK(warn_about_missing(context, vault, {*service}));
    }
    return 0;
  };
}

Run setup_enable(OptionSet& app) {
  return setup_switch(app, true);
}
Run setup_disable(OptionSet& app) {
  return setup_switch(app, false);
}

Run setup_clear(OptionSet& app) {
  const auto yes = std::make_shared<bool>(false);
  app.add_flag("-y,--yes", *yes, "do not ask");
  return [yes](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    AV_TRY(const Services services, context.store->list_services(vault));
    if (!*yes) {
      AV_TRY(const bool sure, confirm("remove all " + count_of(services.size(), "service") +
                                      " of vault '" + vault + "'?"));
      if (!sure) {
        notice(context, "nothing was removed");
        return 1;
      }
    }
    AV_CHECK(audited(context, action("service.clear", vault),
                     [&] { return context.store->replace_services(vault, {}); }));
    if (context.json) {
      print(context.out, Json{{"vault", vault}, {"removed", services.size()}}.dump() + "\n");
    } else {
      notice(context, "removed " + count_of(services.size(), "service"));
    }
    return 0;
  };
}

Run setup_catalog(OptionSet&) {
  return [](Context& context) -> Expected<int> {
    Json list = Json::array();
    Table table({"ID", "TITLE", "HOSTS", "CREDENTIALS"});
    for (const vault::Preset& preset : vault::presets()) {
      std::vector<std::string> hosts;
      Json services = Json::array();
      for (const vault::Service& service : preset.services) {
        hosts.push_back(service.matcher_text());
        services.push_back(Json::parse(vault::service_to_json(service)));
      }
      list.push_back({{"id", preset.id},
                      {"title", preset.title},
                      {"obtain", preset.obtain},
                      {"credentials", preset.credential_keys()},
                      {"services", services}});
      table.add({preset.id, preset.title, join(hosts, ","), join(preset.credential_keys(), ",")});
    }
    if (context.json) {
      print(context.out, Json{{"presets", list}}.dump(2) + "\n");
    } else {
      table.print(context.out);
    }
    return 0;
  };
}

}  // namespace

std::span<const Command> service_commands() {
  static constexpr std::array<Command, 9> kCommands = {{
      {"vault service add", "add or replace services", Needs::kNothing, setup_service_add, true},
      {"vault service set", "replace all services of a vault by those of a file", Needs::kNothing,
       setup_service_set, true},
      {"vault service list", "list the services of a vault", Needs::kStore, setup_list, false},
      {"vault service show", "print one service in full", Needs::kStore, setup_show, false},
      {"vault service remove", "remove services", Needs::kStore, setup_remove, true},
      {"vault service enable", "let a service work again", Needs::kStore, setup_enable, true},
      {"vault service disable", "refuse the requests of a service", Needs::kStore, setup_disable,
       true},
      {"vault service clear", "remove all services of a vault", Needs::kStore, setup_clear, true},
      {"vault service catalog", "list the ready-made services", Needs::kNothing, setup_catalog,
       false},
  }};
  return kCommands;
}

}  // namespace av::cmd
