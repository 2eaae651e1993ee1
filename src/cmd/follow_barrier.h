#pragma once
// FollowBarrier: the API's thread waits here until the proxy goes by what is in the store, so that
// what an answer tells of holds for whatever its client does next: a token that was just made, a
// proposal that was just allowed.

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "core/expected.h"
#include "core/fs.h"

namespace av::cmd {

class FollowBarrier {
 public:
  // An owner that is stuck must not stop the API for good.
  static constexpr std::chrono::milliseconds kPatience{2'000};

  // Without it, the owner looks at its next tick only.
  Status open() {
    wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    return wake_.valid() ? Status() : Status(errno_error(errno, "cannot make an event"));
  }
  // Becomes readable when somebody waits.
  [[nodiscard]] int fd() const { return wake_.get(); }
  // By the API's thread.
  void wait() {
    std::unique_lock lock(mutex_);
    if (over_) {
      return;
    }
    const std::uint64_t mine = ++wanted_;
    if (wake_.valid()) {
      const std::uint64_t one = 1;
      (void)!::write(wake_.get(), &one, sizeof one);
    }
    followed_.wait_for(lock, kPatience, [&] { return over_ || done_ >= mine; });
  }
  // By the owner: take() before the store is read, done() when what was read has been posted.
  std::uint64_t take() {
    if (wake_.valid()) {
      std::uint64_t count = 0;
      (void)!::read(wake_.get(), &count, sizeof count);
    }
    const std::lock_guard lock(mutex_);
    return wanted_;
  }
  void done(std::uint64_t until) {
    {
      const std::lock_guard lock(mutex_);
      done_ = until;
    }
    followed_.notify_all();
  }
  // The owner follows no more: nobody waits from now on.
  void end() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    followed_.notify_all();
  }

 private:
  UniqueFd wake_;
  std::mutex mutex_;
  std::condition_variable followed_;
  std::uint64_t wanted_ = 0;  // these are guarded by mutex_
  std::uint64_t done_ = 0;
  bool over_ = false;
};

}  // namespace av::cmd
