#include "vault/approval.h"

#include <array>
#include <utility>

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

}  // namespace av::vault
