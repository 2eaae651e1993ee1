#pragma once
// LateAnswer: what another thread will tell a coroutine of the server's. Both hold it. The other
// may keep it for longer than there is a server: nothing in it needs one, and what is told too late
// goes nowhere.

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "proxy/io.h"

namespace av::proxy {

template <typename T>
class LateAnswer {
 public:
  explicit LateAnswer(Executor executor) : executor_(executor) {}

  // From any thread. Only the first counts. False: nobody waits any more; else value() will have
  // it.
  static bool tell(const std::shared_ptr<LateAnswer>& self, T value) {
    const std::lock_guard lock(self->mutex_);
    if (self->over_ || std::exchange(self->told_, true)) {
      return false;
    }
    auto shared = std::make_shared<T>(std::move(value));
    asio::post(self->executor_, [self, shared] {
      self->value_ = std::move(*shared);
      if (self->waiting_ != nullptr) {
        self->waiting_->notify();
      }
    });
    return true;
  }
  // Nobody waits any more. From any thread.
  [[nodiscard]] bool over() {
    const std::lock_guard lock(mutex_);
    return over_;
  }

  // The coroutine that waits, which may be destroyed with the server. Of the server's thread only.
  class Waiting {
   public:
    explicit Waiting(LateAnswer& answer) : answer_(answer), signal_(answer.executor_) {
      answer_.waiting_ = &signal_;
    }
    ~Waiting() {
      const std::lock_guard lock(answer_.mutex_);
      answer_.over_ = true;
      answer_.waiting_ = nullptr;
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    // Whether one may go without an answer: false when it was told, and value() is about to have
    // it.
    [[nodiscard]] bool leave() {
      const std::lock_guard lock(answer_.mutex_);
      answer_.over_ = answer_.over_ || !answer_.told_;
      return answer_.over_;
    }
    // False when the time passed. Look at value() first: what was told is told once.
    Awaitable<bool> wait(Millis timeout) { return signal_.wait(timeout); }
    [[nodiscard]] std::optional<T>& value() { return answer_.value_; }

   private:
    LateAnswer& answer_;
    Signal signal_;
  };

 private:
  Executor executor_;
  Signal* waiting_ = nullptr;  // of the server's thread only
  std::optional<T> value_;     // of the server's thread only
  std::mutex mutex_;
  bool over_ = false;  // guarded by mutex_
  bool told_ = false;  // guarded by mutex_
};

}  // namespace av::proxy
