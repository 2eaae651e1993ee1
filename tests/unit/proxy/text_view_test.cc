// The readings of the reflection guard, against slow ones that go byte by byte: on random texts
// made of what escapes, base64 and hex are made of.
#include "proxy/text_view.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/escape.h"
#include "proxy/hex_view.h"
#include "proxy/pattern_search.h"
#include "proxy/text_marks.h"
#include "proxy/text_shape.h"
#include "support/naive_guard.h"

using namespace av::proxy;

namespace {

constexpr std::size_t kRounds = 1500;

// NOLINTNEXTLINE: the same texts each time
std::mt19937 generator(11);

std::size_t below(std::size_t limit) {
  return generator() % limit;
}

// Stretches over alphabets rich in escapes, with runs of base64 and hex, and some of plain text.
std::string random_text() {
  static const std::vector<std::string> kAlphabets = {
      "%\\&u041;#x\n",
      "\\nrt/\"u00419af",
      "41%25\\&amp;",
      "%%%%252541\\\\\\\\u005c&#38;amp;",
      "abcdef0123456789 :-,;%\\&#xu\"{}AZ+/=\n\r\t",
      "ABCDEFGHabcdefgh0123+/-_\n\r \v",
      "0123456789abcdefABCDEF:-, \n\vxX",
      "the quick brown fox jumps over it\n",
      std::string("\x80\xff\x00\x8a\x8b\xa5\xdc\xa6%\\&", 11)};
  std::string text;
  for (std::size_t part = below(6) + 1; part > 0; --part) {
    const std::string& alphabet = kAlphabets[below(kAlphabets.size())];
    for (std::size_t size = below(below(5) == 0 ? 1500 : 150); size > 0; --size) {
      text += alphabet[below(alphabet.size())];
      if (below(60) == 0) {
        const std::string_view digits = below(2) == 0 ? "0123456789abcdef" : "ABCDabcd0123+/";
        for (std::size_t run = below(140); run > 0; --run) {
          text += digits[below(digits.size())];
        }
      }
    }
  }
  return text;
}

std::vector<std::uint32_t> positions(std::string_view text, bool (&wanted)(char)) {
  std::vector<std::uint32_t> found;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (wanted(text[i])) {
      found.push_back(static_cast<std::uint32_t>(i));
    }
  }
  return found;
}
bool introduces(char c) {
  return is_introducer(c);
}
bool breaks_line(char c) {
  return c == '\n' || c == kEscapedLineFeed;
}

// One byte of a text that is read without its escapes.
struct ReadByte {
  char value;
  std::size_t begin;  // of what it came from
  std::size_t end;
  bool first;  // of its escape
};
struct Reading {
  std::vector<ReadByte> bytes;
  std::vector<std::size_t> escapes;  // where they begin in the source
  std::size_t end = 0;               // behind it an escape is cut
};
Reading read_slowly(std::string_view source, bool last, char only) {
  Reading reading;
  std::size_t i = 0;
  while (i < source.size()) {
    const bool wanted = is_introducer(source[i]) && (only == '\0' || source[i] == only);
    const Escape escape = wanted ? parse_escape(source.substr(i), last) : Escape{};
    if (escape.state == Escape::State::kCut) {
      break;
    }
    if (escape.state == Escape::State::kNone) {
      reading.bytes.push_back({source[i], i, i + 1, true});
      ++i;
      continue;
    }
    for (std::size_t k = 0; k < escape.decoded_size; ++k) {
      reading.bytes.push_back(
          {static_cast<char>(escape.decoded >> (8 * k) & 0xffU), i, i + escape.size, k == 0});
    }
    reading.escapes.push_back(i);
    i += escape.size;
  }
  reading.end = i;
  return reading;
}

// Whether a byte of the source must be in the view: it is near an escape.
bool is_near(const Reading& reading, const ReadByte& byte, std::size_t margin) {
  const auto next = std::lower_bound(reading.escapes.begin(), reading.escapes.end(), byte.begin);
  if (next != reading.escapes.end() && *next - byte.begin <= margin) {
    return true;
  }
  // An escape may have up to kMaxEscape bytes, and what counts is its end: so near is near enough.
  return next != reading.escapes.begin() && byte.begin - *(next - 1) < margin;
}

