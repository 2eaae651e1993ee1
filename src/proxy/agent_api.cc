#include "proxy/agent_api.h"

#include "core/encoding.h"

namespace av::proxy {
namespace {

LocalReply respond(std::string_view type, std::string_view body) {
  LocalReply reply;
  reply.body.append(body);
  reply.fields.add("Content-Type", type);
  reply.fields.add("Content-Length", std::to_string(reply.body.size()));
  reply.fields.add("Cache-Control", "no-store");
  reply.fields.add("X-Content-Type-Options", "nosniff");
  return reply;
}

std::string json_string(std::string_view text) {
  return '"' + encoding::json_escaped(text) + '"';
}

std::string discover(const Worker& worker) {
  const vault::PolicySnapshot& snapshot = *worker.snapshot;
  const auto it = snapshot.agents.find(worker.grant.principal.agent);
  const vault::Agent* const agent = it == snapshot.agents.end() ? nullptr : &it->second;
  std::string json = "{\"vault\":" + json_string(snapshot.vault_name) + ",\"services\":[";
  bool first = true;
  for (const vault::Service& service : snapshot.matcher.services()) {
    if (service.enabled && (agent == nullptr || vault::in_scope(*agent, service))) {
      json += first ? "" : ",";
      json += "{\"name\":" + json_string(service.name) +
              ",\"host\":" + json_string(service.matcher_text()) +
              ",\"auth_type\":" + json_string(vault::auth_type_name(service.auth)) + '}';
      first = false;
    }
  }
  json += "],\"available_credentials\":[";
  first = true;
  for (const auto& [key, sealed] : snapshot.credentials) {
    if (agent == nullptr || agent->may_use_credential(key)) {
      json += first ? "" : ",";
      json += json_string(key);
      first = false;
    }
  }
  const vault::UnmatchedPolicy unmatched =
      worker.options.unmatched_override.value_or(snapshot.unmatched);
  json += "],\"unmatched_host_policy\":" + json_string(vault::to_string(unmatched)) + "}\n";
  return json;
}

Fault unauthorised() {
  Fault fault;
  fault.status = 401;
  fault.code = "unauthorized";
  fault.message = "this needs the token of the run";
  fault.help = "send Authorization: Bearer $AGENT_VAULT_TOKEN";
  return fault;
}

}  // namespace

LocalReply agent_api_reply(const Worker& worker, const RequestHead& head, bool authorised) {
  const std::string_view path = head.target.substr(0, head.target.find('?'));
  Fault fault;
  if (path == "/v1/proposals") {
    fault.status = 501;
    fault.code = "proposals_unavailable";
    fault.message = "this version cannot take proposals";
    fault.help = "ask the owner of the vault, in words, to add the service or the credential";
    return fault_reply(fault);
  }
  if (head.method != "GET" && head.method != "HEAD") {
    fault.status = 405;
    fault.code = "method_not_allowed";
    fault.message = "the API of a run answers GET only";
    return fault_reply(fault);
  }
  if (path == "/health" || path == "/v1/health") {
    return respond("application/json", "{\"status\":\"ok\"}\n");
  }
  if (path == "/v1/status") {
    return respond("application/json",
                   "{\"initialized\":true,\"needs_first_user\":false,\"mode\":\"run\"}\n");
  }
  if (path == "/v1/mitm/ca.pem" || path == "/v1/gateway/ca") {
    LocalReply reply =
        respond("application/x-pem-file", worker.state.leaves.authority().certificate_pem());
    reply.fields.add("X-MITM-Port", std::to_string(worker.state.port));
    return reply;
  }
  if (path == "/discover" || path == "/v1/discover") {
    return authorised ? respond("application/json", discover(worker)) : fault_reply(unauthorised());
  }
  if (path == "/v1/skills/cli" || path == "/v1/skill/gateway") {
    return respond("text/markdown; charset=utf-8", worker.options.skill_text);
  }
  fault.status = 404;
  fault.code = "not_found";
  fault.message = "the API of a run has no such path";
  fault.help = "see GET /discover and GET /v1/skills/cli";
  return fault_reply(fault);
}

}  // namespace av::proxy
