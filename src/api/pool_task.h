#pragma once
// PoolTask: what a thread of a pool does once, with what the API's thread may ask of it meanwhile.

#include <atomic>

namespace av::api {

class PoolTask {
 public:
  PoolTask() = default;
  virtual ~PoolTask() = default;
  PoolTask(const PoolTask&) = delete;
  PoolTask& operator=(const PoolTask&) = delete;

  [[nodiscard]] bool done() const { return state_.load(std::memory_order_acquire) == kDone; }
  // It has not begun, and never will. False: it is under way, or done.
  [[nodiscard]] bool cancel() {
    int waiting = kWaiting;
    return state_.compare_exchange_strong(waiting, kCancelled) || waiting == kCancelled;
  }
  [[nodiscard]] bool is_over() const {
    const int state = state_.load(std::memory_order_acquire);
    return state == kDone || state == kCancelled;
  }

 protected:
  // By the pool's thread: whether it is to be done; and that it is.
  [[nodiscard]] bool begin() {
    int waiting = kWaiting;
    return state_.compare_exchange_strong(waiting, kRunning);
  }
  void end() { state_.store(kDone, std::memory_order_release); }

 private:
  enum State : int { kWaiting, kRunning, kDone, kCancelled };
  std::atomic<int> state_{kWaiting};
};

}  // namespace av::api
