#include "vault/secret_members.h"

#include <algorithm>
#include <optional>

#include "core/encoding.h"

namespace av::vault {
namespace {

constexpr std::size_t kMostValues = 10;  // an index is one digit

Error bad_value() {
  return make_error(ErrorCode::kInvalid, "a value in the JSON is not a well-formed string");
}

// Past the closing quote of the string that opens at `at`; npos when there is none.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(" \t\r\n", at), text.size());
}

std::optional<char32_t> hex4(std::string_view text) {
  char32_t code = 0;
  if (text.size() < 4) {
    return std::nullopt;
  }
  for (const char c : text.substr(0, 4)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) {
      return std::nullopt;
    }
    code = code << 4U | static_cast<char32_t>(digit);
  }
  return code;
}

void append_utf8(SecretBuffer& out, char32_t code) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0U | code >> 6U);
    put(0x80U | (code & 0x3fU));
  } else if (code < 0x10000) {
    put(0xe0U | code >> 12U);
    put(0x80U | (code >> 6U & 0x3fU));
    put(0x80U | (code & 0x3fU));
  } else {
    put(0xf0U | code >> 18U);
    put(0x80U | (code >> 12U & 0x3fU));
    put(0x80U | (code >> 6U & 0x3fU));
    put(0x80U | (code & 0x3fU));
  }
}

// `text` begins behind "\u"; how many characters were read, 0 when they are no character.
std::size_t append_escape_u(SecretBuffer& out, std::string_view text) {
  const auto first = hex4(text);
  if (!first || (*first >= 0xdc00 && *first <= 0xdfff)) {
    return 0;
  }
  if (*first < 0xd800 || *first > 0xdfff) {
    append_utf8(out, *first);
    return 4;
  }
  const auto second = text.substr(4).starts_with("\\u") ? hex4(text.substr(6)) : std::nullopt;
  if (!second || *second < 0xdc00 || *second > 0xdfff) {
    return 0;
  }
  append_utf8(out, 0x10000 + ((*first - 0xd800) << 10U) + (*second - 0xdc00));
  return 10;
}

// The inside of a JSON string (RFC 8259 section 7).
Expected<Secret> unescaped(std::string_view text) {
  constexpr std::string_view kNames = "\"\\/bfnrt";
  constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
  SecretBuffer out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (static_cast<unsigned char>(text[at]) < 0x20) {
      return bad_value();
    }
    if (text[at] != '\\') {
      out.push_back(text[at]);
      continue;
    }
    const char name = ++at < text.size() ? text[at] : '\0';
    const std::size_t known = kNames.find(name);
    if (known != std::string_view::npos) {
      out.push_back(kMeant[known]);
      continue;
    }
    const std::size_t taken = name == 'u' ? append_escape_u(out, text.substr(at + 1)) : 0;
    if (taken == 0) {
      return bad_value();
    }
    at += taken;
  }
  if (!encoding::is_utf8(out.view())) {
    return bad_value();
  }
  return out.to_secret();
}

Expected<CutJson> cut(std::string_view json, std::string_view member) {
  CutJson out;
  out.text.reserve(json.size());
  std::size_t at = 0;
  while (at < json.size()) {
    const std::size_t quote = std::min(json.find('"', at), json.size());
    out.text.append(json.substr(at, quote - at));
    const std::size_t end = quote < json.size() ? end_of_string(json, quote) : json.size();
    if (end == std::string_view::npos) {
      return make_error(ErrorCode::kInvalid, "not valid JSON: a string does not end");
    }
    const std::string_view name = json.substr(quote, end - quote);
    const std::size_t colon = skip_blanks(json, end);
    at = end;
    if (colon == json.size() || json[colon] != ':') {
      out.text.append(name);
      continue;
    }
    if (name.find('\\') != std::string_view::npos) {
      return make_error(ErrorCode::kInvalid, "the name of a member in the JSON has an escape",
                        "write names in plain letters");
    }
    const std::size_t begin = skip_blanks(json, colon + 1);
    out.text.append(json.substr(quote, begin - quote));
    at = begin;
    const bool is_secret =
        name.size() == member.size() + 2 && name.substr(1, member.size()) == member;
    if (!is_secret || begin == json.size() || json[begin] != '"') {
      continue;
    }
    at = end_of_string(json, begin);
    if (at == std::string_view::npos) {
      return make_error(ErrorCode::kInvalid, "not valid JSON: a string does not end");
    }
    const std::string_view inside = json.substr(begin + 1, at - begin - 2);
    if (inside.empty()) {
      out.text += "\"\"";
      continue;
    }
    if (out.values.size() == kMostValues) {
      return make_error(ErrorCode::kInvalid, "the JSON has more than ten values");
    }
    out.text += '"';
    out.text += static_cast<char>('0' + out.values.size());
    out.text += '"';
    out.text.append(inside.size() - 1, ' ');
    AV_TRY(Secret value, unescaped(inside));
    out.values.push_back(std::move(value));
  }
  return out;
}

}  // namespace

Expected<CutJson> cut_secret_members(const Secret& json, std::string_view member) {
  return json.reveal([&](std::string_view bytes) { return cut(bytes, member); });
}

}  // namespace av::vault
