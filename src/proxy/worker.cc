#include "proxy/worker.h"

#include "proxy/authenticator.h"
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

void Worker::set_policy(vault::SnapshotPtr new_snapshot,
                        std::shared_ptr<const vault::KeyRing> ring) {
  snapshot = std::move(new_snapshot);
  key_ring = std::move(ring);
  resolver.clear();
  check_grant();
}

void Worker::know_placeholders(std::shared_ptr<const vault::PlaceholderIndex> all) {
  earlier_placeholders_.push_back(std::move(grant.placeholders));
  grant.placeholders = std::move(all);
}

std::optional<Fault> Worker::check_vault(const ShownToken& shown) const {
  return check_vault_hint(shown, shown.vault == grant.vault ? grant.vault : snapshot->vault_name);
}

void Worker::tick() {
  deadlines.tick(clock.steady());
  check_grant();
  pool.sweep();
  resolver.sweep(deadlines.now_ms());
  connector.sweep(deadlines.now_ms());
  const UpstreamPool::Counts upstreams = pool.take_counts();
  state.metrics->note_upstreams(upstreams.reused, upstreams.dialled);
  const CredentialResolver::Counts credentials = resolver.take_counts();
  state.metrics->note_credentials(credentials.cached, credentials.opened);
}

void Worker::check_grant() {
  if (grant_end == GrantEnd::kExpired) {
    return;
  }
  if (grant.expires_ms != 0 && clock.wall_ms() >= grant.expires_ms) {
    end_grant(GrantEnd::kExpired);
  } else if (!agent_may_act(grant, *snapshot)) {
    end_grant(GrantEnd::kRevoked);
  } else {
    grant_end = GrantEnd::kNone;
  }
}

void Worker::revoke() {
  if (grant_end == GrantEnd::kNone) {
    end_grant(GrantEnd::kRevoked);
  }
}

void Worker::end_grant(GrantEnd why) {
  if (grant_end == why) {
    return;
  }
  grant_end = why;
  deadlines.close_all();
  pool.clear();
  resolver.clear();
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
