#pragma once
// Response: reads one HTTP/1.1 response as it comes, and checks it. Written apart from the proxy's
// own parser: a judge must not share the defendant's mistakes. It knows what an upstream of a bench
// sends and dies (common.h) of anything else.

#include <cstdint>
#include <string>
#include <string_view>

namespace av::bench {

class Response {
 public:
  struct Expectation {
    int status = 200;
    std::int64_t length = -1;  // of the body; -1: any
  };
  explicit Response(Expectation expectation) : expectation_(expectation) {}
  void reset();

  // Takes bytes off the front of `bytes`; `body` is then a piece of the body (it may be empty).
  // Call until `bytes` is empty or done(). Bytes behind a complete response stay.
  void feed(std::string_view& bytes, std::string_view& body);
  [[nodiscard]] bool done() const { return state_ == State::kDone; }
  [[nodiscard]] std::uint64_t body_bytes() const { return body_bytes_; }
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }

 private:
  enum class State : std::uint8_t {
    kHead,
    kLength,
    kChunkSize,
    kChunkData,
    kChunkEnd,
    kLastLine,
    kDone
  };
  void parse_head();
  void take_field(std::string_view name, std::string_view value);
  void take_chunk_line();
  void finish();

  Expectation expectation_;
  State state_ = State::kHead;
  std::string line_;  // the head, or the line of a chunk, as far as it came
  bool chunked_ = false;
  bool keep_alive_ = true;
  std::int64_t content_length_ = -1;
  std::uint64_t remaining_ = 0;
  std::uint64_t body_bytes_ = 0;
};

}  // namespace av::bench
