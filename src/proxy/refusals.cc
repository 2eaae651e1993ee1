#include "proxy/refusals.h"

#include <algorithm>

#include "proxy/gateway_fault.h"
#include "proxy/request_identity.h"
#include "proxy/worker.h"
#include "vault/proposal_suggestion.h"

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

namespace {

constexpr std::string_view kAsk = "ask for it yourself: send the body in proposal_hint to its url";

std::string because(const std::string& words) {
  return words.empty() ? std::string() : ": " + words;
}

Fault rate_limited(const vault::Deny& deny, std::int64_t now_ms) {
  Fault fault;
  fault.status = 429;
  fault.code = "rate_limited";
  fault.rule = deny.rule;
  fault.message = deny.rule.empty() ? "this agent has used up its requests of this window"
                                    : "the rule " + deny.rule + " lets no more requests pass in " +
                                          "this window" + because(deny.words);
  // At least a second: 0 would say "now".
  fault.retry_after = std::max<std::int64_t>(1, (deny.retry_at_ms - now_ms + 999) / 1000);
  fault.help = "wait " + std::to_string(fault.retry_after) + " s; the count is shared by all runs";
  fault.transient = true;
  return fault;
}

}  // namespace

Fault approval_fault(vault::ApprovalState state, const vault::Rule& rule) {
  Fault fault;
  fault.status = 403;
  fault.rule = rule.name;
  if (state == vault::ApprovalState::kExpired) {
    fault.code = "approval_timeout";
    fault.message = "nobody approved this request within " + std::to_string(rule.timeout_seconds) +
                    " s (rule " + rule.name + ')' + because(rule.reason);
    fault.help = "ask the owner of the vault, who decides with: agent-vault approval list";
    return fault;
  }
  fault.code = "approval_denied";
  fault.message = "a person denied this request (rule " + rule.name + ')' + because(rule.reason);
  fault.help = "do something else, or ask the owner of the vault why";
  return fault;
}

Fault denial_fault(const vault::Deny& deny, const vault::RequestIdentity& identity,
                   std::int64_t now_ms) {
  const std::string& host = identity.authority.host;
  Fault fault;
  fault.status = 403;
  switch (deny.reason) {
    case vault::Deny::Reason::kUnmatchedHost:
      fault.code = "forbidden";
      fault.proposal_host = host;
      fault.message =
          "no service of this vault covers " + identity.method + ' ' + host + identity.target.path;
      fault.help =
          "the owner of the vault can add one: agent-vault vault service add --host " + host;
      break;
    case vault::Deny::Reason::kServiceDisabled:
      fault.code = "service_disabled";
      fault.proposal_host = host;
      fault.message = "the service " + deny.service + " is switched off";
      fault.help = "the owner of the vault can switch it on: agent-vault vault service enable " +
                   deny.service;
      break;
    case vault::Deny::Reason::kServiceExpired:
      fault.code = "service_expired";
      fault.proposal_host = host;
      fault.message = "the time for which the service " + deny.service + " was granted is over";
      fault.help = "ask for it again, if it is still needed";
      break;
    case vault::Deny::Reason::kServiceUsedUp:
      fault.code = "service_used_up";
      fault.proposal_host = host;
      fault.message = "the service " + deny.service + " was granted for a number of requests; " +
                      "all of them have been made";
      fault.help = "ask for it again, if it is still needed";
      break;
    case vault::Deny::Reason::kAmbiguousPath:
      fault.status = 400;
      fault.code = "ambiguous_path";
      fault.message = "with \"//\" or \";\" the path could be read as one of another service";
      fault.help = "send the path without them";
      break;
    case vault::Deny::Reason::kAgentRevoked:
      fault.code = "agent_revoked";
      fault.message = "this agent may not act in this vault any more";
      fault.help = "the owner of the vault sees: agent-vault agent list";
      break;
    case vault::Deny::Reason::kOutOfScope:
      fault.code = "out_of_scope";
      fault.message = "this agent may not use the service " + deny.service + " or its credentials";
      fault.help = "the owner of the vault sees: agent-vault agent list";
      break;
    case vault::Deny::Reason::kBlocked:
      fault.code = "blocked_by_policy";
      fault.rule = deny.rule;
      fault.message = "the rule " + deny.rule + " blocks " + identity.method + ' ' + host +
                      identity.target.path + because(deny.words);
      if (deny.body_unreadable) {
        fault.message += "; it depends on the body, which cannot be read as a whole";
        fault.help = "send at most 1 MiB, as plain JSON or text, without a coding";
      } else {
        fault.help =
            "do not try again; the owner of the vault can change it: agent-vault rule list";
      }
      break;
    case vault::Deny::Reason::kRateLimited:
      return rate_limited(deny, now_ms);
    case vault::Deny::Reason::kLimitsUnknown:
      fault.status = 503;
      fault.code = "limits_unavailable";
      fault.message = "the counters of the rate limits cannot be read: " + deny.detail;
      fault.help = "what cannot be counted is refused; see agent-vault doctor";
      fault.transient = true;
      break;
  }
  return fault;
}

Fault denial_with_proposal(const vault::Deny& deny, const vault::RequestIdentity& identity,
                           const vault::PolicySnapshot& snapshot, const vault::Principal& principal,
                           std::int64_t now_ms) {
  Fault fault = denial_fault(deny, identity, now_ms);
  if (!fault.proposal_host.empty()) {
    fault.proposal = deny.service.empty()
                         ? vault::suggested_proposal(identity, &snapshot, principal.agent)
                         : vault::renewal_proposal(deny.service);
    fault.help += (fault.help.empty() ? "" : "; or ") + std::string(kAsk);
  }
  return fault;
}

Fault grant_fault(GrantEnd why) {
  Fault fault;
  fault.status = 407;
  if (why == GrantEnd::kExpired) {
    fault.code = "session_expired";
    fault.message = "the time that this run was given (--ttl) is over";
    fault.help = "ask the person who started the run for a new one";
  } else {
    fault.code = "agent_revoked";
    fault.message = "this agent, or its token, may not be used any more in this vault";
    fault.help = "the owner of the vault sees why: agent-vault agent list";
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
  record.request = worker.state.next_request++;
  record.method = std::string(method.substr(0, 32));
  record.decision = fault.status == 407 || fault.status == 421 ? "deny" : "error";
  record.status = fault.status;
  record.error = fault.code;
  worker.state.metrics->note(record);
  if (fault.status == 407) {
    worker.state.metrics->note_auth_failure();
  }
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
