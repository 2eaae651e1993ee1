#include "proxy/agent_api.h"

#include "core/encoding.h"
#include "proxy/fault.h"

namespace av::proxy {
namespace {

std::string respond(int status, std::string_view type, std::string_view body, bool close,
                    bool head_only, std::string_view extra = {}) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + ' ';
  out += reason_phrase(status);
  out += "\r\nContent-Type: ";
  out += type;
  out += "\r\nContent-Length: " + std::to_string(body.size());
  out += "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
  out += extra;
  if (close) {
    out += "Connection: close\r\n";
  }
  out += "\r\n";
  if (!head_only) {
    out += body;
  }
  return out;
}

std::string json_string(std::string_view text) {
  return '"' + encoding::json_escaped(text) + '"';
}

std::string discover(const Worker& worker) {
  const vault::PolicySnapshot& snapshot = *worker.snapshot;
  std::string json = "{\"vault\":" + json_string(snapshot.vault_name) + ",\"services\":[";
  bool first = true;
  for (const vault::Service& service : snapshot.matcher.services()) {
    if (service.enabled) {
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
    json += first ? "" : ",";
    json += json_string(key);
    first = false;
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

std::string agent_api_response(const Worker& worker, const RequestHead& head, bool authorised,
                               bool close) {
  const bool head_only = head.method == "HEAD";
  const std::string_view path = head.target.substr(0, head.target.find('?'));
  Fault fault;
  if (path == "/v1/proposals") {
    fault.status = 501;
    fault.code = "proposals_unavailable";
    fault.message = "this version cannot take proposals";
    fault.help = "ask the owner of the vault, in words, to add the service or the credential";
    return fault_response(fault, close, head_only);
  }
  if (head.method != "GET" && !head_only) {
    fault.status = 405;
    fault.code = "method_not_allowed";
    fault.message = "the API of a run answers GET only";
    return fault_response(fault, close, head_only);
  }
  if (path == "/health" || path == "/v1/health") {
    return respond(200, "application/json", "{\"status\":\"ok\"}\n", close, head_only);
  }
  if (path == "/v1/status") {
    return respond(200, "application/json",
                   "{\"initialized\":true,\"needs_first_user\":false,\"mode\":\"run\"}\n", close,
                   head_only);
  }
  if (path == "/v1/mitm/ca.pem" || path == "/v1/gateway/ca") {
    return respond(200, "application/x-pem-file", worker.leaves.authority().certificate_pem(),
                   close, head_only, "X-MITM-Port: " + std::to_string(worker.port) + "\r\n");
  }
  if (path == "/discover" || path == "/v1/discover") {
    return authorised ? respond(200, "application/json", discover(worker), close, head_only)
                      : fault_response(unauthorised(), close, head_only);
  }
  if (path == "/v1/skills/cli" || path == "/v1/skill/gateway") {
    return respond(200, "text/markdown; charset=utf-8", worker.options.skill_text, close,
                   head_only);
  }
  fault.status = 404;
  fault.code = "not_found";
  fault.message = "the API of a run has no such path";
  fault.help = "see GET /discover and GET /v1/skills/cli";
  return fault_response(fault, close, head_only);
}

}  // namespace av::proxy
