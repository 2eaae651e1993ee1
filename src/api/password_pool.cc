#include "api/password_pool.h"

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

PasswordPool::PasswordPool(crypto::Argon2Params params)
    : hasher_(params), threads_("av-password", {kThreads, kMaxQueued}, [this] {
        return [this](PasswordTask& task) { compute(task); };
      }) {}

void PasswordPool::compute(PasswordTask& task) {
  const std::size_t running = ++running_;
  std::size_t peak = peak_.load();
  while (peak < running && !peak_.compare_exchange_weak(peak, running)) {
  }
  task.run(hasher_);
  --running_;
}

}  // namespace av::api
