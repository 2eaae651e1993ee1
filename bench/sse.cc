#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <thread>
#include <vector>

#include "common.h"
#include "connection.h"
#include "modes.h"
#include "response.h"

namespace av::bench {
namespace {

// Takes the time out of each whole "data: NS" line of `text` and leaves the rest.
void take_events(std::string& text, std::uint64_t arrived_ns, Samples& samples) {
  static constexpr std::string_view kData = "data: ";
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (line.empty()) {
      continue;
    }
    std::uint64_t sent_ns = 0;
    const auto [stop, error] = std::from_chars(line.data() + std::min(kData.size(), line.size()),
                                               line.data() + line.size(), sent_ns);
    if (!line.starts_with(kData) || error != std::errc() || stop != line.data() + line.size() ||
        sent_ns > arrived_ns) {
      die("not an event of ours: " + std::string(line.substr(0, 80)));
    }
    samples.add(arrived_ns - sent_ns);
  }
  text.erase(0, begin);
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

// "GET /sse/COUNT/GAP_US ": the two numbers, or false.
bool parse_ask(std::string_view head, unsigned& count, unsigned& gap_us) {
  static constexpr std::string_view kStart = "GET /sse/";
  if (!head.starts_with(kStart)) {
    return false;
  }
  const char* const end = head.data() + head.size();
  const auto first = std::from_chars(head.data() + kStart.size(), end, count);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '/') {
    return false;
  }
  return std::from_chars(first.ptr + 1, end, gap_us).ec == std::errc();
}

void serve_events(int fd) {
  const int on = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::string head;
  std::array<char, 2048> piece{};
  while (head.find("\r\n\r\n") == std::string::npos && head.size() < 16384) {
    const ssize_t got = ::recv(fd, piece.data(), piece.size(), 0);
    if (got <= 0) {
      ::close(fd);
      return;
    }
    head.append(piece.data(), static_cast<std::size_t>(got));
  }
  unsigned count = 0;
  unsigned gap_us = 0;
  bool ok = parse_ask(head, count, gap_us) &&
            send_all(fd,
                     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: "
                     "no-store\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  for (unsigned i = 0; ok && i < count; ++i) {
    timespec gap{};
    gap.tv_sec = gap_us / 1'000'000;
    gap.tv_nsec = static_cast<long>(gap_us % 1'000'000) * 1000;
    ::nanosleep(&gap, nullptr);
    const std::string event = "data: " + std::to_string(now_ns()) + "\n\n";
    std::array<char, 16> size{};
    std::snprintf(size.data(), size.size(), "%zx\r\n", event.size());
    ok = send_all(fd, size.data() + event + "\r\n");
  }
  if (ok) {
    (void)send_all(fd, "0\r\n\r\n");
  }
  ::close(fd);
}

}  // namespace

void run_sse(const SseOptions& options) {
  const Route route = make_route(options.route.target, options.route.address, options.route.proxy,
                                 options.route.ca_file);
  Connection connection;
  connection.start(route);
  for (Step step = connection.advance(); step != Step::kDone; step = connection.advance()) {
    wait_for(connection.fd(), step);
  }
  const std::string request =
      "GET /sse/" + std::to_string(options.events) + '/' + std::to_string(options.gap_us) +
      " HTTP/1.1\r\nHost: " + route.authority() + "\r\nAccept: text/event-stream\r\n\r\n";
  std::string_view unsent = request;
  for (Step step = connection.write(unsent); step != Step::kDone; step = connection.write(unsent)) {
    wait_for(connection.fd(), step);
  }
  Response response({});
  Samples samples;
  std::string text;
  std::vector<char> buffer(std::size_t{16} << 10);
  while (!response.done()) {
    std::size_t got = 0;
    const Step step = connection.read(buffer.data(), buffer.size(), got);
    if (step != Step::kDone) {
      wait_for(connection.fd(), step);
      continue;
    }
    const std::uint64_t arrived = now_ns();
    if (got == 0) {
      die("the stream of events was cut");
    }
    std::string_view bytes(buffer.data(), got);
    std::string_view body;
    while (!bytes.empty() && !response.done()) {
      response.feed(bytes, body);
      text += body;
    }
    take_events(text, arrived, samples);
  }
  if (samples.size() != options.events) {
    die("received " + std::to_string(samples.size()) + " events");
  }
  JsonLine line;
  line.count("events", samples.size());
  line.number("p50_us", samples.quantile_us(0.5));
  line.number("p99_us", samples.quantile_us(0.99));
  line.number("max_us", samples.quantile_us(1));
  line.print();
}

void run_sse_source() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (listener < 0 || ::bind(listener, generic, size) != 0 || ::listen(listener, 64) != 0 ||
      ::getsockname(listener, generic, &size) != 0) {
    die_errno("cannot listen");
  }
  JsonLine line;
  line.count("port", ntohs(address.sin_port));
  line.print();
  std::thread([listener] {
    for (;;) {
      const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) {
        std::thread(serve_events, fd).detach();
      }
    }
  }).detach();
  char ignored = 0;
  while (::read(STDIN_FILENO, &ignored, 1) > 0) {
  }
  // The threads hold nothing that needs an orderly end.
  std::_Exit(0);
}

}  // namespace av::bench
