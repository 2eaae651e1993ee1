#pragma once
// Poller: which sockets of a worker can be read or written. Each socket is registered once,
// edge-triggered (epoll(7)); Asio would ask the kernel anew for each wait.
//
// What became ready together is worked off together, in a turn: first everything that came in, then
// everything that goes out. A peer that sleeps is woken by the first byte sent to it, and then
// works beside us; when each answer went out at once it would fall asleep again in between, and on
// busy connections waking it up costs more than all the rest of sending.
//
// A Poller is a service of its io_context and belongs to the one thread that runs it.

#include <array>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/fs.h"
#include "proxy/io.h"

struct epoll_event;

namespace av::proxy {

class Watch;

class Poller final : public asio::execution_context::service {
 public:
  static asio::execution_context::id id;
  explicit Poller(asio::execution_context& context);
  ~Poller() override;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Of this io_context; made when it is first asked for.
  static Poller& of(Executor executor);

  // Others are still to be looked at in this turn: what is to be sent waits for its end.
  [[nodiscard]] bool in_turn() const { return next_ < count_ || !late_.empty(); }
  Awaitable<void> end_of_turn();

 private:
  friend class Watch;
  using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
  using Resume = asio::async_result<asio::use_awaitable_t<Executor>, void()>::handler_type;
  struct Defer;
  struct OnEvents;
  static constexpr int kBatch = 128;

  void shutdown() noexcept override;
  void arm();
  void run();
  int turn();
  void link(Watch& watch);
  void unlink(Watch& watch);
  void waiting(int change);

  Executor executor_;
  std::optional<Descriptor> descriptor_;  // owns the epoll descriptor; none after shutdown()
  bool armed_ = false;
  bool running_ = false;
  std::size_t waiters_ = 0;
  Watch* head_ = nullptr;
  // Of the turn under way; a Watch that goes takes itself out of it.
  struct Event {
    Watch* watch = nullptr;
    std::uint32_t events = 0;
  };
  std::array<Event, kBatch> events_{};
  std::size_t next_ = 0;
  std::size_t count_ = 0;
  std::vector<Resume> late_;
  std::vector<Resume> going_;  // what late_ was when the turn ended; for its memory
};

// One socket's place in its Poller. Up to two coroutines wait at a time, each in a slot of its own.
class Watch {
 public:
  enum class Ready : std::uint8_t { kRead, kWrite };

  explicit Watch(Poller& poller) : poller_(poller) { poller_.link(*this); }
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Registers a socket; false: no memory. stop() is called before it is closed.
  bool start(int fd);
  void stop();
  [[nodiscard]] Poller& poller() const { return poller_; }

  // As far as is known. Where an attempt shows otherwise, drained() and full() say so: the next
  // edge comes with the next bytes, or with the next room for them.
  [[nodiscard]] bool ready(Ready what) const { return ready_[static_cast<std::size_t>(what)]; }
  // A read got nothing. After the peer's end it means nothing: no edge will follow.
  void drained() { ready_[0] = ended_[0]; }
  // A read got less than it had room for: it found nothing more, unless it stopped at TCP's urgent
  // mark.
  void got_less() { ready_[0] = ended_[0] || urgent_; }
  void full() { ready_[1] = ended_[1]; }

  // Until it is ready or somebody calls wake(). Not when it is ready already.
  Awaitable<void> wait(std::size_t slot, Ready what);
  // Ends the wait in this slot, if there is one, soon but not within this call.
  void wake(std::size_t slot);

 private:
  friend class Poller;
  struct Park;
  struct Waiter {
    std::optional<Poller::Resume> resume;
    Ready what = Ready::kRead;
  };
  void on_events(std::uint32_t events);
  std::optional<Poller::Resume> take(std::size_t slot);
  std::optional<Poller::Resume> take_ready(std::size_t slot);

  Poller& poller_;
  Watch* previous_ = nullptr;
  Watch* next_ = nullptr;
  int fd_ = -1;
  std::array<bool, 2> ready_{true, true};
  std::array<bool, 2> ended_{};  // for good: an attempt is answered at once
  bool urgent_ = false;          // the peer has sent urgent data once
  std::array<Waiter, 2> waiters_;
};

}  // namespace av::proxy
