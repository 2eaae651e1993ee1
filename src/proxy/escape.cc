#include "proxy/escape.h"

#include <algorithm>
#include <array>

#include "core/ascii.h"

namespace av::proxy {
namespace {

constexpr Escape kNotOne{};
constexpr Escape kUndecided{Escape::State::kCut, 0, 0, 0};

// The longer escapes; the second byte is there.

Escape escape_of(std::size_t size, std::size_t decoded_size, std::uint32_t decoded) {
  return {Escape::State::kWhole, static_cast<std::uint8_t>(size),
          static_cast<std::uint8_t>(decoded_size), decoded};
}

Escape byte_escape(std::size_t size, unsigned byte) {
  return escape_of(size, 1, byte == '\n' ? static_cast<unsigned char>(kEscapedLineFeed) : byte);
}

// As UTF-8; a lone surrogate too, in the form that its number has (nobody's value holds one).
Escape character_escape(std::size_t size, std::uint32_t code) {
  const auto tail = [code](unsigned shift) { return 0x80U | (code >> shift & 0x3fU); };
  if (code < 0x80) {
    return byte_escape(size, code);
  }
  if (code < 0x800) {
    return escape_of(size, 2, 0xc0U | code >> 6U | tail(0) << 8U);
  }
  if (code < 0x10000) {
    return escape_of(size, 3, 0xe0U | code >> 12U | tail(6) << 8U | tail(0) << 16U);
  }
  if (code > 0x10ffff) {
    return kNotOne;
  }
  return escape_of(size, 4, 0xf0U | code >> 18U | tail(12) << 8U | tail(6) << 16U | tail(0) << 24U);
}

// Exactly `count` digits of `base` at `at`.
struct Digits {
  Escape::State state = Escape::State::kNone;
  std::uint32_t value = 0;
};
constexpr std::array<std::int8_t, 256> kDigit = [] {
  std::array<std::int8_t, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    table[i] = static_cast<std::int8_t>(i < 128 ? ascii::hex_value(static_cast<char>(i)) : -1);
  }
  return table;
}();
Digits digits_at(std::string_view text, std::size_t at, std::size_t count, int base) {
  Digits d;
  const std::size_t stop = std::min(at + count, text.size());
  for (std::size_t i = at; i < stop; ++i) {
    const int digit = kDigit[static_cast<unsigned char>(text[i])];
    if (digit < 0 || digit >= base) {
      return d;
    }
    d.value = d.value * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit);
  }
  d.state = stop < at + count ? Escape::State::kCut : Escape::State::kWhole;
  return d;
}

Escape fixed_size(std::string_view text, std::size_t at, std::size_t count, int base, bool byte) {
  const Digits d = digits_at(text, at, count, base);
  if (d.state == Escape::State::kWhole) {
    return byte ? byte_escape(at + count, d.value & 0xffU) : character_escape(at + count, d.value);
  }
  return d.state == Escape::State::kCut ? kUndecided : kNotOne;
}

// \u{1F600}
Escape braced(std::string_view text) {
  std::uint32_t code = 0;
  for (std::size_t i = 3; i < 3 + 7; ++i) {
    if (i >= text.size()) {
      return kUndecided;
    }
    if (text[i] == '}') {
      return i == 3 ? kNotOne : character_escape(i + 1, code);
    }
    const int digit = ascii::hex_value(text[i]);
    if (digit < 0) {
      return kNotOne;
    }
    code = code * 16 + static_cast<std::uint32_t>(digit);
  }
  return kNotOne;
}

// A surrogate pair of JSON's, of which the first is known (RFC 8259 section 7).
Escape surrogates(std::string_view text, std::uint32_t high) {
  constexpr std::string_view kNext = "\\u";
  const std::string_view rest = text.substr(6);
  const std::size_t known = std::min(rest.size(), kNext.size());
  if (rest.substr(0, known) == kNext.substr(0, known)) {
    const Digits low = digits_at(rest, 2, 4, 16);
    if (low.state == Escape::State::kCut) {
      return kUndecided;
    }
    if (low.state == Escape::State::kWhole && low.value >= 0xdc00 && low.value < 0xe000) {
      return character_escape(12, 0x10000 + ((high - 0xd800) << 10U) + (low.value - 0xdc00));
    }
  }
  return character_escape(6, high);
}

