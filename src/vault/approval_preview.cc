#include "vault/approval_preview.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/ascii.h"
#include "core/encoding.h"

namespace av::vault {
namespace {

constexpr std::size_t kLineSize = 2000;
constexpr std::string_view kMask = "********";
// A word at least this long that mixes letters and digits is taken for a key.
constexpr std::size_t kLongWord = 32;
constexpr std::size_t kLongWithPrefix = 12;

// Beginnings of keys that their issuers have made known.
constexpr std::array<std::string_view, 20> kPrefixes = {
    "sk-",   "sk_", "pk_live", "rk_",  "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
    "glpat", "xox", "AKIA",    "ASIA", "AIza", "eyJ",  "av_",  "npm_", "hf_",  "ya29.",
};
// Names of what must not be shown, in whatever case and whatever comes before or after.
constexpr std::array<std::string_view, 18> kNames = {
    "password", "passwd",     "passphrase", "passcode",   "secret",      "token",
    "api_key",  "apikey",     "api-key",    "credential", "private_key", "private-key",
    "session",  "access_key", "access-key", "accesskey",  "cookie",      "authorization",
};
// Names that are this and nothing else: within others they mean anything.
constexpr std::array<std::string_view, 3> kWholeNames = {"pwd", "pass", "auth"};

bool is_word_char(char c) {
  return ascii::is_word(c) || c == '-' || c == '+' || c == '/' || c == '.' || c == '=' || c == '~';
}

bool looks_like_key(std::string_view word) {
  const bool known = std::any_of(kPrefixes.begin(), kPrefixes.end(),
                                 [&](std::string_view p) { return word.starts_with(p); });
  if (known && word.size() >= kLongWithPrefix) {
    return true;
  }
  if (word.size() < kLongWord || word.find("//") != std::string_view::npos) {
    return false;
  }
  // Paths and words joined by dots have short parts.
  std::size_t part = 0;
  std::size_t longest = 0;
  bool digit = false;
  bool letter = false;
  for (const char c : word) {
    part = c == '/' || c == '.' ? 0 : part + 1;
    longest = std::max(longest, part);
    digit = digit || ascii::is_digit(c);
    letter = letter || ascii::is_alpha(c);
  }
  return digit && letter && longest >= kLongWord;
}

bool names_a_secret(std::string_view word) {
  const std::string lower = ascii::lower(word);
  if (std::find(kWholeNames.begin(), kWholeNames.end(), lower) != kWholeNames.end()) {
    return true;
  }
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view name) { return lower.find(name) != std::string::npos; });
}

// A word with the keys in it masked: of a path, or what looks like one, each segment for itself.
std::string shown_word(std::string_view word) {
  const std::size_t slash = word.find('/');
  const bool path = slash == 0 || word.find('.') < slash;
  if (slash == std::string_view::npos || !path) {
    if (looks_like_key(word)) {
      return std::string(kMask);
    }
  }
  std::string out;
  for (;;) {
    const std::size_t end = word.find('/');
    const std::string_view part = word.substr(0, end);
    out += looks_like_key(part) ? kMask : part;
    if (end == std::string_view::npos) {
      return out;
    }
    out.push_back('/');
    word.remove_prefix(end + 1);
  }
}

// `"name": "value"`, `name=value`, `name: value`, `"name", "value": "..."`: where the value begins
// after the name that ends at `at`, or npos.
std::size_t value_after(std::string_view text, std::size_t at) {
  const auto skip = [&](std::string_view chars) {
    while (at < text.size() && chars.find(text[at]) != std::string_view::npos) {
      ++at;
    }
  };
  skip("\\\"' \t");
  constexpr std::string_view kValue = "value";
  std::size_t next = at;
  while (next < text.size() &&
         std::string_view("\\\"', \t\r\n").find(text[next]) != std::string_view::npos) {
    ++next;
  }
  if (ascii::lower(text.substr(next, kValue.size())) == kValue) {
    at = next + kValue.size();
    skip("\\\"' \t");
  }
  if (at == text.size() || (text[at] != ':' && text[at] != '=')) {
    return std::string_view::npos;
  }
  ++at;
  skip(" \t");
  return at;
}

std::size_t value_end(std::string_view text, std::size_t at) {
  if (at < text.size() && (text[at] == '"' || text[at] == '\'')) {
    const char quote = text[at++];
    while (at < text.size() && text[at] != quote) {
      at += text[at] == '\\' ? 2 : 1;
    }
    return std::min(at, text.size());
  }
  while (at < text.size() &&
         std::string_view("&,;}]<\r\n").find(text[at]) == std::string_view::npos) {
    ++at;
  }
  return at;
}

