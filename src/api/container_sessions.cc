#include "api/container_sessions.h"

#include <algorithm>
#include <utility>

namespace av::api {

const KeptSession& ContainerSessions::keep(const std::string& key, KeptSession session) {
  if (kept_.size() >= kMost && !kept_.contains(key)) {
    kept_.erase(std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) {
      return a.second.expires_ms < b.second.expires_ms;
    }));
  }
  return kept_.insert_or_assign(key, std::move(session)).first->second;
}

}  // namespace av::api
