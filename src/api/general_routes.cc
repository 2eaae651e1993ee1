// What everybody may ask: whether it lives, the CA's certificate, how it is used; and what an agent
// may do in its vault.

#include <array>
#include <nlohmann/json.hpp>

#include "api/accounts.h"
#include "api/call.h"
#include "api/route.h"
#include "vault/preset.h"
#include "vault/service_codec.h"

namespace av::api {
namespace {

Reply health(Call& /*call*/) {
  return json_reply({{"status", "ok"}, {"version", AV_VERSION}});
}

Reply status(Call& call) {
  const ApiOptions& options = call.options();
  if (options.mode == Mode::kRun) {
    return json_reply({{"initialized", true}, {"needs_first_user", false}, {"mode", "run"}});
  }
  AV_TRY(const bool owned, call.users().has_owner());
  Json json = {{"initialized", owned}, {"needs_first_user", !owned}, {"mode", "serve"}};
  if (const std::string url = call.base_url(); !url.empty()) {
    json["base_url"] = url;
  }
  if (Accounts* const accounts = call.users().accounts()) {
    AV_TRY(const store::InstanceSettings settings, accounts->people().instance_settings());
    json["invite_only"] = settings.invite_only;
    json["allowed_email_domains"] = settings.allowed_email_domains;
  }
  if (options.sign_in) {
    json["oidc"] = Json{{"name", options.sign_in->name}, {"url", "/v1/auth/oidc/start"}};
  }
  return json_reply(json);
}

Reply ca_certificate(Call& call) {
  const ApiOptions& options = call.options();
  const std::string pem = options.ca_pem ? options.ca_pem() : std::string();
  if (pem.empty()) {
    return fault(404, "not_found", "there is no proxy here, and so no certificate of its CA");
  }
  proxy::LocalReply reply = text_reply("application/x-pem-file", pem);
  reply.fields.add("X-MITM-Port", std::to_string(options.proxy_port));
  if (options.mode == Mode::kServe) {
    reply.fields.add("X-MITM-TLS", "1");  // the port takes connections with TLS too
  }
  return reply;
}

Reply skill(Call& call) {
  return text_reply("text/markdown; charset=utf-8", call.options().skill_text);
}

Reply discover(Call& call) {
  AV_TRY(const vault::SnapshotPtr snapshot, call.store().load_snapshot(call.vault()));
  const vault::Agent* agent = nullptr;
  if (!call.actor.is_user() && !call.actor.name.empty()) {
    const auto it = snapshot->agents.find(call.actor.name);
    if (it == snapshot->agents.end()) {
      return unknown_vault(call.vault());
    }
    agent = &it->second;
  }
  Json services = Json::array();
  for (const vault::Service& service : snapshot->matcher.services()) {
    if (service.enabled && (agent == nullptr || vault::in_scope(*agent, service))) {
      services.push_back({{"name", service.name},
                          {"host", service.matcher_text()},
                          {"auth_type", vault::auth_type_name(service.auth)}});
    }
  }
  Json keys = Json::array();
  for (const auto& [key, sealed] : snapshot->credentials) {
    if (agent == nullptr || agent->may_use_credential(key)) {
      keys.push_back(key);
    }
  }
  return json_reply({{"vault", snapshot->vault_name},
                     {"services", services},
                     {"available_credentials", keys},
                     {"unmatched_host_policy", vault::to_string(snapshot->unmatched)}});
}

Reply catalog(Call& /*call*/) {
  Json list = Json::array();
  for (const vault::Preset& preset : vault::presets()) {
    for (const vault::Service& service : preset.services) {
      Json item = Json::parse(vault::service_to_json(service));
      Json entry = {{"id", preset.id},
                    {"name", service.name},
                    {"title", preset.title},
                    {"host", service.matcher_text()},
                    {"description", preset.title},
                    {"auth_type", vault::auth_type_name(service.auth)}};
      const auto keys = service.credential_keys();
      entry["suggested_credential_key"] = keys.empty() ? Json("") : Json(keys.front());
      for (const char* field : {"header", "prefix", "headers"}) {
        if (item["auth"].contains(field)) {
          entry[field] = item["auth"][field];
        }
      }
      if (item.contains("substitutions")) {
        entry["substitutions"] = item["substitutions"];
      }
      entry["obtain"] = preset.obtain;
      entry["service"] = std::move(item);
      list.push_back(std::move(entry));
    }
  }
  return json_reply({{"services", list}});
}

constexpr std::string_view kDiscovered =
    "{vault:string, services:[{name:string, host:string, auth_type:string}], "
    "available_credentials:[string], unmatched_host_policy:'passthrough'|'deny'}";
constexpr std::string_view kHealth = "{status:string, version:string}";

}  // namespace

std::span<const Route> general_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/health", "whether the broker answers", Who::anybody(), Where::kEverywhere,
            health, "", kHealth},
      Route{"GET", "/v1/health", "whether the broker answers", Who::anybody(), Where::kEverywhere,
            health, "", kHealth},
      Route{"GET", "/v1/status", "whether somebody owns the instance", Who::anybody(),
            Where::kEverywhere, status, "",
            "{initialized:boolean, needs_first_user:boolean, mode:'serve'|'run', "
            "base_url?:string, invite_only?:boolean, allowed_email_domains?:[string], "
            "oidc?:{name:string, url:string}}"},
      Route{"GET", "/v1/mitm/ca.pem", "the certificate of the proxy's CA; X-MITM-Port is its port",
            Who::anybody(), Where::kEverywhere, ca_certificate, "", "@application/x-pem-file"},
      Route{"GET", "/v1/gateway/ca", "the same", Who::anybody(), Where::kEverywhere, ca_certificate,
            "", "@application/x-pem-file"},
      Route{"GET", "/v1/skills/cli", "how an agent uses the broker, in words", Who::anybody(),
            Where::kEverywhere, skill, "", "@text/markdown"},
      Route{"GET", "/v1/skill/gateway", "the same", Who::anybody(), Where::kEverywhere, skill, "",
            "@text/markdown"},
      Route{"GET", "/v1/service-catalog", "ready-made services for common APIs", Who::anybody(),
            Where::kRuns, catalog, "", "{services:[CatalogEntry]}"},
      Route{"GET", "/discover", "what there is in a vault: services and names of credentials",
            Who::vault(Role::kProxy), Where::kEverywhere, discover, "", kDiscovered, "vault"},
      Route{"GET", "/v1/discover", "the same", Who::vault(Role::kProxy), Where::kEverywhere,
            discover, "", kDiscovered, "vault"},
  };
  return kRoutes;
}

}  // namespace av::api
