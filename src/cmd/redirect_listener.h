#pragma once
// RedirectListener: where a provider sends the browser back to (RFC 8252 section 7.3): a port of
// 127.0.0.1 that is open for one authorization. Whoever connects is a stranger: only a request with
// the right path and Host counts, from the browser that was sent to the provider, and whether it is
// the answer that is waited for, its taker says. None who is slow or silent keeps others waiting.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/expected.h"
#include "core/fs.h"

namespace av::cmd {

class RedirectListener {
 public:
  // `port` 0: any.
  static Expected<RedirectListener> open(std::uint16_t port);
  // "http://127.0.0.1:PORT/callback"
  [[nodiscard]] std::string redirect_uri() const;

  // The browser comes by here on its way to `location`, and gets a cookie, without which no answer
  // counts: the provider's address alone (which the program that opens a browser shows to every
  // user of the machine) is of no use to anybody else. Returns where it has to begin, which is good
  // once.
  [[nodiscard]] Expected<std::string> send_on(std::string location);

  // What the browser is told: the page's heading and a sentence below it.
  struct Page {
    bool good = false;
    std::string heading;
    std::string words;
  };
  // Given the query of each candidate; true: that was it, false: go on waiting. Fills the page.
  using Take = std::function<bool(std::string_view query, Page& page)>;
  // Until `take` says true. kNetwork when the time is over; kConflict when `stop` (a descriptor,
  // or -1) becomes readable first; kNotPermitted when two browsers came by the beginning.
  [[nodiscard]] Status wait(Millis timeout, int stop, const Take& take);

 private:
  struct Beginning {
    std::string location;
    std::string nonce;
    std::string cookie;
    bool used = false;
  };
  enum class Served : std::uint8_t { kNothing, kAnswer, kSecondBrowser };

  RedirectListener(UniqueFd socket, std::uint16_t port) : socket_(std::move(socket)), port_(port) {}
  Served serve(int connection, std::string_view head, const Take& take);
  [[nodiscard]] std::string origin() const;

  UniqueFd socket_;
  std::uint16_t port_;
  std::optional<Beginning> beginning_;
};

}  // namespace av::cmd
