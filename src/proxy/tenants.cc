#include "proxy/tenants.h"

#include <algorithm>

#include "proxy/authenticator.h"

namespace av::proxy {
namespace {

Outcome<const Tenancy*> choose(const std::vector<Tenancy>& tenancies, const ShownToken& token) {
  if (token.malformed_vault || !token.vault.empty()) {
    std::optional<Fault> why;
    for (const Tenancy& one : tenancies) {
      why = check_vault_hint(token, one.snapshot->vault_name);
      if (!why) {
        return &one;
      }
    }
    return std::move(*why);  // a token in the plan has at least one
  }
  if (tenancies.size() == 1) {
    return &tenancies.front();
  }
  const auto usual = std::find_if(tenancies.begin(), tenancies.end(),
                                  [](const Tenancy& one) { return one.by_default; });
  if (usual != tenancies.end()) {
    return &*usual;
  }
  Fault fault;
  fault.status = 400;
  fault.code = "vault_not_named";
  fault.message = "this token may act in several vaults, and none was named";
  fault.help = "name one behind the token: http://TOKEN:VAULT@HOST:PORT";
  return fault;
}

}  // namespace

Fault proxy_auth_required() {
  Fault fault;
  fault.status = 407;
  fault.code = "proxy_authentication_required";
  fault.message = "the proxy wants the token of this run";
  fault.help = "use the HTTPS_PROXY that agent-vault run has set";
  return fault;
}

void TenantPlan::add(Tenancy tenancy) {
  std::vector<Tenancy>& all = tenancies_[tenancy.grant.token_hash];
  all.push_back(std::move(tenancy));
}

std::set<vault::SnapshotPtr> TenantPlan::snapshots() const {
  std::set<vault::SnapshotPtr> out;
  for (const auto& [hash, tenancies] : tenancies_) {
    for (const Tenancy& tenancy : tenancies) {
      out.insert(tenancy.snapshot);
    }
  }
  return out;
}

const std::vector<Tenancy>* TenantPlan::find(const crypto::Digest& token_hash) const {
  const auto found = tenancies_.find(token_hash);
  return found == tenancies_.end() ? nullptr : &found->second;
}

Outcome<Worker*> Tenants::find(std::string_view field_value) {
  for (const ShownToken& token : shown_tokens(field_value)) {
    if (const std::vector<Tenancy>* const tenancies = plan_->find(token.hash)) {
      AV_TRY(const Tenancy* const tenancy, choose(*tenancies, token));
      return &worker_of(token.hash, *tenancy);
    }
  }
  return proxy_auth_required();
}

Worker& Tenants::worker_of(const crypto::Digest& hash, const Tenancy& tenancy) {
  Tenant& tenant = workers_[Key(hash, tenancy.snapshot->vault_uid)];
  tenant.idle_since_ms = 0;
  if (tenant.worker == nullptr) {
    tenant.worker = std::make_unique<Worker>(state_, tenancy.grant);
    tenant.worker->set_policy(tenancy.snapshot, plan_->key_ring());
  }
  return *tenant.worker;
}

void Tenants::publish(std::shared_ptr<const TenantPlan> plan) {
  plan_ = std::move(plan);
  for (auto& [key, tenant] : workers_) {
    const std::vector<Tenancy>* const tenancies = plan_->find(key.first);
    const Tenancy* still = nullptr;
    if (tenancies != nullptr) {
      for (const Tenancy& tenancy : *tenancies) {
        still = tenancy.snapshot->vault_uid == key.second ? &tenancy : still;
      }
    }
    if (still != nullptr) {
      tenant.worker->grant.expires_ms = still->grant.expires_ms;
      tenant.worker->set_policy(still->snapshot, plan_->key_ring());
    } else {
      tenant.worker->revoke();
    }
  }
}

void Tenants::tick() {
  const std::int64_t now = std::max<std::int64_t>(
      1, std::chrono::duration_cast<Millis>(state_.clock.steady().time_since_epoch()).count());
  for (auto it = workers_.begin(); it != workers_.end();) {
    Tenant& tenant = it->second;
    Worker& worker = *tenant.worker;
    worker.tick();
    const bool busy = !worker.open_sessions.empty() || worker.connector.resolving() != 0;
    if (busy) {
      tenant.idle_since_ms = 0;
    } else if (tenant.idle_since_ms == 0) {
      tenant.idle_since_ms = now;
    } else if (now - tenant.idle_since_ms >= kKeep.count()) {
      // What it has towards upstreams ends first, and the coroutines of it with the next turns.
      if (worker.pool.empty() && worker.deadlines.size() == 0) {
        it = workers_.erase(it);
        continue;
      }
      worker.deadlines.close_all();
      worker.pool.clear();
    }
    ++it;
  }
  state_.metrics->set_workers(workers_.size());
}

}  // namespace av::proxy
