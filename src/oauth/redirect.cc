// The answer that comes back through the browser. Whoever can open a URL can write one: nothing in
// it counts before its state has been recognised.

#include <algorithm>
#include <map>

#include "core/ascii.h"
#include "core/crypto.h"
#include "oauth/answer.h"
#include "oauth/authorization.h"
#include "oauth/form.h"

namespace av::oauth {
namespace {

constexpr std::size_t kMostQuery = std::size_t{16} << 10;
constexpr std::size_t kMostCode = std::size_t{8} << 10;

Error malformed(std::string message, std::string hint = {}) {
  return make_error(ErrorCode::kInvalid, std::move(message), std::move(hint));
}

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kBlanks) + 1 - first);
}

// The query of what was pasted; of a URL only if it is the one that was asked for.
Expected<std::string_view> query_of(std::string_view text, std::string_view redirect_uri) {
  text = without_blanks(text);
  if (text.size() > kMostQuery) {
    return malformed("the answer is larger than 16 KiB");
  }
  if (text.starts_with("https://") || text.starts_with("http://")) {
    text = text.substr(0, text.find('#'));
    const std::size_t mark = text.find('?');
    // A redirect URI may have a query of its own, which comes back in front.
    const std::string_view base = redirect_uri.substr(0, redirect_uri.find('?'));
    if (text.substr(0, mark) != base) {
      return malformed(
          "this is not the address that the provider sends people back to",
          "paste what the browser's address line shows: " + std::string(base) + "?code=...");
    }
    text = mark == std::string_view::npos ? std::string_view() : text.substr(mark);
  }
  if (text.starts_with('?')) {
    text.remove_prefix(1);
  }
  return text;
}

class Answer {
 public:
  static Expected<Answer> read(std::string_view query) {
    auto fields = read_form(query);
    if (!fields) {
      return malformed("the answer's query is malformed");
    }
    Answer out;
    for (FormField& field : *fields) {
      // RFC 6749 section 3.1: "Request and response parameters MUST NOT be included more than
      // once."
      if (out.fields_.count(field.name) != 0) {
        return malformed("the answer has a parameter twice");
      }
      out.fields_.emplace(std::move(field.name), std::move(field.value));
    }
    return out;
  }
  [[nodiscard]] std::string_view value(std::string_view name) const {
    const auto found = fields_.find(name);
    return found == fields_.end() ? std::string_view() : found->second.view();
  }

 private:
  std::map<std::string, SecretBuffer, std::less<>> fields_;
};

Status check_issuer(const vault::OauthClient& client, std::string_view iss) {
  // RFC 9207 section 2.4: compared as strings, "the client MUST reject ... authorization responses
  // without the iss parameter from authorization servers that do support it".
  const bool wrong = !client.issuer.empty() && !iss.empty() && iss != client.issuer;
  const bool missing = iss.empty() && client.requires_iss;
  if (wrong || missing) {
    return make_error(ErrorCode::kNotPermitted,
                      wrong ? "the answer comes from another issuer than the one that was asked"
                            : "the answer does not say which issuer it comes from",
                      "start again; if it happens again, somebody may be mixing up providers");
  }
  return {};
}

Error refusal(const Answer& answer) {
  const std::string code = code_word(answer.value("error"));
  const std::string words = bounded(answer.value("error_description"));
  std::string message = "the provider refused: " + (code.empty() ? std::string("error") : code);
  if (!words.empty()) {
    message += " (" + words + ")";
  }
  return make_error(ErrorCode::kConflict, std::move(message));
}

}  // namespace

Expected<Secret> code_from_redirect(const vault::OauthClient& client, const CodeAttempt& attempt,
                                    std::string_view query_or_url) {
  AV_TRY(const std::string_view query, query_of(query_or_url, attempt.redirect_uri));
  AV_TRY(const Answer answer, Answer::read(query));
  const std::string_view state = answer.value("state");
  const bool known = !attempt.state.empty() && attempt.state.reveal([&](std::string_view own) {
    return crypto::constant_time_equal(own, state);
  });
  if (!known) {
    return make_error(
        ErrorCode::kNotPermitted,
        state.empty() ? "the answer has no state" : "the answer belongs to another attempt",
        "start again, and use the address of this attempt only");
  }
  AV_CHECK(check_issuer(client, answer.value("iss")));
  const std::string_view code = answer.value("code");
  if (!answer.value("error").empty()) {
    return code.empty() ? Expected<Secret>(refusal(answer))
                        : malformed("the answer has both a code and an error");
  }
  if (code.empty() || code.size() > kMostCode ||
      !std::all_of(code.begin(), code.end(), [](char c) { return c >= ' ' && c < '\x7f'; })) {
    return malformed("the answer has no usable code");
  }
  return Secret::copy_of(code);
}

}  // namespace av::oauth
