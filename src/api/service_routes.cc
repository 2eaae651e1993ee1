// Services: which requests get which credential.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/route.h"
#include "vault/service_codec.h"

namespace av::api {
namespace {

using Services = std::vector<vault::Service>;

Json service_json(const vault::Service& service) {
  return Json::parse(vault::service_to_json(service));
}

Json short_json(const vault::Service& service) {
  return {{"name", service.name}, {"host", service.matcher_text()}};
}

// "services" of the body. One without a name is the one that is there for the same host and path.
Expected<Services> read_services(Call& call, const Services& known) {
  AV_TRY(const JsonView body, call.body());
  const auto list = body.find("services");
  if (!list || !list->is(JsonView::Kind::kArray)) {
    return make_error(ErrorCode::kInvalid, "\"services\" must be a list of services");
  }
  AV_TRY(Services services,
         vault::services_from_file_text("{\"services\":" + std::string(list->source()) + "}"));
  const auto items = list->children();
  for (std::size_t i = 0; i < services.size() && i < items.size(); ++i) {
    if (items[i].find("name")) {
      continue;
    }
    const std::string matcher = services[i].matcher_text();
    const auto same = [&](const vault::Service& other) { return other.matcher_text() == matcher; };
    if (std::count_if(known.begin(), known.end(), same) == 1) {
      services[i].name = std::find_if(known.begin(), known.end(), same)->name;
    }
  }
  return services;
}

// By name, else by host as it is written.
proxy::Outcome<std::string> name_of(const Services& services, const std::string& reference) {
  std::vector<const vault::Service*> found;
  for (const vault::Service& service : services) {
    if (service.name == reference) {
      return service.name;
    }
    if (service.matcher_text() == reference || service.host == reference) {
      found.push_back(&service);
    }
  }
  if (found.empty()) {
    return fault(404, "not_found", "no service with this name or host");
  }
  if (found.size() > 1) {
    std::string names;
    for (const vault::Service* const service : found) {
      names += (names.empty() ? "" : ", ") + service->name;
    }
    return fault(409, "conflict", "several services have this host: " + names, "use the name");
  }
  return found.front()->name;
}

std::string names_of(const Services& services) {
  std::string out;
  for (const vault::Service& service : services) {
    out += (out.empty() ? "" : ", ") + service.name;
  }
  return out;
}

Reply list(Call& call) {
  AV_TRY(const Services services, call.store().list_services(call.vault()));
  Json items = Json::array();
  for (const vault::Service& service : services) {
    items.push_back(service_json(service));
  }
  return json_reply({{"vault", call.vault()}, {"services", items}});
}

Reply upsert(Call& call) {
  AV_TRY(const Services known, call.store().list_services(call.vault()));
  AV_TRY(const Services services, read_services(call, known));
  AV_CHECK(call.audited(call.action("service.set", names_of(services)),
                        [&] { return call.store().put_services(call.vault(), services); }));
  AV_TRY(const Services now, call.store().list_services(call.vault()));
  Json names = Json::array();
  for (const vault::Service& service : services) {
    names.push_back(service.name);
  }
  return json_reply({{"vault", call.vault()}, {"upserted", names}, {"services_count", now.size()}});
}

Reply replace(Call& call) {
  AV_TRY(const Services known, call.store().list_services(call.vault()));
  AV_TRY(const Services services, read_services(call, known));
  AV_CHECK(call.audited(call.action("service.replace", names_of(services)),
                        [&] { return call.store().replace_services(call.vault(), services); }));
  return json_reply({{"vault", call.vault()}, {"services_count", services.size()}});
}

Reply clear(Call& call) {
  AV_CHECK(call.audited(call.action("service.clear"),
                        [&] { return call.store().replace_services(call.vault(), {}); }));
  return json_reply({{"vault", call.vault()}, {"cleared", true}});
}

Reply remove(Call& call) {
  AV_TRY(const Services known, call.store().list_services(call.vault()));
  AV_TRY(const std::string name, name_of(known, call.parts[1]));
  const auto it = std::find_if(known.begin(), known.end(),
                               [&](const vault::Service& service) { return service.name == name; });
  AV_CHECK(call.audited(call.action("service.remove", name),
                        [&] { return call.store().remove_service(call.vault(), name); }));
  return json_reply({{"vault", call.vault()},
                     {"removed", name},
                     {"removed_host", it->matcher_text()},
                     {"services_count", known.size() - 1}});
}

Reply enable(Call& call) {
  AV_TRY(const Services known, call.store().list_services(call.vault()));
  AV_TRY(const std::string name, name_of(known, call.parts[1]));
  AV_TRY(const JsonView body, call.body());
  if (!body.find("enabled")) {
    return bad_request("\"enabled\" is missing");
  }
  AV_TRY(const bool enabled, call.flag_or("enabled", true));
  AV_CHECK(call.audited(call.action(enabled ? "service.enable" : "service.disable", name),
                        [&] { return call.store().enable_service(call.vault(), name, enabled); }));
  return json_reply({{"vault", call.vault()}, {"name", name}, {"enabled", enabled}});
}

Reply credential_usage(Call& call) {
  const std::string key(call.query.get("key"));
  if (key.empty()) {
    return bad_request("which credential? add ?key=NAME");
  }
  AV_TRY(const Services services, call.store().list_services(call.vault()));
  Json users = Json::array();
  for (const vault::Service& service : services) {
    if (service.uses(key)) {
      users.push_back(short_json(service));
    }
  }
  return json_reply({{"services", users}});
}

constexpr std::string_view kList = "{services:[Service]}";

}  // namespace

std::span<const Route> service_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/v1/vaults/{v}/services", "the services of a vault", Who::vault(Role::kProxy),
            Where::kServe, list, "", "{vault:string, services:[Service]}"},
      Route{"POST", "/v1/vaults/{v}/services", "add services, or replace those of the same name",
            Who::vault(Role::kAdmin), Where::kServe, upsert, kList,
            "{vault:string, upserted:[string], services_count:integer}"},
      Route{"PUT", "/v1/vaults/{v}/services", "replace all services", Who::vault(Role::kAdmin),
            Where::kServe, replace, kList, "{vault:string, services_count:integer}"},
      Route{"DELETE", "/v1/vaults/{v}/services", "delete all services", Who::vault(Role::kAdmin),
            Where::kServe, clear, "", "{vault:string, cleared:boolean}"},
      Route{"GET", "/v1/vaults/{v}/services/credential-usage", "which services use a credential",
            Who::vault(Role::kProxy), Where::kServe, credential_usage, "",
            "{services:[{name:string, host:string}]}", "key"},
      Route{"PATCH", "/v1/vaults/{v}/services/{name}", "switch a service on or off",
            Who::vault(Role::kAdmin), Where::kServe, enable, "{enabled:boolean}",
            "{vault:string, name:string, enabled:boolean}"},
      Route{"DELETE", "/v1/vaults/{v}/services/{name}", "delete a service, by name or host",
            Who::vault(Role::kAdmin), Where::kServe, remove, "",
            "{vault:string, removed:string, removed_host:string, services_count:integer}"},
  };
  return kRoutes;
}

}  // namespace av::api
