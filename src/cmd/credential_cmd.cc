#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include "cmd/option_set.h"

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/credential_set.h"
#include "cmd/output.h"
#include "cmd/term.h"
#include "core/encoding.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

Run setup_get(OptionSet& app) {
  const auto key = std::make_shared<std::string>();
  app.add_option("KEY", *key, "name of the credential")->required();
  app.footer("The value is printed byte for byte; a line feed follows on a terminal only.");
  return [key](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    AV_TRY(const Secret value, audited(context, action("credential.reveal", vault, "", {*key}),
                                       [&] { return context.store->get_credential(vault, *key); }));
    SecretBuffer out;
    value.reveal([&](std::string_view bytes) {
      if (context.json) {
        out.append("{\"key\":\"" + *key + "\",\"vault\":\"" + vault + "\",");
        append_json_value(out, bytes);
        out.append("}\n");
        return;
      }
      out.append(bytes);
      const int fd = ::fileno(context.out);
      if (fd >= 0 && ::isatty(fd) == 1) {
        out.push_back('\n');
      }
    });
    AV_CHECK(print_secret(context.out, out.view()));
    return 0;
  };
}

Json to_json(const store::CredentialInfo& info) {
  Json json = {{"key", info.key},
               {"type", info.type},
               {"version", info.version},
               {"created", format_utc(info.created_ms)},
               {"updated", format_utc(info.updated_ms)}};
  if (!info.store.empty()) {
    json["store"] = info.store;
    json["reference"] = info.reference;
  }
  return json;
}

Status list_names(Context& context, const std::vector<store::CredentialInfo>& credentials) {
  Json list = Json::array();
  Table table({"KEY", "TYPE", "VERSION", "UPDATED"});
  for (const auto& info : credentials) {
    list.push_back(to_json(info));
    table.add({info.key, info.store.empty() ? info.type : info.type + " (" + info.store + ")",
               std::to_string(info.version), show_time(info.updated_ms)});
  }
  if (context.json) {
    print(context.out, Json{{"credentials", list}}.dump() + "\n");
  } else if (credentials.empty()) {
    notice(context, "no credentials yet; add one: agent-vault vault credential set OPENAI_API_KEY");
  } else {
    table.print(context.out);
  }
  return {};
}

Expected<SecretBuffer> table_of_values(Context& context, const std::string& vault,
                                       const std::vector<store::CredentialInfo>& credentials) {
  std::size_t width = 3;
  for (const auto& info : credentials) {
    width = std::max(width, info.key.size());
  }
  SecretBuffer out;
  out.append(context.json ? "{\"credentials\":[" : "KEY" + std::string(width - 1, ' ') + "VALUE\n");
  for (std::size_t i = 0; i < credentials.size(); ++i) {
    if (!credentials[i].store.empty()) {
      // Kept elsewhere: to list what is here asks nobody.
      out.append(context.json ? (i == 0 ? "" : ",") + to_json(credentials[i]).dump()
                              : credentials[i].key +
                                    std::string(width - credentials[i].key.size() + 2, ' ') +
                                    "in " + credentials[i].store + ": " +
                                    encoding::printable(credentials[i].reference) + "\n");
      continue;
    }
    AV_TRY(const Secret value, context.store->get_credential(vault, credentials[i].key));
    value.reveal([&](std::string_view bytes) {
      if (context.json) {
        std::string object = to_json(credentials[i]).dump();
        object.back() = ',';
        out.append((i == 0 ? "" : ",") + object);
        append_json_value(out, bytes);
        out.push_back('}');
      } else {
        out.append(credentials[i].key + std::string(width - credentials[i].key.size() + 2, ' '));
        append_printable(out, bytes);
        out.push_back('\n');
      }
    });
  }
  if (context.json) {
    out.append("]}\n");
  }
  return out;
}

