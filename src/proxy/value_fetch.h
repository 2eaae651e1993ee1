#pragma once
// The stage between policy and the opening of a credential for what is not kept here: the values
// are had from the stores that keep them.

#include <vector>

#include "proxy/fault.h"
#include "proxy/io.h"
#include "proxy/worker.h"

namespace av::proxy {

// Asks for all of them at once and hands what comes to the worker's resolver. Faults:
// `external_store_...`. `worker` must outlive the call.
Awaitable<Outcome<void>> fetch_values(Worker& worker, std::vector<vault::SourceQuery> queries);

// Whether the stores have answered, and have no such item.
[[nodiscard]] bool is_not_in_store(const Fault& fault);

}  // namespace av::proxy
