#pragma once
// What `rule test` says about one request, in words.

#include "api/rule_explanation.h"
#include "cmd/command.h"

namespace av::cmd {

// On the context's output. `verbose`: also the rules of this host that do not match. `snapshot` is
// the one that was asked.
void print_explanation(const Context& context, const api::Explanation& explained,
                       const vault::PolicySnapshot& snapshot, bool verbose);

}  // namespace av::cmd
