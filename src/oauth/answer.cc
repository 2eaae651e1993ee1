#include "oauth/answer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/ascii.h"
#include "core/encoding.h"
#include "oauth/form.h"

namespace av::oauth {
namespace {

using vault::JsonDocument;

enum class BodyKind : std::uint8_t { kJson, kForm, kNeither };

std::string type_of(const HttpAnswer& answer) {
  const std::string_view named = answer.content_type;
  return ascii::lower(ascii::trim(named.substr(0, named.find(';'))));
}

// What begins like an object is one, whatever it is called: it may hold the only good refresh
// token.
BodyKind kind_of(const HttpAnswer& answer, std::string_view body) {
  const std::size_t first = body.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && body[first] == '{') {
    return BodyKind::kJson;
  }
  return type_of(answer) == "application/x-www-form-urlencoded" ? BodyKind::kForm
                                                                : BodyKind::kNeither;
}

// Empty when it is no form.
SecretBuffer form_as_json(std::string_view body) {
  SecretBuffer out;
  const auto fields = read_form(body);
  if (!fields || fields->empty()) {
    return out;
  }
  for (const FormField& field : *fields) {
    out.append(out.empty() ? "{\"" : ",\"");
    encoding::append_json_escaped(out, field.name);
    out.append("\":\"");
    encoding::append_json_escaped(out, field.value.view());
    out.push_back('"');
  }
  out.push_back('}');
  return out;
}

void use_json(std::string_view body, const UseAnswer& use) {
  const auto document = JsonDocument::parse(body);
  if (!document || !document->root().is(JsonView::Kind::kObject)) {
    use(std::nullopt);
    return;
  }
  use(document->root());
}

std::string first_text(const JsonView& object, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    std::string text = text_of(object, name);
    if (!text.empty()) {
      return text;
    }
  }
  return {};
}

bool is_true(const JsonView& object, std::string_view name, bool wanted) {
  const auto found = object.find(name);
  return found && found->boolean() == std::optional(wanted);
}

}  // namespace

void read_answer(const HttpAnswer& answer, const UseAnswer& use) {
  answer.body.reveal([&](std::string_view body) {
    switch (kind_of(answer, body)) {
      case BodyKind::kJson:
        use_json(body, use);
        return;
      case BodyKind::kForm:
        use_json(form_as_json(body).view(), use);
        return;
      case BodyKind::kNeither:
        use(std::nullopt);
        return;
    }
  });
}

bool says_json(const HttpAnswer& answer) {
  const std::string type = type_of(answer);
  return type.empty() || type == "application/json" || type == "text/json" ||
         type == "text/javascript" || (type.starts_with("application/") && type.ends_with("+json"));
}

std::string bounded(std::string_view text) {
  constexpr std::size_t kMost = 200;
  if (text.size() > kMost) {
    text = text.substr(0, kMost);
    // Not in the middle of a character.
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0U) == 0x80U) {
      text.remove_suffix(1);
    }
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0U) {
      text.remove_suffix(1);
    }
  }
  std::string out = encoding::printable(text);
  // Escapes are longer than what they stand for.
  if (out.size() > 2 * kMost) {
    out = "(unprintable)";
  }
  return out;
}

std::string code_word(std::string_view text) {
  constexpr std::size_t kMost = 64;
  const bool good = !text.empty() && text.size() <= kMost &&
                    std::all_of(text.begin(), text.end(),
                                [](char c) { return ascii::is_word(c) || c == '-' || c == '.'; });
  return good ? ascii::lower(text) : std::string();
}

ErrorWords error_words(const JsonView& object, bool failed) {
  ErrorWords out;
  const auto error = object.find("error");
  const bool named = error && !error->is(JsonView::Kind::kNull) && error->boolean() != false &&
                     !(error->is(JsonView::Kind::kString) && error->text().empty());
  if (named && error->is(JsonView::Kind::kObject)) {
    // {"error": {"code": ..., "message": ...}}: OpenAI, Google's APIs, Anthropic ("type").
    out.code = code_word(first_text(*error, {"code", "type", "status"}));
    out.message = first_text(*error, {"message", "error_description"});
  } else if (named) {
    out.code = code_word(error->text());
  }
  if (!named && !failed && !is_true(object, "ok", false)) {
    return {};
  }
  if (out.code.empty()) {
    // {"status": "BAD_REFRESH_TOKEN"}: HubSpot; {"code": "validation_error"}: Notion.
    out.code = code_word(first_text(object, {"error_code", "code", "status"}));
  }
  if (out.code.empty() && !failed) {
    out.code = "error";
  }
  if (out.message.empty()) {
    out.message = first_text(object, {"error_description", "message", "error_message", "reason"});
  }
  out.message = bounded(out.message);
  return out;
}

std::string text_of(const JsonView& object, std::string_view name) {
  const auto found = object.find(name);
  return found ? found->text() : std::string();
}

std::int64_t seconds_of(const JsonView& object, std::string_view name) {
  constexpr std::int64_t kMost = std::int64_t{10} * 366 * 24 * 3600;
  const auto found = object.find(name);
  if (!found) {
    return 0;
  }
  std::string digits;
  if (found->is(JsonView::Kind::kNumber)) {
    digits = std::string(found->source());
  } else {
    digits = found->text();
  }
  // 3599.8 is 3599; 3.6e3 is nobody's way to say an hour.
  const std::size_t point = digits.find('.');
  if (point != std::string::npos && point + 1 < digits.size() &&
      digits.find_first_not_of("0123456789", point + 1) == std::string::npos) {
    digits.resize(point);
  }
  std::int64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, value);
  return error == std::errc() && at == end && value > 0 && value <= kMost ? value : 0;
}

}  // namespace av::oauth
