#include "source/websocket_client.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "core/ascii.h"
#include "core/crypto.h"
#include "core/encoding.h"
#include "source/websocket_reader.h"
#include "vault/canonical.h"

namespace av::source {
namespace {

constexpr std::size_t kMostHead = std::size_t{16} << 10;
constexpr std::size_t kPiece = std::size_t{16} << 10;
constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

Failure refused(std::string message) {
  return failure(Failure::Why::kRefused, std::move(message),
                 "the URL must be that of a WebSocket server");
}

Failure ended() {
  return failure(Failure::Why::kUnreachable, "the WebSocket server closed the connection");
}

std::uint32_t random_mask() {
  std::array<std::uint8_t, 4> bytes{};
  crypto::random_bytes(bytes);
  return std::uint32_t{bytes[0]} << 24U | std::uint32_t{bytes[1]} << 16U |
         std::uint32_t{bytes[2]} << 8U | std::uint32_t{bytes[3]};
}

std::int64_t left(const Clock& clock, std::chrono::steady_clock::time_point until) {
  return std::chrono::duration_cast<Millis>(until - clock.steady()).count();
}

class Connection final : public WebSocket {
 public:
  Connection(std::unique_ptr<ByteStream> stream, const Clock& clock)
      : stream_(std::move(stream)), clock_(clock) {}
  ~Connection() override {
    if (!over_) {
      static_cast<void>(write(ClientFrame::kClose, std::string_view("\x03\xe8", 2)));  // 1000
    }
    stream_->close();
  }

  Result<void> handshake(const WebSocketUrl& url);
  Result<void> send(std::string_view text) override { return write(ClientFrame::kText, text); }
  Result<SecretBuffer> receive(std::int64_t timeout_ms) override;

 private:
  Result<void> write(ClientFrame kind, std::string_view payload);
  Result<void> fill(std::int64_t timeout_ms);
  Failure lost(Failure why) {
    over_ = true;
    return why;
  }

  std::unique_ptr<ByteStream> stream_;
  const Clock& clock_;
  WebSocketReader reader_;
  std::array<char, kPiece> piece_{};
  std::size_t got_ = 0;  // in piece_
  bool over_ = false;
};

Result<void> Connection::write(ClientFrame kind, std::string_view payload) {
  if (over_) {
    return ended();
  }
  const SecretBuffer frame = client_frame(kind, payload, random_mask());
  Result<void> done = stream_->write(frame.view());
  over_ = over_ || !done;
  return done;
}

Result<void> Connection::fill(std::int64_t timeout_ms) {
  AV_TRY(got_, stream_->read(piece_, timeout_ms));
  if (got_ == 0) {
    return lost(ended());
  }
  return {};
}

Result<void> Connection::handshake(const WebSocketUrl& url) {
  std::array<std::uint8_t, 16> nonce{};
  crypto::random_bytes(nonce);
  const std::string key =
      encoding::base64({reinterpret_cast<const char*>(nonce.data()), nonce.size()});
  AV_CHECK(stream_->write(
      "GET " + url.target + " HTTP/1.1\r\nHost: " + url.host +
      "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + key +
      "\r\nSec-WebSocket-Version: 13\r\nUser-Agent: agent-vault/" AV_VERSION "\r\n\r\n"));
  const auto until = clock_.steady() + Millis(WebSocketClient::kHandshakeMs);
  std::string head;
  for (;;) {
    const std::int64_t ms = left(clock_, until);
    if (ms <= 0) {
      return lost(failure(Failure::Why::kTimeout, "the WebSocket server did not answer in time"));
    }
    Result<void> more = fill(ms);
    if (!more) {
      return lost(std::move(more.error()));
    }
    const std::size_t searched = head.size() < 3 ? 0 : head.size() - 3;
    head.append(piece_.data(), got_);
    const std::size_t end = head.find("\r\n\r\n", searched);
    if (end != std::string::npos) {
      reader_.feed(std::string_view(head).substr(end + 4));
      head.resize(end + 4);
      break;
    }
    if (head.size() > kMostHead) {
      return lost(refused("the server's answer to the WebSocket handshake is too long"));
    }
  }
  Result<void> agreed = check_websocket_answer(head, key);
  over_ = !agreed;
  return agreed;
}

Result<SecretBuffer> Connection::receive(std::int64_t timeout_ms) {
  const auto until = clock_.steady() + Millis(timeout_ms);
  for (;;) {
    if (over_) {
      return ended();
    }
    auto event = reader_.next();
    if (!event) {
      // 1002: protocol error.
      static_cast<void>(write(ClientFrame::kClose, std::string_view("\x03\xea", 2)));
      return lost(std::move(event.error()));
    }
    if (*event) {
      switch ((*event)->kind) {
        case WebSocketReader::Event::Kind::kText:
          return std::move((*event)->payload);
        case WebSocketReader::Event::Kind::kPing: {
          AV_CHECK(write(ClientFrame::kPong, (*event)->payload.view()));
          break;
        }
        case WebSocketReader::Event::Kind::kClose:
          static_cast<void>(write(ClientFrame::kClose, (*event)->payload.view().substr(0, 2)));
          return lost(ended());
      }
    }
    const std::int64_t ms = left(clock_, until);
    if (ms <= 0) {
      return failure(Failure::Why::kTimeout, "no message came in time");
    }
    if (!*event) {
      Result<void> more = fill(ms);
      if (!more) {
        over_ = over_ || more.error().why != Failure::Why::kTimeout;
        return std::move(more.error());
      }
      reader_.feed({piece_.data(), got_});
    }
  }
}

std::string accept_of(std::string_view key) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  const std::string text = std::string(key) + std::string(kGuid);
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return encoding::base64({reinterpret_cast<const char*>(digest.data()), size});
}

Failure not_agreed(int status) {
  const std::string message =
      "the server answered the WebSocket handshake with HTTP " + std::to_string(status);
  if (status == 401 || status == 403) {
    return failure(Failure::Why::kDenied, message);
  }
  if (status == 429 || status == 503) {
    return failure(Failure::Why::kBusy, message);
  }
  return refused(message);
}

}  // namespace

