#pragma once
// Proposals as JSON: what agents send, what the store keeps, what people and programs are shown.
// Unknown members are errors that name them. Values never pass through a std::string.

#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"
#include "vault/proposal.h"

namespace av::vault {

struct ReadProposal {
  ProposalRequest request;
  std::vector<ProposedValue> values;  // one for each slot with has_value
  std::string vault;                  // member "vault", where the API lets it be named; or ""
};
// A request: {services, credentials, message, user_message, vault}. Checks everything that can be
// known without the vault; what else there is to check, plan_of() does (proposal_plan.h). Errors
// say which member and what is allowed.
[[nodiscard]] Expected<ReadProposal> read_proposal(const Secret& body);

// Without values; for the store and back.
[[nodiscard]] std::string proposal_request_to_json(const ProposalRequest& request);
[[nodiscard]] Expected<ProposalRequest> proposal_request_from_json(std::string_view text);

// One proposal as the API and --json show it, in one line.
[[nodiscard]] std::string proposal_to_json(const Proposal& proposal);
// {id, status, message, created_at, ...}: without services and slots.
[[nodiscard]] std::string proposal_summary_to_json(const Proposal& proposal);

// {"services":[{name, host?, path?, methods?}], "expires_in_seconds"?, "uses"?}; "" for none.
[[nodiscard]] std::string narrowing_to_json(const Narrowing& narrowing);
[[nodiscard]] Expected<Narrowing> narrowing_from_json(std::string_view text);

}  // namespace av::vault