void check_view(const TextView& view, const Reading& reading, std::size_t margin) {
  std::size_t at = 0;  // in the view
  for (const ReadByte& byte : reading.bytes) {
    if (!byte.first) {
      ++at;  // checked with the first byte of its escape
      continue;
    }
    const std::size_t position = view.position_of(byte.begin);
    if (position == TextView::kNone) {
      REQUIRE_FALSE(is_near(reading, byte, margin));
      continue;
    }
    if (position != at) {
      REQUIRE(position == (at == 0 ? 0 : at + 2));
      REQUIRE((at == 0 || view.text().substr(at, 2) == "\n\n"));
      at = position;
    }
    REQUIRE(view.text()[at] == byte.value);
    REQUIRE(view.source_at(at) == byte.begin);
    REQUIRE(view.source_of(at, at + 1).begin == byte.begin);
    REQUIRE(view.source_of(at, at + 1).end == byte.end);
    REQUIRE(view.aligned(byte.begin) == byte.begin);
    for (std::size_t inside = byte.begin + 1; inside < byte.end; ++inside) {
      REQUIRE(view.aligned(inside) == byte.begin);
      REQUIRE(view.position_of(inside) == TextView::kNone);
    }
    ++at;
  }
  REQUIRE(at == view.text().size());
  REQUIRE(view.reaches_end() == (view.source_at(at) == reading.end));
}

}  // namespace

TEST_CASE("view: an unescaped text is what a slow reading gives, with the way back",
          "[proxy][scrub][view]") {
  TextView view;
  TextMarks marks;
  for (std::size_t round = 0; round < kRounds; ++round) {
    std::string text = random_text();
    const std::size_t margin = below(3) == 0 ? below(8) + 1 : below(200) + 1;
    const bool last = below(2) == 0;
    const char only = std::string_view("\0\0\0%\\&", 6)[below(6)];
    INFO(round << ", margin " << margin << ": " << text);
    marks.scan(text, 16);
    const bool any = view.unescape(text, marks.introducers(), margin, last, only);
    const Reading reading = read_slowly(text, last, only);
    REQUIRE(any == !reading.escapes.empty());
    if (!any) {
      REQUIRE(view.text().empty());
      continue;
    }
    check_view(view, reading, margin);
    const std::vector<std::uint32_t> again = positions(view.text(), introduces);
    REQUIRE(std::equal(again.begin(), again.end(), view.introducers().begin(),
                       view.introducers().end()));
  }
}

TEST_CASE("marks: with and without vector instructions, nothing is missed",
          "[proxy][scrub][view]") {
  TextMarks marks;
  TextMarks portable;
  TextView joined;
  TextView joined_slowly;
  HexView hex;
  HexView hex_slowly;
  std::size_t lines = 0;
  std::size_t runs = 0;
  for (std::size_t round = 0; round < kRounds; ++round) {
    const std::string text = random_text();
    const std::size_t least = below(2) == 0 ? 16 + below(20) : 16 + below(120);
    INFO(round << ", least " << least << ": " << text);
    marks.scan(text, least);
    portable.scan_portably(text, least);
    const std::vector<std::uint32_t> introducers = positions(text, introduces);
    REQUIRE(std::equal(introducers.begin(), introducers.end(), marks.introducers().begin(),
                       marks.introducers().end()));
    REQUIRE(std::equal(introducers.begin(), introducers.end(), portable.introducers().begin(),
                       portable.introducers().end()));
    REQUIRE(std::equal(marks.breaks().begin(), marks.breaks().end(), portable.breaks().begin(),
                       portable.breaks().end()));
    REQUIRE(marks.hex_from() == portable.hex_from());

    const std::vector<std::uint32_t> breaks = positions(text, breaks_line);
    const bool any_lines = joined_slowly.join_lines(text, breaks, least / 2, 100);
    REQUIRE(joined.join_lines(text, marks.breaks(), least / 2, 100) == any_lines);
    REQUIRE(joined.text() == joined_slowly.text());
    for (std::size_t i = 0; i < joined.text().size(); ++i) {
      REQUIRE(joined.source_at(i) == joined_slowly.source_at(i));
      if (joined.text()[i] != '\n') {
        REQUIRE(joined.text()[i] == text[joined.source_at(i)]);
      }
    }
    lines += any_lines ? 1 : 0;

    const bool any_hex = hex_slowly.decode(text, 0, least);
    REQUIRE((!any_hex || marks.hex_from() != TextMarks::kNone));
    if (any_hex) {
      REQUIRE(hex.decode(text, marks.hex_from(), least));
      REQUIRE(hex.text(0) == hex_slowly.text(0));
      REQUIRE(hex.text(1) == hex_slowly.text(1));
    }
    runs += any_hex ? 1 : 0;
  }
  CHECK(lines > 50);
  CHECK(runs > 50);
}

