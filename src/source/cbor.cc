#include "source/cbor.h"

#include "core/encoding.h"

namespace av::source {

void CborWriter::head(unsigned major, std::uint64_t argument) {
  const auto first = static_cast<std::uint8_t>(major << 5U);
  unsigned bytes = 0;
  if (argument < 24) {
    out_.push_back(static_cast<std::uint8_t>(first | argument));
    return;
  }
  if (argument <= 0xff) {
    out_.push_back(first | 24U);
    bytes = 1;
  } else if (argument <= 0xffff) {
    out_.push_back(first | 25U);
    bytes = 2;
  } else if (argument <= 0xffff'ffff) {
    out_.push_back(first | 26U);
    bytes = 4;
  } else {
    out_.push_back(first | 27U);
    bytes = 8;
  }
  while (bytes-- > 0) {
    out_.push_back(static_cast<std::uint8_t>(argument >> (8 * bytes)));
  }
}

void CborWriter::integer(std::int64_t value) {
  if (value >= 0) {
    head(0, static_cast<std::uint64_t>(value));
  } else {
    head(1, static_cast<std::uint64_t>(-(value + 1)));
  }
}

void CborWriter::text(std::string_view value) {
  head(3, value.size());
  out_.insert(out_.end(), value.begin(), value.end());
}

void CborWriter::bytes(std::span<const std::uint8_t> value) {
  head(2, value.size());
  out_.insert(out_.end(), value.begin(), value.end());
}

void CborWriter::octets(std::span<const std::uint8_t> value) {
  head(4, value.size());
  for (const std::uint8_t byte : value) {
    head(0, byte);
  }
}

std::optional<CborReader::Head> CborReader::head() {
  if (failed_ || rest_.empty()) {
    return fail();
  }
  Head out;
  out.major = rest_[0] >> 5U;
  const unsigned small = rest_[0] & 31U;
  rest_ = rest_.subspan(1);
  if (small < 24) {
    out.argument = small;
    return out;
  }
  if (small > 27) {
    return fail();
  }
  const std::size_t bytes = std::size_t{1} << (small - 24);
  if (rest_.size() < bytes) {
    return fail();
  }
  for (std::size_t i = 0; i < bytes; ++i) {
    out.argument = out.argument << 8U | rest_[i];
  }
  rest_ = rest_.subspan(bytes);
  constexpr std::uint64_t kLeast[] = {24, 0x100, 0x1'0000, 0x1'0000'0000};
  if (out.argument < kLeast[small - 24]) {
    return fail();
  }
  return out;
}

std::optional<std::size_t> CborReader::container(unsigned major) {
  const auto found = head();
  // Every item takes a byte at least.
  if (!found || found->major != major || found->argument > rest_.size()) {
    return fail();
  }
  return static_cast<std::size_t>(found->argument);
}

std::optional<std::int64_t> CborReader::integer() {
  const auto found = head();
  if (!found || found->major > 1 || found->argument > INT64_MAX) {
    return fail();
  }
  const auto value = static_cast<std::int64_t>(found->argument);
  return found->major == 0 ? value : -1 - value;
}

std::optional<std::span<const std::uint8_t>> CborReader::string(unsigned major, std::size_t most) {
  const auto found = head();
  if (!found || found->major != major || found->argument > most || found->argument > rest_.size()) {
    return fail();
  }
  const auto out = rest_.first(static_cast<std::size_t>(found->argument));
  rest_ = rest_.subspan(out.size());
  return out;
}

std::optional<std::string> CborReader::text(std::size_t most) {
  const auto found = string(3, most);
  if (!found) {
    return fail();
  }
  std::string out(found->begin(), found->end());
  if (!encoding::is_utf8(out)) {
    return fail();
  }
  return out;
}

std::optional<crypto::Bytes> CborReader::bytes(std::size_t most) {
  const auto found = string(2, most);
  if (!found) {
    return fail();
  }
  return crypto::Bytes(found->begin(), found->end());
}

std::optional<crypto::Bytes> CborReader::octets(std::size_t most) {
  if (!failed_ && !rest_.empty() && rest_[0] >> 5U == 2) {
    return bytes(most);
  }
  const auto count = array();
  if (!count || *count > most) {
    return fail();
  }
  crypto::Bytes out;
  out.reserve(*count);
  for (std::size_t i = 0; i < *count; ++i) {
    const auto value = integer();
    if (!value || *value < 0 || *value > 0xff) {
      return fail();
    }
    out.push_back(static_cast<std::uint8_t>(*value));
  }
  return out;
}

}  // namespace av::source
