// Any bytes as a proposal: no crash, and what is accepted holds nothing that is not shown as it is,
// survives the store, and does to a vault only what its account says. Values stay out of all texts.

#include <cstdint>
#include <string_view>

#include "core/encoding.h"
#include "fuzz/require.h"
#include "vault/proposal_codec.h"
#include "vault/proposal_plan.h"
#include "vault/service_cover.h"

namespace {

av::vault::VaultState state_for(const av::vault::ProposalRequest& request) {
  av::vault::VaultState state;
  av::vault::Service service;
  service.name = "github";
  service.host = "api.github.com";
  service.auth = av::vault::BearerAuth{"GITHUB_TOKEN"};
  state.services = {service};
  state.credentials = {{"GITHUB_TOKEN", 1}};
  // Whatever it refers to, so that plans are made at all.
  for (const av::vault::CredentialSlot& slot : request.slots) {
    if (slot.action == av::vault::ProposalAction::kDelete) {
      state.credentials[slot.key] = 2;
    }
  }
  return state;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av::vault;
  av::init_secret_arena();
  const auto body = av::Secret::copy_of(std::span(data, size));
  require(body.has_value());
  const auto read = read_proposal(*body);
  if (!read) {
    require(read.error().code == av::ErrorCode::kInvalid);
    require(av::encoding::printable(read.error().message) == read.error().message);
    return 0;
  }
  const ProposalRequest& request = read->request;
  std::size_t supplied = 0;
  for (const CredentialSlot& slot : request.slots) {
    supplied += slot.has_value ? 1 : 0;
    require(av::encoding::printable(slot.description) == slot.description);
    require(slot.obtain.empty() || slot.obtain.starts_with("http"));
  }
  require(supplied == read->values.size());
  const std::string json = proposal_request_to_json(request);
  const auto again = proposal_request_from_json(json);
  require(again && proposal_request_to_json(*again) == json);
  const VaultState state = state_for(request);
  const auto plan = plan_of(request, state);
  if (!plan) {
    return 0;
  }
  Narrowing narrowing;
  narrowing.uses = 3;
  ProposalPlan narrowed = *plan;
  if (narrow(narrowed, narrowing, 1'700'000'000'000, "g")) {
    for (std::size_t i = 0; i < plan->services.size(); ++i) {
      require(!plan->services[i].after ||
              check_covered(*narrowed.services[i].after, *plan->services[i].after).has_value());
    }
  }
  for (const DiffLine& line : diff_of(request, *plan, state)) {
    require(line.text.size() <= 2000 && av::encoding::printable(line.text) == line.text);
  }
  return 0;
}
