#include "proxy/pattern_set.h"

#include <algorithm>
#include <cstring>

#include "core/encoding.h"

namespace av::proxy {
namespace {

// Long values are looked for in segments, which bounds how much of a stream must be held back.
constexpr std::size_t kSegment = 512;

constexpr std::string_view kMask = "[redacted-by-agent-vault]";

void mask(std::span<char> bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = i < kMask.size() && bytes.size() >= kMask.size() ? kMask[i] : '*';
  }
}

// The characters of base64(prefix || value || suffix) that depend on `value` alone, when `prefix`
// has `skew` bytes.
void base64_core(SecretBuffer& out, std::string_view value, std::size_t skew,
                 encoding::Base64 alphabet) {
  SecretBuffer shifted;
  for (std::size_t i = 0; i < skew; ++i) {
    shifted.push_back('\0');
  }
  shifted.append(value);
  SecretBuffer encoded;
  encoding::append_base64(encoded, shifted.view(), alphabet);
  const std::size_t begin = (skew * 8 + 5) / 6;
  const std::size_t end = (skew + value.size()) * 8 / 6;
  out.append(encoded.view().substr(begin, end - begin));
}

void append_hex(SecretBuffer& out, std::string_view value, std::string_view digits) {
  for (const char c : value) {
    const auto u = static_cast<unsigned char>(c);
    out.push_back(digits[u >> 4U]);
    out.push_back(digits[u & 15U]);
  }
}

// Encoders differ in what they leave alone besides RFC 3986's unreserved characters.
void append_percent_keeping(SecretBuffer& out, std::string_view value, std::string_view keep) {
  for (const char c : value) {
    if (keep.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      encoding::append_percent(out, std::string_view(&c, 1));
    }
  }
}

void append_lower_percent(SecretBuffer& out, std::string_view value, std::string_view keep) {
  SecretBuffer upper;
  append_percent_keeping(upper, value, keep);
  std::size_t in_escape = 0;
  for (const char c : upper.view()) {
    const bool lowered = in_escape != 0 && c >= 'A' && c <= 'F';
    out.push_back(lowered ? static_cast<char>(c + 32) : c);
    in_escape = c == '%' ? 2 : in_escape == 0 ? 0 : in_escape - 1;
  }
}

void append_slash_escaped(SecretBuffer& out, std::string_view value) {
  SecretBuffer json;
  encoding::append_json_escaped(json, value);
  for (const char c : json.view()) {
    if (c == '/') {
      out.push_back('\\');
    }
    out.push_back(c);
  }
}

// Encoders that are careful about HTML write these as \u00XX.
void append_html_safe_json(SecretBuffer& out, std::string_view value, std::string_view careful,
                           std::string_view digits) {
  for (const char c : value) {
    if (careful.find(c) != std::string_view::npos) {
      const auto u = static_cast<unsigned char>(c);
      out.append("\\u00");
      out.push_back(digits[u >> 4U]);
      out.push_back(digits[u & 15U]);
    } else {
      encoding::append_json_escaped(out, std::string_view(&c, 1));
    }
  }
}

}  // namespace

PatternSet::PatternSet() = default;

void PatternSet::add_literal(std::string_view pattern) {
  // Line by line: see decided().
  if (const std::size_t line_feed = pattern.find('\n'); line_feed != std::string_view::npos) {
    add_literal(pattern.substr(0, line_feed));
    add_literal(pattern.substr(line_feed + 1));
    return;
  }
  if (pattern.size() < kMinValue) {
    return;
  }
  for (const Pattern& known : patterns_) {
    if (text(known) == pattern) {
      return;
    }
  }
  Pattern added;
  added.offset = static_cast<std::uint32_t>(bytes_.size());
  added.size = static_cast<std::uint32_t>(pattern.size());
  bytes_.append(pattern);
  patterns_.push_back(added);
}

void PatternSet::add_value(std::string_view value) {
  while (value.size() >= kMinValue) {
    // A rest that would be too short to look for joins the segment before it.
    const std::size_t take = value.size() < kSegment + kMinValue ? value.size() : kSegment;
    add_segment(value.substr(0, take));
    value.remove_prefix(take);
  }
}

