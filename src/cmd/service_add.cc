#include "cmd/service_add.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "cmd/audit_action.h"
#include "cmd/changes.h"
#include "cmd/cli.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "vault/names.h"
#include "vault/preset.h"
#include "vault/service_codec.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using Services = std::vector<vault::Service>;

struct AddOptions {
  std::vector<std::string> presets;
  std::string file;
  std::string name, host, auth_type;
  std::string token_key, username_key, username, password_key;
  std::string api_key_key, api_key_header, api_key_prefix, query;
  std::vector<std::string> headers, methods, env;
  std::string placeholder;
  bool allow_http = false;
  bool disabled = false;
};

Expected<Services> read_services(const std::string& file) {
  std::string text;
  if (file == "-") {
    // Services hold no secrets; the reader is shared with values.
    AV_TRY(const Secret bytes, fs::read_secret_fd(STDIN_FILENO, std::size_t{1} << 20));
    text = bytes.reveal([](std::string_view view) { return std::string(view); });
  } else {
    AV_TRY(text, fs::read_file(file));
  }
  Expected<Services> services = vault::services_from_file_text(text);
  if (!services) {
    services.error().message =
        (file == "-" ? "standard input" : file) + ": " + services.error().message;
  }
  return services;
}

Expected<Services> from_presets(const std::vector<std::string>& ids) {
  Services services;
  for (const std::string& id : ids) {
    const vault::Preset* preset = vault::find_preset(id);
    if (preset == nullptr) {
      std::vector<std::string> known;
      for (const vault::Preset& candidate : vault::presets()) {
        known.push_back(candidate.id);
      }
      const std::string near = vault::did_you_mean(id, known);
      return make_error(
          ErrorCode::kNotFound, "no preset named '" + id + "'",
          near.empty() ? "see: agent-vault vault service catalog" : "did you mean '" + near + "'?");
    }
    services.insert(services.end(), preset->services.begin(), preset->services.end());
  }
  return services;
}

// "A: b" or "A=b", cut at `separator`.
Expected<std::pair<std::string, std::string>> split_pair(const std::string& text, char separator,
                                                         std::string_view option) {
  const std::size_t at = text.find(separator);
  if (at == std::string::npos || at == 0) {
    return usage_error("--" + std::string(option) + " wants NAME" + separator + "...");
  }
  const std::size_t begin = text.find_first_not_of(' ', at + 1);
  return std::pair(text.substr(0, at), begin == std::string::npos ? "" : text.substr(begin));
}

// Options become the JSON of a service file: one set of rules and messages for both.
Expected<Json> auth_from_options(const AddOptions& o) {
  Json auth = {{"type", o.auth_type}};
  const auto put = [&auth](const char* key, const std::string& value) {
    if (!value.empty()) {
      auth[key] = value;
    }
  };
  put("token", o.token_key);
  put("username", o.username_key);
  put("user", o.username);
  put("password", o.password_key);
  put("key", o.api_key_key);
  put("header", o.api_key_header);
  put("prefix", o.api_key_prefix);
  put("query", o.query);
  for (const std::string& header : o.headers) {
    AV_TRY(const auto pair, split_pair(header, ':', "header"));
    auth["headers"][pair.first] = pair.second;
  }
  return auth;
}

Expected<Services> from_options(const AddOptions& o) {
  if (o.host.empty()) {
    return usage_error("say what to add: --preset ID, -f FILE, or --host HOST",
                       "see: agent-vault vault service catalog");
  }
  if (o.auth_type.empty()) {
    return usage_error("--auth-type is missing",
                       "one of bearer, basic, api-key, custom, passthrough");
  }
  Json json = {{"host", o.host}, {"enabled", !o.disabled}};
  if (!o.name.empty()) {
    json["name"] = o.name;
  }
  AV_TRY(json["auth"], auth_from_options(o));
  if (!o.methods.empty()) {
    json["methods"] = o.methods;
  }
  for (const std::string& variable : o.env) {
    AV_TRY(const auto pair, split_pair(variable, '=', "env"));
    json["env"][pair.first] = pair.second;
  }
  if (o.allow_http) {
    json["allow_http"] = true;
  }
  if (!o.placeholder.empty()) {
    json["placeholder"] = o.placeholder;
  }
  AV_TRY(vault::Service service,
         vault::service_from_json(json.dump(-1, ' ', false, Json::error_handler_t::replace)));
  return Services{std::move(service)};
}

