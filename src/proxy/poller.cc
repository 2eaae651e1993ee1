#include "proxy/poller.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

namespace av::proxy {
namespace {

// Behind the peer's end there are no edges, but no waiting either.
constexpr std::uint32_t kReadEnded = EPOLLRDHUP | EPOLLHUP;
constexpr std::uint32_t kWriteEnded = EPOLLHUP;
// A turn with so much to do is likely to be followed by another: Asio, with its timers and posted
// work, is asked in between only now and then.
constexpr int kBusy = 4;
constexpr int kMaxTurns = 8;

}  // namespace

asio::execution_context::id Poller::id;

struct Poller::OnEvents {
  explicit OnEvents(Poller& p) : poller(&p) {}
  void operator()(const error_code& ec) const {
    poller->armed_ = false;
    if (!ec) {
      poller->run();
    } else if (poller->waiters_ != 0) {
      poller->arm();
    }
  }
  Poller* poller;
};

struct Poller::Defer {
  explicit Defer(Poller& p) : poller(&p) {}
  void operator()(Resume resume) const { poller->late_.push_back(std::move(resume)); }
  Poller* poller;
};

struct Watch::Park {
  Park(Watch& w, std::size_t s, Ready r) : watch(&w), slot(s), what(r) {}
  void operator()(Poller::Resume resume) const {
    Waiter& waiter = watch->waiters_[slot];
    waiter.resume.emplace(std::move(resume));
    waiter.what = what;
    watch->poller_.waiting(1);
  }
  Watch* watch;
  std::size_t slot;
  Ready what;
};

Poller::Poller(asio::execution_context& context)
    : asio::execution_context::service(context),
      executor_(static_cast<asio::io_context&>(context).get_executor()) {
  // Without an epoll descriptor every start() fails.
  descriptor_.emplace(executor_);
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  error_code ec;
  if (fd >= 0) {
    descriptor_->assign(fd, ec);
  }
  if (fd >= 0 && ec) {
    ::close(fd);
  }
}

Poller::~Poller() = default;

Poller& Poller::of(Executor executor) {
  return asio::use_service<Poller>(executor.context());
}

// Frames of coroutines that still wait own the very objects that they wait in: the way out of that
// circle is to let go of the frames. Asio destroys them afterwards.
void Poller::shutdown() noexcept {
  std::vector<Resume> frames = std::exchange(late_, {});
  for (Watch* watch = head_; watch != nullptr; watch = watch->next_) {
    for (Watch::Waiter& waiter : watch->waiters_) {
      if (waiter.resume) {
        frames.push_back(std::move(*waiter.resume));
        waiter.resume.reset();
      }
    }
  }
  waiters_ = 0;
  descriptor_.reset();
}

void Poller::link(Watch& watch) {
  watch.next_ = head_;
  if (head_ != nullptr) {
    head_->previous_ = &watch;
  }
  head_ = &watch;
}

void Poller::unlink(Watch& watch) {
  (watch.previous_ != nullptr ? watch.previous_->next_ : head_) = watch.next_;
  if (watch.next_ != nullptr) {
    watch.next_->previous_ = watch.previous_;
  }
}

// Asio's run() ends when nothing waits any more; so this waits only while somebody does.
void Poller::waiting(int change) {
  waiters_ += static_cast<std::size_t>(change);
  if (running_ || !descriptor_) {
    return;
  }
  if (waiters_ != 0 && !armed_) {
    arm();
  } else if (waiters_ == 0 && armed_) {
    error_code ignored;
    descriptor_->cancel(ignored);
  }
}

void Poller::arm() {
  armed_ = true;
  descriptor_->async_wait(Descriptor::wait_read, OnEvents(*this));
}

void Poller::run() {
  running_ = true;
  int seen = kBusy;
  for (int turns = 0; turns < kMaxTurns && seen >= kBusy; ++turns) {
    seen = turn();
  }
  running_ = false;
  if (waiters_ != 0) {
    arm();
  }
}

int Poller::turn() {
  std::array<epoll_event, kBatch> events;
  const int seen = ::epoll_wait(descriptor_->native_handle(), events.data(), kBatch, 0);
  if (seen <= 0) {
    return 0;
  }
  count_ = static_cast<std::size_t>(seen);
  for (std::size_t i = 0; i < count_; ++i) {
    events_[i].watch = static_cast<Watch*>(events[i].data.ptr);
    events_[i].events = events[i].events;
  }
  for (next_ = 0; next_ < count_;) {
    const Event event = events_[next_++];
    if (event.watch != nullptr) {
      event.watch->on_events(event.events);
    }
  }
  count_ = 0;
  next_ = 0;
  // Whoever has more to send after this sends it at once.
  going_.swap(late_);
  for (Resume& resume : going_) {
    Resume one = std::move(resume);
    one();
  }
  going_.clear();
  return seen;
}

Awaitable<void> Poller::end_of_turn() {
  return asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(Defer(*this),
                                                                             use_awaitable);
}

Watch::~Watch() {
  stop();
  poller_.unlink(*this);
}

bool Watch::start(int fd) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  event.data.ptr = this;
  if (!poller_.descriptor_ ||
      ::epoll_ctl(poller_.descriptor_->native_handle(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return false;
  }
  fd_ = fd;
  return true;
}

// By hand and not by closing the socket: a child that has just been forked may hold it too.
void Watch::stop() {
  if (fd_ < 0) {
    return;
  }
  if (poller_.descriptor_) {
    epoll_event ignored{};
    (void)::epoll_ctl(poller_.descriptor_->native_handle(), EPOLL_CTL_DEL, fd_, &ignored);
  }
  fd_ = -1;
  for (std::size_t i = poller_.next_; i < poller_.count_; ++i) {
    if (poller_.events_[i].watch == this) {
      poller_.events_[i].watch = nullptr;
    }
  }
}

std::optional<Poller::Resume> Watch::take(std::size_t slot) {
  std::optional<Poller::Resume> taken = std::move(waiters_[slot].resume);
  waiters_[slot].resume.reset();
  if (taken) {
    poller_.waiting(-1);
  }
  return taken;
}

std::optional<Poller::Resume> Watch::take_ready(std::size_t slot) {
  return ready(waiters_[slot].what) ? take(slot) : std::nullopt;
}

void Watch::on_events(std::uint32_t events) {
  ended_[0] = ended_[0] || (events & kReadEnded) != 0;
  ended_[1] = ended_[1] || (events & kWriteEnded) != 0;
  urgent_ = urgent_ || (events & EPOLLPRI) != 0;
  ready_[0] = ready_[0] || ended_[0] || (events & (EPOLLIN | EPOLLPRI | EPOLLERR)) != 0;
  ready_[1] = ready_[1] || ended_[1] || (events & (EPOLLOUT | EPOLLERR)) != 0;
  // Both are taken first: either may be the end of this object.
  std::optional<Poller::Resume> first = take_ready(0);
  std::optional<Poller::Resume> second = take_ready(1);
  if (first) {
    (*first)();
  }
  if (second) {
    (*second)();
  }
}

Awaitable<void> Watch::wait(std::size_t slot, Ready what) {
  return asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(
      Park(*this, slot, what), use_awaitable);
}

void Watch::wake(std::size_t slot) {
  if (std::optional<Poller::Resume> resume = take(slot)) {
    asio::post(poller_.executor_, std::move(*resume));
  }
}

}  // namespace av::proxy
