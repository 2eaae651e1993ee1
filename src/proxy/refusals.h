#pragma once
// The words for what policy refuses and for what upstreams do wrong.

#include "proxy/fault.h"
#include "proxy/head.h"
#include "proxy/stream.h"
#include "vault/canonical.h"
#include "vault/policy.h"

namespace av::proxy {

// An upstream that ended (`io`) before it answered.
[[nodiscard]] Fault upstream_fault(Io io, const vault::RequestIdentity& identity);
// `now_ms`: wall clock, for Retry-After.
[[nodiscard]] Fault denial_fault(const vault::Deny& deny, const vault::RequestIdentity& identity,
                                 std::int64_t now_ms);
// The same, with the proposal that would help: agent, credentials and services are of the snapshot.
[[nodiscard]] Fault denial_with_proposal(const vault::Deny& deny,
                                         const vault::RequestIdentity& identity,
                                         const vault::PolicySnapshot& snapshot,
                                         const vault::Principal& principal, std::int64_t now_ms);
// A request that nobody has approved.
[[nodiscard]] Fault approval_fault(vault::ApprovalState state, const vault::Rule& rule);

// A request whose head was refused.
[[nodiscard]] Fault head_fault(const HeadError& error);
[[nodiscard]] Fault bad_request_body();
[[nodiscard]] Fault invalid_response(const std::string& host, std::string_view why);
[[nodiscard]] Fault uninspectable(const std::string& host);

struct Worker;
enum class GrantEnd : std::uint8_t;
// For whoever has shown the right token, when it opens nothing any more.
[[nodiscard]] Fault grant_fault(GrantEnd why);

// The record of a request that was refused before it had an identity.
void audit_refusal(Worker& worker, std::string_view method, const Fault& fault);

}  // namespace av::proxy