// \uXXXX: the most frequent one that is longer than two bytes.
Escape json_unicode(std::string_view text) {
  if (text.size() < 6) {
    return digits_at(text, 2, 4, 16).state == Escape::State::kCut ? kUndecided : kNotOne;
  }
  const auto digit = [text](std::size_t i) {
    return static_cast<int>(kDigit[static_cast<unsigned char>(text.data()[i])]);
  };
  const int code = digit(2) * 0x1000 | digit(3) * 0x100 | digit(4) * 0x10 | digit(5);
  if (code < 0) {
    return kNotOne;
  }
  const auto high = static_cast<std::uint32_t>(code);
  return high >= 0xd800 && high < 0xdc00 ? surrogates(text, high) : character_escape(6, high);
}

Escape backslash(std::string_view text) {
  const char c = text[1];
  switch (c) {
    case 'x':
      return fixed_size(text, 2, 2, 16, /*byte=*/true);
    case 'u':
      return text.size() > 2 && text[2] == '{' ? braced(text) : json_unicode(text);
    case 'U':
      return fixed_size(text, 2, 8, 16, /*byte=*/false);
    case '0':
    case '1':
    case '2':
    case '3':
      return fixed_size(text, 1, 3, 8, /*byte=*/true);
    default:
      break;
  }
  return kNotOne;
}

struct Named {
  std::string_view name;
  char character;
};
// The ASCII punctuation of HTML's list of named character references.
constexpr std::array<Named, 38> kNamed = {{
    {"amp", '&'},    {"apos", '\''},  {"ast", '*'},      {"bsol", '\\'},  {"colon", ':'},
    {"comma", ','},  {"commat", '@'}, {"dollar", '$'},   {"equals", '='}, {"excl", '!'},
    {"grave", '`'},  {"gt", '>'},     {"lbrack", '['},   {"lcub", '{'},   {"lowbar", '_'},
    {"lpar", '('},   {"lsqb", '['},   {"lt", '<'},       {"midast", '*'}, {"num", '#'},
    {"percnt", '%'}, {"period", '.'}, {"plus", '+'},     {"quest", '?'},  {"quot", '"'},
    {"rbrack", ']'}, {"rcub", '}'},   {"rpar", ')'},     {"rsqb", ']'},   {"semi", ';'},
    {"sol", '/'},    {"verbar", '|'}, {"AMP", '&'},      {"GT", '>'},     {"Hat", '^'},
    {"LT", '<'},     {"QUOT", '"'},   {"NewLine", '\n'},
}};
// Where the names with a first letter begin; past the end: there are none.
constexpr std::array<std::uint8_t, 128> kNamedFrom = [] {
  std::array<std::uint8_t, 128> from{};
  from.fill(kNamed.size());
  for (std::size_t i = kNamed.size(); i > 0; --i) {
    from[static_cast<std::size_t>(kNamed[i - 1].name.front())] = static_cast<std::uint8_t>(i - 1);
  }
  return from;
}();

// HTML lets these stand without the semicolon.
bool may_lack_semicolon(char character) {
  return character == '&' || character == '"' || character == '<' || character == '>';
}

