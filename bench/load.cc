#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <memory>
#include <vector>

#include "common.h"
#include "connection.h"
#include "modes.h"
#include "response.h"

namespace av::bench {
namespace {

std::string compose_request(const Route& route, const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: " + route.authority() +
         "\r\nUser-Agent: av_bench\r\nAccept: */*\r\n\r\n";
}

// One connection of the closed loop, and where it is in its request.
struct Slot {
  explicit Slot(Response::Expectation expectation) : response(expectation) {}
  Connection connection;
  Response response;
  std::string_view unsent;
  std::uint64_t began_ns = 0;
  unsigned warm_ups = 0;
  bool fresh = true;   // no request has gone over this connection yet
  bool parked = true;  // waits for the measurement to begin, or has nothing left to do
};

class Load {
 public:
  explicit Load(const LoadOptions& options)
      : options_(options),
        route_(make_route(options.route.target, options.route.address, options.route.proxy,
                          options.route.ca_file)),
        request_(compose_request(route_, options.path)),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        buffer_(std::size_t{64} << 10) {
    if (epoll_ < 0) {
      die_errno("epoll_create1");
    }
    for (unsigned i = 0; i < options.connections; ++i) {
      slots_.push_back(std::make_unique<Slot>(expectation()));
    }
    samples_.reserve(options.requests);
  }
  ~Load() { ::close(epoll_); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void run() {
    for (const auto& slot : slots_) {
      begin(*slot);
    }
    loop();  // until every connection is warm
    measuring_ = true;
    issued_ = 0;
    bytes_ = 0;
    const double cpu_before = cpu_seconds(options_.cpu_of);
    const double own_before = own_cpu_seconds();
    const std::uint64_t began = now_ns();
    for (const auto& slot : slots_) {
      begin(*slot);
    }
    loop();
    const double seconds = static_cast<double>(now_ns() - began) * 1e-9;
    JsonLine line;
    line.count("requests", samples_.size());
    line.count("connections", slots_.size());
    line.count("bytes", bytes_);
    line.number("seconds", seconds);
    line.number("cpu_seconds", cpu_seconds(options_.cpu_of) - cpu_before);
    line.number("own_cpu_seconds", own_cpu_seconds() - own_before);
    line.number("p50_us", samples_.quantile_us(0.5));
    line.number("p99_us", samples_.quantile_us(0.99));
    line.number("max_us", samples_.quantile_us(1));
    line.print();
  }

 private:
  [[nodiscard]] Response::Expectation expectation() const {
    Response::Expectation wanted;
    wanted.status = options_.status;
    wanted.length = options_.length;
    return wanted;
  }

  // The slot's next request, or none when there is nothing more to do for it.
  void begin(Slot& slot) {
    const bool more = measuring_ ? issued_ < options_.requests : slot.warm_ups < options_.warm_up;
    // A keep-alive connection is opened before the measurement even if it is not to be warmed.
    const bool open_only =
        !more && !measuring_ && !options_.new_connections && !slot.connection.is_open();
    if (!more && !open_only) {
      busy_ -= slot.parked ? 0 : 1;
      slot.parked = true;
      return;
    }
    busy_ += slot.parked ? 1 : 0;
    slot.parked = false;
    if (options_.pause_us != 0) {
      timespec pause{};
      pause.tv_sec = options_.pause_us / 1'000'000;
      pause.tv_nsec = static_cast<long>(options_.pause_us % 1'000'000) * 1000;
      ::nanosleep(&pause, nullptr);
    }
    slot.began_ns = now_ns();
    slot.unsent = more ? std::string_view(request_) : std::string_view();
    if (more) {
      issued_ += measuring_ ? 1 : 0;
      slot.warm_ups += measuring_ ? 0 : 1;
      slot.response.reset();
    }
    if (!slot.connection.is_open()) {
      connect(slot);
    }
    drive(slot);
  }

  void connect(Slot& slot) {
    slot.connection.start(route_);
    slot.fresh = true;
    epoll_event event{};
    // Edges for both directions: one call for the connection's whole life.
    event.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP;
    event.data.ptr = &slot;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, slot.connection.fd(), &event) != 0) {
      die_errno("epoll_ctl");
    }
  }

