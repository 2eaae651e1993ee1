// What refers to external stores: credentials whose value is kept there, and hosts that are mapped
// to what a store has. A reference reaches all that the store's token may read, so it takes more
// than a value that somebody has anyway: an admin.

#include <array>
#include <nlohmann/json.hpp>

#include "api/route.h"
#include "api/store_ask.h"
#include "api/store_rights.h"
#include "vault/names.h"
#include "vault/service_codec.h"

namespace av::api {
namespace {

Json item_json(const vault::HostMapping& mapping) {
  Json out = mapping_json(mapping);
  out["service"] = Json::parse(vault::mapping_to_json(mapping.service));
  return out;
}

Reply list(Call& call) {
  AV_TRY(const Mappings mappings, call.store().list_mappings(call.vault()));
  Json list = Json::array();
  for (const vault::HostMapping& mapping : mappings) {
    list.push_back(item_json(mapping));
  }
  return json_reply({{"vault", call.vault()}, {"mappings", list}});
}

// The way to authenticate that was given, else the usual one for the host.
Expected<vault::Service> service_in(Call& call) {
  AV_TRY(const std::string host, call.text("host"));
  AV_TRY(vault::Service service, vault::mapping_service(host));
  AV_TRY(const JsonView body, call.body());
  const auto auth = body.find("auth");
  if (auth && !auth->is(JsonView::Kind::kNull)) {
    const std::string text =
        R"({"name":"map","host":"any-host.invalid","auth":)" + std::string(auth->source()) + "}";
    AV_TRY(vault::Service given, vault::service_from_json(text));
    service.auth = std::move(given.auth);
  }
  return service;
}

Reply map(Call& call) {
  AV_TRY(const std::string reference, call.text_or("reference", ""));
  AV_TRY(const std::string store, call.text_or("store", ""));
  AV_TRY(vault::Service service, service_in(call));
  AV_TRY(const StoreInfos stores, call.store().list_stores(call.vault()));
  AV_TRY(const vault::HostMapping mapping,
         make_mapping(stores, call.vault(), std::move(service), reference, store));
  AV_CHECK(check_reference(call, stores, mapping.store));
  AV_CHECK(call.audited(call.action("store.map", mapping.service.host + " <- " + mapping.store),
                        [&] { return call.store().put_mapping(call.vault(), mapping); }));
  return json_reply(item_json(mapping));
}

Reply unmap(Call& call) {
  const std::string& host = call.parts[1];
  const std::string store(call.query.get("store"));
  AV_CHECK(call.audited(call.action("store.unmap", host),
                        [&] { return call.store().remove_mapping(call.vault(), host, store); }));
  return json_reply({{"host", host}, {"removed", true}});
}

Reply set_source(Call& call) {
  AV_TRY(const std::string key, call.text("key"));
  AV_CHECK(vault::check_credential_key(key));
  AV_TRY(const std::string reference, call.text("reference"));
  AV_TRY(const std::string name, call.text_or("store", ""));
  AV_TRY(const store::Store::Source source, source_for(call, reference, name));
  AV_TRY(const bool created,
         call.audited(call.action("credential.set", "from " + source.store, {key}),
                      [&] { return call.store().set_source(call.vault(), key, source); }));
  return json_reply(
      {{"key", key}, {"store", source.store}, {"reference", reference}, {"created", created}});
}

}  // namespace

std::span<const Route> reference_routes() {
  static constexpr std::string_view kMapping =
      "{host:string, store:string, reference:string, auth:string, missing_since:time|null, "
      "service:Service}";
  static constexpr std::array kRoutes = {
      Route{"GET", "/v1/vaults/{v}/mappings", "the hosts that external stores have values for",
            Who::vault(Role::kMember), Where::kServe, list, "",
            "{vault:string, mappings:[{host:string, store:string, reference:string, auth:string, "
            "missing_since:time|null, service:Service}]}"},
      Route{"POST", "/v1/vaults/{v}/mappings",
            "use what an external store has for a host that no service covers",
            Who::vault(Role::kAdmin), Where::kServe, map,
            "{host:string, reference?:string, store?:string, auth?:{type:string, ...}}", kMapping},
      Route{"DELETE", "/v1/vaults/{v}/mappings/{host}", "take that back", Who::vault(Role::kAdmin),
            Where::kServe, unmap, "", "{host:string, removed:boolean}", "store"},
      Route{"POST", "/v1/credentials/source",
            "keep a credential where it is, in an external store of the vault",
            Who::vault(Role::kAdmin), Where::kServe, set_source,
            "{vault?:string, key:string, reference:string, store?:string}",
            "{key:string, store:string, reference:string, created:boolean}", "vault"},
  };
  return kRoutes;
}

}  // namespace av::api
