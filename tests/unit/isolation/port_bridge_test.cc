#include "isolation/port_bridge.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <string>
#include <thread>

using namespace av::isolation;  // NOLINT: a test
using av::UniqueFd;

namespace {

struct Listening {
  Listening() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(fd.get(), 64);
    socklen_t size = sizeof address;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
  }
  UniqueFd fd;
  std::uint16_t port = 0;
};

UniqueFd fresh() {
  return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

UniqueFd connect_to(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const timeval limit{20, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

void send_all(int fd, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t put = ::send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (put <= 0) {
      return;
    }
    at += static_cast<std::size_t>(put);
  }
}

std::string receive_all(int fd) {
  std::string out;
  char piece[65536];
  for (ssize_t got = 1; got > 0;) {
    got = ::recv(fd, piece, sizeof piece, 0);
    if (got > 0) {
      out.append(piece, static_cast<std::size_t>(got));
    }
  }
  return out;
}

}  // namespace

TEST_CASE("a bridge takes bytes both ways, and passes on that one side has ended") {
  Listening near;
  Listening far;
  const std::uint16_t port = near.port;
  std::vector<PortBridge::Way> ways;
  ways.push_back({std::move(near.fd), far.port, fresh});
  auto bridge = PortBridge::create(std::move(ways));
  REQUIRE(bridge);
  (*bridge)->start();
  const std::string much(3'000'000, 'x');
  // Answers only once it has read to the end.
  std::thread server([&] {
    for (int i = 0; i < 3; ++i) {
      const UniqueFd client(::accept(far.fd.get(), nullptr, nullptr));
      const std::string got = receive_all(client.get());
      send_all(client.get(), "got " + std::to_string(got.size()) + " " + got);
    }
  });
  for (int i = 0; i < 3; ++i) {
    const UniqueFd client = connect_to(port);
    send_all(client.get(), much);
    ::shutdown(client.get(), SHUT_WR);
    REQUIRE(receive_all(client.get()) == "got 3000000 " + much);
  }
  server.join();
}

TEST_CASE("where nobody listens on the other side, the connection ends and others go on") {
  Listening near;
  Listening far;
  std::uint16_t nobody = 0;
  {
    const Listening gone;
    nobody = gone.port;
  }
  Listening second;
  const std::uint16_t dead = near.port;
  const std::uint16_t alive = second.port;
  std::vector<PortBridge::Way> ways;
  ways.push_back({std::move(near.fd), nobody, fresh});
  ways.push_back({std::move(second.fd), far.port, fresh});
  auto bridge = PortBridge::create(std::move(ways));
  REQUIRE(bridge);
  (*bridge)->start();
  const UniqueFd lost = connect_to(dead);
  REQUIRE(receive_all(lost.get()).empty());
  const UniqueFd client = connect_to(alive);
  const UniqueFd server(::accept(far.fd.get(), nullptr, nullptr));
  send_all(server.get(), "hello");
  ::shutdown(server.get(), SHUT_WR);
  REQUIRE(receive_all(client.get()) == "hello");
}

TEST_CASE("a bridge that ends cuts what goes over it") {
  Listening near;
  Listening far;
  const std::uint16_t port = near.port;
  std::vector<PortBridge::Way> ways;
  ways.push_back({std::move(near.fd), far.port, fresh});
  auto bridge = PortBridge::create(std::move(ways));
  REQUIRE(bridge);
  (*bridge)->start();
  const UniqueFd client = connect_to(port);
  const UniqueFd server(::accept(far.fd.get(), nullptr, nullptr));
  bridge->reset();
  REQUIRE(receive_all(client.get()).empty());
  REQUIRE(receive_all(server.get()).empty());
}