Expected<Services> collect(const AddOptions& options) {
  const bool by_hand = !options.host.empty() || !options.auth_type.empty();
  if ((options.presets.empty() ? 0 : 1) + (options.file.empty() ? 0 : 1) + (by_hand ? 1 : 0) > 1) {
    return usage_error("--preset, -f and --host exclude one another");
  }
  Expected<Services> services = !options.presets.empty() ? from_presets(options.presets)
                                : !options.file.empty()  ? read_services(options.file)
                                                         : from_options(options);
  if (services && !by_hand) {
    if (!options.name.empty() && services->size() != 1) {
      return usage_error("--name fits a single service");
    }
    for (vault::Service& service : *services) {
      service.name = options.name.empty() ? service.name : options.name;
      service.enabled = service.enabled && !options.disabled;
    }
  }
  return services;
}

Changes compare(const Services& before, const Services& after) {
  Changes changes = changes_between(
      before, after, [](const vault::Service& service) { return vault::service_to_json(service); });
  std::sort(changes.removed.begin(), changes.removed.end());
  return changes;
}

Expected<int> run_add(Context& context, const AddOptions& options) {
  AV_TRY(const Services services, collect(options));
  AV_CHECK(context.open_store());
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const Services before, context.store->list_services(vault));
  Changes changes = compare(before, services);
  changes.removed.clear();
  AV_CHECK(audited(context, action("service.add", vault, changes.text()),
                   [&] { return context.store->put_services(vault, services); }));
  report(context, vault, changes);
  AV_CHECK(warn_about_missing(context, vault, services));
  return 0;
}

Expected<int> run_set(Context& context, const std::string& file) {
  AV_TRY(const Services services, read_services(file));
  AV_CHECK(context.open_store());
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const Services before, context.store->list_services(vault));
  const Changes changes = compare(before, services);
  AV_CHECK(audited(context, action("service.set", vault, changes.text()),
                   [&] { return context.store->replace_services(vault, services); }));
  report(context, vault, changes);
  AV_CHECK(warn_about_missing(context, vault, services));
  return 0;
}

}  // namespace

Status warn_about_missing(Context& context, const std::string& vault, const Services& services) {
  AV_TRY(const auto stored, context.store->list_credentials(vault));
  std::set<std::string> missing;
  for (const vault::Service& service : services) {
    for (const std::string& key : service.credential_keys()) {
      const bool known = std::any_of(stored.begin(), stored.end(),
                                     [&](const auto& info) { return info.key == key; });
      if (service.enabled && !known && missing.insert(key).second) {
        warn(context, "service '" + service.name + "' uses " + key +
                          ", which is not stored: agent-vault vault credential set " + key);
      }
    }
  }
  return {};
}

Run setup_service_add(OptionSet& app) {
  const auto o = std::make_shared<AddOptions>();
  app.add_option("--preset", o->presets, "ready-made services, see `vault service catalog`")
      ->type_name("ID")
      ->repeatable();
  app.add_option("-f,--file", o->file, "services in TOML or JSON; - for standard input")
      ->type_name("FILE");
  app.add_option("--name", o->name, "name of the service; made from the host when not given");
  app.add_option("--host", o->host, "HOST[:PORT][/PATH]; *.example.com, /v1/*");
  app.add_option("--auth-type", o->auth_type, "how to authenticate")
      ->type_name("bearer|basic|api-key|custom|passthrough");
  app.add_option("--token-key", o->token_key, "bearer: credential with the token")
      ->type_name("KEY");
  app.add_option("--username-key", o->username_key, "basic: credential with the user name")
      ->type_name("KEY");
  app.add_option("--username", o->username, "basic: the user name itself");
  app.add_option("--password-key", o->password_key, "basic: credential with the password")
      ->type_name("KEY");
  app.add_option("--api-key-key", o->api_key_key, "api-key: credential with the key")
      ->type_name("KEY");
  app.add_option("--api-key-header", o->api_key_header,
                 "api-key: header, Authorization by default");
  app.add_option("--api-key-prefix", o->api_key_prefix, "api-key: text before the key");
  app.add_option("--query", o->query, "api-key: query parameter instead of a header");
  app.add_option("--header", o->headers, "custom: 'Name: text {{ KEY }}', repeatable")
      ->repeatable();
  app.add_option("--method", o->methods, "only these methods, repeatable")->repeatable();
  app.add_option("--env", o->env, "VAR=KEY: the child finds the placeholder of KEY in VAR")
      ->repeatable();
  app.add_option("--placeholder", o->placeholder, "shape of the placeholder: 'sk-{40}'");
  app.add_flag("--allow-http", o->allow_http, "also over cleartext http://");
  app.add_flag("--disabled", o->disabled, "add it disabled");
  return [o](Context& context) { return run_add(context, *o); };
}

Run setup_service_set(OptionSet& app) {
  const auto file = std::make_shared<std::string>();
  app.add_option("-f,--file", *file, "services in TOML or JSON; - for standard input")
      ->type_name("FILE")
      ->required();
  return [file](Context& context) { return run_set(context, *file); };
}

}  // namespace av::cmd
