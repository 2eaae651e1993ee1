#include "api/password_pool.h"

#include <pthread.h>

#include <algorithm>

namespace av::api {

void PasswordTask::check(Secret given, std::optional<vault::PasswordHash> known) {
  given_ = std::move(given);
  known_ = std::move(known);
}

Status PasswordTask::compute(const vault::PasswordHasher& hasher) {
  if (given_) {
    AV_TRY(right_, hasher.verify(*given_, known_ ? &*known_ : nullptr));
    if (!right_) {
      return {};
    }
  }
  if (fresh_) {
    AV_TRY(made_, hasher.hash(*fresh_));
  }
  return {};
}

void PasswordTask::run(const vault::PasswordHasher& hasher) {
  if (auto computed = compute(hasher); !computed) {
    right_ = false;
    error_ = std::move(computed.error());
  }
  given_.reset();
  fresh_.reset();
  done_.store(true, std::memory_order_release);
}

PasswordPool::PasswordPool(crypto::Argon2Params params) : hasher_(params) {}

PasswordPool::~PasswordPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

bool PasswordPool::submit(const std::shared_ptr<PasswordTask>& task) {
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= kMaxQueued) {
    return false;
  }
  if (threads_.empty()) {
    for (std::size_t i = 0; i < kThreads; ++i) {
      threads_.emplace_back([this] { work(); });
      ::pthread_setname_np(threads_.back().native_handle(), "av-password");
    }
  }
  queue_.push_back(task);
  wake_.notify_one();
  return true;
}

void PasswordPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (stopping_) {
      return;
    }
    const std::shared_ptr<PasswordTask> task = std::move(queue_.front());
    queue_.pop_front();
    peak_.store(std::max(peak_.load(), ++running_));
    lock.unlock();
    task->run(hasher_);
    lock.lock();
    --running_;
  }
}

}  // namespace av::api
