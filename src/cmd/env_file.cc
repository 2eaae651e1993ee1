#include "cmd/env_file.h"

#include <utility>

#include "core/error.h"

namespace av::cmd {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
bool is_name_start(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}
bool is_name(char c) {
  return is_name_start(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

class EnvParser {
 public:
  EnvParser(std::string_view name, std::string_view text) : name_(name), text_(text) {
    if (text_.starts_with("\xef\xbb\xbf")) {
      text_.remove_prefix(3);
    }
  }

  Expected<std::vector<EnvEntry>> run() {
    std::vector<EnvEntry> entries;
    while (at_ < text_.size()) {
      skip_blanks();
      if (done() || peek() == '#') {
        skip_line();
        continue;
      }
      if (end_of_line()) {
        continue;
      }
      AV_TRY(EnvEntry entry, read_entry());
      entries.push_back(std::move(entry));
    }
    return entries;
  }

 private:
  [[nodiscard]] bool done() const { return at_ >= text_.size(); }
  [[nodiscard]] char peek() const { return text_[at_]; }

  [[nodiscard]] Error error(std::size_t line, std::string_view what) const {
    return make_error(ErrorCode::kInvalid,
                      std::string(name_) + ":" + std::to_string(line) + ": " + std::string(what),
                      "a line is KEY=value, KEY='value', KEY=\"value\" or a # comment");
  }

  void skip_blanks() {
    while (!done() && is_blank(peek())) {
      ++at_;
    }
  }
  // Takes LF or CRLF.
  bool end_of_line() {
    if (!done() && peek() == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') {
      ++at_;
    }
    if (done() || peek() != '\n') {
      return false;
    }
    ++at_;
    ++line_;
    return true;
  }
  void skip_line() {
    while (!done() && peek() != '\n') {
      ++at_;
    }
    end_of_line();
  }

  Expected<std::string> read_name() {
    const std::size_t begin = at_;
    if (!done() && is_name_start(peek())) {
      while (!done() && is_name(peek())) {
        ++at_;
      }
    }
    if (at_ == begin) {
      return error(line_, "expected a name");
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  Expected<EnvEntry> read_entry() {
    EnvEntry entry;
    entry.line = line_;
    AV_TRY(entry.key, read_name());
    if (entry.key == "export" && !done() && is_blank(peek())) {
      skip_blanks();
      AV_TRY(entry.key, read_name());
    }
    skip_blanks();
    if (done() || peek() != '=') {
      return error(line_, "expected '=' after the name");
    }
    ++at_;
    skip_blanks();
    SecretBuffer value;
    if (!done() && (peek() == '"' || peek() == '\'')) {
      AV_CHECK(read_quoted(value));
    } else {
      read_plain(value);
    }
    AV_TRY(entry.value, value.to_secret());
    return entry;
  }

  Status read_quoted(SecretBuffer& value) {
    const std::size_t started = line_;
    const char quote = peek();
    ++at_;
    for (;; ++at_) {
      if (done()) {
        return error(started, "the quote is never closed");
      }
      const char c = peek();
      if (c == quote) {
        break;
      }
      line_ += c == '\n' ? 1 : 0;
      if (c == '\\' && quote == '"' && at_ + 1 < text_.size()) {
        append_escape(value, text_[++at_]);
      } else {
        value.push_back(c);
      }
    }
    ++at_;
    const std::size_t after = at_;
    skip_blanks();
    if (done() || (peek() == '#' && at_ > after)) {
      skip_line();
      return {};
    }
    return end_of_line() ? Status{} : error(line_, "unexpected text behind the closing quote");
  }

  void append_escape(SecretBuffer& value, char c) {
    switch (c) {
      case 'n':
        value.push_back('\n');
        return;
      case 'r':
        value.push_back('\r');
        return;
      case 't':
        value.push_back('\t');
        return;
      case '"':
      case '\\':
      case '$':
        value.push_back(c);
        return;
      case '\n':
        ++line_;
        break;
      default:
        break;
    }
    value.push_back('\\');
    value.push_back(c);
  }

  void read_plain(SecretBuffer& value) {
    const std::size_t begin = at_;
    std::size_t end = at_;
    while (!done() && peek() != '\n') {
      if (peek() == '#' && (at_ == begin || is_blank(text_[at_ - 1]))) {
        break;
      }
      ++at_;
      if (!is_blank(text_[at_ - 1]) && text_[at_ - 1] != '\r') {
        end = at_;
      }
    }
    value.append(text_.substr(begin, end - begin));
    skip_line();
  }

  std::string_view name_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

}  // namespace

Expected<std::vector<EnvEntry>> parse_env_file(std::string_view name, std::string_view text) {
  return EnvParser(name, text).run();
}

}  // namespace av::cmd
