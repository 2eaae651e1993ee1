#include "proxy/fault.h"

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
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
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
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Error";
  }
}

std::string fault_response(const Fault& fault, bool close, bool head_only) {
  std::string body = "{";
  add_member(body, "error", fault.code);
  add_member(body, "message", fault.message);
  if (!fault.help.empty()) {
    add_member(body, "help", fault.help);
  }
  if (!fault.proposal_host.empty()) {
    body += ",\"proposal_hint\":{\"host\":\"" + encoding::json_escaped(fault.proposal_host) +
            "\",\"endpoint\":\"POST /v1/proposals\",\"supported_auth_types\":[\"bearer\","
            "\"basic\",\"api-key\",\"custom\",\"passthrough\"]}";
  }
  body += "}\n";
  std::string response = "HTTP/1.1 " + std::to_string(fault.status) + ' ';
  response += reason_phrase(fault.status);
  response += "\r\nContent-Type: application/json\r\nContent-Length: ";
  response += std::to_string(body.size());
  response += "\r\nX-Agent-Vault-Proxy-Error: true\r\nCache-Control: no-store\r\n";
  if (fault.status == 407) {
    response += "Proxy-Authenticate: Basic realm=\"agent-vault\"\r\n";
  }
  if (!fault.transient) {
    response += "x-should-retry: false\r\n";
  }
  if (close) {
    response += "Connection: close\r\n";
  }
  response += "\r\n";
  if (!head_only) {
    response += body;
  }
  return response;
}

}  // namespace av::proxy
