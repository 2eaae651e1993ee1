#pragma once
// Stand-ins for the tokens of a login: what a program gets in their place. They are worthless, and
// hold a placeholder each: the proxy knows them wherever they turn up.

#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"
#include "oauth/http_port.h"
#include "oauth/token_endpoint.h"

namespace av::oauth {

// A placeholder for each ("av_ph_" and 32 letters or digits).
struct StandIns {
  std::string access;
  std::string refresh;
  std::string id;
};
// Whether there is one of these in the text, of whatever run.
[[nodiscard]] bool is_stand_in(std::string_view text);

// Of the shape of `token`: behind the letters that tokens of its kind begin with, or a JWT with its
// claims, which nobody has signed and which is good for a year from `now_ms` on.
[[nodiscard]] std::string stand_in_of(const Secret& token, std::string_view placeholder,
                                      std::int64_t now_ms);

struct ProgramAnswer {
  std::string content_type;
  std::string body;
};
// What a provider has answered (as read by read_token_answer into `tokens`), in its own form, with
// stand-ins that last a year; of the other members those that are known to be no secret. kInvalid:
// something of a token would still be in it.
[[nodiscard]] Expected<ProgramAnswer> program_answer(const HttpAnswer& answer, const Tokens& tokens,
                                                     const StandIns& stand_ins,
                                                     std::int64_t now_ms);
// Its refusal, with the members that RFC 6749 section 5.2, RFC 8628 section 3.5 and GitHub have for
// one; those of its kin where it has none. Nothing else of it passes.
[[nodiscard]] ProgramAnswer program_refusal(const HttpAnswer& answer, const TokenFailure& failure);
// For a later refresh: JSON.
[[nodiscard]] std::string refreshed_answer(const std::string& access, const std::string& refresh,
                                           const std::vector<std::string>& scopes);
// {"error": code, "error_description": words}
[[nodiscard]] std::string refusal_json(std::string_view code, std::string_view words);

}  // namespace av::oauth
