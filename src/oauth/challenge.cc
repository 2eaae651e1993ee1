#include "oauth/challenge.h"

#include <algorithm>

#include "core/ascii.h"

namespace av::oauth {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  [[nodiscard]] bool at_end() const { return text_.empty(); }
  void skip(std::string_view what) {
    text_.remove_prefix(std::min(text_.find_first_not_of(what), text_.size()));
  }
  bool take(char c) {
    if (text_.empty() || text_.front() != c) {
      return false;
    }
    text_.remove_prefix(1);
    return true;
  }
  // Behind a "=": more of them, or nothing that could be a value, end a token68.
  bool skip_padding() {
    const bool more = !text_.empty() && text_.front() == '=';
    skip("=");
    skip(" \t");
    return more || text_.empty() || text_.front() == ',';
  }
  std::string_view token() {
    std::size_t size = 0;
    // token68 (RFC 9110 section 11.2) has "/" as well, and padding, which is met as what follows.
    while (size < text_.size() && (ascii::is_token_char(text_[size]) || text_[size] == '/')) {
      ++size;
    }
    const std::string_view out = text_.substr(0, size);
    text_.remove_prefix(size);
    return out;
  }
  // A quoted string, or all up to a comma or blank: URLs are seen there without their quotes.
  bool value(std::string& out) {
    out.clear();
    if (!take('"')) {
      const std::size_t end = std::min(text_.find_first_of(", \t"), text_.size());
      out = text_.substr(0, end);
      text_.remove_prefix(end);
      return !out.empty();
    }
    while (!text_.empty()) {
      char c = text_.front();
      text_.remove_prefix(1);
      if (c == '"') {
        return true;
      }
      if (c == '\\' && !text_.empty()) {
        c = text_.front();
        text_.remove_prefix(1);
      }
      if (!ascii::is_field_char(c)) {
        return false;
      }
      out += c;
    }
    return false;
  }

 private:
  std::string_view text_;
};

}  // namespace

BearerChallenge bearer_challenge(std::string_view www_authenticate) {
  BearerChallenge out;
  Reader reader(www_authenticate);
  bool bearer = false;
  for (;;) {
    reader.skip(" \t,");
    if (reader.at_end()) {
      return out;
    }
    const std::string name = ascii::lower(reader.token());
    if (name.empty()) {
      return out;
    }
    reader.skip(" \t");
    if (!reader.take('=')) {
      bearer = name == "bearer";
      continue;
    }
    if (reader.skip_padding()) {
      continue;
    }
    std::string value;
    if (!reader.value(value)) {
      return out;
    }
    if (bearer && name == "resource_metadata" && out.resource_metadata.empty()) {
      out.resource_metadata = value;
    } else if (bearer && name == "scope" && out.scope.empty()) {
      out.scope = value;
    }
  }
}

}  // namespace av::oauth
