#pragma once
// What a provider has answered, read where it lies: it may hold tokens. Internal to this library.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "oauth/http_port.h"
#include "vault/json_view.h"

namespace av::oauth {

using vault::JsonView;

// `use` is called once: with the object that the body is, or with nothing when it is none. The body
// is JSON when it begins like an object, whatever its content type; else, by that, it may be a
// form, which is shown as an object of strings.
using UseAnswer = std::function<void(const std::optional<JsonView>& object)>;
void read_answer(const HttpAnswer& answer, const UseAnswer& use);

// Its content type is one of JSON, or there is none. What is not JSON by that may be anybody's
// upload at the host that was asked: it is no metadata.
[[nodiscard]] bool says_json(const HttpAnswer& answer);

// Text of others for people: printable, at most some 200 characters.
[[nodiscard]] std::string bounded(std::string_view text);
// A name for programs ("invalid_grant"), or empty when it is none.
[[nodiscard]] std::string code_word(std::string_view text);

// "Error words": RFC 6749 section 5.2 and what providers say instead. Empty `code`: none.
struct ErrorWords {
  std::string code;
  std::string message;
};
// `failed`: the status says so; without that, only what says clearly that it is an error is one.
[[nodiscard]] ErrorWords error_words(const JsonView& object, bool failed);

// A member that is a string; empty when it is absent or something else.
[[nodiscard]] std::string text_of(const JsonView& object, std::string_view name);
// Seconds of a number or of digits in a string; 0 when absent, below 1 or above ten years.
[[nodiscard]] std::int64_t seconds_of(const JsonView& object, std::string_view name);

}  // namespace av::oauth
