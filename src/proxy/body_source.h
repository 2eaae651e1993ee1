#pragma once
// BodySource: what follows a head, whichever protocol brings it. Memory is bounded by one buffer;
// back-pressure is the puller not being called.

#include <span>
#include <vector>

#include "proxy/head.h"
#include "proxy/io.h"
#include "proxy/stream.h"

namespace av::proxy {

class BodySource {
 public:
  enum class State : std::uint8_t {
    kData,
    kEnd,        // may come with data
    kMalformed,  // the framing is wrong
    kBroken      // the connection, the stream or our patience ended before the body did
  };
  struct Piece {
    State state = State::kData;
    std::span<char> data;  // writable; valid until the next call
    Io io = Io::kOk;       // why, when kBroken
  };

  virtual ~BodySource() = default;
  virtual Awaitable<Piece> next(Millis timeout) = 0;
  // The same without waiting: false when there is nothing yet.
  virtual bool poll(Piece& piece) = 0;
  // All of the body is here already; next() will not wait.
  [[nodiscard]] virtual bool buffered() const = 0;
  [[nodiscard]] virtual bool ended() const = 0;
  // After the end: trailer fields that may be forwarded (RFC 9110 section 6.5.1). False: malformed.
  [[nodiscard]] virtual bool trailers(std::vector<Field>& fields) const = 0;
};

}  // namespace av::proxy
