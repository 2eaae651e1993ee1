#include "proxy/authenticator.h"

#include <algorithm>

#include "core/encoding.h"
#include "core/secret.h"
#include "proxy/head.h"

namespace av::proxy {
namespace {

constexpr std::size_t kMaxCredentials = 1024;
constexpr std::size_t kLongestName = 64;  // of a vault

bool is_name(std::string_view text) {
  return text.size() <= kLongestName && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

bool same(const crypto::Digest& a, const crypto::Digest& b) {
  return crypto::constant_time_equal({reinterpret_cast<const char*>(a.data()), a.size()},
                                     {reinterpret_cast<const char*>(b.data()), b.size()});
}

// Both halves of what Basic carries are hashed, whichever fits: the time tells nothing.
template <typename Take>
void basic(std::string_view encoded, const Take& take) {
  if (encoded.size() > kMaxCredentials) {
    return;
  }
  auto decoded = Secret::with_size(encoding::base64_decoded_bound(encoded.size()));
  if (!decoded) {
    return;
  }
  const auto size = encoding::from_base64(encoded, decoded->writable());
  if (!size) {
    return;
  }
  decoded->truncate(*size);
  decoded->reveal([&](std::string_view pair) {
    const std::size_t colon = pair.find(':');
    const std::string_view user = pair.substr(0, colon);
    const std::string_view password =
        colon == std::string_view::npos ? std::string_view() : pair.substr(colon + 1);
    take(crypto::sha256(user), password);
    take(crypto::sha256(password), std::string_view());
  });
}

// take(hash, what stood behind it) for each that may be a token.
template <typename Take>
void each_token(std::string_view field_value, const Take& take) {
  const std::size_t space = field_value.find(' ');
  if (space == std::string_view::npos) {
    return;
  }
  const std::string_view scheme = field_value.substr(0, space);
  std::string_view rest = field_value.substr(space + 1);
  while (!rest.empty() && rest.front() == ' ') {
    rest.remove_prefix(1);
  }
  if (iequals(scheme, "bearer")) {
    take(crypto::sha256(rest), std::string_view());
  } else if (iequals(scheme, "basic")) {
    basic(rest, take);
  }
}

}  // namespace

std::vector<ShownToken> shown_tokens(std::string_view field_value) {
  std::vector<ShownToken> out;
  each_token(field_value, [&](const crypto::Digest& hash, std::string_view behind) {
    // A token in that place does not become a std::string: it has other characters, or is longer.
    const bool name = is_name(behind) && !behind.starts_with("av_");
    out.push_back(ShownToken{hash, name ? std::string(behind) : std::string()});
  });
  return out;
}

bool authenticate(const SessionGrant& grant, std::string_view field_value) {
  bool found = false;
  each_token(field_value, [&](const crypto::Digest& hash, std::string_view /*behind*/) {
    found = same(hash, grant.token_hash) || found;
  });
  return found;
}

}  // namespace av::proxy
