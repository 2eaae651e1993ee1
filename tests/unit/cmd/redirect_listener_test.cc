// The port of 127.0.0.1 to which a browser comes back, and what others on the machine make of it.

#include "cmd/redirect_listener.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <future>
#include <string>
#include <thread>
#include <vector>

using namespace av;
using cmd::RedirectListener;

namespace {

std::uint16_t port_of(const std::string& url) {
  const std::size_t at = url.find("127.0.0.1:") + 10;
  return static_cast<std::uint16_t>(std::stoi(url.substr(at)));
}

UniqueFd connect_to(std::uint16_t port) {
  UniqueFd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(out.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  return out;
}

std::string ask(std::uint16_t port, const std::string& target, const std::string& cookie = {}) {
  const UniqueFd fd = connect_to(port);
  const std::string request =
      "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\n" +
      (cookie.empty() ? "" : "Cookie: other=1; " + cookie + "\r\n") + "\r\n";
  REQUIRE(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size()));
  std::string out;
  char chunk[4096];
  for (ssize_t got = 0; (got = ::recv(fd.get(), chunk, sizeof chunk, 0)) > 0;) {
    out.append(chunk, static_cast<std::size_t>(got));
  }
  return out;
}

std::string cookie_of(const std::string& answer) {
  const std::size_t at = answer.find("Set-Cookie: ") + 12;
  return answer.substr(at, answer.find(';', at) - at);
}

struct Waiting {
  Waiting() : listener(std::move(*RedirectListener::open(0))) {
    port = port_of(listener.redirect_uri());
  }
  void start() {
    end = std::async(std::launch::async, [this] {
      return listener.wait(Millis(60'000), -1,
                           [this](std::string_view query, RedirectListener::Page& page) {
                             taken = std::string(query);
                             page.good = true;
                             return taken == "code=good";
                           });
    });
  }
  RedirectListener listener;
  std::uint16_t port = 0;
  std::string taken;
  std::future<Status> end;
};

}  // namespace

TEST_CASE("redirect: silent connections keep no browser waiting", "[cmd][oauth][attack]") {
  Waiting waiting;
  waiting.start();
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 100; ++i) {
    idle.push_back(connect_to(waiting.port));
  }
  // A single one of them, served in turn, would keep everybody waiting for five seconds.
  const auto begun = std::chrono::steady_clock::now();
  CHECK(ask(waiting.port, "/callback?code=good").starts_with("HTTP/1.1 200"));
  CHECK(waiting.end.get());
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(4));
}

TEST_CASE("redirect: only the browser that was sent on may bring an answer",
          "[cmd][oauth][attack]") {
  Waiting waiting;
  const auto begin = waiting.listener.send_on("https://id.test/authorize?state=s");
  REQUIRE(begin);
  CHECK(begin->find("state") == std::string::npos);
  const std::string path = begin->substr(begin->find("/begin"));
  waiting.start();
  SECTION("without the cookie there is no answer") {
    const std::string on = ask(waiting.port, path);
    CHECK(on.starts_with("HTTP/1.1 303"));
    CHECK(on.find("Location: https://id.test/authorize?state=s\r\n") != std::string::npos);
    CHECK(on.find("; HttpOnly; SameSite=Lax\r\n") != std::string::npos);
    CHECK(ask(waiting.port, "/callback?code=good").starts_with("HTTP/1.1 400"));
    CHECK(ask(waiting.port, "/callback?code=good", "av_connect=0").starts_with("HTTP/1.1 400"));
    CHECK(waiting.taken.empty());
    // The same browser may come by again.
    CHECK(ask(waiting.port, path, cookie_of(on)).starts_with("HTTP/1.1 303"));
    CHECK(ask(waiting.port, "/callback?code=good", cookie_of(on)).starts_with("HTTP/1.1 200"));
    CHECK(waiting.end.get());
  }
  SECTION("a guessed beginning is none") {
    CHECK(ask(waiting.port, "/begin?0123").starts_with("HTTP/1.1 400"));
    const std::string on = ask(waiting.port, path);
    CHECK(ask(waiting.port, "/callback?code=good", cookie_of(on)).starts_with("HTTP/1.1 200"));
    CHECK(waiting.end.get());
  }
  SECTION("a second browser ends it, whichever came first") {
    CHECK(ask(waiting.port, path).starts_with("HTTP/1.1 303"));
    CHECK(ask(waiting.port, path).starts_with("HTTP/1.1 400"));
    const Status end = waiting.end.get();
    REQUIRE_FALSE(end);
    CHECK(end.error().code == ErrorCode::kNotPermitted);
    CHECK(waiting.taken.empty());
  }
}
