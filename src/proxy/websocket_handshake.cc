#include "proxy/websocket_handshake.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/crypto.h"
#include "core/encoding.h"

namespace av::proxy {
namespace {

// RFC 6455 section 1.3.
constexpr std::string_view kMagic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

std::string_view text_of(const auto& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string make_websocket_key() {
  std::array<std::uint8_t, 16> bytes{};
  crypto::random_bytes(bytes);
  return encoding::base64(text_of(bytes));
}

bool accepts_websocket_key(const ResponseHead& response, std::string_view key) {
  std::string text(key);
  text += kMagic;
  // The protocol's choice: it proves understanding and protects nothing.
  std::array<std::uint8_t, SHA_DIGEST_LENGTH> digest{};
  (void)SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  const auto named = [](const Field& field) { return iequals(field.name, "sec-websocket-accept"); };
  const Field* const accept = response.find("sec-websocket-accept");
  return std::count_if(response.fields.begin(), response.fields.end(), named) == 1 &&
         accept->value == encoding::base64(text_of(digest));
}

// A tunnel stands only when both ends have said so; null: they agree.
const char* wrong_upgrade(const RequestHead& asked, const ResponseHead& response,
                          std::string_view own_key) {
  if (response.status != 101) {
    // RFC 8441 section 5: to a client of HTTP/2 any 2xx means that its tunnel stands.
    const bool success = response.status >= 200 && response.status < 300;
    return success && asked.http2 && asked.websocket_upgrade
               ? "no WebSocket where one was asked for"
               : nullptr;
  }
  if (!asked.websocket_upgrade || !response.websocket_upgrade) {
    return "an upgrade that nobody asked for";
  }
  // Without this a reflected request could pass for an upgrade, and open a tunnel (RFC 6455 section
  // 4.1).
  const Field* const key = asked.find("sec-websocket-key");
  const std::string_view sent = !own_key.empty() ? own_key
                                : key != nullptr ? key->value
                                                 : std::string_view();
  return accepts_websocket_key(response, sent) ? nullptr : "a wrong Sec-WebSocket-Accept";
}

}  // namespace av::proxy
