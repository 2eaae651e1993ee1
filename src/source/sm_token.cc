#include "source/sm_token.h"

#include <algorithm>
#include <utility>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/bitwarden_reference.h"
#include "source/enc_string.h"
#include "source/ours.h"
#include "vault/json_view.h"

namespace av::source {
namespace {

constexpr std::size_t kKeySize = 16;

Failure bad(const char* what) {
  return failure(Failure::Why::kInvalid, std::string("the access token ") + what,
                 "paste the whole token that Secrets Manager showed: 0.ID.SECRET:KEY");
}

// With or without padding, as the SDK takes it.
Result<Secret> key_of(std::string_view text) {
  while (text.ends_with('=')) {
    text.remove_suffix(1);
  }
  SecretBuffer padded;
  padded.append(text);
  while (padded.size() % 4 != 0) {
    padded.push_back('=');
  }
  AV_TRY(Secret out, ours(Secret::with_size(encoding::base64_decoded_bound(padded.size()))));
  const auto size = encoding::from_base64(padded.view(), out.writable());
  if (!size || *size != kKeySize) {
    return bad("has no key of 16 bytes in base64 behind its colon");
  }
  out.truncate(*size);
  return out;
}

}  // namespace

Result<SmToken> read_sm_token(const Secret& token) {
  return token.reveal([](std::string_view text) -> Result<SmToken> {
    text = ascii::trim(text);
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || text.size() > 512) {
      return bad("has no colon, and so no key");
    }
    AV_TRY(const Secret key, key_of(text.substr(colon + 1)));
    text = text.substr(0, colon);
    if (!text.starts_with("0.")) {
      return bad("is not of version 0");
    }
    text.remove_prefix(2);
    const std::size_t dot = std::min(text.find('.'), text.size());
    const std::string_view secret = text.substr(std::min(dot + 1, text.size()));
    if (!is_uuid(text.substr(0, dot))) {
      return bad("has no identifier");
    }
    if (secret.empty() || !std::all_of(secret.begin(), secret.end(),
                                       [](char c) { return ascii::is_word(c) || c == '-'; })) {
      return bad("has no secret between its second dot and its colon");
    }
    SmToken out;
    out.id = ascii::lower(text.substr(0, dot));
    AV_TRY(out.client_secret, ours(Secret::copy_of(secret)));
    AV_TRY(out.key, ours(shareable_key(key, "accesstoken", "sm-access-token")));
    return out;
  });
}

std::string sm_organization(const Secret& bearer) {
  return bearer.reveal([](std::string_view text) -> std::string {
    const std::size_t first = std::min(text.find('.'), text.size());
    text.remove_prefix(std::min(first + 1, text.size()));
    text = text.substr(0, text.find('.'));
    std::string claims(encoding::base64_decoded_bound(text.size()), '\0');
    const auto size =
        encoding::from_base64(text, {reinterpret_cast<std::uint8_t*>(claims.data()), claims.size()},
                              encoding::Base64::kUrl);
    if (!size) {
      return {};
    }
    claims.resize(*size);
    const auto document = vault::JsonDocument::parse(claims);
    const auto member = document ? document->root().find("organization") : std::nullopt;
    const std::string id = member ? ascii::lower(member->text()) : std::string();
    return is_uuid(id) ? id : std::string();
  });
}

}  // namespace av::source
