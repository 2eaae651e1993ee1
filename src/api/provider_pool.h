#pragma once
// ProviderPool: what is asked of providers of tokens, on threads of its own ("av-provider"),
// because it may take as long as a network likes. What comes of it is read on the API's thread.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "api/pool_task.h"
#include "api/task_threads.h"
#include "core/expected.h"
#include "oauth/http_port.h"

namespace av::api {

class ProviderTask : public PoolTask {
 protected:
  virtual void run(Expected<oauth::HttpPort*> http) = 0;

 private:
  friend class ProviderPool;
};

template <typename T>
class ProviderCall final : public ProviderTask {
 public:
  // Called once, on a thread of the pool's; what it needs it keeps by value.
  using Work = std::function<Expected<T>(oauth::HttpPort&)>;
  explicit ProviderCall(Work work) : work_(std::move(work)) {}
  // Once done().
  [[nodiscard]] Expected<T>& result() { return *result_; }

 private:
  void run(Expected<oauth::HttpPort*> http) override {
    result_.emplace(http ? work_(**http) : Expected<T>(std::move(http.error())));
    work_ = nullptr;
  }
  Work work_;
  std::optional<Expected<T>> result_;
};

class ProviderPool {
 public:
  static constexpr std::size_t kThreads = 2;
  static constexpr std::size_t kMaxQueued = 16;
  // For each thread one, on its first use. Empty: nobody can be asked.
  using Open = std::function<Expected<std::unique_ptr<oauth::HttpPort>>()>;

  // Its end drops what waits, and waits for what is under way.
  explicit ProviderPool(Open open);

  [[nodiscard]] bool usable() const { return static_cast<bool>(open_); }
  // False when too many wait; nothing is done then.
  [[nodiscard]] bool submit(const std::shared_ptr<ProviderTask>& task) {
    return threads_.submit(task);
  }

 private:
  // A thread with a port of its own.
  [[nodiscard]] TaskThreads<ProviderTask>::Work begin() const;

  Open open_;
  TaskThreads<ProviderTask> threads_;  // ends first
};

}  // namespace av::api
