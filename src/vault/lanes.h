#pragma once
// Lanes: how many requests of an agent may be under way at one time, over all processes that have
// the store open. A request that is let in holds a lane until its Lane dies.

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "core/expected.h"

namespace av::vault {

class LaneKeeper {
 public:
  virtual ~LaneKeeper() = default;
  // A free lane below `limit`; nullopt when all are taken. Never waits. An error means that nothing
  // is known: refuse. Belongs to the worker's thread.
  [[nodiscard]] virtual Expected<std::optional<std::uint32_t>> take(std::string_view agent_uid,
                                                                    std::uint32_t limit) = 0;
  virtual void give_back(std::string_view agent_uid, std::uint32_t lane) = 0;
};

// A lane that is held; empty where there is no limit. `agent_uid` must outlive it.
class Lane {
 public:
  Lane() = default;
  Lane(LaneKeeper& keeper, std::string_view agent_uid, std::uint32_t lane)
      : keeper_(&keeper), agent_uid_(agent_uid), lane_(lane) {}
  Lane(Lane&& other) noexcept
      : keeper_(std::exchange(other.keeper_, nullptr)),
        agent_uid_(other.agent_uid_),
        lane_(other.lane_) {}
  Lane& operator=(Lane&& other) noexcept {
    std::swap(keeper_, other.keeper_);
    std::swap(agent_uid_, other.agent_uid_);
    std::swap(lane_, other.lane_);
    return *this;
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() {
    if (keeper_ != nullptr) {
      keeper_->give_back(agent_uid_, lane_);
    }
  }

 private:
  LaneKeeper* keeper_ = nullptr;
  std::string_view agent_uid_;
  std::uint32_t lane_ = 0;
};

}  // namespace av::vault
