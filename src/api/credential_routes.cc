// Credentials: names for everybody in the vault, values for people only, on the log before they are
// shown.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "api/accounts.h"
#include "api/call.h"
#include "api/route.h"
#include "api/store_words.h"
#include "api/value_member.h"
#include "vault/names.h"

namespace av::api {
namespace {

using Infos = std::vector<store::CredentialInfo>;

Expected<Infos> visible(Call& call) {
  AV_TRY(Infos infos, call.store().list_credentials(call.vault()));
  const std::string only(call.query.get("key"));
  if (!only.empty()) {
    std::erase_if(infos, [&](const auto& info) { return info.key != only; });
  }
  if (!call.actor.is_user() && !call.actor.name.empty()) {
    AV_TRY(const vault::Agent agent, call.store().get_agent(call.actor.name));
    std::erase_if(infos, [&](const auto& info) { return !agent.may_use_credential(info.key); });
  }
  return infos;
}

Json info_json(const store::CredentialInfo& info) {
  Json json = {{"key", info.key},
               {"type", info.type},
               {"version", info.version},
               {"created_at", format_utc(info.created_ms)},
               {"updated_at", format_utc(info.updated_ms)}};
  if (info.type == "oauth") {
    json["oauth_state"] = vault::to_string(info.oauth_state);
    if (info.expires_ms != 0) {
      json["token_expires_at"] = format_utc(info.expires_ms);
    }
  }
  return json;
}

// Where the value of each is that is not kept here; for people of the vault.
void add_sources(Call& call, Json& list) {
  if (!call.actor.is_user() || call.role() < Role::kMember) {
    return;
  }
  const auto sources = call.store().list_sources(call.vault());
  for (Json& item : list) {
    for (const auto& source : sources ? *sources : SourceInfos()) {
      if (item["key"] == source.key) {
        item["store"] = source.store;
        item["reference"] = source.reference;
        item["missing_since"] = time_or_null(source.missing_ms);
      }
    }
  }
}

Json keys_of(const Infos& infos) {
  Json keys = Json::array();
  for (const auto& info : infos) {
    keys.push_back(info.key);
  }
  return keys;
}

// The one reply with values: written straight into memory that is wiped.
Reply reveal_all(Call& call, const Infos& infos) {
  SecretBuffer out;
  out.append("{\"keys\":" + keys_of(infos).dump() + ",\"credentials\":[");
  bool first = true;
  for (const auto& info : infos) {
    if (info.type == "external") {
      continue;  // asked for one by one, of its store: POST /v1/vaults/{v}/stores/{s}/read
    }
    AV_TRY(const Secret value, call.store().get_credential(call.vault(), info.key));
    std::string head = info_json(info).dump();
    head.pop_back();
    out.append((first ? "" : ",") + head);
    first = false;
    append_value(out, value);
    out.push_back('}');
  }
  out.append("]}\n");
  return secret_reply("application/json", std::move(out));
}

Reply list(Call& call) {
  AV_TRY(const Infos infos, visible(call));
  if (!call.query.flag("reveal")) {
    Json list = Json::array();
    for (const auto& info : infos) {
      list.push_back(info_json(info));
    }
    add_sources(call, list);
    return json_reply({{"keys", keys_of(infos)}, {"credentials", list}});
  }
  // The only thing that depends on a parameter, so the router could not say it.
  if (!call.actor.is_user() || call.role() < Role::kMember) {
    return fault(403, "forbidden", "only a member of the vault may see values",
                 "requests through the proxy get their credentials by themselves");
  }
  AV_CHECK(check_reauthenticated(call));
  std::vector<std::string> keys;
  for (const auto& info : infos) {
    keys.push_back(info.key);
  }
  vault::AuditRecord record = call.action("credential.reveal", "", keys);
  AV_CHECK(vault::note_intention(call.log(), record));
  Reply reply = reveal_all(call, infos);
  const Error failed = make_error(ErrorCode::kInternal, "not revealed");
  AV_CHECK(vault::note_outcome(call.log(), std::move(record), reply.failed() ? &failed : nullptr));
  return reply;
}

Reply set(Call& call) {
  AV_TRY(const JsonView body, call.body());
  const auto given = body.find("credentials");
  if (!given || !given->is(JsonView::Kind::kObject) || given->children().empty()) {
    return bad_request("\"credentials\" must be an object: {\"KEY\": \"value\"}");
  }
  std::vector<store::Store::NewValue> values;
  std::vector<std::string> keys;
  for (const JsonView& member : given->children()) {
    store::Store::NewValue value;
    value.key = member.name();
    AV_CHECK(vault::check_credential_key(value.key));
    if (!member.is(JsonView::Kind::kString)) {
      return bad_request("the value of " + value.key + " must be a string");
    }
    AV_TRY(value.value, member.secret());
    if (value.value.empty()) {
      return bad_request("the value of " + value.key + " is empty");
    }
    keys.push_back(value.key);
    values.push_back(std::move(value));
  }
  AV_CHECK(call.audited(call.action("credential.set", "", keys),
                        [&] { return call.store().set_credentials(call.vault(), values, "set"); }));
  return json_reply({{"set", keys}});
}

Reply remove(Call& call) {
  AV_TRY(const auto keys, call.texts("keys"));
  if (keys.empty()) {
    return bad_request("\"keys\" must name at least one credential");
  }
  AV_CHECK(call.audited(call.action("credential.delete", "", keys),
                        [&] { return call.store().delete_credentials(call.vault(), keys); }));
  return json_reply({{"deleted", keys}});
}

}  // namespace

std::span<const Route> credential_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/v1/credentials", "names of credentials; with reveal=true, for members, values",
            Who::vault(Role::kProxy), Where::kServe, list, "",
            "{keys:[string], credentials:[{key:string, type:'static'|'oauth'|'external', "
            "version:integer, store?:string, reference?:string, missing_since?:time|null, "
            "created_at:time, updated_at:time, oauth_state?:'connected'|'reconnect', "
            "token_expires_at?:time, value?:string, value_base64?:string}]}",
            "vault reveal key"},
      Route{"POST", "/v1/credentials", "store values", Who::vault(Role::kMember), Where::kServe,
            set, "{vault?:string, credentials:{*:string}}", "{set:[string]}", "vault"},
      Route{"DELETE", "/v1/credentials", "delete credentials", Who::vault(Role::kMember),
            Where::kServe, remove, "{vault?:string, keys:[string]}", "{deleted:[string]}", "vault"},
  };
  return kRoutes;
}

}  // namespace av::api
