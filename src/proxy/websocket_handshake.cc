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

}  // namespace av::proxy
