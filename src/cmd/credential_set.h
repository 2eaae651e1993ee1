#pragma once
// `vault credential set` and `vault credential import`: the ways by which values come in.

#include "cmd/command.h"

namespace av::cmd {

class OptionSet;

// Both open the store only once the value is there and well-formed, so that nothing is made or
// unlocked for a mistyped command.
Run setup_credential_set(OptionSet& app);
Run setup_credential_import(OptionSet& app);

}  // namespace av::cmd