Escape named_reference(std::string_view text, bool last) {
  bool cut = false;
  const std::string_view rest = text.substr(1);
  for (std::size_t i = kNamedFrom[static_cast<unsigned char>(rest.front()) & 0x7fU];
       i < kNamed.size() && kNamed[i].name.front() == rest.front(); ++i) {
    const Named& n = kNamed[i];
    const std::size_t known = std::min(rest.size(), n.name.size());
    if (rest.substr(0, known) != n.name.substr(0, known)) {
      continue;
    }
    if (known < n.name.size()) {
      cut = true;
      continue;
    }
    if (rest.size() == known && !last) {
      cut = true;  // a semicolon may follow
    } else if (rest.size() > known && rest[known] == ';') {
      return byte_escape(known + 2, static_cast<unsigned char>(n.character));
    } else if (may_lack_semicolon(n.character)) {
      return byte_escape(known + 1, static_cast<unsigned char>(n.character));
    }
  }
  return cut ? kUndecided : kNotOne;
}

// &#65; &#x41; with leading zeros, the semicolon or not: as browsers take it.
Escape numeric_reference(std::string_view text, bool last) {
  if (text.size() < 3) {
    return kUndecided;
  }
  const bool hex = ascii::lower(text[2]) == 'x';
  const std::size_t begin = hex ? 3 : 2;
  std::uint32_t code = 0;
  std::size_t i = begin;
  for (; i < text.size(); ++i) {
    const int digit = ascii::hex_value(text[i]);
    if (digit < 0 || (!hex && digit > 9)) {
      break;
    }
    if (i - begin == 8) {
      return kNotOne;
    }
    code = code * (hex ? 16U : 10U) + static_cast<std::uint32_t>(digit);
  }
  if (i == text.size() && !last) {
    return kUndecided;
  }
  if (i == begin || code == 0) {
    return kNotOne;
  }
  return character_escape(i < text.size() && text[i] == ';' ? i + 1 : i, code);
}

Escape reference(std::string_view text, bool last) {
  return text[1] == '#' ? numeric_reference(text, last) : named_reference(text, last);
}

Escape percent(std::string_view text) {
  return text[1] == 'u' ? fixed_size(text, 2, 4, 16, /*byte=*/false)
                        : fixed_size(text, 1, 2, 16, /*byte=*/true);
}

}  // namespace

const std::array<std::array<std::uint8_t, 256>, 3> kSecondByte = [] {
  std::array<std::array<std::uint8_t, 256>, 3> table{};
  auto& backslash_table = table[static_cast<std::size_t>(Introducer::kBackslash)];
  for (std::size_t i = 0; i < 128; ++i) {
    const auto c = static_cast<char>(i);
    const bool letter = ascii::is_alpha(c);
    table[static_cast<std::size_t>(Introducer::kPercent)][i] =
        ascii::hex_value(c) >= 0 || c == 'u' ? 1 : 0;
    // JSON's \" \\ \/, and what shells, regular expressions and Markdown put a backslash before.
    const bool punctuation = c >= ' ' && c < 0x7f && !letter && !ascii::is_digit(c);
    backslash_table[i] = punctuation ? static_cast<std::uint8_t>(c) : 0;
    table[static_cast<std::size_t>(Introducer::kAmpersand)][i] = letter || c == '#' ? 1 : 0;
  }
  for (const char c : {'x', 'u', 'U', '0', '1', '2', '3'}) {
    backslash_table[static_cast<std::size_t>(c)] = 1;
  }
  backslash_table['n'] = kEscapedLineFeed;
  backslash_table['r'] = '\r';
  backslash_table['t'] = '\t';
  backslash_table['b'] = '\b';
  backslash_table['f'] = '\f';
  backslash_table['v'] = '\v';
  return table;
}();

Escape parse_escape(std::string_view text, bool last) {
  if (text.size() < 2) {
    return last ? kNotOne : kUndecided;
  }
  const std::uint8_t second = kSecondByte[static_cast<std::size_t>(introducer(text.front()))]
                                         [static_cast<unsigned char>(text[1])];
  if (second != 1) {
    return second == 0 ? kNotOne : byte_escape(2, second);
  }
  const Escape e = text.front() == '%'    ? percent(text)
                   : text.front() == '\\' ? backslash(text)
                                          : reference(text, last);
  // At the end of everything, what is cut short is no escape.
  return last && e.state == Escape::State::kCut ? kNotOne : e;
}

}  // namespace av::proxy
