#include "vault/quoting.h"

#include "core/ascii.h"

namespace av::vault {
namespace {

constexpr std::size_t kTellingPart = 6;

// `wanted` in `text`, in whatever case of ASCII letters.
bool contains_folded(std::string_view text, std::string_view wanted) {
  for (std::size_t at = 0; at + wanted.size() <= text.size(); ++at) {
    std::size_t same = 0;
    while (same < wanted.size() && ascii::lower(text[at + same]) == ascii::lower(wanted[same])) {
      ++same;
    }
    if (same == wanted.size()) {
      return true;
    }
  }
  return false;
}

bool quotes_bytes(std::string_view text, std::string_view secret) {
  if (secret.size() <= kTellingPart) {
    return secret.size() >= 4 && contains_folded(text, secret);
  }
  for (std::size_t at = 0; at + kTellingPart <= text.size(); ++at) {
    if (contains_folded(secret, text.substr(at, kTellingPart))) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool quotes(std::string_view text, const Secret& secret) {
  return secret.reveal([&](std::string_view bytes) { return quotes_bytes(text, bytes); });
}

}  // namespace av::vault
