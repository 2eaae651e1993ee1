#pragma once
// WebSocketClient: the port WebSockets over any stream of bytes (RFC 6455, client's side): the
// opening handshake, text messages, pings answered, a close answered.

#include <memory>
#include <string>

#include "core/clock.h"
#include "source/byte_stream.h"
#include "source/ports.h"

namespace av::source {

class WebSocketClient final : public WebSockets {
 public:
  static constexpr std::int64_t kHandshakeMs = 10'000;

  // Both must outlive it and what it opens.
  WebSocketClient(Dialer& dialer, const Clock& clock) : dialer_(dialer), clock_(clock) {}
  // kRefused: the server speaks HTTP, but no WebSocket; kInvalid: no URL of one.
  Result<std::unique_ptr<WebSocket>> open(const std::string& url) override;

 private:
  Dialer& dialer_;
  const Clock& clock_;
};

// "/path?query" and "host:port" of a ws:// or wss:// URL.
struct WebSocketUrl {
  std::string host;
  std::string target;
};
[[nodiscard]] Result<WebSocketUrl> read_websocket_url(std::string_view url);

// Whether `head`, up to and with its empty line, agrees to the handshake that `key` began.
[[nodiscard]] Result<void> check_websocket_answer(std::string_view head, std::string_view key);

}  // namespace av::source
