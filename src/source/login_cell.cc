#include "source/login_cell.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace av::source {
namespace {

constexpr std::size_t kMostFormer = 8;
// After a renewal that failed, while the token still holds.
constexpr std::int64_t kRenewAgainMs = 10'000;

}  // namespace

std::int64_t steady_ms(const Clock& clock) {
  return std::chrono::duration_cast<Millis>(clock.steady().time_since_epoch()).count();
}

void set_life(LoginToken& token, std::int64_t from_ms, std::int64_t ttl_ms) {
  token.ttl_ms = ttl_ms;
  token.ends_ms = ttl_ms == 0 ? 0 : from_ms + ttl_ms;
  // A renewal may fail and be tried again; a new login is only worth it near the end.
  token.due_ms = ttl_ms == 0 ? 0 : from_ms + (token.renewable ? ttl_ms / 3 * 2 : ttl_ms / 10 * 9);
}

LoginCell::LoginCell(const Clock& clock, Make make) : clock_(clock), make_(std::move(make)) {}

bool LoginCell::holds(const Held& token, std::int64_t now) const {
  return token != nullptr && (token->ends_ms == 0 || now < token->ends_ms);
}

void LoginCell::retire(const Held& token, std::int64_t now) {
  former_.push_back(token);
  std::erase_if(former_, [&](const Held& one) { return !holds(one, now); });
  if (former_.size() > kMostFormer) {
    former_.erase(former_.begin());
  }
}

Result<LoginCell::Held> LoginCell::get() {
  std::unique_lock lock(mutex_);
  const std::int64_t now = steady_ms(clock_);
  const bool usable = holds(current_, now);
  const bool due = usable && due_ms_ != 0 && now >= due_ms_;
  if (usable && (!due || flight_)) {
    return current_;
  }
  if (!flight_) {
    return make(lock, usable ? current_ : nullptr);
  }
  const std::shared_ptr<Flight> flight = flight_;
  done_.wait(lock, [&] { return flight->done; });
  if (!flight->token) {
    return flight->failure;
  }
  return flight->token;
}

Result<LoginCell::Held> LoginCell::make(std::unique_lock<std::mutex>& lock, const Held& before) {
  const auto flight = std::make_shared<Flight>();
  flight_ = flight;
  lock.unlock();
  auto made = make_(before.get());
  lock.lock();
  const std::int64_t now = steady_ms(clock_);
  if (made) {
    LoginToken token = std::move(*made);
    if (token.serial == 0) {
      token.serial = ++serials_;
    }
    if (before && before->serial != token.serial) {
      retire(before, now);
    }
    flight->token = std::make_shared<const LoginToken>(std::move(token));
    current_ = flight->token;
    due_ms_ = current_->due_ms;
  } else if (holds(before, now)) {
    flight->token = before;
    due_ms_ = now + kRenewAgainMs;
  } else {
    flight->failure = made.error();
  }
  flight->done = true;
  flight_.reset();
  done_.notify_all();
  if (!flight->token) {
    return flight->failure;
  }
  return flight->token;
}

Result<LoginCell::Held> LoginCell::instead_of(const Held& bad) {
  {
    const std::lock_guard lock(mutex_);
    if (current_ == bad && bad) {
      // It may hold all the same: a store that denies does not always say what.
      retire(bad, steady_ms(clock_));
      current_.reset();
    }
  }
  return get();
}

std::optional<std::int64_t> LoginCell::end_of(std::uint64_t serial) const {
  const std::lock_guard lock(mutex_);
  if (current_ && current_->serial == serial) {
    return current_->ends_ms;
  }
  const auto found = std::find_if(former_.begin(), former_.end(),
                                  [&](const Held& one) { return one->serial == serial; });
  return found == former_.end() ? std::nullopt : std::optional((*found)->ends_ms);
}

std::vector<LoginCell::Held> LoginCell::take_all() {
  const std::lock_guard lock(mutex_);
  const std::int64_t now = steady_ms(clock_);
  std::vector<Held> out = std::exchange(former_, {});
  if (current_) {
    out.push_back(std::exchange(current_, nullptr));
  }
  std::erase_if(out, [&](const Held& one) { return !holds(one, now); });
  return out;
}

}  // namespace av::source
