#include "proxy/refusals.h"

#include "proxy/gateway_fault.h"
#include "proxy/request_identity.h"
#include "proxy/worker.h"

namespace av::proxy {

Fault upstream_fault(Io io, const vault::RequestIdentity& identity) {
  const std::string& host = identity.authority.host;
  switch (io) {
    case Io::kTimeout:
      return gateway_fault("upstream_timeout", host + " did not answer in time",
                           "the limit is set by agent-vault run --header-timeout SECONDS", true);
    case Io::kTls:
      return gateway_fault("upstream_tls_failed", "TLS with " + host + " broke off", {}, true);
    case Io::kOk:
    case Io::kEof:
    case Io::kClosed:
    case Io::kReset:
      break;
  }
  return gateway_fault("upstream_closed", host + " closed the connection without an answer", {},
                       true);
}

Fault denial_fault(const vault::Deny& deny, const vault::RequestIdentity& identity) {
  const std::string& host = identity.authority.host;
  Fault fault;
  fault.status = 403;
  fault.proposal_host = host;
  switch (deny.reason) {
    case vault::Deny::Reason::kUnmatchedHost:
      fault.code = "forbidden";
      fault.message =
          "no service of this vault covers " + identity.method + ' ' + host + identity.target.path;
      fault.help =
          "the owner of the vault can add one: agent-vault vault service add --host " + host;
      break;
    case vault::Deny::Reason::kServiceDisabled:
      fault.code = "service_disabled";
      fault.message = "the service " + deny.service + " is switched off";
      fault.help = "the owner of the vault can switch it on: agent-vault vault service enable " +
                   deny.service;
      break;
    case vault::Deny::Reason::kAmbiguousPath:
      fault.status = 400;
      fault.proposal_host.clear();
      fault.code = "ambiguous_path";
      fault.message = "with \"//\" or \";\" the path could be read as one of another service";
      fault.help = "send the path without them";
      break;
  }
  return fault;
}

void audit_refusal(Worker& worker, std::string_view method, const Fault& fault) {
  vault::AuditRecord record;
  record.time_ms = worker.clock.wall_ms();
  record.event = "request";
  record.vault = worker.snapshot->vault_name;
  record.agent = worker.grant.principal.agent;
  record.run = worker.grant.principal.run_id;
  record.request = worker.next_request++;
  record.method = std::string(method.substr(0, 32));
  record.decision = fault.status == 407 || fault.status == 421 ? "deny" : "error";
  record.status = fault.status;
  record.error = fault.code;
  (void)worker.audit.append(record);
}

Fault head_fault(const HeadError& error) {
  Fault fault;
  fault.status = error.status;
  fault.code = error.code;
  fault.message = error.message;
  return fault;
}

Fault bad_request_body() {
  return bad_request("the request body has malformed framing");
}

Fault invalid_response(const std::string& host, std::string_view why) {
  return gateway_fault("upstream_protocol", host + " sent an invalid response: " + std::string(why),
                       {}, false);
}

Fault uninspectable(const std::string& host) {
  return gateway_fault(
      "response_uninspectable",
      host +
          " answered in a form (a coding, a range, an extension) that cannot be searched for the "
          "credential",
      "the owner of the vault can let it pass: \"allow_uninspected\" of the service", false);
}

}  // namespace av::proxy
