#pragma once
// The Asio names that the data plane uses, with concrete executor types: the type-erased defaults
// cost an allocation and two indirect calls on every operation.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <utility>

#include "core/clock.h"

namespace av::proxy {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

using Executor = asio::io_context::executor_type;
template <typename T = void>
using Awaitable = asio::awaitable<T, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
inline constexpr asio::use_awaitable_t<Executor> use_awaitable{};

// Until the time has passed or somebody cancels the timer.
inline Awaitable<void> sleep_for(Timer& timer, Millis time) {
  timer.expires_after(time);
  error_code ignored;
  auto token = asio::redirect_error(use_awaitable, ignored);
  co_await timer.async_wait(std::move(token));
}

// Lets others run: an operation that need not wait never does, so a peer that is faster than we are
// would keep its coroutine going for ever. To be taken in every loop that a peer feeds.
class Turns {
 public:
  explicit Turns(Executor executor) : executor_(executor) {}
  Awaitable<void> take() {
    if (++taken_ % kEach == 0) {
      co_await asio::post(executor_, use_awaitable);
    }
  }

 private:
  static constexpr unsigned kEach = 16;
  Executor executor_;
  unsigned taken_ = 0;
};

// Wakes the one coroutine that waits. A notification that finds nobody waiting is not remembered:
// check the condition, then wait, without a suspension in between.
class Signal {
 public:
  explicit Signal(Executor executor) : timer_(executor) {}
  void notify() { timer_.cancel(); }
  // False when the time passed without a notification.
  Awaitable<bool> wait(Millis timeout) {
    timer_.expires_after(timeout);
    error_code ec;
    auto token = asio::redirect_error(use_awaitable, ec);
    co_await timer_.async_wait(std::move(token));
    co_return ec == asio::error::operation_aborted;
  }

 private:
  Timer timer_;
};

}  // namespace av::proxy
