#include "api/query.h"

#include <charconv>

#include "core/encoding.h"

namespace av::api {

std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (text.size() - i < 3) {
        return std::nullopt;
      }
      const auto byte = encoding::from_hex(text.substr(i + 1, 2));
      if (!byte || byte->size() != 1) {
        return std::nullopt;
      }
      c = static_cast<char>(byte->front());
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return std::nullopt;
    }
    out += c;
  }
  return encoding::is_utf8(out) ? std::optional(std::move(out)) : std::nullopt;
}

Expected<Query> Query::parse(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) {
      continue;
    }
    const std::size_t equals = pair.find('=');
    auto name = percent_decoded(pair.substr(0, equals), true);
    auto value = equals == std::string_view::npos ? std::optional(std::string())
                                                  : percent_decoded(pair.substr(equals + 1), true);
    if (!name || !value) {
      return make_error(ErrorCode::kInvalid, "the query has a malformed escape");
    }
    if (query.has(*name)) {
      return make_error(ErrorCode::kInvalid, "the query names a parameter twice");
    }
    query.parameters_.emplace_back(std::move(*name), std::move(*value));
  }
  return query;
}

std::string_view Query::get(std::string_view name) const {
  for (const auto& [known, value] : parameters_) {
    if (known == name) {
      return value;
    }
  }
  return {};
}

bool Query::has(std::string_view name) const {
  for (const auto& [known, value] : parameters_) {
    if (known == name) {
      return true;
    }
  }
  return false;
}

bool Query::flag(std::string_view name) const {
  const std::string_view value = get(name);
  return value == "true" || value == "1";
}

Expected<std::int64_t> Query::number(std::string_view name, std::int64_t least, std::int64_t most,
                                     std::int64_t otherwise) const {
  if (!has(name)) {
    return otherwise;
  }
  const std::string_view text = get(name);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    return make_error(ErrorCode::kInvalid, "\"" + std::string(name) + "\" must be a number from " +
                                               std::to_string(least) + " to " +
                                               std::to_string(most));
  }
  return value;
}

}  // namespace av::api
