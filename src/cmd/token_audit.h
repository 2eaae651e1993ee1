#pragma once
// The refreshes of a TokenKeeper, on the log.

#include "cmd/command.h"
#include "cmd/token_keeper.h"

namespace av::cmd {

// By the thread that owns the store, now and then.
void audit_refreshes(Context& context, TokenKeeper& keeper);

// Names those that are damaged; they keep no others from being used. An empty name: of every vault.
void warn_of_damaged_tokens(Context& context, const std::string& vault);

}  // namespace av::cmd
