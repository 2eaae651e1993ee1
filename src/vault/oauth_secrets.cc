// OauthSecrets as one text: "1 12 0 5\n", the version and three sizes, and then the parts.

#include <array>

#include "vault/oauth.h"
#include "vault/packed_text.h"

namespace av::vault {
namespace {

constexpr std::size_t kMostPart = std::size_t{64} << 10;
constexpr std::size_t kMostHead = 64;

Error damaged() {
  return make_error(ErrorCode::kCorrupt, "the stored secrets of an OAuth credential are damaged");
}

Expected<OauthSecrets> unpacked(std::string_view text) {
  std::size_t version = 0;
  std::array<std::size_t, 3> sizes{};
  std::string_view head = text.substr(0, kMostHead);
  const std::size_t before = head.size();
  if (!take_number(head, ' ', version) || version != 1 || !take_number(head, ' ', sizes[0]) ||
      !take_number(head, ' ', sizes[1]) || !take_number(head, '\n', sizes[2])) {
    return damaged();
  }
  text.remove_prefix(before - head.size());
  OauthSecrets out;
  const std::array<Secret*, 3> parts = {&out.client_secret, &out.refresh_token, &out.private_key};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (sizes[i] > kMostPart || sizes[i] > text.size()) {
      return damaged();
    }
    AV_TRY(*parts[i], Secret::copy_of(text.substr(0, sizes[i])));
    text.remove_prefix(sizes[i]);
  }
  if (!text.empty()) {
    return damaged();
  }
  return out;
}

}  // namespace

Expected<Secret> pack(const OauthSecrets& secrets) {
  const std::array<const Secret*, 3> parts = {&secrets.client_secret, &secrets.refresh_token,
                                              &secrets.private_key};
  SecretBuffer out;
  std::string head = "1";
  std::size_t total = kMostHead;
  for (const Secret* part : parts) {
    if (part->size() > kMostPart) {
      return make_error(ErrorCode::kInvalid,
                        "a secret of an OAuth credential is larger than 64 KiB");
    }
    head += " " + std::to_string(part->size());
    total += part->size();
  }
  out.reserve(total);
  out.append(head + "\n");
  for (const Secret* part : parts) {
    out.append(*part);
  }
  return out.to_secret();
}

Expected<OauthSecrets> unpack_oauth_secrets(const Secret& packed) {
  return packed.reveal([](std::string_view text) { return unpacked(text); });
}

}  // namespace av::vault