void PatternSet::add_segment(std::string_view value) {
  add_literal(value);
  const auto add_form = [&](auto&& encode) {
    SecretBuffer form;
    encode(form);
    add_literal(form.view());
  };
  for (const auto alphabet : {encoding::Base64::kStandard, encoding::Base64::kUrl}) {
    for (std::size_t skew = 0; skew < 3; ++skew) {
      add_form([&](SecretBuffer& out) { base64_core(out, value, skew, alphabet); });
    }
  }
  add_form([&](SecretBuffer& out) { append_hex(out, value, "0123456789abcdef"); });
  add_form([&](SecretBuffer& out) { append_hex(out, value, "0123456789ABCDEF"); });
  // RFC 3986; Python's quote; encodeURIComponent; Go's PathEscape; encodeURI.
  for (const std::string_view keep : {"", "/", "!*'()", "$&+=:@", "!*'();/?:@&=+$,#"}) {
    add_form([&](SecretBuffer& out) { append_percent_keeping(out, value, keep); });
    add_form([&](SecretBuffer& out) { append_lower_percent(out, value, keep); });
  }
  add_form([&](SecretBuffer& out) { encoding::append_json_escaped(out, value); });
  add_form([&](SecretBuffer& out) { append_slash_escaped(out, value); });
  // Go; Rails and Django; PHP with all its flags.
  for (const std::string_view careful : {"<>&", "<>&'=+", "\"", "<>&'\""}) {
    for (const std::string_view digits : {"0123456789abcdef", "0123456789ABCDEF"}) {
      add_form([&](SecretBuffer& out) { append_html_safe_json(out, value, careful, digits); });
    }
  }
}

void PatternSet::compile() {
  if (patterns_.empty()) {
    return;
  }
  shortest_ = patterns_.front().size;
  longest_ = 0;
  for (const Pattern& p : patterns_) {
    shortest_ = std::min<std::size_t>(shortest_, p.size);
    longest_ = std::max<std::size_t>(longest_, p.size);
  }
  // Shifts are bytes; a longer window would gain nothing.
  shortest_ = std::min<std::size_t>(shortest_, 128);
  shift_.assign(kTableSize, static_cast<std::uint8_t>(shortest_ - 1));
  bucket_.assign(kTableSize, 0);
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    Pattern& p = patterns_[i];
    const std::string_view t = text(p);
    for (std::size_t j = 0; j + 2 <= shortest_; ++j) {
      std::uint8_t& entry = shift_[block_hash(t.data() + j)];
      entry = std::min(entry, static_cast<std::uint8_t>(shortest_ - 2 - j));
    }
    const auto link = static_cast<std::uint32_t>(i + 1);
    std::uint32_t& bucket = bucket_[block_hash(t.data() + shortest_ - 2)];
    p.next_in_bucket = bucket;
    bucket = link;
  }
}

std::size_t PatternSet::longest_match_at(std::string_view data, std::size_t bucket) const {
  std::size_t best = 0;
  for (std::uint32_t link = bucket_[bucket]; link != 0;) {
    const Pattern& p = patterns_[link - 1];
    if (p.size > best && data.starts_with(text(p))) {
      best = p.size;
    }
    link = p.next_in_bucket;
  }
  return best;
}

// How far the data is decided. It must not depend on the values: if text that begins like a value
// were held back and other text were not, whoever sees when bytes come could guess a value
// character by character. So it is the last line feed, which no pattern contains, or else all but
// the longest pattern's length.
std::size_t PatternSet::decided(std::string_view data) const {
  const std::size_t line_feed = data.rfind('\n');
  const std::size_t by_line = line_feed == std::string_view::npos ? 0 : line_feed + 1;
  const std::size_t by_length = data.size() >= longest_ ? data.size() - longest_ + 1 : 0;
  return std::max(by_line, by_length);
}

PatternSet::Scrubbed PatternSet::scrub(std::span<char> data, bool last) const {
  Scrubbed result;
  result.settled = data.size();
  if (patterns_.empty()) {
    return result;
  }
  const std::string_view view(data.data(), data.size());
  result.settled = last ? data.size() : decided(view);
  std::size_t start = 0;
  while (start < result.settled && start + shortest_ <= data.size()) {
    const std::size_t hash = block_hash(data.data() + start + shortest_ - 2);
    const std::uint8_t shift = shift_[hash];
    if (shift != 0) {
      start += shift;
      continue;
    }
    const std::size_t size = longest_match_at(view.substr(start), hash);
    if (size == 0) {
      ++start;
      continue;
    }
    mask(data.subspan(start, size));
    ++result.hits;
    start += size;
  }
  return result;
}

std::string_view Scrubber::feed(std::span<char> data, bool last) {
  std::span<char> piece = data;
  if (!carry_.empty()) {
    joined_.clear();
    joined_.append(carry_.view());
    joined_.append(std::string_view(data.data(), data.size()));
    carry_.clear();
    piece = std::span(joined_.data(), joined_.size());
  }
  const PatternSet::Scrubbed scrubbed = patterns_.scrub(piece, last);
  hits_ += scrubbed.hits;
  const std::string_view all(piece.data(), piece.size());
  carry_.append(all.substr(scrubbed.settled));
  return all.substr(0, scrubbed.settled);
}

}  // namespace av::proxy
