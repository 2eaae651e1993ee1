#include "proxy/value_forms.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/encoding.h"
#include "core/secret.h"
#include "proxy/escape.h"

namespace av::proxy {
namespace {

using Add = std::function<void(std::string_view, FormKind)>;

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

// In segments. A rest that would be too short to look for joins the segment before it.
template <typename F>
void for_each_segment(std::string_view text, std::size_t shortest, F&& use) {
  while (text.size() >= shortest) {
    const std::size_t take = text.size() < kValueSegment + shortest ? text.size() : kValueSegment;
    use(text.substr(0, take));
    text.remove_prefix(take);
  }
}

void add_base64(std::string_view segment, const Add& add) {
  for (const auto alphabet : {encoding::Base64::kStandard, encoding::Base64::kUrl}) {
    for (std::size_t skew = 0; skew < 3; ++skew) {
      SecretBuffer form;
      base64_core(form, segment, skew, alphabet);
      add(form.view(), FormKind::kEncoded);
    }
  }
}

void add_utf16(std::string_view segment, const Add& add) {
  const bool ascii_only = std::all_of(segment.begin(), segment.end(),
                                      [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii_only) {
    // What both byte orders have in common: the zeros between the characters.
    SecretBuffer wide;
    for (const char c : segment) {
      if (!wide.empty()) {
        wide.push_back('\0');
      }
      wide.push_back(c);
    }
    add(wide.view(), FormKind::kEncoded);
  }
}

// Languages that take the bytes of a head for Latin-1 (Node, WSGI) write each of them as a
// character of its own; others take the characters of UTF-8 apart and write those of Latin-1 as
// bytes.
void add_latin1(std::string_view segment, const Add& add) {
  SecretBuffer doubled;
  SecretBuffer single;
  bool representable = true;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    const auto u = static_cast<unsigned char>(segment[i]);
    if (u < 0x80) {
      doubled.push_back(segment[i]);
      single.push_back(segment[i]);
      continue;
    }
    doubled.push_back(static_cast<char>(0xc0U | u >> 6U));
    doubled.push_back(static_cast<char>(0x80U | (u & 0x3fU)));
    const unsigned next = i + 1 < segment.size() ? static_cast<unsigned char>(segment[i + 1]) : 0U;
    if ((u == 0xc2 || u == 0xc3) && (next & 0xc0U) == 0x80) {
      single.push_back(static_cast<char>((u & 3U) << 6U | (next & 0x3fU)));
      doubled.push_back(static_cast<char>(0xc0U | next >> 6U));
      doubled.push_back(static_cast<char>(0x80U | (next & 0x3fU)));
      ++i;
    } else {
      representable = false;
    }
  }
  if (doubled.size() != segment.size()) {
    add(doubled.view(), FormKind::kPlain);
    if (representable) {
      add(single.view(), FormKind::kPlain);
    }
  }
}

// HTTP/2 has field names in lower case only.
void add_lower_case(std::string_view segment, const Add& add) {
  SecretBuffer lower;
  bool differs = false;
  for (const char c : segment) {
    lower.push_back(ascii::lower(c));
    differs = differs || ascii::is_upper(c);
  }
  if (differs) {
    add(lower.view(), FormKind::kPlain);
  }
}

// False: there was nothing to decode.
bool unescape_once(std::string_view text, SecretBuffer& out) {
  bool any = false;
  while (!text.empty()) {
    const Escape escape =
        is_introducer(text.front()) ? parse_escape(text, /*last=*/true) : Escape{};
    if (escape.state == Escape::State::kWhole) {
      char decoded[Escape::kMostDecoded];
      escape.write(decoded);
      out.append({decoded, escape.decoded_size});
      text.remove_prefix(escape.size);
      any = true;
    } else {
      out.push_back(text.front());
      text.remove_prefix(1);
    }
  }
  return any;
}

void add_plain(std::string_view text, std::size_t shortest, const Add& add) {
  for_each_segment(text, shortest,
                   [&](std::string_view segment) { add(segment, FormKind::kPlain); });
}

// A value that contains something like an escape ("a%41b", "CORP\nick") reads differently once the
// text around it has been decoded.
void add_decoded(std::string_view line, std::size_t shortest, const Add& add) {
  SecretBuffer now;
  now.append(line);
  for (int layer = 0; layer < 3; ++layer) {
    SecretBuffer decoded;
    if (!unescape_once(now.view(), decoded)) {
      break;
    }
    if (decoded.size() >= shortest) {
      add_plain(decoded.view(), shortest, add);
      now = std::move(decoded);
      continue;
    }
    // Too short to look for. The usual encoders' results, whole, are what remains.
    SecretBuffer json;
    encoding::append_json_escaped(json, line);
    add_plain(json.view(), shortest, add);
    SecretBuffer percent;
    encoding::append_percent(percent, line);
    add_plain(percent.view(), shortest, add);
    SecretBuffer html;
    for (const char c : line) {
      html.append(c == '&' ? std::string_view("&amp;") : std::string_view(&c, 1));
    }
    add_plain(html.view(), shortest, add);
    break;
  }
}

// What stands before a value may take its first characters into an escape ("%" before "41..."), and
// its last ones may begin an escape with what comes after. The rest is looked for.
void add_trimmed(std::string_view line, std::size_t shortest, const Add& add) {
  for (const std::string_view before : {"%", "%u", "\\", "\\x", "\\u", "\\u0", "\\u00", "\\U0000",
                                        "\\U000000", "\\0", "\\1", "&#", "&#x"}) {
    SecretBuffer text;
    text.append(before);
    text.append(line.substr(0, kMaxEscape));
    const Escape escape = parse_escape(text.view(), /*last=*/true);
    if (escape.state == Escape::State::kWhole && escape.size > before.size()) {
      const std::size_t eaten = escape.size - before.size();
      if (eaten < line.size()) {
        add_plain(line.substr(eaten), shortest, add);
      }
    }
  }
  const std::size_t from = line.size() > kMaxEscape ? line.size() - kMaxEscape : 0;
  for (std::size_t i = from; i < line.size(); ++i) {
    if (is_introducer(line[i]) &&
        parse_escape(line.substr(i), /*last=*/false).state == Escape::State::kCut) {
      add_plain(line.substr(0, i), shortest, add);
      break;
    }
  }
}

void add_line(std::string_view line, std::size_t shortest, const Add& add) {
  for_each_segment(line, shortest, [&](std::string_view segment) {
    add(segment, FormKind::kPlain);
    add_utf16(segment, add);
    add_latin1(segment, add);
    add_lower_case(segment, add);
  });
  if (line.find(' ') != std::string_view::npos) {
    // application/x-www-form-urlencoded
    SecretBuffer plus;
    for (const char c : line) {
      plus.push_back(c == ' ' ? '+' : c);
    }
    add_plain(plus.view(), shortest, add);
  }
  add_decoded(line, shortest, add);
  add_trimmed(line, shortest, add);
}

}  // namespace

void for_each_form(std::string_view value, std::size_t shortest, const Add& add) {
  for_each_segment(value, shortest, [&](std::string_view segment) { add_base64(segment, add); });
  for (;;) {
    const std::size_t line_feed = value.find('\n');
    std::string_view line = value.substr(0, line_feed);
    if (!line.empty() && line.back() == '\r') {
      line.remove_suffix(1);
    }
    if (line.size() >= shortest) {
      add_line(line, shortest, add);
    }
    if (line_feed == std::string_view::npos) {
      return;
    }
    value.remove_prefix(line_feed + 1);
  }
}

}  // namespace av::proxy
