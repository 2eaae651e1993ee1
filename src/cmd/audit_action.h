#pragma once
// What a command does to the store is on the log twice (vault/audit_action.h).

#include "cmd/command.h"
#include "vault/audit_action.h"

namespace av::cmd {

using vault::action;
using vault::audited;
using vault::note_intention;
using vault::note_outcome;

}  // namespace av::cmd
