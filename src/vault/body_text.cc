#include "vault/body_text.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "core/ascii.h"
#include "core/utf8.h"
#include "vault/form_text.h"

namespace av::vault {
namespace {

// JSON in a string of JSON in a string of JSON: what models are told to call functions with has
// two.
constexpr int kMaxLayers = 4;

bool contains(std::string_view body, std::string_view text) {
  return body.find(text) != std::string_view::npos;
}

// A byte order mark, or zeros where the first characters of ASCII would have them.
bool is_utf16_or_32(std::string_view body) {
  return body.starts_with("\xfe\xff") || body.starts_with("\xff\xfe") ||
         contains(body.substr(0, 4), std::string_view("\0", 1));
}

// `digits` of them at `at`; -1 when there are fewer.
std::int32_t hex_number(std::string_view text, std::size_t at, std::size_t digits) {
  std::int32_t out = 0;
  for (std::size_t i = at; i < at + digits; ++i) {
    const int value = i < text.size() ? ascii::hex_value(text[i]) : -1;
    if (value < 0) {
      return -1;
    }
    out = out * 16 + value;
  }
  return out;
}

void append_utf8(std::string& out, std::uint32_t code) {
  put_utf8(code, [&out](char byte) { out.push_back(byte); });
}

// What stands behind a backslash at `at`, in JSON (RFC 8259 section 7) and JSON5; returns what is
// behind it.
std::size_t append_escaped(std::string& out, std::string_view text, std::size_t at) {
  constexpr std::string_view kShort = "bfnrtv0";
  constexpr std::string_view kMeant("\b\f\n\r\t\v\0", 7);
  const char c = text[at];
  const std::int32_t first = c == 'u'   ? hex_number(text, at + 1, 4)
                             : c == 'x' ? hex_number(text, at + 1, 2)
                                        : -1;
  if (first >= 0) {
    std::size_t next = at + (c == 'u' ? 5 : 3);
    auto code = static_cast<std::uint32_t>(first);
    if (code >= 0xd800U && code < 0xdc00U && text.substr(next, 2) == "\\u") {
      const std::int32_t second = hex_number(text, next + 2, 4);
      if (second >= 0xdc00 && second < 0xe000) {
        code =
            0x10000U + ((code - 0xd800U) << 10U) + (static_cast<std::uint32_t>(second) - 0xdc00U);
        next += 6;
      }
    }
    append_utf8(out, code);
    return next;
  }
  if (c != '\n') {  // a line that goes on
    const std::size_t known = kShort.find(c);
    out.push_back(known == std::string_view::npos ? c : kMeant[known]);
  }
  return at + 1;
}

// One layer of escapes read, wherever they stand: outside of strings there are none.
std::string unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t mark = std::min(text.find('\\', at), text.size());
    out += text.substr(at, mark - at);
    if (mark + 1 >= text.size()) {
      break;
    }
    at = append_escaped(out, text, mark + 1);
  }
  return out;
}

bool has_form_escape(std::string_view text) {
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    if (hex_number(text, at + 1, 2) >= 0) {
      return true;
    }
  }
  return false;
}

// Escapes of JSON in forms, forms in JSON, forms in forms: what stands behind the layers of them in
// any order. kUnreadable where a form is still escaped behind the last one.
BodyAnswer contains_behind_escapes(std::string_view body, std::string_view text, int layer) {
  bool in_doubt = layer == kMaxLayers && has_form_escape(body);
  if (layer == kMaxLayers) {
    return in_doubt ? BodyAnswer::kUnreadable : BodyAnswer::kNo;
  }
  const auto look_into = [&](const std::string& inside) {
    if (inside.size() == body.size() && inside == body) {
      return false;
    }
    if (contains(inside, text)) {
      return true;
    }
    const BodyAnswer answer = contains_behind_escapes(inside, text, layer + 1);
    in_doubt = in_doubt || answer == BodyAnswer::kUnreadable;
    return answer == BodyAnswer::kYes;
  };
  if ((contains(body, "\\") && look_into(unescaped(body))) ||
      (body.find_first_of("%+") != std::string_view::npos && look_into(form_decoded(body)))) {
    return BodyAnswer::kYes;
  }
  return in_doubt ? BodyAnswer::kUnreadable : BodyAnswer::kNo;
}

// Whether all of it is in UTF-8, as far as it says so itself.
bool is_plain_text(std::string_view body) {
  if (is_utf16_or_32(body) || names_other_charset(body)) {
    return false;
  }
  const std::vector<FormPart> parts = form_parts(body);
  return std::all_of(parts.begin(), parts.end(), [](const FormPart& part) { return part.plain; });
}

}  // namespace

BodyAnswer body_contains(std::string_view text, std::string_view body, bool strict) {
  if (contains(body, text)) {
    return BodyAnswer::kYes;
  }
  if (!strict) {
    return BodyAnswer::kNo;
  }
  if (!is_plain_text(body)) {
    return BodyAnswer::kUnreadable;
  }
  return contains_behind_escapes(body, text, 0);
}

}  // namespace av::vault
