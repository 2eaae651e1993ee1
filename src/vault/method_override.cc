#include "vault/method_override.h"

#include <algorithm>
#include <array>

#include "core/ascii.h"
#include "vault/form_text.h"

namespace av::vault {
namespace {

constexpr std::size_t kMost = 8;
constexpr std::size_t kLongestMethod = 32;

// "_method" is what frameworks agree on; the others are header fields that some take from the query
// too, and what Google's gateways call it.
bool is_override(std::string_view name) {
  static constexpr std::array<std::string_view, 7> kNames = {
      "_method",           "x_http_method_override", "http_method_override",
      "x_method_override", "x_http_method",          "$httpmethod",
      "_http_method"};
  std::string normal;
  for (const char c : name.substr(std::min(name.find_first_not_of(' '), name.size()))) {
    normal.push_back(c == ' ' || c == '.' || c == '-' ? '_' : ascii::lower(c));
  }
  return std::find(kNames.begin(), kNames.end(), normal) != kNames.end();
}

void add(OverrideMethods& out, std::string_view value) {
  const std::string_view word = ascii::trim(value);
  const bool method =
      !word.empty() && word.size() <= kLongestMethod &&
      std::all_of(word.begin(), word.end(), [](char c) { return ascii::is_token_char(c); });
  if (!method) {
    return;  // no server knows it
  }
  if (out.methods.size() == kMost) {
    out.any = true;
    return;
  }
  std::string upper(word);
  for (char& c : upper) {
    c = ascii::upper(c);
  }
  out.methods.push_back(std::move(upper));
}

void add_pairs(OverrideMethods& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find_first_of("&;");
    const std::string_view pair = text.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    // Longer than any of the names with each letter escaped: it is none of them.
    constexpr std::size_t kLongestName = 80;
    if (equals != pair.size() && equals <= kLongestName &&
        is_override(form_decoded(pair.substr(0, equals)))) {
      add(out, form_decoded(pair.substr(equals + 1, 4 * kLongestMethod)));
    }
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
}

}  // namespace

OverrideMethods methods_in_query(std::string_view query) {
  OverrideMethods out;
  // Most have neither an escape nor such a name.
  const auto begins_name = [](char c) { return c == 'm' || c == 'M' || c == '%'; };
  if (query.find('=') != std::string_view::npos &&
      std::any_of(query.begin(), query.end(), begins_name)) {
    add_pairs(out, query);
  }
  return out;
}

OverrideMethods methods_in_form(std::string_view body) {
  OverrideMethods out;
  const std::vector<FormPart> parts = form_parts(body);
  for (const FormPart& part : parts) {
    for (const std::string& name : part.names) {
      if (name != kAnyName && !is_override(name)) {
        continue;
      }
      if (part.plain) {
        add(out, part.behind.substr(0, part.behind.find_first_of("\r\n")));
      } else {
        out.any = true;
      }
    }
  }
  // Which of both it is the server says, by a field that is not seen here.
  add_pairs(out, body.substr(0, body.find_last_not_of("\r\n") + 1));
  return out;
}

}  // namespace av::vault