// `<name attribute="x">value</name>` of XML, for the name from `begin` to `at`: where the value
// begins, or npos.
std::size_t element_value(std::string_view text, std::size_t begin, std::size_t at) {
  constexpr std::size_t kMostBack = 64;
  std::size_t back = begin;
  while (back > 0 && begin - back < kMostBack &&
         (ascii::is_word(text[back - 1]) || text[back - 1] == ':' || text[back - 1] == '-')) {
    --back;
  }
  if (back == 0 || text[back - 1] != '<' || text[begin] == '/') {
    return std::string_view::npos;
  }
  const std::size_t end = text.find_first_of("<>", at);
  if (end == std::string_view::npos || text[end] == '<' || text[end - 1] == '/') {
    return std::string_view::npos;
  }
  return end + 1;
}

// Behind the value of an element: children are shown, but for what in them is to be masked.
std::size_t element_value_end(std::string_view text, std::size_t at) {
  constexpr std::string_view kCdata = "<![CDATA[";
  if (text.substr(at).starts_with(kCdata)) {
    return std::min(text.find("]]>", at), text.size());
  }
  return std::min(text.find('<', at), text.size());
}

bool is_escape(std::string_view text, std::size_t at) {
  return text[at] == '%' && at + 2 < text.size() && ascii::hex_value(text[at + 1]) >= 0 &&
         ascii::hex_value(text[at + 2]) >= 0;
}

std::string masked(std::string_view text) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    if (is_escape(text, at)) {  // its digits are no beginning of a word
      out += text.substr(at, 3);
      at += 3;
      continue;
    }
    if (!is_word_char(text[at])) {
      out.push_back(text[at++]);
      continue;
    }
    std::size_t end = at;
    // "name=" belongs to the name; "==" at the end of base64 does not matter.
    while (end < text.size() && is_word_char(text[end]) && (text[end] != '=' || end == at)) {
      ++end;
    }
    const std::string_view word = text.substr(at, end - at);
    out += shown_word(word);
    const std::size_t begin = std::exchange(at, end);
    if (names_a_secret(word)) {
      const std::size_t inside = element_value(text, begin, at);
      if (inside != std::string_view::npos) {
        const std::size_t stop = element_value_end(text, inside);
        const bool blank = text.substr(inside, stop - inside).find_first_not_of(" \t\r\n") ==
                           std::string_view::npos;
        out += masked(text.substr(at, inside - at));
        out += blank ? text.substr(inside, stop - inside) : kMask;
        at = stop;
        continue;
      }
      const std::size_t value = value_after(text, at);
      // Lists and tables are shown, but for what in them is to be masked: more than a secret may
      // hide there.
      if (value != std::string_view::npos && value < text.size() && text[value] != '{' &&
          text[value] != '[') {
        const std::size_t stop = value_end(text, value);
        const bool quoted = value < text.size() && (text[value] == '"' || text[value] == '\'');
        out += text.substr(at, value - at + (quoted ? 1 : 0));
        out += kMask;
        at = stop;
      }
    }
  }
  return out;
}

// Not in the middle of a character. True: something was cut off.
bool cut_to(std::string& text, std::size_t size) {
  if (text.size() <= size) {
    return false;
  }
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) {
    --size;
  }
  text.resize(size);
  return true;
}

}  // namespace

BodyPreview preview_of_body(std::string_view bytes) {
  // Masked before it is cut and made printable: a key that the cut divides is still seen as one.
  const std::size_t looked_at = std::min(bytes.size(), kPreviewSize + kPreviewSize / 4);
  const std::string text = masked(bytes.substr(0, looked_at));
  std::string out;
  std::string_view rest(text);
  while (!rest.empty() && out.size() < kPreviewSize) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    out += encoding::printable(line);
    if (end < rest.size()) {
      out.push_back('\n');
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  BodyPreview preview;
  preview.complete = rest.empty() && looked_at == bytes.size() && out.size() <= kPreviewSize;
  (void)cut_to(out, kPreviewSize);
  preview.text = std::move(out);
  return preview;
}

std::string preview_of_line(std::string_view text) {
  std::string out = encoding::printable(masked(text));
  if (cut_to(out, kLineSize)) {
    out += "...";
  }
  return out;
}

}  // namespace av::vault
