#pragma once
// The commands about proposals; the larger ones have files of their own.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/command.h"
#include "vault/proposal.h"

namespace av::cmd {

Run setup_proposal_create(OptionSet& app);  // proposal_create.cc
Run setup_proposal_review(OptionSet& app);  // proposal_review.cc

// "7" -> 7; kUsage for anything else.
[[nodiscard]] Expected<std::uint64_t> proposal_number(std::string_view text);

// Approves what a review with this fingerprint showed, with both records on the audit log.
[[nodiscard]] Status approve_audited(Context& context, const vault::Proposal& proposal,
                                     const store::Store::ProposalApproval& approval);
[[nodiscard]] Status reject_audited(Context& context, const vault::Proposal& proposal,
                                    const std::string& note);
// Asks, without showing what is typed, for each value that is needed and not among `values`.
[[nodiscard]] Status ask_for_values(Context& context, const vault::Proposal& proposal,
                                    const std::vector<std::string>& needed,
                                    std::vector<store::Store::NewValue>& values);

}  // namespace av::cmd
