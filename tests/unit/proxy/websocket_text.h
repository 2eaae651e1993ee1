#pragma once
// WebSocket frames for tests, written and read without the code under test.

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace av::test {

inline std::string frame_header(unsigned opcode, std::size_t size, bool fin, bool masked) {
  std::string out;
  const auto put = [&](std::size_t byte) { out.push_back(static_cast<char>(byte & 0xff)); };
  put((fin ? 0x80U : 0U) | opcode);
  const unsigned bit = masked ? 0x80 : 0;
  if (size < 126) {
    put(bit | size);
  } else if (size < 65536) {
    put(bit | 126);
    put(size >> 8U);
    put(size);
  } else {
    put(bit | 127);
    for (unsigned i = 8; i-- > 0;) {
      put(size >> 8 * i);
    }
  }
  return out;
}

inline std::string plain_frame(unsigned opcode, const std::string& payload, bool fin = true) {
  return frame_header(opcode, payload.size(), fin, false) + payload;
}

inline std::string masked_frame(unsigned opcode, const std::string& payload, bool fin = true) {
  const std::string mask = "\x5a\x13\xf0\x77";
  std::string out = frame_header(opcode, payload.size(), fin, true) + mask;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
  }
  return out;
}

// "1:text" for each message, fragments joined, control frames in their place; "?..." for a rest.
// `frames`, when given, gets the payload size of each data frame.
inline std::vector<std::string> messages(const std::string& bytes,
                                         std::vector<std::size_t>* frames = nullptr) {
  std::vector<std::string> out;
  std::string message;
  unsigned message_opcode = 0;
  std::size_t at = 0;
  const auto byte = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U;
  };
  while (at < bytes.size()) {
    const unsigned opcode = byte(at) & 15U;
    const bool fin = (byte(at) & 0x80U) != 0;
    const bool masked = (byte(at + 1) & 0x80U) != 0;
    std::uint64_t size = byte(at + 1) & 0x7fU;
    std::size_t head = 2;
    const std::size_t wide = size == 127 ? 8 : size == 126 ? 2 : 0;
    if (wide != 0) {
      size = 0;
      for (std::size_t i = 0; i < wide; ++i) {
        size = size << 8U | byte(at + head++);
      }
    }
    const std::size_t mask_at = at + head;
    head += masked ? 4 : 0;
    if (at + head > bytes.size() || size > bytes.size() - at - head) {
      out.push_back("?" + std::to_string(bytes.size() - at));
      return out;
    }
    std::string payload = bytes.substr(at + head, size);
    for (std::size_t i = 0; masked && i < payload.size(); ++i) {
      payload[i] =
          static_cast<char>(static_cast<unsigned char>(payload[i]) ^ byte(mask_at + i % 4));
    }
    at += head + size;
    if (opcode >= 8) {
      out.push_back(std::to_string(opcode) + ":" + payload);
      continue;
    }
    if (frames != nullptr) {
      frames->push_back(payload.size());
    }
    // The grammar of fragments.
    CHECK((opcode == 0) == (message_opcode != 0));
    message_opcode = opcode != 0 ? opcode : message_opcode;
    message += payload;
    if (fin) {
      out.push_back(std::to_string(message_opcode) + ":" + message);
      message.clear();
      message_opcode = 0;
    }
  }
  if (message_opcode != 0) {
    out.push_back("?open:" + message);
  }
  return out;
}

}  // namespace av::test
