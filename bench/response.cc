#include "response.h"

#include <algorithm>
#include <charconv>

#include "common.h"

namespace av::bench {
namespace {

constexpr std::size_t kMaxHead = 16384;

bool same(std::string_view a, std::string_view lower) {
  return a.size() == lower.size() &&
         std::equal(a.begin(), a.end(), lower.begin(), [](char x, char y) {
           return (x >= 'A' && x <= 'Z' ? static_cast<char>(x + 32) : x) == y;
         });
}

template <typename Integer>
Integer number(std::string_view text, int base, const char* what) {
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) {
    die(std::string("malformed ") + what);
  }
  return value;
}

}  // namespace

void Response::reset() {
  state_ = State::kHead;
  line_.clear();
  chunked_ = false;
  keep_alive_ = true;
  content_length_ = -1;
  remaining_ = 0;
  body_bytes_ = 0;
}

void Response::take_field(std::string_view name, std::string_view value) {
  if (same(name, "content-length")) {
    content_length_ = number<std::int64_t>(value, 10, "Content-Length");
  } else if (same(name, "transfer-encoding")) {
    chunked_ = same(value, "chunked");
  } else if (same(name, "connection")) {
    keep_alive_ = !same(value, "close");
  }
}

void Response::parse_head() {
  std::string_view rest = line_;
  const std::string_view status_line = rest.substr(0, rest.find("\r\n"));
  if (!status_line.starts_with("HTTP/1.1 ") || status_line.size() < 12) {
    die("malformed response: " + std::string(status_line));
  }
  if (number<int>(status_line.substr(9, 3), 10, "status") != expectation_.status) {
    die("unexpected response: " + std::string(status_line));
  }
  rest.remove_prefix(status_line.size() + 2);
  while (!rest.starts_with("\r\n")) {
    const std::string_view field = rest.substr(0, rest.find("\r\n"));
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) {
      die("malformed field in a response");
    }
    std::string_view value = field.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    take_field(field.substr(0, colon), value);
    rest.remove_prefix(field.size() + 2);
  }
  line_.clear();
  if (chunked_) {
    state_ = State::kChunkSize;
    return;
  }
  if (content_length_ < 0) {
    die("a response without a length");
  }
  remaining_ = static_cast<std::uint64_t>(content_length_);
  state_ = State::kLength;
  if (remaining_ == 0) {
    finish();
  }
}

void Response::finish() {
  state_ = State::kDone;
  if (expectation_.length >= 0 && body_bytes_ != static_cast<std::uint64_t>(expectation_.length)) {
    die("a body of " + std::to_string(body_bytes_) + " bytes instead of " +
        std::to_string(expectation_.length));
  }
}

// `line_` is a whole line behind which CR LF stood.
void Response::take_chunk_line() {
  if (state_ == State::kChunkSize) {
    remaining_ = number<std::uint64_t>(line_, 16, "chunk size");
    state_ = remaining_ == 0 ? State::kLastLine : State::kChunkData;
  } else if (!line_.empty()) {
    die("bytes behind a chunk");
  } else if (state_ == State::kChunkEnd) {
    state_ = State::kChunkSize;
  } else {
    finish();
  }
  line_.clear();
}

void Response::feed(std::string_view& bytes, std::string_view& body) {
  body = {};
  switch (state_) {
    case State::kHead: {
      const std::size_t had = line_.size();
      line_.append(bytes);
      const std::size_t end = line_.find("\r\n\r\n", had < 3 ? 0 : had - 3);
      if (end == std::string::npos) {
        if (line_.size() > kMaxHead) {
          die("an endless response head");
        }
        bytes = {};
        return;
      }
      bytes.remove_prefix(end + 4 - had);
      line_.resize(end + 4);
      parse_head();
      return;
    }
    case State::kLength:
    case State::kChunkData: {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size()));
      body = bytes.substr(0, take);
      bytes.remove_prefix(take);
      body_bytes_ += take;
      remaining_ -= take;
      if (remaining_ == 0 && state_ == State::kLength) {
        finish();
      } else if (remaining_ == 0) {
        state_ = State::kChunkEnd;
      }
      return;
    }
    case State::kChunkSize:
    case State::kChunkEnd:
    case State::kLastLine: {
      const std::size_t end = bytes.find('\n');
      line_.append(bytes.substr(0, end));
      bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
      if (end == std::string_view::npos) {
        return;
      }
      if (!line_.ends_with('\r')) {
        die("malformed chunk");
      }
      line_.pop_back();
      take_chunk_line();
      return;
    }
    case State::kDone:
      return;
  }
}

}  // namespace av::bench
