#include "isolation/port_bridge.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <list>

namespace av::isolation {
namespace {

constexpr std::size_t kPiece = std::size_t{32} << 10;

// What has been read on one end and not yet been written on the other.
struct Flow {
  std::array<char, kPiece> bytes;
  std::size_t begin = 0;
  std::size_t end = 0;
  bool source_ended = false;
  bool sink_told = false;

  [[nodiscard]] bool empty() const { return begin == end; }
  [[nodiscard]] bool done() const { return source_ended && empty(); }
  [[nodiscard]] bool wants_source() const { return !source_ended && empty(); }
};

struct Link {
  UniqueFd near;  // accepted
  UniqueFd far;
  bool connecting = true;
  Flow out;  // near to far
  Flow in;
  short near_events = 0;  // what poll() said
  short far_events = 0;
};

bool again() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

// False: this connection is over.
bool fill(Flow& flow, int source) {
  const ssize_t got = ::recv(source, flow.bytes.data(), flow.bytes.size(), 0);
  if (got > 0) {
    flow.begin = 0;
    flow.end = static_cast<std::size_t>(got);
  } else if (got == 0) {
    flow.source_ended = true;
  } else {
    return again();
  }
  return true;
}

bool drain(Flow& flow, int sink) {
  while (!flow.empty()) {
    const ssize_t put =
        ::send(sink, flow.bytes.data() + flow.begin, flow.end - flow.begin, MSG_NOSIGNAL);
    if (put < 0) {
      return again();
    }
    flow.begin += static_cast<std::size_t>(put);
  }
  if (flow.done() && !flow.sink_told) {
    flow.sink_told = true;
    ::shutdown(sink, SHUT_WR);
  }
  return true;
}

bool move_on(Link& link) {
  if (link.connecting) {
    if (link.far_events == 0) {
      return true;
    }
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(link.far.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
      return false;
    }
    link.connecting = false;
  }
  constexpr short kReadable = POLLIN | POLLHUP | POLLERR;
  if ((link.near_events & kReadable) != 0 && link.out.wants_source() &&
      !fill(link.out, link.near.get())) {
    return false;
  }
  if ((link.far_events & kReadable) != 0 && link.in.wants_source() &&
      !fill(link.in, link.far.get())) {
    return false;
  }
  return drain(link.out, link.far.get()) && drain(link.in, link.near.get()) &&
         !(link.out.done() && link.in.done());
}

short wanted(const Flow& reads, const Flow& writes) {
  return static_cast<short>((reads.wants_source() ? POLLIN : 0) | (writes.empty() ? 0 : POLLOUT));
}

void reset(const UniqueFd& socket) {
  const linger at_once{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// The connection ends when nobody listens there, or there is no socket to be had.
void begin_link(const PortBridge::Way& way, UniqueFd near, std::list<Link>& links) {
  UniqueFd far = way.socket();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(way.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!far.valid() ||
      (::connect(far.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
       errno != EINPROGRESS)) {
    reset(near);
    return;
  }
  Link& link = links.emplace_back();
  link.near = std::move(near);
  link.far = std::move(far);
}

}  // namespace

Expected<std::unique_ptr<PortBridge>> PortBridge::create(std::vector<Way> ways) {
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) {
    return errno_error(errno, "cannot prepare the way between two networks");
  }
  return std::unique_ptr<PortBridge>(new PortBridge(std::move(ways), std::move(stop)));
}

void PortBridge::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "av-ports");
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    serve();
  });
}

PortBridge::~PortBridge() {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(stop_.get(), &one, sizeof one));
  if (thread_.joinable()) {
    thread_.join();
  }
}

void PortBridge::serve() {
  std::list<Link> links;
  std::vector<pollfd> polled;
  // poll() takes no more entries than descriptors may be open.
  rlimit files{};
  const bool limited = ::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY;
  const std::size_t entries = limited ? static_cast<std::size_t>(files.rlim_cur) : 4 * kMost;
  const std::size_t fixed = 1 + ways_.size();
  const std::size_t most = entries > fixed + 2 ? std::min(kMost, (entries - fixed) / 2) : 1;
  for (;;) {
    polled.clear();
    polled.push_back({stop_.get(), POLLIN, 0});
    for (const Way& way : ways_) {
      const bool room = links.size() < most;
      polled.push_back({way.listener.get(), static_cast<short>(room ? POLLIN : 0), 0});
    }
    for (const Link& link : links) {
      const int near = link.near.get();
      const int far = link.far.get();
      if (link.connecting) {
        polled.push_back({-1, 0, 0});
        polled.push_back({far, POLLOUT, 0});
        continue;
      }
      const short near_wants = wanted(link.out, link.in);
      const short far_wants = wanted(link.in, link.out);
      // A peer that is gone would be reported for ever to whoever asks for nothing.
      polled.push_back({near_wants != 0 ? near : -1, near_wants, 0});
      polled.push_back({far_wants != 0 ? far : -1, far_wants, 0});
    }
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
      return;
    }
    if (polled.front().revents != 0) {
      return;
    }
    auto at = polled.begin() + 1 + static_cast<std::ptrdiff_t>(ways_.size());
    for (auto link = links.begin(); link != links.end();) {
      link->near_events = (at++)->revents;
      link->far_events = (at++)->revents;
      if (move_on(*link)) {
        ++link;
        continue;
      }
      if (!link->out.done() || !link->in.done()) {
        reset(link->near);  // a client must not take a broken answer for a whole one
      }
      link = links.erase(link);
    }
    for (std::size_t i = 0; i < ways_.size(); ++i) {
      if (polled[i + 1].revents == 0) {
        continue;
      }
      UniqueFd near(
          ::accept4(ways_[i].listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (near.valid()) {
        begin_link(ways_[i], std::move(near), links);
      } else if (!again() && errno != ECONNABORTED) {
        ::usleep(50'000);  // out of descriptors, most likely: others will end
      }
    }
  }
}

}  // namespace av::isolation
