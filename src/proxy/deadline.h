#pragma once
// Deadlines without a timer per operation. A waiting stream notes when it must be done; one timer
// per worker looks at all of them four times a second. Arming costs two stores, which matters at
// tens of thousands of operations a second; a time-out may come a tick late, which does not.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/clock.h"

namespace av::proxy {

class DeadlineList;

// Intrusive list node; belongs to one worker. The owner implements expire() and close_now().
class Deadline {
 public:
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 protected:
  explicit Deadline(DeadlineList& list);
  virtual ~Deadline();
  // A stream may wait to read and to write at once, each with its own limit.
  enum class Side : std::uint8_t { kRead, kWrite };
  void arm(Side side, Millis from_now);
  void disarm(Side side) { due_ms_[static_cast<std::size_t>(side)] = 0; }
  // From now on its waits are the other worker's.
  void move_to(DeadlineList& list);
  // How many there are on this worker.
  [[nodiscard]] std::size_t in_list() const;
  // The deadline of this side has passed: give up waiting. Called on the worker.
  virtual void expire(Side side) = 0;
  // The worker is stopping: close for good.
  virtual void close_now() = 0;

 private:
  friend class DeadlineList;
  void link();
  void unlink();
  DeadlineList* list_;
  Deadline* prev_ = nullptr;
  Deadline* next_ = nullptr;
  std::array<std::int64_t, 2> due_ms_{};  // per side; 0: not waiting
};

class DeadlineList {
 public:
  static constexpr Millis kTick{250};

  // Once per tick, with the steady clock's time.
  void tick(std::chrono::steady_clock::time_point now) {
    now_ms_ = std::chrono::duration_cast<Millis>(now.time_since_epoch()).count();
    for (Deadline* d = head_; d != nullptr;) {
      Deadline* const following = d->next_;
      for (const auto side : {Deadline::Side::kRead, Deadline::Side::kWrite}) {
        std::int64_t& due = d->due_ms_[static_cast<std::size_t>(side)];
        if (due != 0 && due <= now_ms_) {
          due = 0;
          d->expire(side);
        }
      }
      d = following;
    }
  }
  void close_all() {
    for (Deadline* d = head_; d != nullptr; d = d->next_) {
      d->close_now();
    }
  }
  [[nodiscard]] std::int64_t now_ms() const { return now_ms_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  friend class Deadline;
  Deadline* head_ = nullptr;
  std::size_t size_ = 0;
  std::int64_t now_ms_ = 1;
};

inline Deadline::Deadline(DeadlineList& list) : list_(&list) {
  link();
}

inline Deadline::~Deadline() {
  unlink();
}

inline void Deadline::link() {
  prev_ = nullptr;
  next_ = list_->head_;
  if (next_ != nullptr) {
    next_->prev_ = this;
  }
  list_->head_ = this;
  ++list_->size_;
}

inline void Deadline::unlink() {
  (prev_ != nullptr ? prev_->next_ : list_->head_) = next_;
  if (next_ != nullptr) {
    next_->prev_ = prev_;
  }
  --list_->size_;
}

inline void Deadline::move_to(DeadlineList& list) {
  unlink();
  list_ = &list;
  link();
}

inline std::size_t Deadline::in_list() const {
  return list_->size();
}

inline void Deadline::arm(Side side, Millis from_now) {
  // now_ms() may be a tick old; the extra tick keeps a deadline from coming early.
  due_ms_[static_cast<std::size_t>(side)] =
      list_->now_ms() + from_now.count() + DeadlineList::kTick.count();
}

}  // namespace av::proxy
