// Sessions: tokens for one vault and a time, with the rights of an agent. And what a container
// needs to use one.

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "api/agent_access.h"
#include "api/call.h"
#include "api/route.h"
#include "core/encoding.h"
#include "vault/placeholder.h"

namespace av::api {
namespace {

constexpr std::int64_t kLeastTtl = 300;
constexpr std::int64_t kMostTtl = std::int64_t{7} * 24 * 3600;
constexpr std::int64_t kTtl = std::int64_t{24} * 3600;
constexpr std::string_view kContainerCa = "/tmp/onecli-gateway-ca.pem";

// For whom: an agent makes them for itself, a person for an agent that it sees or for none.
proxy::Outcome<vault::Agent> agent_meant(Call& call, const std::string& named) {
  if (call.actor.kind == Actor::Kind::kAgent) {
    if (!named.empty() && named != call.actor.name) {
      return fault(403, "forbidden", "an agent makes sessions for itself only");
    }
    auto own = call.store().get_agent(call.actor.name);
    return own ? proxy::Outcome<vault::Agent>(std::move(*own)) : fault_of(own.error());
  }
  if (!call.actor.is_user()) {
    return fault(403, "forbidden", "a session makes no sessions",
                 "use the token of the agent, or sign in");
  }
  if (!named.empty()) {
    return find_agent(call, named, /*manage=*/false);
  }
  auto own = agent_for_sessions(call);
  return own ? proxy::Outcome<vault::Agent>(std::move(*own)) : fault_of(own.error());
}

Reply create(Call& call) {
  AV_TRY(const std::int64_t ttl, call.number_or("ttl_seconds", kLeastTtl, kMostTtl, kTtl));
  AV_TRY(const std::string role, call.text_or("vault_role", "proxy"));
  AV_TRY(const std::string label, call.text_or("label", ""));
  AV_TRY(const std::string named, call.text_or("agent", ""));
  if (role != "proxy") {
    return bad_request("sessions have the role \"proxy\" and no other");
  }
  AV_TRY(const vault::Agent agent, agent_meant(call, named));
  AV_TRY(const KeptSession minted, mint_session(call, agent, ttl, label));
  const Json fields = {{"id", minted.id},
                       {"vault", call.vault()},
                       {"agent", agent.name},
                       {"expires_at", format_utc(minted.expires_ms)},
                       {"av_addr", call.base_url()}};
  std::string head = fields.dump();
  head.pop_back();
  SecretBuffer out;
  out.append(head + ",\"token\":\"");
  out.append(minted.token);
  out.append("\"}\n");
  return secret_reply("application/json", std::move(out));
}

Reply list(Call& call) {
  AV_TRY(const auto sessions, call.store().list_sessions(""));
  Json items = Json::array();
  for (const store::SessionInfo& session : sessions) {
    if (session.vault == call.vault()) {
      items.push_back(
          {{"id", session.id},
           {"label", session.agent},
           {"vault_role", "proxy"},
           {"created_by",
            {{"id", session.agent_uid}, {"type", "agent"}, {"display_name", session.agent}}},
           {"agent", session.agent},
           {"created_at", format_utc(session.created_ms)},
           {"expires_at",
            session.expires_ms == 0 ? Json(nullptr) : Json(format_utc(session.expires_ms))}});
    }
  }
  return json_reply({{"sessions", items}});
}

Reply end(Call& call) {
  AV_TRY(const auto sessions, call.store().list_sessions(""));
  const std::string& id = call.parts[0];
  const bool there = std::any_of(sessions.begin(), sessions.end(), [&](const auto& session) {
    return session.id == id && session.vault == call.vault();
  });
  if (!there) {
    return fault(404, "not_found", "no such session in this vault");
  }
  AV_CHECK(
      call.audited(call.action("session.end", id), [&] { return call.store().end_session(id); }));
  return json_reply({{"id", id}, {"status", "revoked"}});
}

std::string proxy_authority(const Call& call) {
  std::string url = call.options().proxy_url;
  if (url.empty()) {
    url = call.base_url();
    const std::size_t scheme = url.find("://");
    url = scheme == std::string::npos ? url : url.substr(scheme + 3);
    const std::size_t colon = url.rfind(':');
    if (colon != std::string::npos && url.find(']', colon) == std::string::npos) {
      url.resize(colon);
    }
    return url + ":" + std::to_string(call.options().proxy_port);
  }
  const std::size_t scheme = url.find("://");
  return scheme == std::string::npos ? url : url.substr(scheme + 3);
}

// What programs look for in variables: of what the agent may use, and worth nothing.
Expected<std::map<std::string, std::string>> placeholder_env(Call& call,
                                                             const vault::Agent& agent) {
  AV_TRY(const vault::SnapshotPtr snapshot, call.store().load_snapshot(call.vault()));
  std::map<std::string, std::string> by_key;
  std::map<std::string, std::string> env;
  for (const vault::Service& service : snapshot->matcher.services()) {
    if (!service.enabled || !vault::in_scope(agent, service)) {
      continue;
    }
    for (const auto& [variable, key] : service.env) {
      if (snapshot->credentials.contains(key)) {
        auto [it, fresh] = by_key.try_emplace(key);
        it->second = fresh ? vault::placeholder_for(service, key) : it->second;
        env.try_emplace(variable, it->second);
      }
    }
  }
  return env;
}

// Everything with which a container's programs go through the proxy, and a session of their own.
Reply container_config(Call& call) {
  const std::string pem = call.options().ca_pem ? call.options().ca_pem() : std::string();
  if (pem.empty()) {
    return fault(503, "no_ca", "there is no proxy here, and so no certificate of its CA");
  }
  std::string named(call.query.get("agent"));
  if (named.empty() && call.actor.is_user()) {
    std::vector<std::string> candidates;
    AV_TRY(const auto agents, call.store().list_agents());
    for (const vault::Agent& agent : agents) {
      AV_TRY(const bool visible, may_see(call, agent));
      if (visible && agent.revoked_ms == 0 && agent.may_use_vault(call.vault()) &&
          !vault::is_automatic_agent(agent.name)) {
        candidates.push_back(agent.name);
      }
    }
    if (candidates.size() > 1) {
      return fault(404, "AGENT_REQUIRED", "several agents may use this vault: say which",
                   "add ?agent=NAME");
    }
    if (candidates.empty()) {
      return fault(404, "NO_AGENTS", "no agent may use this vault yet", "POST /v1/agents");
    }
    named = candidates.front();
  }
  auto agent = agent_meant(call, named);
  if (!agent) {
    if (agent.error().status == 404) {
      return fault(404, "AGENT_NOT_FOUND", agent.error().message);
    }
    return std::move(agent.error());
  }
  AV_TRY(const KeptSession* const session, container_session(call, *agent, kMostTtl));
  const KeptSession& minted = *session;
  const std::string where = proxy_authority(call);
  const std::string host = where.substr(0, where.rfind(':'));
  SecretBuffer out;
  out.append("{\"env\":{");
  bool first = true;
  for (const char* const name : {"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"}) {
    out.append(std::string(first ? "\"" : ",\"") + name + "\":\"http://");
    out.append(minted.token);
    out.append(":" + call.vault() + "@" + encoding::json_escaped(where) + "\"");
    first = false;
  }
  Json plain = {
      {"NO_PROXY", "localhost,127.0.0.1," + host}, {"no_proxy", "localhost,127.0.0.1," + host},
      {"NODE_EXTRA_CA_CERTS", kContainerCa},       {"NODE_USE_ENV_PROXY", "1"},
      {"AGENT_VAULT_ADDR", call.base_url()},       {"AGENT_VAULT_VAULT", call.vault()}};
  AV_TRY(const auto placeholders, placeholder_env(call, *agent));
  for (const auto& [variable, placeholder] : placeholders) {
    if (!plain.contains(variable)) {  // none of those is to be had by a service's definition
      plain[variable] = placeholder;
    }
  }
  const std::string rest = plain.dump();
  out.append("," + rest.substr(1, rest.size() - 2) + ",\"AGENT_VAULT_TOKEN\":\"");
  out.append(minted.token);
  const Json tail = {{"caCertificate", pem},
                     {"caCertificateContainerPath", kContainerCa},
                     {"agent", agent->name},
                     {"vault", call.vault()},
                     {"expiresAt", format_utc(minted.expires_ms)}};
  out.append("\"}," + tail.dump().substr(1) + "\n");
  return secret_reply("application/json", std::move(out));
}

Reply gateway_url(Call& call) {
  return json_reply({{"url", call.base_url()}});
}

}  // namespace

std::span<const Route> session_routes() {
  static constexpr std::array kRoutes = {
      Route{"POST", "/v1/sessions", "a token for one vault and a time, for proxy and API",
            Who::vault(Role::kProxy), Where::kServe, create,
            "{vault?:string, ttl_seconds?:integer, vault_role?:'proxy', label?:string, "
            "agent?:string}",
            "{id:string, vault:string, agent:string, expires_at:time, av_addr:string, "
            "token:string}",
            "vault"},
      Route{"GET", "/v1/sessions", "the sessions of a vault that have not ended",
            Who::vault(Role::kMember), Where::kServe, list, "",
            "{sessions:[{id:string, label:string, vault_role:string, created_by:{id:string, "
            "type:string, display_name:string}, agent:string, created_at:time, "
            "expires_at:time|null}]}",
            "vault"},
      Route{"DELETE", "/v1/sessions/{id}", "end a session", Who::vault(Role::kMember),
            Where::kServe, end, "", "{id:string, status:string}", "vault"},
      Route{"GET", "/v1/container-config", "environment and certificate for a container",
            Who::vault(Role::kProxy), Where::kServe, container_config, "",
            "{env:{*:string}, caCertificate:string, caCertificateContainerPath:string, "
            "agent:string, vault:string, expiresAt:time}",
            "agent vault"},
      Route{"GET", "/v1/gateway-url", "where the API is", Who::signed_in(), Where::kServe,
            gateway_url, "", "{url:string}"},
  };
  return kRoutes;
}

}  // namespace av::api
