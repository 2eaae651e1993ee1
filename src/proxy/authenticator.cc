#include "proxy/authenticator.h"

#include "core/encoding.h"
#include "core/secret.h"
#include "proxy/head.h"

namespace av::proxy {
namespace {

constexpr std::size_t kMaxCredentials = 1024;

bool is_token_of(const SessionGrant& grant, std::string_view token) {
  const crypto::Digest digest = crypto::sha256(token);
  return crypto::constant_time_equal(
      {reinterpret_cast<const char*>(digest.data()), digest.size()},
      {reinterpret_cast<const char*>(grant.token_hash.data()), grant.token_hash.size()});
}

bool basic(const SessionGrant& grant, std::string_view encoded) {
  if (encoded.size() > kMaxCredentials) {
    return false;
  }
  auto decoded = Secret::with_size(encoding::base64_decoded_bound(encoded.size()));
  if (!decoded) {
    return false;
  }
  const auto size = encoding::from_base64(encoded, decoded->writable());
  if (!size) {
    return false;
  }
  decoded->truncate(*size);
  return decoded->reveal([&](std::string_view pair) {
    const std::size_t colon = pair.find(':');
    const std::string_view user = pair.substr(0, colon);
    const std::string_view password =
        colon == std::string_view::npos ? std::string_view() : pair.substr(colon + 1);
    // Both are hashed, whichever fits: the time tells nothing.
    const bool by_user = is_token_of(grant, user);
    const bool by_password = is_token_of(grant, password);
    return by_user || by_password;
  });
}

}  // namespace

bool authenticate(const SessionGrant& grant, std::string_view field_value) {
  const std::size_t space = field_value.find(' ');
  if (space == std::string_view::npos) {
    return false;
  }
  const std::string_view scheme = field_value.substr(0, space);
  std::string_view rest = field_value.substr(space + 1);
  while (!rest.empty() && rest.front() == ' ') {
    rest.remove_prefix(1);
  }
  if (iequals(scheme, "bearer")) {
    return is_token_of(grant, rest);
  }
  return iequals(scheme, "basic") && basic(grant, rest);
}

}  // namespace av::proxy
