#pragma once
// The agent's limit of requests at one time, as an exchange meets it.

#include "proxy/fault.h"
#include "proxy/worker.h"
#include "vault/lanes.h"

namespace av::proxy {

// A lane for one request of the worker's agent; an empty one where there is no limit. The snapshot
// is the one that policy was asked with. Refuses also when the grant has ended while policy waited
// for a human.
[[nodiscard]] Outcome<vault::Lane> take_lane(Worker& worker, const vault::PolicySnapshot& snapshot);

}  // namespace av::proxy
