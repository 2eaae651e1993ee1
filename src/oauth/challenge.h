#pragma once
// What a 401 says about where to get a token (RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9728
// section 5.1). Internal to this library.

#include <string>
#include <string_view>

namespace av::oauth {

struct BearerChallenge {
  std::string resource_metadata;
  std::string scope;
};
// The parameters of the Bearer challenge among those of a WWW-Authenticate; empty where there is
// none, or the field is malformed before it.
[[nodiscard]] BearerChallenge bearer_challenge(std::string_view www_authenticate);

}  // namespace av::oauth
