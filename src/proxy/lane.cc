#include "proxy/lane.h"

#include "proxy/refusals.h"

namespace av::proxy {
namespace {

Fault limits_unavailable(const std::string& why) {
  Fault fault;
  fault.status = 503;
  fault.code = "limits_unavailable";
  fault.message = "the requests of this agent cannot be counted: " + why;
  fault.help = "what cannot be counted is refused; see whether the store's directory is writable";
  fault.transient = true;
  return fault;
}

}  // namespace

Outcome<vault::Lane> take_lane(Worker& worker, const vault::PolicySnapshot& snapshot) {
  if (worker.grant_end != GrantEnd::kNone) {
    return grant_fault(worker.grant_end);
  }
  const vault::Principal& principal = worker.grant.principal;
  const auto agent = snapshot.agents.find(principal.agent);
  const std::uint32_t limit = agent == snapshot.agents.end() ? 0 : agent->second.max_concurrent;
  if (limit == 0) {
    return vault::Lane();
  }
  if (worker.options.lanes == nullptr) {
    return limits_unavailable("there are no counters");
  }
  auto lane = worker.options.lanes->take(principal.agent_uid, limit);
  if (!lane) {
    return limits_unavailable(lane.error().message);
  }
  if (*lane) {
    return vault::Lane(*worker.options.lanes, principal.agent_uid, **lane);
  }
  Fault fault;
  fault.status = 429;
  fault.code = "too_many_concurrent";
  fault.message = "this agent may have " + std::to_string(limit) +
                  (limit == 1 ? " request" : " requests") +
                  " under way at one time, in all its runs";
  fault.help = "try again when one of them has ended";
  fault.retry_after = 1;
  fault.transient = true;
  return fault;
}

}  // namespace av::proxy
