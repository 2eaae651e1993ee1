#include "vault/body_conditions.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/ascii.h"
#include "vault/body_text.h"

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

// Some readers (Go's, .NET's) take a member of another case for the one that they look for; Go's
// fold these two letters as well.
std::string folded(std::string_view name) {
  std::string out;
  for (std::size_t at = 0; at < name.size(); ++at) {
    if (name.substr(at, 2) == "\xc5\xbf") {  // long s
      out.push_back('s');
      at += 1;
    } else if (name.substr(at, 3) == "\xe2\x84\xaa") {  // the sign for kelvin
      out.push_back('k');
      at += 2;
    } else {
      out.push_back(ascii::lower(name[at]));
    }
  }
  return out;
}

// Follows a document event by event, so that memory does not grow with it, and compares `value`
// with what is at `pointer`.
class Walk : public nlohmann::json_sax<Json> {
 public:
  Walk(std::string_view pointer, Json value) : value_(std::move(value)) {
    for (std::string& name : tokens_of(pointer)) {
      std::string fold = folded(name);
      tokens_.push_back({std::move(name), std::move(fold)});
    }
  }

  // After a document that was read to its end. A member that is there twice, or in another case, is
  // every reader's own affair; that none of the values equals is not.
  [[nodiscard]] BodyAnswer answer() const {
    if (!found_) {
      return BodyAnswer::kNo;
    }
    return ambiguous_ ? BodyAnswer::kUnreadable : BodyAnswer::kYes;
  }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(value); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override {
    return scalar(value);
  }
  bool string(string_t& value) override { return scalar(value); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return open(/*array=*/false); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*size*/) override { return open(/*array=*/true); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    Level& level = levels_.back();
    level.here = false;
    if (level.on_path && levels_.size() <= tokens_.size()) {
      const Token& token = tokens_[levels_.size() - 1];
      const bool exact = token.name == name;
      level.here = exact || token.fold == folded(name);
      ambiguous_ = ambiguous_ || (level.here && (!exact || level.seen));
      level.seen = level.seen || level.here;
    }
    return true;
  }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

 private:
  struct Token {
    std::string name;
    std::string fold;
  };
  struct Level {
    bool on_path = false;  // the tokens lead through here
    bool array = false;
    bool here = false;  // the member that comes next is on the path
    bool seen = false;  // such a member was there already
    std::uint64_t index = 0;
  };

  // Whether the value that begins now is on the path to the pointer.
  bool enter() {
    if (levels_.empty()) {
      return true;
    }
    Level& level = levels_.back();
    if (!level.array) {
      return level.here;
    }
    const std::uint64_t index = level.index++;
    return level.on_path && levels_.size() <= tokens_.size() &&
           tokens_[levels_.size() - 1].name == std::to_string(index);
  }
  template <typename Value>
  bool scalar(const Value& value) {
    if (enter() && levels_.size() == tokens_.size()) {
      compare(Json(value));
    }
    return true;
  }
  void compare(const Json& value) {
    const bool numbers = value.is_number() && value_.is_number();
    const bool same_kind = !numbers || value.is_number_integer() == value_.is_number_integer();
    if (same_kind && value == value_) {
      found_ = true;
    } else if (numbers && value.get<double>() == value_.get<double>()) {
      // Equal to whoever reads numbers as floating point (RFC 8259 section 6).
      found_ = true;
      ambiguous_ = true;
    }
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

  std::vector<Token> tokens_;
  Json value_;
  std::vector<Level> levels_;
  bool found_ = false;
  bool ambiguous_ = false;
};

BodyAnswer json_equals(const BodyCondition& condition, std::string_view body) {
  if (body.empty()) {
    return BodyAnswer::kNo;
  }
  Json value = Json::parse(condition.value, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    return BodyAnswer::kUnreadable;
  }
  Walk visitor(condition.pointer, std::move(value));
  const bool whole = Json::sax_parse(body.begin(), body.end(), &visitor);
  return whole ? visitor.answer() : BodyAnswer::kUnreadable;
}

}  // namespace

bool is_json_scalar(std::string_view text) {
  const Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return !value.is_discarded() && value.is_primitive();
}

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
                               ? body_contains(condition.value, body.bytes, restricts(rule.action))
                               : json_equals(condition, body.bytes);
    if (one == BodyAnswer::kNo) {
      return one;
    }
    all = one == BodyAnswer::kUnreadable ? one : all;
  }
  return all;
}

}  // namespace av::vault
