#include "cmd/tenant_plan.h"

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "vault/names.h"

namespace av::cmd {

Expected<std::shared_ptr<const proxy::TenantPlan>> make_tenant_plan(store::Store& store,
                                                                    std::optional<Error>& problem) {
  // Tokens first: a vault that is made in between is in the next plan.
  AV_TRY(const auto grants, store.token_grants());
  AV_TRY(const auto vaults, store.list_vaults());
  std::map<std::string, vault::SnapshotPtr> snapshots;
  for (const store::VaultInfo& info : vaults) {
    auto snapshot = store.load_snapshot(info.name);
    if (snapshot) {
      snapshots.emplace(info.name, std::move(*snapshot));
    } else {
      problem = snapshot.error();
    }
  }
  auto plan = std::make_shared<proxy::TenantPlan>(store.key_ring());
  for (const store::Store::TokenGrant& grant : grants) {
    for (const auto& [name, snapshot] : snapshots) {
      if (!grant.agent.may_use_vault(name) || (!grant.session.empty() && grant.vault != name)) {
        continue;
      }
      proxy::Tenancy tenancy;
      tenancy.grant.token_hash = grant.token_hash;
      tenancy.grant.principal.agent = grant.agent.name;
      tenancy.grant.principal.agent_uid = grant.agent.uid;
      tenancy.grant.principal.run_id = grant.session.empty() ? "serve" : grant.session;
      tenancy.grant.agent_rotated_ms = grant.agent.rotated_ms;
      tenancy.grant.expires_ms = grant.expires_ms;
      tenancy.snapshot = snapshot;
      tenancy.by_default = name == vault::kDefaultVault;
      plan->add(std::move(tenancy));
    }
  }
  return std::shared_ptr<const proxy::TenantPlan>(std::move(plan));
}

}  // namespace av::cmd
