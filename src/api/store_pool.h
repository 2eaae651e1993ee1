#pragma once
// StorePool: what people ask external stores through the API, on threads of its own ("av-store"),
// because it takes as long as a store likes. Few at a time for each person, so that nobody holds up
// the others. All but the tasks belongs to the API's thread.

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/pool_task.h"
#include "api/task_threads.h"

namespace av::api {

class StoreTask : public PoolTask {
 protected:
  virtual void run() = 0;

 private:
  friend class StorePool;
};

template <typename T>
class StoreCall final : public StoreTask {
 public:
  // Called once, on a thread of the pool's; what it needs it keeps by value.
  using Work = std::function<T()>;
  explicit StoreCall(Work work) : work_(std::move(work)) {}
  // Once done().
  [[nodiscard]] T& result() { return *result_; }

 private:
  void run() override {
    result_.emplace(work_());
    work_ = nullptr;
  }
  Work work_;
  std::optional<T> result_;
};

class StorePool {
 public:
  static constexpr std::size_t kThreads = 4;
  static constexpr std::size_t kMaxQueued = 32;
  static constexpr std::size_t kMostEach = 2;  // of one person, waiting or under way

  // Its end drops what waits, and waits for what is under way.
  StorePool();

  enum class Answer { kTaken, kBusy, kTooMany };  // kTooMany: of this person
  [[nodiscard]] Answer submit(const std::string& who, const std::shared_ptr<StoreTask>& task);

 private:
  std::map<std::string, std::vector<std::shared_ptr<StoreTask>>> under_way_;
  TaskThreads<StoreTask> threads_;  // ends first
};

}  // namespace av::api