Result<WebSocketUrl> read_websocket_url(std::string_view url) {
  const std::size_t colon = url.find("://");
  const std::string_view scheme = url.substr(0, colon);
  if (colon == std::string_view::npos || (scheme != "ws" && scheme != "wss")) {
    return failure(Failure::Why::kInvalid, "a WebSocket's URL begins with wss://");
  }
  url.remove_prefix(scheme.size() + 3);
  const std::size_t end = std::min(url.find_first_of("/?#"), url.size());
  WebSocketUrl out;
  out.host = url.substr(0, end);
  out.target = url.substr(end);
  if (out.target.empty() || out.target.front() == '?') {
    out.target.insert(0, "/");
  }
  const bool plain = std::all_of(out.target.begin(), out.target.end(),
                                 [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
  if (!plain || !vault::parse_authority(out.host, scheme == "ws" ? 80 : 443)) {
    return failure(Failure::Why::kInvalid, "the URL of the WebSocket server is malformed");
  }
  return out;
}

Result<void> check_websocket_answer(std::string_view head, std::string_view key) {
  const auto line = [&]() {
    const std::size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view out = head.substr(0, end);
    head.remove_prefix(std::min(end + 2, head.size()));
    return out;
  };
  const std::string_view status = line();
  int number = 0;
  if (!status.starts_with("HTTP/1.1 ") || status.size() < 12 ||
      (status.size() > 12 && status[12] != ' ') ||
      std::from_chars(status.data() + 9, status.data() + 12, number).ptr != status.data() + 12) {
    return refused("the server's answer to the WebSocket handshake is not HTTP/1.1");
  }
  if (number != 101) {
    return not_agreed(number);
  }
  int upgrades = 0;
  int connections = 0;
  int accepts = 0;
  for (std::string_view field = line(); !field.empty(); field = line()) {
    const std::size_t colon = std::min(field.find(':'), field.size());
    const std::string name = ascii::lower(field.substr(0, colon));
    const std::string_view value = ascii::trim(field.substr(std::min(colon + 1, field.size())));
    if (name.empty() || colon == field.size() ||
        !std::all_of(name.begin(), name.end(), ascii::is_token_char) ||
        !std::all_of(value.begin(), value.end(), ascii::is_field_char)) {
      return refused("the server's answer to the WebSocket handshake is malformed");
    }
    if (name == "upgrade") {
      upgrades += ascii::lower(value) == "websocket" ? 1 : 2;
    } else if (name == "connection") {
      const auto words = ascii::words(value, ", \t");
      connections += std::any_of(words.begin(), words.end(), [](std::string_view word) {
        return ascii::lower(word) == "upgrade";
      });
    } else if (name == "sec-websocket-accept") {
      accepts += value == accept_of(key) ? 1 : 2;
    } else if (name == "sec-websocket-extensions" || name == "sec-websocket-protocol") {
      return refused("the server chose a WebSocket extension or protocol that was not offered");
    }
  }
  if (upgrades != 1 || connections != 1 || accepts != 1) {
    return refused("the server did not agree to the WebSocket handshake");
  }
  return {};
}

Result<std::unique_ptr<WebSocket>> WebSocketClient::open(const std::string& url) {
  AV_TRY(const WebSocketUrl where, read_websocket_url(url));
  AV_TRY(std::unique_ptr<ByteStream> stream, dialer_.connect(url));
  auto connection = std::make_unique<Connection>(std::move(stream), clock_);
  AV_CHECK(connection->handshake(where));
  return std::unique_ptr<WebSocket>(std::move(connection));
}

}  // namespace av::source
