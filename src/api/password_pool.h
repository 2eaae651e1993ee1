#pragma once
// PasswordPool: computes password hashes on threads of its own ("av-password"), so that the API
// goes on meanwhile; at most kThreads at one time, because each takes 64 MiB.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"
#include "vault/password.h"

namespace av::api {

// What is to be computed, and what came of it. Whoever submitted it reads the results once done()
// is true.
class PasswordTask {
 public:
  // Whether `given` is the password of `known` (none: costs the same, and is not).
  void check(Secret given, std::optional<vault::PasswordHash> known);
  // A hash of `password`; when something is checked too, only if that was right.
  void make(Secret password) { fresh_ = std::move(password); }

  [[nodiscard]] bool done() const { return done_.load(std::memory_order_acquire); }
  [[nodiscard]] bool right() const { return right_; }
  [[nodiscard]] const std::optional<vault::PasswordHash>& made() const { return made_; }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  friend class PasswordPool;
  void run(const vault::PasswordHasher& hasher);
  [[nodiscard]] Status compute(const vault::PasswordHasher& hasher);

  std::optional<Secret> given_;
  std::optional<vault::PasswordHash> known_;
  std::optional<Secret> fresh_;
  bool right_ = false;
  std::optional<vault::PasswordHash> made_;
  std::optional<Error> error_;
  std::atomic<bool> done_{false};
};

class PasswordPool {
 public:
  static constexpr std::size_t kThreads = 2;
  static constexpr std::size_t kMaxQueued = 16;

  explicit PasswordPool(crypto::Argon2Params params = vault::PasswordHasher::kParams);
  // Drops what waits; waits for what is under way.
  ~PasswordPool();
  PasswordPool(const PasswordPool&) = delete;
  PasswordPool& operator=(const PasswordPool&) = delete;

  // False when too many wait; nothing is computed then.
  [[nodiscard]] bool submit(const std::shared_ptr<PasswordTask>& task);
  [[nodiscard]] const vault::PasswordHasher& hasher() const { return hasher_; }
  // The most that ever ran at one time.
  [[nodiscard]] std::size_t peak() const { return peak_.load(); }

 private:
  void work();

  vault::PasswordHasher hasher_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<PasswordTask>> queue_;  // guarded by mutex_
  bool stopping_ = false;                            // guarded by mutex_
  std::size_t running_ = 0;                          // guarded by mutex_
  std::atomic<std::size_t> peak_{0};
  std::vector<std::thread> threads_;  // begun with the first task
};

}  // namespace av::api
