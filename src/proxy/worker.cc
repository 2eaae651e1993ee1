#include "proxy/worker.h"

#include "proxy/refusals.h"

namespace av::proxy {
namespace {

bool agent_may_act(const SessionGrant& grant, const vault::PolicySnapshot& snapshot) {
  const vault::Principal& principal = grant.principal;
  if (principal.agent.empty()) {
    return true;
  }
  const auto agent = snapshot.agents.find(principal.agent);
  return agent != snapshot.agents.end() && agent->second.uid == principal.agent_uid &&
         agent->second.rotated_ms == grant.agent_rotated_ms;
}

}  // namespace

void Worker::check_grant() {
  const GrantEnd before = grant_end;
  if (before == GrantEnd::kExpired) {
    return;
  }
  if (grant.expires_ms != 0 && clock.wall_ms() >= grant.expires_ms) {
    grant_end = GrantEnd::kExpired;
  } else {
    grant_end = agent_may_act(grant, *snapshot) ? GrantEnd::kNone : GrantEnd::kRevoked;
  }
  if (grant_end != GrantEnd::kNone && grant_end != before) {
    deadlines.close_all();
    pool.clear();
    resolver.clear();
    note_grant_end();
  }
}

void Worker::note_grant_end() {
  vault::AuditRecord record;
  record.time_ms = clock.wall_ms();
  record.event = "session.end";
  record.vault = snapshot->vault_name;
  record.agent = grant.principal.agent;
  record.run = grant.principal.run_id;
  record.detail = grant_fault(grant_end).code;
  (void)audit.append(record);
}

}  // namespace av::proxy
