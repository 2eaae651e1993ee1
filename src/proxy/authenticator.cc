#include "proxy/authenticator.h"

#include <algorithm>
#include <optional>
#include <utility>

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

struct Credentials {
  std::string_view scheme;
  std::string_view rest;  // what stands behind it; empty: malformed
};

// RFC 9110 section 11.4.
Credentials split(std::string_view field_value) {
  const std::size_t space = field_value.find(' ');
  if (space == std::string_view::npos) {
    return {};
  }
  Credentials out{field_value.substr(0, space), field_value.substr(space + 1)};
  while (!out.rest.empty() && out.rest.front() == ' ') {
    out.rest.remove_prefix(1);
  }
  return out;
}

// What Basic carries, "user:password"; none when it cannot be read.
std::optional<Secret> decoded_basic(std::string_view encoded) {
  if (encoded.size() > kMaxCredentials) {
    return std::nullopt;
  }
  auto decoded = Secret::with_size(encoding::base64_decoded_bound(encoded.size()));
  if (!decoded) {
    return std::nullopt;
  }
  const auto size = encoding::from_base64(encoded, decoded->writable());
  if (!size) {
    return std::nullopt;
  }
  decoded->truncate(*size);
  return std::move(*decoded);
}

// take(hash, what stood behind it) for each that may be a token. Of Basic both halves are hashed,
// whichever fits: the time tells nothing.
template <typename Take>
void each_token(std::string_view field_value, const Take& take) {
  const Credentials shown = split(field_value);
  if (iequals(shown.scheme, "bearer")) {
    take(crypto::sha256(shown.rest), std::string_view());
    return;
  }
  const auto pair = iequals(shown.scheme, "basic") ? decoded_basic(shown.rest) : std::nullopt;
  if (pair) {
    pair->reveal([&](std::string_view both) {
      const std::size_t colon = both.find(':');
      const std::string_view user = both.substr(0, colon);
      const std::string_view password =
          colon == std::string_view::npos ? std::string_view() : both.substr(colon + 1);
      take(crypto::sha256(user), password);
      take(crypto::sha256(password), std::string_view());
    });
  }
}

// A token in that place does not become a std::string: it has other characters, or is longer.
ShownToken shown(const crypto::Digest& hash, std::string_view behind) {
  ShownToken out;
  out.hash = hash;
  const bool name = is_name(behind) && !behind.starts_with("av_");
  out.vault = name ? std::string(behind) : std::string();
  out.malformed_vault = !name;
  return out;
}

Fault vault_not_permitted() {
  Fault fault;
  fault.status = 403;
  fault.code = "vault_not_permitted";
  fault.message = "this token may not act in the vault that the proxy address names";
  fault.help = "leave the name away, or ask the owner of the vault";
  return fault;
}

}  // namespace

std::vector<ShownToken> shown_tokens(std::string_view field_value) {
  std::vector<ShownToken> out;
  each_token(field_value, [&](const crypto::Digest& hash, std::string_view behind) {
    out.push_back(shown(hash, behind));
  });
  return out;
}

Secret shown_token(std::string_view field_value) {
  if (field_value.size() > kMaxCredentials) {
    return {};
  }
  const Credentials shown = split(field_value);
  if (iequals(shown.scheme, "bearer")) {
    auto token = Secret::copy_of(shown.rest);
    return token ? std::move(*token) : Secret();
  }
  auto pair = iequals(shown.scheme, "basic") ? decoded_basic(shown.rest) : std::nullopt;
  if (!pair) {
    return {};
  }
  pair->truncate(
      pair->reveal([](std::string_view both) { return std::min(both.find(':'), both.size()); }));
  return std::move(*pair);
}

ShownToken shown_vault(std::string_view field_value) {
  const Credentials given = split(field_value);
  const auto pair = iequals(given.scheme, "basic") ? decoded_basic(given.rest) : std::nullopt;
  ShownToken out;
  if (pair) {
    pair->reveal([&](std::string_view both) {
      const std::size_t colon = both.find(':');
      out =
          shown({}, colon == std::string_view::npos ? std::string_view() : both.substr(colon + 1));
    });
  }
  return out;
}

std::optional<ShownToken> authenticate(const SessionGrant& grant, std::string_view field_value) {
  std::optional<ShownToken> found;
  each_token(field_value, [&](const crypto::Digest& hash, std::string_view behind) {
    if (same(hash, grant.token_hash)) {
      found = shown(hash, behind);
    }
  });
  return found;
}

Fault malformed_vault() {
  Fault fault;
  fault.status = 400;
  fault.code = "malformed_vault_name";
  fault.message = "what stands behind the token is no name of a vault";
  fault.help = "http://TOKEN:VAULT@HOST:PORT, with lower-case letters, digits and hyphens";
  return fault;
}

std::optional<Fault> check_vault_hint(const ShownToken& token, std::string_view vault) {
  if (token.malformed_vault) {
    return malformed_vault();
  }
  if (!token.vault.empty() && token.vault != vault) {
    return vault_not_permitted();
  }
  return std::nullopt;
}

}  // namespace av::proxy
