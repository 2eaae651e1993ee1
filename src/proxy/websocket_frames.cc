#include "proxy/websocket_frames.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/crypto.h"

namespace av::proxy {
namespace {

constexpr std::uint64_t kMaxControl = 125;

// Bytes of a header whose second byte is known.
std::size_t header_size(unsigned char second) {
  const unsigned length = second & 0x7fU;
  return 2U + (length == 127 ? 8U : length == 126 ? 2U : 0U) + ((second & 0x80U) != 0 ? 4U : 0U);
}

bool is_known(unsigned opcode) {
  return opcode <= 2 || (opcode >= 8 && opcode <= 10);
}

}  // namespace

bool WebSocketFrameReader::parse_header() {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(header_[i]); };
  const unsigned opcode = byte(0) & 0x0fU;
  if (!is_known(opcode)) {
    return false;
  }
  frame_.opcode = static_cast<WebSocketOpcode>(opcode);
  frame_.fin = (byte(0) & 0x80U) != 0;
  frame_.rsv = static_cast<std::uint8_t>((byte(0) >> 4U) & 7U);
  frame_.masked = (byte(1) & 0x80U) != 0;
  frame_.length = byte(1) & 0x7fU;
  std::size_t at = 2;
  const std::size_t wide = frame_.length == 127 ? 8 : frame_.length == 126 ? 2 : 0;
  if (wide != 0) {
    frame_.length = 0;
    for (std::size_t i = 0; i < wide; ++i) {
      frame_.length = frame_.length << 8U | byte(at++);
    }
    // "the minimal number of bytes MUST be used to encode the length", and "the most significant
    // bit MUST be 0" (section 5.2).
    const std::uint64_t least = wide == 2 ? 126 : 65536;
    if (frame_.length < least || frame_.length >> 63U != 0) {
      return false;
    }
  }
  frame_.mask = {};
  if (frame_.masked) {
    std::memcpy(frame_.mask.data(), header_.data() + at, frame_.mask.size());
  }
  // "a client MUST mask all frames that it sends to the server"; "a server MUST NOT mask any
  // frames" (section 5.1).
  if (frame_.masked != (sender_ == WebSocketSender::kClient) || (frame_.rsv != 0 && !extensions_)) {
    return false;
  }
  if (frame_.control()) {
    return frame_.fin && frame_.length <= kMaxControl;
  }
  const bool continues = frame_.opcode == WebSocketOpcode::kContinuation;
  if (continues != in_message_) {
    return false;
  }
  in_message_ = !frame_.fin;
  return true;
}

WebSocketFrameReader::Event WebSocketFrameReader::next(std::span<char>& in) {
  if (state_ == State::kError) {
    return Event::kError;
  }
  if (state_ == State::kHeader) {
    while (header_size_ < 2 || header_size_ < header_size(static_cast<unsigned char>(header_[1]))) {
      if (in.empty()) {
        return Event::kMore;
      }
      header_[header_size_++] = in.front();
      in = in.subspan(1);
    }
    if (!parse_header()) {
      state_ = State::kError;
      return Event::kError;
    }
    state_ = State::kPayload;
    taken_ = 0;
    return Event::kHeader;
  }
  if (taken_ == frame_.length) {
    state_ = State::kHeader;
    header_size_ = 0;
    return Event::kEnd;
  }
  if (in.empty()) {
    return Event::kMore;
  }
  const auto take =
      static_cast<std::size_t>(std::min<std::uint64_t>(in.size(), frame_.length - taken_));
  payload_ = in.first(take);
  in = in.subspan(take);
  offset_ = taken_;
  taken_ += take;
  return Event::kPayload;
}

void apply_websocket_mask(std::span<char> data, const WebSocketMask& mask, std::uint64_t offset) {
  // Rotated, so that the first byte of the pattern belongs to the first byte of the data.
  std::array<unsigned char, 8> pattern{};
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    pattern[i] = mask[(offset + i) & 3U];
  }
  std::uint64_t word = 0;
  std::memcpy(&word, pattern.data(), sizeof word);
  std::size_t i = 0;
  for (; i + sizeof word <= data.size(); i += sizeof word) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, data.data() + i, sizeof bytes);
    bytes ^= word;
    std::memcpy(data.data() + i, &bytes, sizeof bytes);
  }
  for (; i < data.size(); ++i) {
    data[i] = static_cast<char>(static_cast<unsigned char>(data[i]) ^ pattern[i & 7U]);
  }
}

WebSocketMask WebSocketFrameWriter::append_header(SecretBuffer& out, WebSocketOpcode opcode,
                                                  bool fin, std::uint8_t rsv,
                                                  std::uint64_t length) {
  const bool masked = sender_ == WebSocketSender::kClient;
  std::array<char, 14> header{};
  std::size_t size = 0;
  const auto put = [&](std::uint64_t byte) {
    header[size++] = static_cast<char>(static_cast<unsigned char>(byte & 0xffU));
  };
  put((fin ? 0x80U : 0U) | static_cast<unsigned>(rsv) << 4U | static_cast<unsigned>(opcode));
  const unsigned mask_bit = masked ? 0x80U : 0U;
  const unsigned wide = length >= 65536 ? 8 : length >= 126 ? 2 : 0;
  put(mask_bit | (wide == 8 ? 127U : wide == 2 ? 126U : length));
  for (unsigned i = wide; i != 0; --i) {
    put(length >> 8U * (i - 1));
  }
  WebSocketMask mask{};
  if (masked) {
    // "derived from a strong source of entropy" (section 5.3).
    crypto::random_bytes(mask);
    for (const unsigned char byte : mask) {
      put(byte);
    }
  }
  out.append({header.data(), size});
  return mask;
}

void WebSocketFrameWriter::append(SecretBuffer& out, WebSocketOpcode opcode, bool fin,
                                  std::string_view payload) {
  const WebSocketMask mask = append_header(out, opcode, fin, 0, payload.size());
  const std::size_t begin = out.size();
  out.append(payload);
  if (sender_ == WebSocketSender::kClient) {
    apply_websocket_mask({out.data() + begin, payload.size()}, mask, 0);
  }
}

void WebSocketFrameWriter::append_close(SecretBuffer& out, std::uint16_t code,
                                        std::string_view reason) {
  std::string payload;
  payload.push_back(static_cast<char>(code >> 8U));
  payload.push_back(static_cast<char>(code & 0xffU));
  payload += reason.substr(0, kMaxControl - 2);
  append(out, WebSocketOpcode::kClose, /*fin=*/true, payload);
}

}  // namespace av::proxy
