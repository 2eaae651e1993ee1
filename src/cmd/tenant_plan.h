#pragma once
// From what the store says about tokens to what the proxy of `serve` goes by.

#include <memory>

#include "proxy/tenants.h"
#include "store/store.h"

namespace av::cmd {

// Every agent's own token for each vault that it may act in, and every session. A vault that cannot
// be read is left out; the error of the last one is in `problem`.
[[nodiscard]] Expected<std::shared_ptr<const proxy::TenantPlan>> make_tenant_plan(
    store::Store& store, std::optional<Error>& problem);

}  // namespace av::cmd
