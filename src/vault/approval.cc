#include "vault/approval.h"

#include <algorithm>
#include <array>
#include <utility>

#include "vault/grant_uses.h"

namespace av::vault {
namespace {

constexpr std::array<std::pair<ApprovalState, std::string_view>, 5> kStates = {{
    {ApprovalState::kPending, "pending"},
    {ApprovalState::kAllowed, "allowed"},
    {ApprovalState::kDenied, "denied"},
    {ApprovalState::kExpired, "expired"},
    {ApprovalState::kCancelled, "cancelled"},
}};

}  // namespace

std::string_view to_string(ApprovalState state) {
  return kStates[static_cast<std::size_t>(state)].second;
}

std::optional<ApprovalState> approval_state_from_string(std::string_view text) {
  for (const auto& [state, name] : kStates) {
    if (name == text) {
      return state;
    }
  }
  return std::nullopt;
}

std::vector<ApprovalGrant> grants_for(const ApprovalRequest& request, std::uint64_t uses,
                                      std::int64_t for_ms, std::int64_t now_ms) {
  constexpr std::int64_t kUsesLastMs = std::int64_t{24} * 3600 * 1000;
  std::vector<ApprovalGrant> grants;
  if (uses == 1 || (uses == 0 && for_ms == 0)) {
    return grants;
  }
  for (const std::string& rule_uid : request.rule_uids) {
    ApprovalGrant grant;
    grant.id = request.id + (grants.empty() ? "" : "-" + std::to_string(grants.size()));
    grant.rule_uid = rule_uid;
    grant.agent_uid = request.agent_uid;
    grant.method = request.method;
    grant.url_no_query = request.url_no_query;
    // This request is the first.
    grant.uses = uses == 0 ? 0 : static_cast<std::uint32_t>(uses - 1);
    grant.expires_ms = now_ms + (for_ms == 0 ? kUsesLastMs : for_ms);
    grants.push_back(std::move(grant));
  }
  return grants;
}

std::optional<std::uint32_t> uses_left(const ApprovalGrant& grant, std::string_view vault_uid,
                                       LimitLedger* ledger, std::int64_t now_ms) {
  if (grant.uses == 0) {
    return std::nullopt;
  }
  const auto key = LimitKey::of(vault_uid, grant.id, {}, 0);
  const auto count = ledger == nullptr ? Expected<LimitLedger::Count>(LimitLedger::Count())
                                       : ledger->look(key, grant.uses, 0, now_ms);
  return grant.uses - std::min(grant.uses, count ? count->used : 0);
}

}  // namespace av::vault