TEST_CASE("view: escapes of characters are UTF-8, each of them", "[proxy][scrub][view]") {
  const auto utf8 = [](std::uint32_t code) {
    std::string out;
    if (code < 0x80) {
      out += code == '\n' ? kEscapedLineFeed : static_cast<char>(code);
      return out;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    const int first = more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0;
    out += static_cast<char>(first | static_cast<int>(code >> (6 * more)));
    for (int i = more - 1; i >= 0; --i) {
      out += static_cast<char>(0x80 | static_cast<int>(code >> (6 * i) & 0x3f));
    }
    return out;
  };
  const auto decoded = [](const std::string& text) {
    const Escape escape = parse_escape(text, /*last=*/false);
    char bytes[Escape::kMostDecoded];
    escape.write(bytes);
    REQUIRE(escape.state == Escape::State::kWhole);
    REQUIRE(escape.size + 1U == text.size());
    return std::string(bytes, escape.decoded_size);
  };
  char text[32];
  for (std::uint32_t code = 1; code < 0x110000; code += code < 0x10000 ? 1 : 97) {
    if (code < 0x10000) {
      if (code < 0xd800 || code >= 0xdc00) {
        std::snprintf(text, sizeof text, code % 2 == 0 ? "\\u%04x!" : "\\u%04X!", code);
        REQUIRE(decoded(text) == utf8(code));
      }
      std::snprintf(text, sizeof text, "%%u%04x!", code);
      REQUIRE(decoded(text) == utf8(code));
    } else {
      std::snprintf(text, sizeof text, "\\u%04x\\u%04x!", 0xd7c0 + (code >> 10U),
                    0xdc00 + (code & 0x3ffU));
      REQUIRE(decoded(text) == utf8(code));
    }
    std::snprintf(text, sizeof text, "&#x%x;!", code);
    REQUIRE(decoded(text) == utf8(code));
    std::snprintf(text, sizeof text, "&#%u;!", code);
    REQUIRE(decoded(text) == utf8(code));
    std::snprintf(text, sizeof text, "\\u{%x}!", code);
    REQUIRE(decoded(text) == utf8(code));
  }
  for (const char* const none : {"\\u00g1", "\\u", "%4g", "&#;", "&unknown;", "\\u{}", "\\q"}) {
    CHECK(parse_escape(none, /*last=*/true).state == Escape::State::kNone);
  }
  for (const char* const cut : {"\\u00", "\\", "%4", "&#1", "&am", "\\u{41", "\\ud83d\\u"}) {
    CHECK(parse_escape(cut, /*last=*/false).state == Escape::State::kCut);
    CHECK(parse_escape(cut, /*last=*/true).state != Escape::State::kCut);
  }
}

TEST_CASE("search: all occurrences are found, at each place, for patterns of each size",
          "[proxy][scrub][search]") {
  for (std::size_t round = 0; round < 400; ++round) {
    const std::string alphabet = std::string("ab01%/xyz\\").substr(0, below(9) + 2);
    const auto random = [&](std::size_t size) {
      std::string text;
      while (text.size() < size) {
        text += alphabet[below(alphabet.size())];
      }
      return text;
    };
    const std::size_t least = PatternSearch::kShortest + below(40);
    std::vector<std::string> patterns;
    PatternSearch search;
    for (std::size_t n = below(5) + 1; n > 0; --n) {
      const std::string pattern = random(least + below(below(2) == 0 ? 2 : 60));
      if (std::find(patterns.begin(), patterns.end(), pattern) == patterns.end()) {
        patterns.push_back(pattern);
        search.add(pattern);
      }
    }
    search.build();
    std::string text = random(below(200));
    for (std::size_t n = below(12); n > 0; --n) {
      const std::string& pattern = patterns[below(patterns.size())];
      text += below(4) == 0 ? pattern.substr(0, below(pattern.size())) : pattern;
      text += random(below(30));
    }
    std::vector<PatternSearch::Match> found;
    search.find(text, found);
    std::vector<std::pair<std::size_t, std::size_t>> got;
    for (const PatternSearch::Match& m : found) {
      got.emplace_back(m.begin, m.size);
    }
    std::vector<std::pair<std::size_t, std::size_t>> expected;
    for (const std::string& pattern : patterns) {
      for (std::size_t at = text.find(pattern); at != std::string::npos;
           at = text.find(pattern, at + 1)) {
        expected.emplace_back(at, pattern.size());
      }
    }
    std::sort(got.begin(), got.end());
    std::sort(expected.begin(), expected.end());
    INFO(round << ": " << text);
    REQUIRE(got == expected);
  }
}
