#pragma once
// The stage between policy and the opening of a credential: an access token that ends soon, or that
// a server has just rejected, is replaced first.

#include <vector>

#include "proxy/credential_resolver.h"
#include "proxy/token_source.h"
#include "proxy/worker.h"

namespace av::proxy {

// Asks for all of them at once and hands what comes to the worker's resolver. For a token that is
// still good it waits a moment only, and goes on with it; for one that is not, until the source has
// tried. True when every one was replaced. `worker` must outlive the call.
Awaitable<bool> refresh_tokens(Worker& worker, std::vector<StaleToken> tokens,
                               vault::RefreshReason reason);

}  // namespace av::proxy
