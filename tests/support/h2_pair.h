#pragma once
// One end of an HTTP/2 connection over a socket pair, the other end in the hands of the test.

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "proxy/h2_connection.h"

namespace av::proxy::testing {

struct Wires {
  Wires() {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
      std::abort();
    }
    ours = fds[0];
    theirs = fds[1];
  }
  int ours;
  int theirs;
};

struct Loop {
  asio::io_context io{1};
  DeadlineList deadlines;

  Loop() { tick(); }
  void tick() { deadlines.tick(std::chrono::steady_clock::now() + skew); }
  // Lets time pass without waiting for it.
  void skip(Millis time) {
    skew += time;
    tick();
  }
  void turn() {
    tick();
    io.restart();
    io.poll();
  }
  // Until the condition holds; false after some seconds.
  template <typename Condition>
  bool until(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) {
        return false;
      }
      turn();
      io.restart();
      io.run_for(std::chrono::milliseconds(1));
    }
    return true;
  }
  Millis skew{0};
};

struct End {
  End(Loop& loop, int fd, H2Connection::Role role, H2Limits limits = H2Limits())
      : stream(loop.io.get_executor(), UniqueFd(fd), loop.deadlines),
        http2(role, loop.io.get_executor(), stream, buffer, loop.deadlines, limits,
              [this](H2StreamPtr arrived) { requests.push_back(std::move(arrived)); }) {}
  void start(Loop& loop) { asio::co_spawn(loop.io.get_executor(), run(*this), asio::detached); }
  static Awaitable<void> run(End& end) {
    co_await end.http2.run(Millis{60'000});
    end.over = true;
  }

  Stream stream;
  ReadBuffer buffer;
  std::vector<H2StreamPtr> requests;
  H2Connection http2;
  bool over = false;
};

// Frames by hand.
inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                         std::string_view payload = {}) {
  std::string out;
  for (const unsigned shift : {16U, 8U, 0U}) {
    out.push_back(static_cast<char>(payload.size() >> shift & 0xffU));
  }
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    out.push_back(static_cast<char>(stream >> shift & 0xffU));
  }
  out += payload;
  return out;
}

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// :method GET, :scheme https, :path /, :authority h (RFC 7541 appendix A).
inline constexpr std::string_view kGetBlock{"\x82\x87\x84\x41\x01h", 6};
inline constexpr std::string_view kPostBlock{"\x83\x87\x84\x41\x01h", 6};

struct RawFrame {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::string payload;
  // Of RST_STREAM and GOAWAY.
  [[nodiscard]] std::uint32_t code() const {
    const std::size_t at = type == 7 ? 4 : 0;
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 4 && i < payload.size(); ++i) {
      value = value << 8U | static_cast<unsigned char>(payload[i]);
    }
    return value;
  }
};

// The other end, as bytes.
class RawPeer {
 public:
  explicit RawPeer(int fd) : fd_(fd) {}
  ~RawPeer() { ::close(fd_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  void send(std::string_view bytes) { unsent_ += bytes; }
  // Moves bytes both ways; collects frames.
  void pump() {
    while (!unsent_.empty()) {
      const ssize_t put = ::send(fd_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (put <= 0) {
        break;
      }
      unsent_.erase(0, static_cast<std::size_t>(put));
    }
    char bytes[16384];
    ssize_t got = 0;
    while ((got = ::recv(fd_, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
      received_.append(bytes, static_cast<std::size_t>(got));
    }
    closed_ = closed_ || got == 0;
    parse();
  }
  [[nodiscard]] const RawFrame* find(std::uint8_t type) const {
    for (const RawFrame& f : frames) {
      if (f.type == type) {
        return &f;
      }
    }
    return nullptr;
  }
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] bool sent_all() const { return unsent_.empty(); }

  std::vector<RawFrame> frames;

 private:
  void parse() {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(received_[i]); };
    while (received_.size() >= 9) {
      const std::size_t size = static_cast<std::size_t>(byte(0)) << 16U | byte(1) << 8U | byte(2);
      if (received_.size() < 9 + size) {
        return;
      }
      RawFrame& f = frames.emplace_back();
      f.type = byte(3);
      f.flags = byte(4);
      f.stream = static_cast<std::uint32_t>(byte(5)) << 24U |
                 static_cast<std::uint32_t>(byte(6)) << 16U |
                 static_cast<std::uint32_t>(byte(7)) << 8U | byte(8);
      f.payload = received_.substr(9, size);
      received_.erase(0, 9 + size);
    }
  }
  int fd_;
  std::string unsent_;
  std::string received_;
  bool closed_ = false;
};

}  // namespace av::proxy::testing
