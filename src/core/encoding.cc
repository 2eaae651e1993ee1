#include "core/encoding.h"

#include <array>

#include "core/ascii.h"
#include "core/secret.h"

namespace av::encoding {
namespace {

constexpr std::string_view kHexLower = "0123456789abcdef";
constexpr std::string_view kHexUpper = "0123456789ABCDEF";
constexpr std::string_view kStandardAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void put(std::string& out, char c) {
  out.push_back(c);
}
void put(SecretBuffer& out, char c) {
  out.push_back(c);
}

template <typename Out>
void base64_to(Out& out, std::string_view bytes, Base64 kind) {
  const std::string_view alphabet = kind == Base64::kUrl ? kUrlAlphabet : kStandardAlphabet;
  const auto at = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U;
  };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const unsigned group = (at(i) << 16U) | (at(i + 1) << 8U) | at(i + 2);
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 4; ++k) {
      if (k <= have) {
        put(out, alphabet[(group >> (18U - 6U * k)) & 63U]);
      } else if (kind == Base64::kStandard) {
        put(out, '=');
      }
    }
  }
}

template <typename Out>
void percent_to(Out& out, std::string_view bytes) {
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    if (ascii::is_unreserved(c)) {
      put(out, c);
    } else {
      put(out, '%');
      put(out, kHexUpper[u >> 4U]);
      put(out, kHexUpper[u & 15U]);
    }
  }
}

template <typename Out>
void json_to(Out& out, std::string_view bytes) {
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    const auto two = [&](char escaped) {
      put(out, '\\');
      put(out, escaped);
    };
    switch (c) {
      case '"':
        two('"');
        break;
      case '\\':
        two('\\');
        break;
      case '\b':
        two('b');
        break;
      case '\f':
        two('f');
        break;
      case '\n':
        two('n');
        break;
      case '\r':
        two('r');
        break;
      case '\t':
        two('t');
        break;
      default:
        if (u < 0x20 || u == 0x7f) {
          two('u');
          put(out, '0');
          put(out, '0');
          put(out, kHexLower[u >> 4U]);
          put(out, kHexLower[u & 15U]);
        } else {
          put(out, c);
        }
    }
  }
}

}  // namespace

void append_hex(std::string& out, std::span<const std::uint8_t> bytes) {
  const std::size_t before = out.size();
  out.resize(before + bytes.size() * 2);
  char* to = out.data() + before;
  for (const std::uint8_t b : bytes) {
    *to++ = kHexLower[b >> 4U];
    *to++ = kHexLower[b & 15U];
  }
}

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string out;
  append_hex(out, bytes);
  return out;
}