Status list_values(Context& context, const std::string& vault,
                   const std::vector<store::CredentialInfo>& credentials) {
  AV_CHECK(context.refuse_inside_run("vault credential list --reveal"));
  std::vector<std::string> keys;
  for (const auto& info : credentials) {
    keys.push_back(info.key);
  }
  AV_TRY(const SecretBuffer out,
         audited(context, action("credential.reveal", vault, "", std::move(keys)),
                 [&] { return table_of_values(context, vault, credentials); }));
  return print_secret(context.out, out.view());
}

Run setup_list(OptionSet& app) {
  const auto reveal = std::make_shared<bool>(false);
  app.add_flag("--reveal", *reveal, "show the values too");
  return [reveal](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    AV_TRY(const auto credentials, context.store->list_credentials(vault));
    AV_CHECK(*reveal ? list_values(context, vault, credentials) : list_names(context, credentials));
    return 0;
  };
}

Run setup_delete(OptionSet& app) {
  const auto keys = std::make_shared<std::vector<std::string>>();
  app.add_option("KEY", *keys, "names of the credentials")->required();
  return [keys](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    AV_CHECK(audited(context, action("credential.delete", vault, "", *keys),
                     [&] { return context.store->delete_credentials(vault, *keys); }));
    if (context.json) {
      print(context.out, Json{{"vault", vault}, {"deleted", *keys}}.dump() + "\n");
    } else {
      notice(context, "deleted " + join(*keys, ", ") + " from vault '" + vault + "'");
    }
    return 0;
  };
}

Run setup_history(OptionSet& app) {
  const auto key = std::make_shared<std::string>();
  app.add_option("KEY", *key, "name of the credential")->required();
  return [key](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    AV_TRY(const auto versions, context.store->credential_history(vault, *key));
    Json list = Json::array();
    Table table({"", "VERSION", "CREATED", "ORIGIN"});
    for (const auto& version : versions) {
      list.push_back({{"version", version.version},
                      {"current", version.current},
                      {"created", format_utc(version.created_ms)},
                      {"origin", version.origin}});
      table.add({version.current ? "*" : "", std::to_string(version.version),
                 show_time(version.created_ms), version.origin});
    }
    if (context.json) {
      print(context.out, Json{{"key", *key}, {"versions", list}}.dump() + "\n");
    } else {
      table.print(context.out);
    }
    return 0;
  };
}

Run setup_rollback(OptionSet& app) {
  const auto key = std::make_shared<std::string>();
  const auto to = std::make_shared<std::uint64_t>(0);
  app.add_option("KEY", *key, "name of the credential")->required();
  app.add_option("--to", *to, "version to go back to; the one before when not given")
      ->type_name("N")
      ->positive();
  return [key, to](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    const std::string detail = *to == 0 ? "" : "to version " + std::to_string(*to);
    AV_TRY(const std::uint64_t version,
           audited(context, action("credential.rollback", vault, detail, {*key}),
                   [&] { return context.store->rollback_credential(vault, *key, *to); }));
    if (context.json) {
      print(context.out, Json{{"key", *key}, {"vault", vault}, {"version", version}}.dump() + "\n");
    } else {
      notice(context, *key + " is back, as version " + std::to_string(version));
    }
    return 0;
  };
}

}  // namespace

std::span<const Command> credential_commands() {
  static constexpr std::array<Command, 7> kCommands = {{
      {"vault credential set", "store credentials", Needs::kNothing, setup_credential_set, true},
      {"vault credential get", "print the value of a credential", Needs::kStore, setup_get, true},
      {"vault credential list", "list the credentials of a vault", Needs::kStore, setup_list,
       false},
      {"vault credential delete", "delete credentials with all their versions", Needs::kStore,
       setup_delete, true},
      {"vault credential import", "store credentials from a .env file", Needs::kNothing,
       setup_credential_import, true},
      {"vault credential history", "list the versions of a credential", Needs::kStore,
       setup_history, false},
      {"vault credential rollback", "make an older version current again", Needs::kStore,
       setup_rollback, true},
  }};
  return kCommands;
}

}  // namespace av::cmd
