#pragma once
// What the API answers, and what it is asked, as JSON. Answers come from a server that may be
// anybody's: what is not as it should be is an error, never a surprise.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/api_client.h"
#include "core/encoding.h"

namespace av::cmd::remote_json {

using Json = nlohmann::json;

// The object in a 2xx.
[[nodiscard]] Expected<Json> ask(ApiClient& api, std::string_view method, std::string_view target,
                                 std::string_view body = {});
[[nodiscard]] Expected<Json> tell(ApiClient& api, std::string_view method, std::string_view target,
                                  const Json& body);

// Of an answer in which nothing is of interest.
[[nodiscard]] inline Status done(const Expected<Json>& answer) {
  return answer ? Status() : Status(answer.error());
}

// A member that is a list of objects; what is none of them is left out.
[[nodiscard]] std::vector<Json> list(const Json& json, const char* name);
[[nodiscard]] std::string text(const Json& json, const char* name);
[[nodiscard]] std::int64_t number(const Json& json, const char* name);
[[nodiscard]] bool flag(const Json& json, const char* name);
[[nodiscard]] std::vector<std::string> texts(const Json& json, const char* name);
// An RFC 3339 time; 0: absent, null or none.
[[nodiscard]] std::int64_t time(const Json& json, const char* name);

// "/v1/vaults/NAME/services", its parts escaped.
[[nodiscard]] std::string path(std::initializer_list<std::string_view> parts);

// `what` cannot be done from here.
[[nodiscard]] Error not_here(std::string_view what, std::string hint = {});

}  // namespace av::cmd::remote_json