std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) {
    return std::nullopt;
  }
  std::vector<std::uint8_t> out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = ascii::hex_value(text[i]);
    const int low = ascii::hex_value(text[i + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    out.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return out;
}

std::string base64(std::string_view bytes, Base64 alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  base64_to(out, bytes, alphabet);
  return out;
}

void append_base64(SecretBuffer& out, std::string_view bytes, Base64 alphabet) {
  base64_to(out, bytes, alphabet);
}

std::optional<std::size_t> from_base64(std::string_view text, std::span<std::uint8_t> out,
                                       Base64 kind) {
  std::size_t padding = 0;
  while (!text.empty() && text.back() == '=' && padding < 2) {
    text.remove_suffix(1);
    ++padding;
  }
  if (text.size() % 4 == 1 || (padding != 0 && (text.size() + padding) % 4 != 0)) {
    return std::nullopt;
  }
  static const auto tables = [] {
    std::array<std::array<std::int8_t, 256>, 2> t{};
    t[0].fill(-1);
    t[1].fill(-1);
    for (std::size_t i = 0; i < 64; ++i) {
      t[0][static_cast<unsigned char>(kStandardAlphabet[i])] = static_cast<std::int8_t>(i);
      t[1][static_cast<unsigned char>(kUrlAlphabet[i])] = static_cast<std::int8_t>(i);
    }
    return t;
  }();
  // Pointers, not operator[]: its checks would take as long as the rest, and every index here is
  // below 256 or text.size().
  const std::int8_t* const table = tables[kind == Base64::kUrl ? 1 : 0].data();
  const char* const from = text.data();
  const std::size_t size = text.size() / 4 * 3 + (text.size() % 4) * 3 / 4;
  if (out.size() < size) {
    return std::nullopt;
  }
  const auto value = [&](std::size_t i) { return table[static_cast<unsigned char>(from[i])]; };
  std::uint8_t* at = out.data();
  const auto put = [&](int byte) { *at++ = static_cast<std::uint8_t>(byte & 0xff); };
  std::size_t i = 0;
  for (; i + 4 <= text.size(); i += 4) {
    const int a = value(i), b = value(i + 1), c = value(i + 2), d = value(i + 3);
    if ((a | b | c | d) < 0) {
      return std::nullopt;
    }
    put(a << 2 | b >> 4);
    put(b << 4 | c >> 2);
    put(c << 6 | d);
  }
  if (i == text.size()) {
    return size;
  }
  const int a = value(i);
  const int b = value(i + 1);
  const int c = i + 2 < text.size() ? value(i + 2) : 0;
  // RFC 4648 section 3.5: stray bits would make two texts mean one value.
  const int stray = i + 2 < text.size() ? c & 3 : b & 15;
  if ((a | b | c) < 0 || stray != 0) {
    return std::nullopt;
  }
  put(a << 2 | b >> 4);
  if (i + 2 < text.size()) {
    put(b << 4 | c >> 2);
  }
  return size;
}

void append_percent(SecretBuffer& out, std::string_view bytes) {
  percent_to(out, bytes);
}

std::string percent(std::string_view bytes) {
  std::string out;
  percent_to(out, bytes);
  return out;
}

void append_json_escaped(SecretBuffer& out, std::string_view bytes) {
  json_to(out, bytes);
}

std::string json_escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  json_to(out, text);
  return out;
}

bool is_utf8(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || i + length > bytes.size()) {
      return false;
    }
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(bytes[i + k]) & 0xc0U) != 0x80U) {
        return false;
      }
    }
    const auto second = length > 1 ? static_cast<unsigned char>(bytes[i + 1]) : 0x80U;
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) {
      return false;
    }
    i += length;
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto hex_byte = [&](unsigned char u) {
    out += "\\x";
    out.push_back(kHexLower[u >> 4U]);
    out.push_back(kHexLower[u & 15U]);
  };
  for (std::size_t i = 0; i < text.size();) {
    const auto u = static_cast<unsigned char>(text[i]);
    if (u < 0x80) {
      if (u < 0x20 || u == 0x7f) {
        hex_byte(u);
      } else {
        out.push_back(text[i]);
      }
      ++i;
      continue;
    }
    // Well-formed UTF-8 (RFC 3629) passes, but for C1 controls and the characters that reorder or
    // hide text.
    const std::size_t length = u >= 0xf0 && u <= 0xf4   ? 4
                               : u >= 0xe0 && u <= 0xef ? 3
                               : u >= 0xc2 && u <= 0xdf ? 2
                                                        : 0;
    char32_t code = length == 2 ? u & 0x1fU : length == 3 ? u & 0x0fU : u & 0x07U;
    bool valid = length != 0 && i + length <= text.size();
    for (std::size_t k = 1; valid && k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      valid = (next & 0xc0U) == 0x80U;
      code = (code << 6U) | (next & 0x3fU);
    }
    valid = valid && !(length == 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) &&
            !(length == 4 && (code < 0x10000 || code > 0x10ffff));
    if (!valid) {
      hex_byte(u);
      ++i;
      continue;
    }
    const bool deceptive =
        code < 0xa0 || code == 0xad || code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
        (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
        code == 0xfeff || (code >= 0xe0000 && code <= 0xe0fff);
    if (deceptive) {
      out += "\\u{";
      bool started = false;
      for (int shift = 20; shift >= 0; shift -= 4) {
        const unsigned digit = (code >> static_cast<unsigned>(shift)) & 15U;
        started = started || digit != 0;
        if (started) {
          out.push_back(kHexLower[digit]);
        }
      }
      out.push_back('}');
    } else {
      out.append(text.substr(i, length));
    }
    i += length;
  }
  return out;
}

}  // namespace av::encoding
