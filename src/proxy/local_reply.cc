#include "proxy/local_reply.h"

#include "core/encoding.h"

namespace av::proxy {
namespace {

void add_member(std::string& json, std::string_view name, std::string_view value) {
  json += json.size() > 1 ? ",\"" : "\"";
  json += name;
  json += "\":\"";
  json += encoding::json_escaped(value);
  json += '"';
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 507:
      return "Insufficient Storage";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Error";
  }
}

LocalReply json_reply(int status, std::string_view json) {
  LocalReply reply;
  reply.status = status;
  reply.body.append(json);
  reply.fields.add("Content-Type", "application/json");
  reply.fields.add("Cache-Control", "no-store");
  reply.fields.add("Content-Length", std::to_string(reply.body.size()));
  return reply;
}

LocalReply fault_reply(const Fault& fault, FaultOf whose) {
  LocalReply reply;
  reply.status = fault.status;
  std::string body = "{";
  add_member(body, "error", fault.code);
  add_member(body, "message", fault.message);
  if (!fault.help.empty()) {
    add_member(body, "help", fault.help);
  }
  if (!fault.rule.empty()) {
    add_member(body, "rule", fault.rule);
  }
  if (fault.retry_after > 0) {
    body += ",\"retry_after\":" + std::to_string(fault.retry_after);
  }
  if (!fault.proposal_host.empty()) {
    body += ",\"proposal_hint\":{\"host\":\"" + encoding::json_escaped(fault.proposal_host) +
            "\",\"endpoint\":\"POST /v1/proposals\",\"supported_auth_types\":[\"bearer\","
            "\"basic\",\"api-key\",\"custom\",\"passthrough\"]";
    if (!fault.proposal.empty()) {
      // Ready to be sent; as a string, too, it would have to be taken apart first.
      body +=
          ",\"method\":\"POST\",\"url\":\"$AGENT_VAULT_ADDR/v1/proposals\","
          "\"headers\":{\"Authorization\":\"Bearer $AGENT_VAULT_TOKEN\","
          "\"Content-Type\":\"application/json\"},\"body\":" +
          fault.proposal +
          ",\"command\":\"agent-vault proposal create -\","
          "\"then\":\"GET $AGENT_VAULT_ADDR/v1/proposals/ID?wait=30, until status is not "
          "pending; people allow what is narrow sooner: add methods, and a path behind the "
          "host\"";
    }
    body += '}';
  }
  body += "}\n";
  reply.fields.add("Content-Type", "application/json");
  reply.fields.add("Content-Length", std::to_string(body.size()));
  if (whose == FaultOf::kProxy) {
    reply.fields.add("X-Agent-Vault-Proxy-Error", "true");
  }
  reply.fields.add("Cache-Control", "no-store");
  if (fault.status == 407) {
    reply.fields.add("Proxy-Authenticate", "Basic realm=\"agent-vault\"");
  }
  if (fault.retry_after > 0) {
    reply.fields.add("Retry-After", std::to_string(fault.retry_after));
  }
  if (!fault.transient) {
    reply.fields.add("x-should-retry", "false");
  }
  reply.body.append(body);
  return reply;
}

void append_http1(SecretBuffer& out, const LocalReply& reply, bool close, bool head_only) {
  out.append("HTTP/1.1 ");
  out.append(std::to_string(reply.status));
  out.push_back(' ');
  out.append(reason_phrase(reply.status));
  out.append("\r\n");
  out.append(reply.fields.text());
  if (close) {
    out.append("Connection: close\r\n");
  }
  out.append("\r\n");
  if (!head_only) {
    out.append(reply.body.view());
  }
}

std::string to_http1(const LocalReply& reply, bool close, bool head_only) {
  SecretBuffer out;
  append_http1(out, reply, close, head_only);
  return std::string(out.view());
}

}  // namespace av::proxy
