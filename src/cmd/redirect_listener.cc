#include "cmd/redirect_listener.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <vector>

#include "cmd/listener.h"
#include "core/ascii.h"
#include "core/crypto.h"
#include "proxy/http1_parser.h"

namespace av::cmd {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kPath = "/callback";
constexpr std::string_view kBegin = "/begin";
constexpr std::string_view kCookie = "av_connect";
constexpr std::chrono::seconds kRequestTime{5};  // for one browser to say what it wants
constexpr std::size_t kMostVisitors = 32;
constexpr int kMostAtOnce = 8;  // before those who are there are looked at again

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// No script, no address in the referrer, nothing kept: the URL of this page holds a code.
std::string page_of(const RedirectListener::Page& page, int status) {
  const std::string body =
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>agent-vault</title><style>body{font:16px/1.5 "
      "system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem;color-scheme:light "
      "dark}h1{font-size:1.4rem}</style><h1>" +
      escaped(page.heading) + "</h1><p>" + escaped(page.words) + "</p></html>\n";
  return "HTTP/1.1 " + std::to_string(status) + (status == 200 ? " OK" : " Bad Request") +
         "\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: " +
         std::to_string(body.size()) +
         "\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
         "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
         "frame-ancestors 'none'\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n" +
         body;
}

std::string way_on(const std::string& location, const std::string& cookie) {
  // Lax: it comes along when the provider sends the browser back.
  return "HTTP/1.1 303 See Other\r\nLocation: " + location +
         "\r\nSet-Cookie: " + std::string(kCookie) + "=" + cookie +
         "; Path=/; HttpOnly; SameSite=Lax\r\nContent-Length: 0\r\nCache-Control: no-store\r\n"
         "Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n";
}

// Cookies belong to a host, whatever its port: there may be others.
bool has_cookie(const proxy::RequestHead& head, std::string_view value) {
  const std::string wanted = std::string(kCookie) + "=" + std::string(value);
  for (const proxy::Field& field : head.fields) {
    if (ascii::lower(field.name) != "cookie") {
      continue;
    }
    for (const std::string_view pair : ascii::words(field.value, "; ")) {
      if (crypto::constant_time_equal(pair, wanted)) {
        return true;
      }
    }
  }
  return false;
}

// Somebody who is connected and has not said all yet.
struct Visitor {
  explicit Visitor(UniqueFd connection) : fd(std::move(connection)) {}

  UniqueFd fd;
  Clock::time_point until = Clock::now() + kRequestTime;
  std::string bytes;
  proxy::HeadScanner scanner;
};

enum class Heard : std::uint8_t { kMore, kHead, kGone };

Heard hear(Visitor& visitor) {
  std::array<char, 4096> chunk;  // not initialised: it is written before it is read
  const ssize_t got = ::recv(visitor.fd.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (got <= 0) {
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? Heard::kMore : Heard::kGone;
  }
  visitor.bytes.append(chunk.data(), static_cast<std::size_t>(got));
  switch (visitor.scanner.scan(visitor.bytes)) {
    case proxy::HeadScanner::State::kMore:
      return Heard::kMore;
    case proxy::HeadScanner::State::kComplete:
      return Heard::kHead;
    case proxy::HeadScanner::State::kBad:
    case proxy::HeadScanner::State::kTooLong:
      break;
  }
  return Heard::kGone;
}

// Whoever has been there longest without a word makes room, else whoever has been there longest.
void make_room(std::vector<Visitor>& visitors) {
  const auto silent = std::find_if(visitors.begin(), visitors.end(),
                                   [](const Visitor& one) { return one.bytes.empty(); });
  visitors.erase(silent == visitors.end() ? visitors.begin() : silent);
}

void let_in(int socket, std::vector<Visitor>& visitors) {
  for (int i = 0; i < kMostAtOnce; ++i) {
    UniqueFd connection(::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection.valid()) {
      return;
    }
    if (visitors.size() >= kMostVisitors) {
      make_room(visitors);
    }
    visitors.emplace_back(std::move(connection));
  }
}

}  // namespace

Expected<RedirectListener> RedirectListener::open(std::uint16_t port) {
  AV_TRY(Listener listener, listen_on("127.0.0.1", port));
  return RedirectListener(std::move(listener.fd), listener.port);
}

std::string RedirectListener::origin() const {
  return "http://127.0.0.1:" + std::to_string(port_);
}

std::string RedirectListener::redirect_uri() const {
  return origin() + std::string(kPath);
}

Expected<std::string> RedirectListener::send_on(std::string location) {
  if (!std::all_of(location.begin(), location.end(),
                   [](char c) { return c > ' ' && c < '\x7f'; })) {
    return make_error(ErrorCode::kInvalid, "the provider's address has a character of none");
  }
  beginning_ =
      Beginning{std::move(location), crypto::random_hex(16), crypto::random_hex(16), false};
  return origin() + std::string(kBegin) + "?" + beginning_->nonce;
}

RedirectListener::Served RedirectListener::serve(int connection, std::string_view head_text,
                                                 const Take& take) {
  proxy::RequestHead head;
  if (proxy::parse_request_head(head_text, head) || head.method != "GET") {
    return Served::kNothing;
  }
  const auto say = [&](const std::string& answer) {
    (void)::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(connection, SHUT_WR);
  };
  Page page;
  page.heading = "This is not the page that agent-vault waits for";
  page.words = "Go back to the terminal.";
  const std::size_t mark = head.target.find('?');
  const std::string_view path = head.target.substr(0, mark);
  const std::string_view query =
      mark == std::string_view::npos ? std::string_view() : head.target.substr(mark + 1);
  const proxy::Field* const host = head.find("host");
  // By another name (DNS rebinding) it is another site's page that asks.
  const bool here = host != nullptr && origin() == "http://" + std::string(host->value);
  const bool known = !beginning_ || has_cookie(head, beginning_->cookie);
  if (here && beginning_ && path == kBegin &&
      crypto::constant_time_equal(query, beginning_->nonce)) {
    if (beginning_->used && !known) {
      page.heading = "Somebody else has begun this already";
      page.words = "Nothing was connected. Go back to the terminal.";
      say(page_of(page, 400));
      return Served::kSecondBrowser;
    }
    beginning_->used = true;
    say(way_on(beginning_->location, beginning_->cookie));
    return Served::kNothing;
  }
  const bool candidate = here && known && path == kPath && mark != std::string_view::npos;
  const bool done = candidate && take(query, page);
  say(page_of(page, page.good ? 200 : 400));
  return done ? Served::kAnswer : Served::kNothing;
}

Status RedirectListener::wait(Millis timeout, int stop, const Take& take) {
  const auto give_up = Clock::now() + timeout;
  std::vector<Visitor> visitors;
  for (;;) {
    const auto now = Clock::now();
    if (now >= give_up) {
      return make_error(ErrorCode::kNetwork, "nobody came back from the browser in time",
                        "try again, or use --no-browser to paste the address by hand");
    }
    std::erase_if(visitors, [&](const Visitor& one) { return one.until <= now; });
    auto next = give_up;
    std::vector<pollfd> ready{{socket_.get(), POLLIN, 0}, {stop, POLLIN, 0}};
    for (const Visitor& one : visitors) {
      ready.push_back({one.fd.get(), POLLIN, 0});
      next = std::min(next, one.until);
    }
    const auto left = std::chrono::ceil<Millis>(next - now).count();
    if (::poll(ready.data(), ready.size(), static_cast<int>(left)) < 0) {
      if (errno == EINTR) {
        continue;
      }
      return errno_error(errno, "cannot wait for the browser");
    }
    if (stop >= 0 && ready[1].revents != 0) {
      return make_error(ErrorCode::kConflict, "stopped waiting for the browser");
    }
    std::vector<Visitor> staying;
    for (std::size_t i = 0; i < visitors.size(); ++i) {
      const Heard heard = ready[i + 2].revents == 0 ? Heard::kMore : hear(visitors[i]);
      if (heard == Heard::kMore) {
        staying.push_back(std::move(visitors[i]));
      } else if (heard == Heard::kHead) {
        const std::string_view head =
            std::string_view(visitors[i].bytes).substr(0, visitors[i].scanner.size());
        switch (serve(visitors[i].fd.get(), head, take)) {
          case Served::kNothing:
            break;
          case Served::kAnswer:
            return {};
          case Served::kSecondBrowser:
            return make_error(ErrorCode::kNotPermitted,
                              "two browsers came to the address at which this begins: somebody "
                              "else on this machine may have tried to connect an account of theirs",
                              "nothing was connected; try again, or with --no-browser");
        }
      }
    }
    visitors = std::move(staying);
    let_in(socket_.get(), visitors);
  }
}

}  // namespace av::cmd
