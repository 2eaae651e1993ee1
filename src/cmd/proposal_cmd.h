#pragma once
// The commands about proposals; the larger ones have files of their own.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/command.h"
#include "cmd/run_options.h"
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
// Asks, without showing what is typed, for each value that is needed and not given in `approval`;
// an OAuth slot is connected.
[[nodiscard]] Status ask_for_values(Context& context, const vault::Proposal& proposal,
                                    const std::vector<std::string>& needed, const RunWords& reach,
                                    store::Store::ProposalApproval& approval);
// Adds the connection of this slot; the person is asked for the client and sent to the provider.
[[nodiscard]] Status connect_slot(Context& context, const vault::CredentialSlot& slot,
                                  const RunWords& reach, store::Store::ProposalApproval& approval);

}  // namespace av::cmd
