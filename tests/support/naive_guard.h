#pragma once
// What somebody who has a text could read in it, worked out slowly and without the guard's code:
// the judge over what the reflection guard lets through.

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace av::testing {

inline int naive_digit(char c) {
  const std::string_view digits = "0123456789abcdef";
  const auto at = digits.find(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

// `count` hex digits (or digits of `base`) at `at`, or -1.
inline long naive_number(const std::string& s, std::size_t at, std::size_t count, int base = 16) {
  long value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (i >= s.size() || naive_digit(s[i]) < 0 || naive_digit(s[i]) >= base) {
      return -1;
    }
    value = value * base + naive_digit(s[i]);
  }
  return value;
}

// One layer of escapes taken off; `which` holds the introducers that are believed.
inline std::string naive_unescaped(const std::string& s, std::string_view which) {
  static const std::map<std::string, char> kNames = {
      {"amp", '&'},  {"quot", '"'}, {"apos", '\''},  {"lt", '<'},    {"gt", '>'},
      {"plus", '+'}, {"sol", '/'},  {"equals", '='}, {"percnt", '%'}};
  static const std::map<char, char> kLetters = {{'n', '\v'}, {'r', '\r'}, {'t', '\t'},
                                                {'b', '\b'}, {'f', '\f'}, {'v', '\v'}};
  std::string out;
  const auto put = [&](long byte) { out += byte == '\n' ? '\v' : static_cast<char>(byte); };
  for (std::size_t i = 0; i < s.size();) {
    const char c = s[i];
    if (which.find(c) == std::string_view::npos || i + 1 >= s.size()) {
      out += c;
      ++i;
      continue;
    }
    const char d = s[i + 1];
    long n = -1;
    std::size_t used = 0;
    if (c == '%' && (n = naive_number(s, i + 1, 2)) >= 0) {
      used = 3;
    } else if (c == '\\' && d == 'x' && (n = naive_number(s, i + 2, 2)) >= 0) {
      used = 4;
    } else if (c == '\\' && d == 'u' && (n = naive_number(s, i + 2, 4)) >= 0 && n < 128) {
      used = 6;
    } else if (c == '\\' && d <= '3' && (n = naive_number(s, i + 1, 3, 8)) >= 0) {
      used = 4;
    } else if (c == '\\' && kLetters.count(d) != 0) {
      n = kLetters.at(d);
      used = 2;
    } else if (c == '\\' && (d == ' ' || std::ispunct(static_cast<unsigned char>(d)) != 0)) {
      n = d;
      used = 2;
    } else if (c == '&' && d == '#') {
      const bool hex = i + 2 < s.size() && (s[i + 2] == 'x' || s[i + 2] == 'X');
      std::size_t end = i + (hex ? 3 : 2);
      const std::size_t begin = end;
      while (end < s.size() && end - begin < 9 && naive_digit(s[end]) >= 0 &&
             (hex || naive_digit(s[end]) < 10)) {
        ++end;
      }
      if (end > begin && end - begin <= 8) {
        n = naive_number(s, begin, end - begin, hex ? 16 : 10);
        if (n > 0 && n < 128) {
          used = end - i + (end < s.size() && s[end] == ';' ? 1 : 0);
        }
      }
    } else if (c == '&') {
      for (const auto& [name, character] : kNames) {
        if (s.compare(i + 1, name.size() + 1, name + ";") == 0) {
          n = character;
          used = name.size() + 2;
        }
      }
    }
    if (used == 0) {
      out += c;
      ++i;
    } else {
      put(n);
      i += used;
    }
  }
  return out;
}

inline bool naive_is_base64(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("+/-_").find(c) != std::string_view::npos;
}

// Lines of base64 put together.
inline std::string naive_joined(const std::string& s) {
  std::string out;
  for (std::size_t i = 0; i < s.size();) {
    std::size_t next = i;
    if (s[next] == '\r') {
      ++next;
    }
    if (!out.empty() && naive_is_base64(out.back()) && next < s.size() &&
        (s[next] == '\n' || s[next] == '\v')) {
      ++next;
      for (int blanks = 0; blanks < 24 && next < s.size() && (s[next] == ' ' || s[next] == '\t');
           ++blanks) {
        ++next;
      }
      if (next < s.size() && naive_is_base64(s[next])) {
        i = next;
      }
    }
    out += s[i++];
  }
  return out;
}

inline bool naive_in_base64(const std::string& s, const std::string& value) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t skip = 0; skip < 4; ++skip) {
    for (std::size_t i = 0; i < s.size();) {
      std::size_t end = i;
      while (end < s.size() && naive_is_base64(s[end])) {
        ++end;
      }
      std::string bytes;
      unsigned bits = 0;
      unsigned have = 0;
      for (std::size_t k = i + skip; k < end; ++k) {
        const char c = s[k] == '-' ? '+' : s[k] == '_' ? '/' : s[k];
        bits = (bits << 6U | static_cast<unsigned>(alphabet.find(c))) & 0xffffffU;
        have += 6;
        if (have >= 8) {
          have -= 8;
          bytes += static_cast<char>(bits >> have & 0xffU);
        }
      }
      if (bytes.find(value) != std::string::npos) {
        return true;
      }
      i = end + 1;
    }
  }
  return false;
}

inline bool naive_in_hex(const std::string& s, const std::string& value) {
  const auto decoded_has = [&](const std::string& digits) {
    for (std::size_t way = 0; way < 2; ++way) {
      std::string bytes;
      for (std::size_t i = way; i + 1 < digits.size(); i += 2) {
        bytes += static_cast<char>(naive_digit(digits[i]) * 16 + naive_digit(digits[i + 1]));
      }
      if (bytes.find(value) != std::string::npos) {
        return true;
      }
    }
    return false;
  };
  std::string digits;
  std::size_t gap = 0;
  std::size_t breaks = 0;
  for (std::size_t i = 0; i <= s.size(); ++i) {
    const char c = i < s.size() ? s[i] : '!';
    const bool token = (gap != 0 || digits.empty()) && c == '0' && i + 2 < s.size() &&
                       (s[i + 1] == 'x' || s[i + 1] == 'X') && naive_digit(s[i + 2]) >= 0;
    if (token) {
      ++i;
    } else if (naive_digit(c) >= 0) {
      digits += c;
      gap = 0;
      breaks = 0;
    } else if (std::string_view(" \t:-,;\r\n\v").find(c) != std::string_view::npos && gap < 24 &&
               (breaks += c == '\n' || c == '\v' ? 1 : 0) < 2) {
      ++gap;
    } else {
      if (decoded_has(digits)) {
        return true;
      }
      digits.clear();
      gap = 0;
      breaks = 0;
    }
  }
  return false;
}

inline bool naive_in_one_reading(const std::string& s, const std::string& value) {
  std::string wide;
  for (const char c : value) {
    wide += c;
    wide += '\0';
  }
  wide.pop_back();
  const std::string joined = naive_joined(s);
  return s.find(value) != std::string::npos || s.find(wide) != std::string::npos ||
         naive_in_base64(s, value) || naive_in_base64(joined, value) || naive_in_hex(s, value);
}

inline bool naive_readable(const std::string& text, const std::string& value) {
  for (const std::string_view which : {"%", "\\", "&"}) {
    if (naive_unescaped(text, which).find(value) != std::string::npos) {
      return true;
    }
  }
  std::string reading = text;
  for (int layer = 0; layer <= 3; ++layer) {
    if (naive_in_one_reading(reading, value)) {
      return true;
    }
    reading = naive_unescaped(reading, "%\\&");
  }
  return false;
}

}  // namespace av::testing
