// Vaults: which there are, made, renamed, deleted; their settings.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/route.h"
#include "api/store_words.h"

namespace av::api {
namespace {

Json vault_json(const store::VaultInfo& info) {
  return {{"id", info.uid}, {"name", info.name}, {"created_at", format_utc(info.created_ms)}};
}

Reply list(Call& call) {
  AV_TRY(const auto infos, call.store().list_vaults());
  AV_TRY(const StoreInfos stores, call.store().list_stores({}));
  Json vaults = Json::array();
  for (const store::VaultInfo& info : infos) {
    AV_TRY(const Role role, call.role_in(info.name));
    if (role == Role::kNone && !call.actor.owner) {
      continue;
    }
    Json item = vault_json(info);
    item["role"] = role == Role::kNone ? Json(nullptr) : Json(to_string(role));
    item["membership"] = role == Role::kNone ? "none" : "explicit";
    item["credentials"] = info.credentials;
    item["services"] = info.services;
    item["unmatched_host_policy"] = vault::to_string(info.unmatched);
    AV_TRY(const auto waiting,
           call.store().list_proposals(info.name, vault::ProposalState::kPending));
    item["pending_proposals"] = waiting.size();
    if (role >= Role::kMember) {
      const auto of_vault = [&](const StoreInfo& one) { return one.vault == info.name; };
      item["stores"] = std::count_if(stores.begin(), stores.end(), of_vault);
      item["failing_stores"] = std::count_if(
          stores.begin(), stores.end(),
          [&](const StoreInfo& one) { return of_vault(one) && state_of(one) == "failing"; });
    }
    vaults.push_back(std::move(item));
  }
  return json_reply({{"vaults", vaults}});
}

Reply create(Call& call) {
  AV_TRY(const std::string name, call.text("name"));
  vault::AuditRecord record = call.action("vault.create", name);
  record.vault = name;
  const auto make = [&]() -> Status {
    AV_CHECK(call.store().create_vault(name));
    return call.users().set_role(call.actor.uid, name, Role::kAdmin);
  };
  AV_CHECK(call.audited(std::move(record), make));
  AV_TRY(const store::VaultInfo info, call.store().get_vault(name));
  return json_reply(vault_json(info), 201);
}

Reply remove(Call& call) {
  AV_CHECK(call.audited(call.action("vault.delete"),
                        [&] { return call.store().delete_vault(call.vault()); }));
  return json_reply({{"name", call.vault()}, {"deleted", true}});
}

Reply rename(Call& call) {
  AV_TRY(const std::string name, call.text("name"));
  AV_CHECK(call.audited(call.action("vault.rename", "to " + name),
                        [&] { return call.store().rename_vault(call.vault(), name); }));
  return json_reply({{"name", name}, {"renamed_from", call.vault()}});
}

Reply settings(Call& call) {
  AV_TRY(const store::VaultInfo info, call.store().get_vault(call.vault()));
  return json_reply({{"unmatched_host_policy", vault::to_string(info.unmatched)},
                     {"infisical_available", false}});
}

Reply change_settings(Call& call) {
  AV_TRY(const std::string word, call.text("unmatched_host_policy"));
  const auto policy = vault::unmatched_from_string(word);
  if (!policy) {
    return bad_request("\"unmatched_host_policy\" must be \"passthrough\" or \"deny\"");
  }
  AV_CHECK(call.audited(call.action("vault.settings", "unmatched " + word),
                        [&] { return call.store().set_unmatched(call.vault(), *policy); }));
  return settings(call);
}

Reply context(Call& call) {
  AV_TRY(const store::VaultInfo info, call.store().get_vault(call.vault()));
  return json_reply({{"vault_name", info.name},
                     {"vault_role", to_string(call.role())},
                     {"credentials", info.credentials},
                     {"services", info.services}});
}

constexpr std::string_view kSettings =
    "{unmatched_host_policy:'passthrough'|'deny', infisical_available:boolean}";

}  // namespace

std::span<const Route> vault_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/v1/vaults", "the vaults that you may use; all of them for the owner",
            Who::signed_in(), Where::kServe, list, "",
            "{vaults:[{id:string, name:string, created_at:time, role:string|null, "
            "membership:'explicit'|'none', credentials:integer, services:integer, "
            "unmatched_host_policy:'passthrough'|'deny', pending_proposals:integer, "
            "stores?:integer, failing_stores?:integer}]}"},
      Route{"POST", "/v1/vaults", "make a vault, of which you are the admin", Who::user(),
            Where::kServe, create, "{name:string}",
            "201 {id:string, name:string, created_at:time}"},
      Route{"DELETE", "/v1/vaults/{v}", "delete a vault with all that is in it",
            Who::vault_or_owner(Role::kAdmin), Where::kServe, remove, "",
            "{name:string, deleted:boolean}"},
      Route{"POST", "/v1/vaults/{v}/rename", "give a vault another name",
            Who::vault_or_owner(Role::kAdmin), Where::kServe, rename, "{name:string}",
            "{name:string, renamed_from:string}"},
      Route{"GET", "/v1/vaults/{v}/settings", "what becomes of requests that no service covers",
            Who::vault(Role::kProxy), Where::kServe, settings, "", kSettings},
      Route{"PATCH", "/v1/vaults/{v}/settings", "change that", Who::vault(Role::kAdmin),
            Where::kServe, change_settings, "{unmatched_host_policy:'passthrough'|'deny'}",
            kSettings},
      Route{"GET", "/v1/vaults/{v}/context", "what you are in a vault", Who::vault(Role::kProxy),
            Where::kServe, context, "",
            "{vault_name:string, vault_role:string, credentials:integer, services:integer}"},
  };
  return kRoutes;
}

}  // namespace av::api
