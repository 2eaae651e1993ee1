#pragma once
// A proposal on the screen of the one who decides. The agent wrote it: what is its own stands
// behind a bar, so that no line of it can pose as ours.

#include <cstdio>
#include <string>

#include "cmd/command.h"
#include "vault/proposal.h"
#include "vault/proposal_plan.h"

namespace av::cmd {

void print_proposal(std::FILE* out, const vault::Proposal& proposal, std::int64_t now_ms);
// "+ ", "- ", "  " and "! " before each line.
void print_diff(std::FILE* out, const vault::ProposalDiff& diff);
// Before a value is asked for: what it is, and where one gets it.
void print_slot(std::FILE* out, const vault::CredentialSlot& slot);

// "user:LOGIN@terminal": whoever this process belongs to.
[[nodiscard]] std::string reviewer_at_terminal();
// For the audit log.
[[nodiscard]] vault::AuditRecord proposal_record(std::string_view event,
                                                 const vault::Proposal& proposal,
                                                 const std::string& what);

}  // namespace av::cmd
