#include "source/reference_path.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/encoding.h"

namespace av::source {
namespace {

using Why = Failure::Why;

constexpr std::size_t kMostPath = 512;
constexpr std::size_t kMostName = 256;

Result<std::string> decoded(std::string_view text, std::string_view what) {
  std::optional<std::string> out = unescaped(text);
  if (!out) {
    return failure(Why::kInvalid, std::string(what) + " has a broken escape",
                   "a percent sign itself is %25");
  }
  if (std::any_of(out->begin(), out->end(), ascii::is_control)) {
    return failure(Why::kInvalid, std::string(what) + " has a control character");
  }
  if (!encoding::is_utf8(*out)) {
    return failure(Why::kInvalid, std::string(what) + " is not UTF-8");
  }
  return std::move(*out);
}

}  // namespace

std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? ascii::hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? ascii::hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

ReferenceParts parts_of(std::string_view text) {
  ReferenceParts out;
  const std::size_t scheme = text.find("://");
  text.remove_prefix(scheme == std::string_view::npos ? 0 : scheme + 3);
  if (const std::size_t at = text.find('#'); at != std::string_view::npos) {
    out.fragment = text.substr(at + 1);
    text = text.substr(0, at);
  }
  if (const std::size_t at = text.find('?'); at != std::string_view::npos) {
    out.query = text.substr(at + 1);
    text = text.substr(0, at);
  }
  out.path = text;
  return out;
}

Result<std::string> read_name(std::string_view text, std::string_view what) {
  AV_TRY(std::string out, decoded(text, what));
  if (out.empty()) {
    return failure(Why::kInvalid, std::string(what) + " is empty");
  }
  if (out.size() > kMostName) {
    return failure(Why::kInvalid, std::string(what) + " is longer than 256 bytes");
  }
  if (out == "." || out == "..") {
    return failure(Why::kInvalid, std::string(what) + " is \"" + out + "\"");
  }
  if (out.find('/') != std::string::npos) {
    return failure(Why::kInvalid, std::string(what) + " has a slash in it");
  }
  return out;
}

Result<std::string> read_path(std::string_view text, bool slash_at_end) {
  if (text.size() > 3 * kMostPath) {
    return failure(Why::kInvalid, "the path is longer than 512 bytes");
  }
  if (text.empty()) {
    return failure(Why::kInvalid, "the path is empty");
  }
  const bool ends = slash_at_end && text.size() > 1 && text.ends_with('/');
  if (ends) {
    text.remove_suffix(1);
  }
  std::string out;
  for (std::size_t number = 1;; ++number) {
    const std::size_t end = std::min(text.find('/'), text.size());
    AV_TRY(const std::string part,
           read_name(text.substr(0, end), "part " + std::to_string(number) + " of the path"));
    out += (number == 1 ? "" : "/") + part;
    if (out.size() > kMostPath) {
      return failure(Why::kInvalid, "the path is longer than 512 bytes");
    }
    if (end == text.size()) {
      break;
    }
    text.remove_prefix(end + 1);
  }
  return ends ? out + "/" : out;
}

std::string percent_path(std::string_view path) {
  std::string out;
  for (;;) {
    const std::size_t end = std::min(path.find('/'), path.size());
    out += encoding::percent(path.substr(0, end));
    if (end == path.size()) {
      return out;
    }
    out += '/';
    path.remove_prefix(end + 1);
  }
}

}  // namespace av::source
