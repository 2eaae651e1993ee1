#pragma once
// TaskThreads: a few threads of one name that do what takes long, in the order in which it was
// handed over. Begun with the first task: who has none has no thread.

#include <pthread.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace av::api {

template <typename Task>
class TaskThreads {
 public:
  using Work = std::function<void(Task&)>;
  struct Limits {
    std::size_t threads = 0;
    std::size_t queued = 0;
  };
  // `begin` is called once on each thread; what it returns is that thread's way to do a task, and
  // dies with it. `name`: at most 15 characters, a literal.
  TaskThreads(const char* name, Limits limits, std::function<Work()> begin)
      : name_(name), limits_(limits), begin_(std::move(begin)) {}
  // Drops what waits; waits for what is under way.
  ~TaskThreads() {
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
  TaskThreads(const TaskThreads&) = delete;
  TaskThreads& operator=(const TaskThreads&) = delete;

  // From any thread. False when too many wait; nothing is done then.
  [[nodiscard]] bool submit(std::shared_ptr<Task> task) {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= limits_.queued) {
      return false;
    }
    if (threads_.empty()) {
      for (std::size_t i = 0; i < limits_.threads; ++i) {
        threads_.emplace_back([this] { work(); });
        ::pthread_setname_np(threads_.back().native_handle(), name_);
      }
    }
    queue_.push_back(std::move(task));
    wake_.notify_one();
    return true;
  }

 private:
  void work() {
    const Work run = begin_();
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) {
        return;
      }
      const std::shared_ptr<Task> task = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      run(*task);
      lock.lock();
    }
  }

  const char* name_;
  Limits limits_;
  std::function<Work()> begin_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Task>> queue_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;         // guarded by mutex_ until stopping
};

}  // namespace av::api
