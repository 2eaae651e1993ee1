#pragma once
// A strict HTTP/1.x parser (RFC 9112) that rejects by default. It knows syntax only; what fields
// mean is head.h's business. No sockets, no allocation beyond the head's own storage.
//
// Stricter than the RFC's leave to be lenient: no bare LF, no obs-fold, no white space before a
// colon, no empty line before the request line, single spaces, HTTP/1.0 and 1.1 only.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/head.h"

namespace av::proxy {

inline constexpr std::size_t kMaxHeadSize = std::size_t{64} << 10;
inline constexpr std::size_t kMaxFields = 256;

// Finds the end of a head that arrives in pieces.
class HeadScanner {
 public:
  enum class State : std::uint8_t { kMore, kComplete, kBad, kTooLong };
  // `bytes` is everything received so far; call again with more. On kComplete, size() bytes are the
  // head, the empty line included.
  State scan(std::string_view bytes);
  [[nodiscard]] std::size_t size() const { return position_; }
  void reset() { position_ = 0; }

 private:
  std::size_t position_ = 0;
};

// `bytes`: one complete head as HeadScanner found it. Copies it into head.storage.
[[nodiscard]] std::optional<HeadError> parse_request_head(std::string_view bytes,
                                                          RequestHead& head);
[[nodiscard]] std::optional<HeadError> parse_response_head(std::string_view bytes,
                                                           ResponseHead& head);

// Takes chunked framing off (RFC 9112 section 7.1). Extensions are checked and dropped.
class ChunkDecoder {
 public:
  enum class State : std::uint8_t { kMore, kDone, kBad };
  struct Result {
    State state = State::kMore;
    std::size_t consumed = 0;  // of the input
    std::size_t produced = 0;  // payload bytes, moved to the front of the input
  };
  // Works in place: payload is compacted to the beginning of `data`.
  Result decode(char* data, std::size_t size);
  // The trailer section as received, CRLF-terminated lines without the final empty one.
  [[nodiscard]] const std::string& trailers() const { return trailers_; }
  void reset();

 private:
  enum class Step : std::uint8_t {
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailer,
    kDone,
    kBad
  };
  bool take_size_byte(char c);
  bool take_trailer_byte(char c);

  Step step_ = Step::kSize;
  std::uint64_t remaining_ = 0;
  unsigned digits_ = 0;
  unsigned extension_ = 0;
  std::size_t line_start_ = 0;
  std::string trailers_;
};

// Parses a trailer section into fields that may be forwarded: framing, routing, authentication and
// hop-by-hop names are left out (RFC 9110 section 6.5.1). False when malformed.
[[nodiscard]] bool parse_trailers(std::string_view section, std::vector<Field>& fields);

}  // namespace av::proxy
