#include "source/websocket_reader.h"

#include <utility>

#include "core/encoding.h"
#include "source/ports.h"

namespace av::source {
namespace {

constexpr std::size_t kMostControl = 125;

Failure broken(const char* what) {
  return failure(Failure::Why::kMalformed, std::string("the WebSocket server sent ") + what);
}

}  // namespace

Result<std::optional<WebSocketReader::Head>> WebSocketReader::head() const {
  const std::string_view rest = buffer_.view().substr(used_);
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  if (rest.size() < 2) {
    return std::optional<Head>();
  }
  Head out;
  out.last = (at(0) & 0x80U) != 0;
  if ((at(0) & 0x70U) != 0) {
    return broken("a frame of an extension that was not agreed on");
  }
  const unsigned opcode = at(0) & 15U;
  if ((opcode > 2 && opcode < 8) || opcode > 10) {
    return broken("a frame of an unknown kind");
  }
  out.opcode = static_cast<Opcode>(opcode);
  if ((at(1) & 0x80U) != 0) {
    return broken("a masked frame");
  }
  const unsigned small = at(1) & 127U;
  const std::size_t more = small == 126 ? 2 : small == 127 ? 8 : 0;
  if (opcode >= 8 && (small > kMostControl || !out.last)) {
    return broken("a control frame that is long, or in pieces");
  }
  if (rest.size() < 2 + more) {
    return std::optional<Head>();
  }
  out.size = more == 0 ? small : 0;
  for (std::size_t i = 0; i < more; ++i) {
    out.size = out.size << 8U | at(2 + i);
  }
  if ((more == 2 && out.size < 126) || (more == 8 && out.size < 0x1'0000)) {
    return broken("a length that is not in its shortest form");
  }
  if (out.size > kMostBody) {
    return broken("a message that is too long");
  }
  out.bytes = 2 + more;
  return std::optional<Head>(out);
}

void WebSocketReader::consume(std::size_t size) {
  used_ += size;
  if (used_ == buffer_.size()) {
    buffer_.clear();
    used_ = 0;
  } else if (used_ > kMostBody / 2) {
    SecretBuffer rest;
    rest.append(buffer_.view().substr(used_));
    buffer_ = std::move(rest);
    used_ = 0;
  }
}

Result<std::optional<WebSocketReader::Event>> WebSocketReader::take(const Head& head) {
  const std::string_view payload =
      buffer_.view().substr(used_ + head.bytes, static_cast<std::size_t>(head.size));
  Event event;
  switch (head.opcode) {
    case Opcode::kPing:
      event.kind = Event::Kind::kPing;
      event.payload.append(payload);
      return std::optional<Event>(std::move(event));
    case Opcode::kPong:
      return std::optional<Event>();
    case Opcode::kClose:
      event.kind = Event::Kind::kClose;
      event.payload.append(payload);
      return std::optional<Event>(std::move(event));
    case Opcode::kBinary:
      return broken("a message that is not text");
    case Opcode::kText:
      if (open_) {
        return broken("a message inside another one");
      }
      break;
    case Opcode::kContinuation:
      if (!open_) {
        return broken("the rest of a message that it did not begin");
      }
      break;
  }
  if (message_.size() + payload.size() > kMostBody) {
    return broken("a message that is too long");
  }
  message_.append(payload);
  open_ = !head.last;
  if (open_) {
    return std::optional<Event>();
  }
  if (!encoding::is_utf8(message_.view())) {
    return broken("text that is not UTF-8");
  }
  event.payload = std::exchange(message_, SecretBuffer());
  return std::optional<Event>(std::move(event));
}

Result<std::optional<WebSocketReader::Event>> WebSocketReader::next() {
  for (;;) {
    AV_TRY(const std::optional<Head> found, head());
    if (!found || buffer_.size() - used_ < found->bytes + found->size) {
      return std::optional<Event>();
    }
    AV_TRY(std::optional<Event> event, take(*found));
    consume(found->bytes + static_cast<std::size_t>(found->size));
    if (event) {
      return event;
    }
  }
}

SecretBuffer client_frame(ClientFrame kind, std::string_view payload, std::uint32_t mask) {
  SecretBuffer out;
  out.reserve(payload.size() + 14);
  out.push_back(static_cast<char>(0x80U | static_cast<unsigned>(kind)));
  const std::uint64_t size = payload.size();
  unsigned more = 0;
  if (size < 126) {
    out.push_back(static_cast<char>(0x80U | size));
  } else if (size <= 0xffff) {
    out.push_back(static_cast<char>(0x80U | 126U));
    more = 2;
  } else {
    out.push_back(static_cast<char>(0x80U | 127U));
    more = 8;
  }
  while (more-- > 0) {
    out.push_back(static_cast<char>(size >> (8 * more)));
  }
  char key[4];
  for (unsigned i = 0; i < 4; ++i) {
    key[i] = static_cast<char>(mask >> (8 * (3 - i)));
  }
  out.append(std::string_view(key, 4));
  const std::size_t begin = out.size();
  out.append(payload);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out.data()[begin + i] = static_cast<char>(out.data()[begin + i] ^ key[i % 4]);
  }
  return out;
}

}  // namespace av::source
