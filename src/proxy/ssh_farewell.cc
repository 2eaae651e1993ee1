#include "proxy/ssh_farewell.h"

#include <cstdint>

namespace av::proxy {
namespace {

constexpr char kDisconnect = 1;               // SSH_MSG_DISCONNECT
constexpr std::uint32_t kByApplication = 11;  // SSH_DISCONNECT_BY_APPLICATION
constexpr std::size_t kBlock = 8;
constexpr std::size_t kLeastPadding = 4;

void put32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift & 0xFF));
  }
}

void put_text(std::string& out, std::string_view text) {
  put32(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

}  // namespace

std::string ssh_disconnect(std::string_view words) {
  std::string payload(1, kDisconnect);
  put32(payload, kByApplication);
  put_text(payload, words);
  put_text(payload, "en");
  std::size_t padding = kBlock - (4 + 1 + payload.size()) % kBlock;
  if (padding < kLeastPadding) {
    padding += kBlock;
  }
  std::string packet;
  put32(packet, static_cast<std::uint32_t>(1 + payload.size() + padding));
  packet.push_back(static_cast<char>(padding));
  packet += payload;
  packet.append(padding, '\0');
  return packet;
}

}  // namespace av::proxy
