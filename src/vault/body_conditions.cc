#include "vault/body_conditions.h"

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "core/ascii.h"
#include "core/encoding.h"

namespace av::vault {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxDepth = 512;

// RFC 6901 section 4.
std::vector<std::string> tokens_of(std::string_view pointer) {
  std::vector<std::string> tokens;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);  // the slash
    const std::size_t end = std::min(pointer.find('/'), pointer.size());
    std::string token;
    for (std::size_t at = 0; at < end; ++at) {
      if (pointer[at] == '~') {
        token.push_back(pointer[++at] == '1' ? '/' : '~');
      } else {
        token.push_back(pointer[at]);
      }
    }
    tokens.push_back(std::move(token));
    pointer.remove_prefix(end);
  }
  return tokens;
}

// Follows a document event by event: memory does not grow with it.
class Walk : public nlohmann::json_sax<Json> {
 public:
  // `value` is compared with what is at `pointer`; nullptr: look for `text` in the strings.
  Walk(std::string_view pointer, const Json* value, std::string_view text)
      : tokens_(tokens_of(pointer)), value_(value), text_(text) {}

  [[nodiscard]] bool found() const { return found_; }
  [[nodiscard]] bool ambiguous() const { return ambiguous_; }

  bool null() override { return scalar(Json(nullptr)); }
  bool boolean(bool value) override { return scalar(Json(value)); }
  bool number_integer(number_integer_t value) override { return scalar(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(Json(value)); }
  bool number_float(number_float_t value, const string_t& /*text*/) override {
    return scalar(Json(value));
  }
  bool string(string_t& value) override {
    look_at(value);
    return scalar(Json(value));
  }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return open(/*array=*/false); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*size*/) override { return open(/*array=*/true); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    look_at(name);
    Level& level = levels_.back();
    level.here = level.on_path && next_token(levels_.size() - 1) == name;
    if (level.here && level.seen) {
      ambiguous_ = true;  // which of the two a server takes is its own business
    }
    level.seen = level.seen || level.here;
    return true;
  }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

 private:
  struct Level {
    bool on_path = false;  // the tokens lead through here
    bool array = false;
    bool here = false;  // the element that comes next is on the path
    bool seen = false;
    std::uint64_t index = 0;
  };

  [[nodiscard]] std::string_view next_token(std::size_t depth) const {
    return depth < tokens_.size() ? std::string_view(tokens_[depth]) : std::string_view();
  }
  void look_at(std::string_view text) {
    found_ = found_ || (value_ == nullptr && text.find(text_) != std::string_view::npos);
  }
  // Whether the value that begins now is on the path to the pointer.
  bool enter() {
    if (levels_.empty()) {
      return true;
    }
    Level& level = levels_.back();
    if (level.array) {
      const bool here = level.on_path && levels_.size() <= tokens_.size() &&
                        next_token(levels_.size() - 1) == std::to_string(level.index);
      ++level.index;
      return here;
    }
    return level.here && levels_.size() <= tokens_.size();
  }
  bool scalar(const Json& value) {
    const bool here = enter() && levels_.size() == tokens_.size();
    if (here && value_ != nullptr) {
      found_ = found_ || equals(value);
    }
    return true;
  }
  [[nodiscard]] bool equals(const Json& value) const {
    if (value.is_number() && value_->is_number()) {
      return value == *value_ || value.get<double>() == value_->get<double>();
    }
    return value == *value_;
  }
  bool open(bool array) {
    if (levels_.size() >= kMaxDepth) {
      return false;
    }
    Level level;
    level.on_path = enter();
    level.array = array;
    levels_.push_back(level);
    return true;
  }
  bool close() {
    levels_.pop_back();
    return true;
  }

  std::vector<std::string> tokens_;
  const Json* value_;
  std::string_view text_;
  std::vector<Level> levels_;
  bool found_ = false;
  bool ambiguous_ = false;
};

bool walk(std::string_view body, Walk& visitor) {
  return Json::sax_parse(body.begin(), body.end(), &visitor);
}

// What a server that looks at the first characters may take for JSON.
bool looks_like_json(std::string_view body) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (body.starts_with(kMark)) {
    body.remove_prefix(kMark.size());
  }
  const std::size_t first = body.find_first_not_of(" \t\r\n\f\v");
  return first != std::string_view::npos &&
         std::string_view("{[\"/#").find(body[first]) != std::string_view::npos;
}

// As application/x-www-form-urlencoded.
std::string form_decoded(std::string_view text) {
  const auto digit = [](char c) {
    return ascii::is_digit(c) ? c - '0' : ascii::lower(c) - 'a' + 10;
  };
  const auto is_hex = [](char c) {
    return ascii::is_digit(c) || (ascii::lower(c) >= 'a' && ascii::lower(c) <= 'f');
  };
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size() && is_hex(text[at + 1]) && is_hex(text[at + 2])) {
      out.push_back(static_cast<char>(digit(text[at + 1]) * 16 + digit(text[at + 2])));
      at += 2;
    } else {
      out.push_back(text[at] == '+' ? ' ' : text[at]);
    }
  }
  return out;
}

BodyAnswer contains(const BodyCondition& condition, std::string_view body, bool strict) {
  if (body.find(condition.value) != std::string_view::npos) {
    return BodyAnswer::kYes;
  }
  if (!strict) {
    return BodyAnswer::kNo;
  }
  if (looks_like_json(body)) {
    Walk visitor({}, nullptr, condition.value);
    if (!walk(body, visitor)) {
      return BodyAnswer::kUnreadable;
    }
    return visitor.found() ? BodyAnswer::kYes : BodyAnswer::kNo;
  }
  const bool encoded = body.find_first_of("%+") != std::string_view::npos;
  return encoded && form_decoded(body).find(condition.value) != std::string::npos ? BodyAnswer::kYes
                                                                                  : BodyAnswer::kNo;
}

BodyAnswer json_equals(const BodyCondition& condition, std::string_view body) {
  if (body.empty()) {
    return BodyAnswer::kNo;
  }
  const Json value = Json::parse(condition.value, nullptr, /*allow_exceptions=*/false);
  Walk visitor(condition.pointer, &value, {});
  if (value.is_discarded() || !walk(body, visitor) || visitor.ambiguous()) {
    return BodyAnswer::kUnreadable;
  }
  return visitor.found() ? BodyAnswer::kYes : BodyAnswer::kNo;
}

}  // namespace

BodyAnswer check_body(const Rule& rule, const BodyView& body) {
  if (rule.body.empty()) {
    return BodyAnswer::kYes;
  }
  if (body.state == BodyView::State::kUnreadable) {
    return BodyAnswer::kUnreadable;
  }
  BodyAnswer all = BodyAnswer::kYes;
  for (const BodyCondition& condition : rule.body) {
    const BodyAnswer one = condition.kind == BodyCondition::Kind::kContains
                               ? contains(condition, body.bytes, restricts(rule.action))
                               : json_equals(condition, body.bytes);
    if (one == BodyAnswer::kNo) {
      return one;
    }
    all = one == BodyAnswer::kUnreadable ? one : all;
  }
  return all;
}

}  // namespace av::vault