  void drive(Slot& slot) {
    if (slot.fresh) {
      if (slot.connection.advance() != Step::kDone) {
        return;
      }
      slot.fresh = false;
      if (slot.unsent.empty()) {
        finished(slot);  // was to be opened only
        return;
      }
    }
    if (!slot.unsent.empty()) {
      // The answer comes later: its edge says when.
      (void)slot.connection.write(slot.unsent);
      return;
    }
    while (!slot.parked) {
      std::size_t got = 0;
      if (slot.connection.read(buffer_.data(), buffer_.size(), got) != Step::kDone) {
        return;
      }
      if (got == 0) {
        die("the connection ended before the response was complete");
      }
      std::string_view bytes(buffer_.data(), got);
      std::string_view body;
      while (!bytes.empty() && !slot.response.done()) {
        slot.response.feed(bytes, body);
      }
      if (slot.response.done()) {
        if (!bytes.empty()) {
          die("bytes behind a complete response");
        }
        finished(slot);
        return;
      }
    }
  }

  void finished(Slot& slot) {
    if (measuring_) {
      samples_.add(now_ns() - slot.began_ns);
      bytes_ += slot.response.body_bytes();
    }
    if (options_.new_connections) {
      slot.connection.close();
    } else if (!slot.response.keep_alive()) {
      die("the server wants to close a connection that was to be kept");
    }
    // Not from here: a fast peer would nest one request in another without end.
    ready_.push_back(&slot);
  }

  void loop() {
    std::array<epoll_event, 64> events{};
    constexpr int kPatienceMs = 60'000;
    while (busy_ != 0) {
      std::vector<Slot*> ready;
      ready.swap(ready_);
      for (Slot* const slot : ready) {
        begin(*slot);
      }
      if (!ready.empty()) {
        continue;
      }
      const int n =
          ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), kPatienceMs);
      if (n == 0) {
        die("nothing happened for a minute");
      }
      if (n < 0 && errno != EINTR) {
        die_errno("epoll_wait");
      }
      for (int i = 0; i < n; ++i) {
        auto& slot = *static_cast<Slot*>(events[static_cast<std::size_t>(i)].data.ptr);
        if (!slot.parked && slot.connection.is_open()) {
          drive(slot);
        }
      }
    }
  }

  const LoadOptions& options_;
  Route route_;
  std::string request_;
  int epoll_;
  std::vector<char> buffer_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> ready_;
  Samples samples_;
  bool measuring_ = false;
  std::uint64_t issued_ = 0;
  std::uint64_t bytes_ = 0;
  std::size_t busy_ = 0;
};

// One request on one connection, waiting for each step.
void ask(Connection& connection, Response& response, std::string_view request,
         std::vector<char>& buffer) {
  response.reset();
  for (Step step = connection.write(request); step != Step::kDone;
       step = connection.write(request)) {
    wait_for(connection.fd(), step);
  }
  while (!response.done()) {
    std::size_t got = 0;
    const Step step = connection.read(buffer.data(), buffer.size(), got);
    if (step != Step::kDone) {
      wait_for(connection.fd(), step);
      continue;
    }
    if (got == 0) {
      die("a held connection was closed");
    }
    std::string_view bytes(buffer.data(), got);
    std::string_view body;
    while (!bytes.empty() && !response.done()) {
      response.feed(bytes, body);
    }
  }
}

}  // namespace

void run_load(const LoadOptions& options) {
  Load(options).run();
}

void run_hold(const HoldOptions& options) {
  const Route route = make_route(options.route.target, options.route.address, options.route.proxy,
                                 options.route.ca_file);
  const std::string request = compose_request(route, options.path);
  Response::Expectation expectation;
  expectation.length = options.length;
  Response response(expectation);
  std::vector<char> buffer(std::size_t{16} << 10);
  std::vector<std::unique_ptr<Connection>> connections;
  for (unsigned i = 0; i < options.connections; ++i) {
    connections.push_back(std::make_unique<Connection>());
    Connection& connection = *connections.back();
    connection.start(route);
    for (Step step = connection.advance(); step != Step::kDone; step = connection.advance()) {
      wait_for(connection.fd(), step);
    }
    ask(connection, response, request, buffer);
  }
  JsonLine line;
  line.count("open", connections.size());
  line.print();
  char ignored = 0;
  while (::read(STDIN_FILENO, &ignored, 1) > 0) {
  }
  for (const auto& connection : connections) {
    ask(*connection, response, request, buffer);
  }
}

}  // namespace av::bench
