#pragma once
// PasswordPool: computes password hashes on threads of its own ("av-password"), so that the API
// goes on meanwhile; at most kThreads at one time, because each takes 64 MiB.

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>

#include "api/task_threads.h"
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

  // Its end drops what waits, and waits for what is under way.
  explicit PasswordPool(crypto::Argon2Params params = vault::PasswordHasher::kParams);

  // False when too many wait; nothing is computed then.
  [[nodiscard]] bool submit(const std::shared_ptr<PasswordTask>& task) {
    return threads_.submit(task);
  }
  [[nodiscard]] const vault::PasswordHasher& hasher() const { return hasher_; }
  // The most that ever ran at one time.
  [[nodiscard]] std::size_t peak() const { return peak_.load(); }

 private:
  void compute(PasswordTask& task);

  vault::PasswordHasher hasher_;
  std::atomic<std::size_t> running_{0};
  std::atomic<std::size_t> peak_{0};
  TaskThreads<PasswordTask> threads_;  // ends first
};

}  // namespace av::api
