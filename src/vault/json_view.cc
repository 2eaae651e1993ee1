#include "vault/json_view.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/encoding.h"
#include "core/utf8.h"

namespace av::vault {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Four hex digits at `at`, or -1.
int code_unit(std::string_view text, std::size_t at) {
  if (text.size() < 4 || at > text.size() - 4) {
    return -1;
  }
  int value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const int digit = hex_digit(text[i]);
    if (digit < 0) {
      return -1;
    }
    value = value * 16 + digit;
  }
  return value;
}

char plain_escape(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;  // quote, backslash, slash: the parser lets nothing else through
  }
}

// The inside of a string that the parser has accepted. It never gets longer.
template <typename Put>
void decode(std::string_view inside, const Put& put) {
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] != '\\') {
      put(inside[i]);
      continue;
    }
    ++i;
    if (inside[i] != 'u') {
      put(plain_escape(inside[i]));
      continue;
    }
    auto point = static_cast<std::uint32_t>(code_unit(inside, i + 1));
    i += 4;
    if (point >= 0xD800 && point < 0xDC00) {
      const auto low = static_cast<std::uint32_t>(code_unit(inside, i + 3));
      point = 0x10000 + ((point - 0xD800) << 10U) + (low - 0xDC00);
      i += 6;
    }
    put_utf8(point, put);
  }
}

std::string decoded(std::string_view inside) {
  std::string out;
  decode(inside, [&](char c) { out += c; });
  return out;
}

}  // namespace

class JsonParser {
 public:
  explicit JsonParser(JsonDocument& document) : document_(document), text_(document.text_) {}

  Status run() {
    skip_space();
    AV_CHECK(value(0));
    skip_space();
    return at_ == text_.size() ? Status{} : bad("something follows the value");
  }

 private:
  using Kind = JsonView::Kind;

  [[nodiscard]] Error bad(std::string_view why) const {
    return make_error(ErrorCode::kInvalid, "the body is no JSON that this reads: at byte " +
                                               std::to_string(at_) + ", " + std::string(why));
  }
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ < text_.size() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }

  Status value(std::size_t depth) {
    if (depth > JsonDocument::kMaxDepth) {
      return bad("too many levels");
    }
    if (document_.nodes_.size() >= JsonDocument::kMaxNodes) {
      return bad("too many values");
    }
    const std::size_t node = document_.nodes_.size();
    document_.nodes_.emplace_back();
    document_.nodes_[node].begin = static_cast<std::uint32_t>(at_);
    Status read = contents(node, depth);
    JsonDocument::Node& own = document_.nodes_[node];
    own.next = static_cast<std::uint32_t>(document_.nodes_.size());
    if (own.kind != Kind::kString) {
      own.end = static_cast<std::uint32_t>(at_);
    }
    return read;
  }

  Status contents(std::size_t node, std::size_t depth) {
    switch (peek()) {
      case '{':
        document_.nodes_[node].kind = Kind::kObject;
        return object(node, depth);
      case '[':
        document_.nodes_[node].kind = Kind::kArray;
        return array(node, depth);
      case '"':
        document_.nodes_[node].kind = Kind::kString;
        return string(document_.nodes_[node].begin, document_.nodes_[node].end);
      case 't':
        document_.nodes_[node].kind = Kind::kBool;
        return word("true");
      case 'f':
        document_.nodes_[node].kind = Kind::kBool;
        return word("false");
      case 'n':
        return word("null");
      default:
        document_.nodes_[node].kind = Kind::kNumber;
        return number();
    }
  }

  Status word(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted) {
      return bad("a value was expected");
    }
    at_ += wanted.size();
    return {};
  }

  std::size_t digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      ++at_;
    }
    return at_ - begin;
  }

  Status number() {
    (void)take('-');
    const bool zero = peek() == '0';
    const std::size_t whole = digits();
    if (whole == 0 || (zero && whole > 1)) {
      return bad("a value was expected");
    }
    if (take('.') && digits() == 0) {
      return bad("a digit was expected");
    }
    if (take('e') || take('E')) {
      if (!take('+')) {
        (void)take('-');
      }
      if (digits() == 0) {
        return bad("a digit was expected");
      }
    }
    return {};
  }

  // `begin` and `end`: of what is between the quotes.
  Status string(std::uint32_t& begin, std::uint32_t& end) {
    if (!take('"')) {
      return bad("a string was expected");
    }
    const std::size_t first = at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) {
        return bad("a control character in a string");
      }
      if (text_[at_] == '\\') {
        AV_CHECK(escape());
      } else {
        ++at_;
      }
    }
    begin = static_cast<std::uint32_t>(first);
    end = static_cast<std::uint32_t>(at_);
    return take('"') ? Status{} : bad("a string without an end");
  }

  Status escape() {
    ++at_;
    const char kind = peek();
    if (kind != 'u') {
      if (kind == '\0' || std::string_view("\"\\/bfnrt").find(kind) == std::string_view::npos) {
        return bad("an unknown escape in a string");
      }
      ++at_;
      return {};
    }
    const int unit = code_unit(text_, at_ + 1);
    if (unit < 0) {
      return bad("an unknown escape in a string");
    }
    at_ += 5;
    if (unit < 0xD800 || unit > 0xDFFF) {
      return {};
    }
    const int low = text_.substr(at_, 2) == "\\u" ? code_unit(text_, at_ + 2) : -1;
    if (unit > 0xDBFF || low < 0xDC00 || low > 0xDFFF) {
      return bad("half of a surrogate pair in a string");
    }
    at_ += 6;
    return {};
  }

  Status array(std::size_t node, std::size_t depth) {
    ++at_;
    skip_space();
    if (take(']')) {
      return {};
    }
    for (;;) {
      skip_space();
      ++document_.nodes_[node].count;
      AV_CHECK(value(depth + 1));
      skip_space();
      if (take(']')) {
        return {};
      }
      if (!take(',')) {
        return bad("a comma or \"]\" was expected");
      }
    }
  }

  Status object(std::size_t node, std::size_t depth) {
    ++at_;
    skip_space();
    std::vector<std::string> names;
    if (take('}')) {
      return {};
    }
    for (;;) {
      skip_space();
      std::uint32_t begin = 0;
      std::uint32_t end = 0;
      AV_CHECK(string(begin, end));
      names.push_back(decoded(text_.substr(begin, end - begin)));
      skip_space();
      if (!take(':')) {
        return bad("a colon was expected");
      }
      skip_space();
      const std::size_t child = document_.nodes_.size();
      ++document_.nodes_[node].count;
      AV_CHECK(value(depth + 1));
      document_.nodes_[child].name_begin = begin;
      document_.nodes_[child].name_end = end;
      skip_space();
      if (take('}')) {
        return no_name_twice(std::move(names));
      }
      if (!take(',')) {
        return bad("a comma or \"}\" was expected");
      }
    }
  }

  Status no_name_twice(std::vector<std::string> names) const {
    std::sort(names.begin(), names.end());
    return std::adjacent_find(names.begin(), names.end()) == names.end()
               ? Status{}
               : bad("a member is there twice");
  }

  JsonDocument& document_;
  std::string_view text_;
  std::size_t at_ = 0;
};

