#include "oauth/form.h"

#include "core/ascii.h"

namespace av::oauth {
namespace {

constexpr std::size_t kMostFields = 64;

Error malformed() {
  return make_error(ErrorCode::kInvalid, "a form has a broken escape or a control character");
}

template <typename Put>
bool decode(std::string_view text, const Put& put) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i] == '+' ? ' ' : text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? ascii::hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? ascii::hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return false;
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (ascii::is_control(c)) {
      return false;
    }
    put(c);
  }
  return true;
}

}  // namespace

Expected<std::vector<FormField>> read_form(std::string_view text) {
  std::vector<FormField> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) {
      continue;
    }
    if (out.size() == kMostFields) {
      return make_error(ErrorCode::kInvalid, "a form has more than 64 fields");
    }
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
    FormField& field = out.emplace_back();
    field.value.reserve(value.size());
    if (!decode(pair.substr(0, equals), [&](char c) { field.name += c; }) ||
        !decode(value, [&](char c) { field.value.push_back(c); })) {
      return malformed();
    }
  }
  return out;
}

}  // namespace av::oauth
