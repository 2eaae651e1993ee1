#include "proxy/http1_parser.h"

#include <algorithm>
#include <cstring>

#include "core/ascii.h"

namespace av::proxy {
namespace {

constexpr std::size_t kMaxTrailerSize = std::size_t{16} << 10;
constexpr unsigned kMaxExtension = 256;

constexpr HeadError bad(const char* message) {
  return HeadError{400, "bad_request", message};
}

// Removes one CRLF-terminated line from the front; the scanner has made sure that every LF has its
// CR.
std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end - 1);
  rest.remove_prefix(end + 1);
  return line;
}

std::optional<HeadError> parse_field_line(std::string_view line, Field& field) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    // Also catches obs-fold and white space before the colon.
    return bad("malformed header field name");
  }
  field.name = line.substr(0, colon);
  field.value = ascii::trim(line.substr(colon + 1));
  for (const char c : field.value) {
    if (!ascii::is_field_char(c)) {
      return bad("control character in a header field");
    }
  }
  return std::nullopt;
}

std::optional<HeadError> parse_fields(std::string_view rest, Head& head) {
  while (rest != "\r\n") {
    const std::string_view line = take_line(rest);
    if (head.fields.size() == kMaxFields) {
      return HeadError{431, "head_too_large", "too many header fields"};
    }
    Field field;
    if (auto error = parse_field_line(line, field)) {
      return error;
    }
    head.fields.push_back(field);
  }
  return std::nullopt;
}

}  // namespace

HeadScanner::State HeadScanner::scan(std::string_view bytes) {
  for (;;) {
    const std::size_t newline = bytes.find('\n', position_);
    if (newline == std::string_view::npos) {
      // An endless line is cut off; so is a head that never ends.
      return bytes.size() > kMaxHeadSize ? State::kTooLong : State::kMore;
    }
    if (newline >= kMaxHeadSize) {
      return State::kTooLong;
    }
    if (newline == 0 || bytes[newline - 1] != '\r') {
      return State::kBad;  // bare LF
    }
    const bool empty_line = newline - 1 == position_;
    if (empty_line && position_ == 0) {
      return State::kBad;  // nothing before the start line
    }
    position_ = newline + 1;
    if (empty_line) {
      return State::kComplete;
    }
  }
}

std::optional<HeadError> parse_request_head(std::string_view bytes, RequestHead& head) {
  head.reset();
  head.storage.assign(bytes);
  std::string_view rest = head.storage;
  const std::string_view line = take_line(rest);
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return bad("malformed request line");
  }
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(head.method) || head.method.size() > 32 || head.target.empty()) {
    return bad("malformed request line");
  }
  for (const char c : head.target) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= 0x20 || u == 0x7f) {
      return bad("white space or control character in the request target");
    }
  }
  if (version == "HTTP/1.1") {
    head.minor_version = 1;
  } else if (version == "HTTP/1.0") {
    head.minor_version = 0;
  } else {
    return HeadError{505, "bad_version", "HTTP version other than 1.0 and 1.1"};
  }
  return parse_fields(rest, head);
}

std::optional<HeadError> parse_response_head(std::string_view bytes, ResponseHead& head) {
  head.reset();
  head.storage.assign(bytes);
  std::string_view rest = head.storage;
  const std::string_view line = take_line(rest);
  const bool version_ok = line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ");
  if (!version_ok || line.size() < 12 || (line.size() > 12 && line[12] != ' ')) {
    return bad("malformed status line");
  }
  head.minor_version = line[7] - '0';
  head.status = 0;
  for (const char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') {
      return bad("malformed status line");
    }
    head.status = head.status * 10 + (c - '0');
  }
  if (head.status < 100 || head.status > 599) {
    return bad("status code out of range");
  }
  head.reason = line.size() > 13 ? line.substr(13) : std::string_view();
  for (const char c : head.reason) {
    if (!ascii::is_field_char(c)) {
      return bad("control character in the reason phrase");
    }
  }
  return parse_fields(rest, head);
}

void ChunkDecoder::reset() {
  step_ = Step::kSize;
  remaining_ = 0;
  digits_ = 0;
  extension_ = 0;
  line_start_ = 0;
  trailers_.clear();
}

// One byte of "size [;extension] CR". False: malformed.
bool ChunkDecoder::take_size_byte(char c) {
  if (step_ == Step::kSize) {
    const int digit = ascii::hex_value(c);
    if (digit >= 0) {
      // 15 digits stay below 2^60: no overflow.
      if (++digits_ > 15) {
        return false;
      }
      remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(digit);
      return true;
    }
    if (digits_ == 0) {
      return false;
    }
    if (c == ';') {
      step_ = Step::kExtension;
      return true;
    }
  } else if (c != '\r') {
    return ascii::is_field_char(c) && ++extension_ <= kMaxExtension;
  }
  step_ = Step::kSizeLf;
  return c == '\r';
}

// Collects the trailer section; done at an empty line. False: malformed.
bool ChunkDecoder::take_trailer_byte(char c) {
  if (c == '\n') {
    if (trailers_.size() == line_start_ || trailers_.back() != '\r') {
      return false;
    }
    if (trailers_.size() - line_start_ == 1) {
      trailers_.resize(line_start_);
      step_ = Step::kDone;
      return true;
    }
    // Also where trailers are dropped: a next request line in their place means that somebody else
    // sees the end of the body elsewhere.
    Field field;
    std::string_view line = trailers_;
    line.remove_prefix(line_start_);
    line.remove_suffix(1);
    if (parse_field_line(line, field)) {
      return false;
    }
    trailers_.push_back(c);
    line_start_ = trailers_.size();
    return true;
  }
  trailers_.push_back(c);
  return trailers_.size() <= kMaxTrailerSize;
}

ChunkDecoder::Result ChunkDecoder::decode(char* data, std::size_t size) {
  Result result;
  std::size_t i = 0;
  while (i < size && step_ != Step::kDone && step_ != Step::kBad) {
    bool ok = true;
    switch (step_) {
      case Step::kSize:
      case Step::kExtension:
        ok = take_size_byte(data[i++]);
        break;
      case Step::kSizeLf:
        ok = data[i++] == '\n';
        step_ = remaining_ == 0 ? Step::kTrailer : Step::kData;
        break;
      case Step::kData: {
        const std::size_t take =
            static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, size - i));
        std::memmove(data + result.produced, data + i, take);
        result.produced += take;
        i += take;
        remaining_ -= take;
        if (remaining_ == 0) {
          step_ = Step::kDataCr;
        }
        break;
      }
      case Step::kDataCr:
        ok = data[i++] == '\r';
        step_ = Step::kDataLf;
        break;
      case Step::kDataLf:
        ok = data[i++] == '\n';
        step_ = Step::kSize;
        digits_ = 0;
        extension_ = 0;
        break;
      case Step::kTrailer:
        ok = take_trailer_byte(data[i++]);
        break;
      case Step::kDone:
      case Step::kBad:
        break;
    }
    if (!ok) {
      step_ = Step::kBad;
    }
  }
  result.consumed = i;
  result.state = step_ == Step::kDone  ? State::kDone
                 : step_ == Step::kBad ? State::kBad
                                       : State::kMore;
  return result;
}

bool parse_trailers(std::string_view section, std::vector<Field>& fields) {
  while (!section.empty()) {
    const std::string_view line = take_line(section);
    Field field;
    if (fields.size() == kMaxFields || parse_field_line(line, field)) {
      return false;
    }
    if (may_be_trailer(field.name)) {
      fields.push_back(field);
    }
  }
  return true;
}

}  // namespace av::proxy