Expected<JsonDocument> JsonDocument::parse(std::string_view body) {
  JsonDocument document;
  document.text_ = body;
  if (!encoding::is_utf8(document.text_)) {
    return make_error(ErrorCode::kInvalid, "the body is no JSON: it is not UTF-8");
  }
  AV_CHECK(JsonParser(document).run());
  return document;
}

JsonView::Kind JsonView::kind() const {
  return document_->nodes_[node_].kind;
}

std::vector<JsonView> JsonView::children() const {
  std::vector<JsonView> out;
  const JsonDocument::Node& own = document_->nodes_[node_];
  out.reserve(own.count);
  for (std::uint32_t child = node_ + 1; child < own.next; child = document_->nodes_[child].next) {
    out.push_back({*document_, child});
  }
  return out;
}

std::optional<JsonView> JsonView::find(std::string_view name) const {
  if (kind() != Kind::kObject) {
    return std::nullopt;
  }
  const JsonDocument::Node& own = document_->nodes_[node_];
  for (std::uint32_t child = node_ + 1; child < own.next; child = document_->nodes_[child].next) {
    const JsonView view(*document_, child);
    if (view.name() == name) {
      return view;
    }
  }
  return std::nullopt;
}

std::string JsonView::name() const {
  const JsonDocument::Node& own = document_->nodes_[node_];
  return decoded(document_->text_.substr(own.name_begin, own.name_end - own.name_begin));
}

std::string_view JsonView::source() const {
  const JsonDocument::Node& own = document_->nodes_[node_];
  return kind() == Kind::kString ? document_->text_.substr(own.begin - 1, own.end - own.begin + 2)
                                 : document_->text_.substr(own.begin, own.end - own.begin);
}

std::string JsonView::text() const {
  const JsonDocument::Node& own = document_->nodes_[node_];
  return kind() == Kind::kString ? decoded(document_->text_.substr(own.begin, own.end - own.begin))
                                 : std::string();
}

Expected<Secret> JsonView::secret() const {
  if (kind() != Kind::kString) {
    return make_error(ErrorCode::kInvalid, "a value must be a string");
  }
  const JsonDocument::Node& own = document_->nodes_[node_];
  const std::string_view inside = document_->text_.substr(own.begin, own.end - own.begin);
  if (inside.empty()) {
    return Secret();
  }
  AV_TRY(Secret out, Secret::with_size(inside.size()));
  std::size_t size = 0;
  const auto bytes = out.writable();
  decode(inside, [&](char c) { bytes[size++] = static_cast<std::uint8_t>(c); });
  out.truncate(size);
  return out;
}

std::optional<bool> JsonView::boolean() const {
  return kind() == Kind::kBool ? std::optional(source() == "true") : std::nullopt;
}

std::optional<std::int64_t> JsonView::integer() const {
  if (kind() != Kind::kNumber) {
    return std::nullopt;
  }
  const std::string_view digits = source();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size() ? std::optional(value)
                                                                      : std::nullopt;
}

}  // namespace av::vault
