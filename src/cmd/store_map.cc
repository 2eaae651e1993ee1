// `vault store map`, `unmap`, `mappings`: hosts that external stores have values for.

#include <nlohmann/json.hpp>

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/output.h"
#include "cmd/store_cmd.h"
#include "vault/host_mapping.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

struct MapWords {
  std::string host;
  std::string reference;
  std::string store;
  std::vector<std::string> headers;
  bool basic = false;
};

Expected<vault::Service> service_of(const MapWords& words) {
  AV_TRY(vault::Service service, vault::mapping_service(words.host));
  if (words.basic && !words.headers.empty()) {
    return usage_error("--basic and --header exclude one another");
  }
  if (words.basic) {
    service.auth = vault::BasicAuth{"USERNAME", "", "PASSWORD"};
  }
  if (!words.headers.empty()) {
    vault::CustomAuth auth;
    for (const std::string& header : words.headers) {
      const std::size_t colon = header.find(':');
      if (colon == 0 || colon == std::string::npos) {
        return usage_error("--header wants \"Name: value with {{ VALUE }}\"");
      }
      const std::size_t value = header.find_first_not_of(' ', colon + 1);
      AV_TRY(auto parsed,
             vault::parse_header_template(header.substr(0, colon),
                                          value == std::string::npos ? "" : header.substr(value)));
      auth.headers.push_back(std::move(parsed));
    }
    service.auth = std::move(auth);
  }
  AV_CHECK(vault::check_mapping(service));
  return service;
}

Expected<int> map_host(Context& context, const MapWords& words) {
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(vault::Service wanted, service_of(words));
  AV_TRY(const auto stores, context.store->list_stores(vault));
  AV_TRY(const vault::HostMapping mapping,
         api::make_mapping(stores, vault, std::move(wanted), words.reference, words.store));
  AV_CHECK(audited(context,
                   action("store.map", vault, mapping.service.host + " <- " + mapping.store),
                   [&] { return context.store->put_mapping(vault, mapping); }));
  if (context.json) {
    print(context.out, Json{{"host", mapping.service.host},
                            {"store", mapping.store},
                            {"reference", mapping.reference},
                            {"vault", vault}}
                               .dump() +
                           "\n");
    return 0;
  }
  notice(context, "requests to " + mapping.service.host + " get what '" + mapping.store +
                      "' has, in vault '" + vault + "'");
  AV_TRY(const auto services, context.store->list_services(vault));
  for (const vault::Service& service : services) {
    if (service.host == mapping.service.host) {
      warn(context, "the service '" + service.name + "' names this host: it goes first");
    }
  }
  return 0;
}

struct UnmapWords {
  std::string host;
  std::string store;
};

Expected<int> list_mappings(Context& context) {
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const auto all, context.store->list_mappings(vault));
  Json list = Json::array();
  Table table({"HOST", "STORE", "REFERENCE", "AUTH", "MISSING SINCE"});
  for (const vault::HostMapping& mapping : all) {
    list.push_back(api::mapping_json(mapping));
    table.add({mapping.service.host, mapping.store,
               mapping.reference.empty() ? "by the host" : mapping.reference,
               std::string(vault::auth_type_name(mapping.service.auth)),
               mapping.missing_ms == 0 ? "" : show_time(mapping.missing_ms)});
  }
  if (context.json) {
    print(context.out, Json{{"mappings", list}}.dump() + "\n");
  } else if (all.empty()) {
    notice(context, "no host is mapped; map one: agent-vault vault store map HOST REFERENCE");
  } else {
    table.print(context.out);
  }
  return 0;
}

}  // namespace

Run setup_store_map(OptionSet& app) {
  const auto words = std::make_shared<MapWords>();
  app.add_option("HOST", words->host, "api.example.com, or *.example.com")->required();
  app.add_option(
      "REFERENCE", words->reference,
      "of the value, as op://vault/item/field; without: what the store has for the host");
  app.add_option("--store", words->store, "of this store, where several could be meant")
      ->type_name("NAME");
  app.add_option("--header", words->headers,
                 "\"Name: text with {{ VALUE }}\", in place of the usual way to authenticate;"
                 " other fields of the item as {{ USERNAME }}, {{ TOTP }}; repeatable")
      ->type_name("HEADER")
      ->repeatable();
  app.add_flag("--basic", words->basic,
               "Basic authentication with the item's username and password");
  return [words](Context& context) { return map_host(context, *words); };
}

Run setup_store_unmap(OptionSet& app) {
  const auto words = std::make_shared<UnmapWords>();
  app.add_option("HOST", words->host, "as it was mapped")->required();
  app.add_option("--store", words->store, "only the mapping of this store")->type_name("NAME");
  return [words](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    AV_CHECK(audited(context, action("store.unmap", vault, words->host), [&] {
      return context.store->remove_mapping(vault, words->host, words->store);
    }));
    if (context.json) {
      print(context.out,
            Json{{"host", words->host}, {"vault", vault}, {"unmapped", true}}.dump() + "\n");
      return 0;
    }
    notice(context, words->host + " is not mapped any more");
    return 0;
  };
}

Run setup_store_mappings(OptionSet& /*app*/) {
  return list_mappings;
}

}  // namespace av::cmd
