#include "api/setup_code.h"

#include <array>

#include "core/ascii.h"

namespace av::api {
namespace {

// Crockford's base 32: no I, L, O, U, so that what is read off a screen is typed right.
constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kBytes = 16;
constexpr std::size_t kGroup = 5;
constexpr std::size_t kLongest = 64;

char meant(char c) {
  const char upper = ascii::upper(c);
  return upper == 'O' ? '0' : upper == 'I' || upper == 'L' ? '1' : upper;
}

crypto::Digest hash_of(std::string_view given) {
  SecretBuffer plain;
  for (const char c : given.substr(0, kLongest)) {
    if (c != '-' && c != ' ') {
      plain.push_back(meant(c));
    }
  }
  return crypto::sha256(plain.view());
}

}  // namespace

Status SetupCode::make() {
  AV_TRY(const Secret random, crypto::random_secret(kBytes));
  SecretBuffer text;
  random.reveal([&](std::string_view bytes) {
    std::uint32_t bits = 0;
    int have = 0;
    std::size_t digits = 0;
    const auto put = [&](std::uint32_t value) {
      if (digits != 0 && digits % kGroup == 0 && digits < kGroup * 5) {
        text.push_back('-');
      }
      text.push_back(kAlphabet[value & 31]);
      ++digits;
    };
    for (const char c : bytes) {
      bits = (bits << 8) | static_cast<std::uint8_t>(c);
      for (have += 8; have >= 5; have -= 5) {
        put(bits >> (have - 5));
      }
    }
    put(bits << (5 - have));
  });
  hash_ = hash_of(text.view());
  wrong_ = 0;
  AV_TRY(const Secret code, text.to_secret());
  announce_(code);
  return {};
}

bool SetupCode::matches(const Secret& given) {
  if (!hash_) {
    return false;
  }
  const crypto::Digest digest = given.reveal([](std::string_view text) { return hash_of(text); });
  const auto view = [](const crypto::Digest& d) {
    return std::string_view(reinterpret_cast<const char*>(d.data()), d.size());
  };
  if (crypto::constant_time_equal(view(digest), view(*hash_))) {
    return true;
  }
  if (++wrong_ >= kTries) {
    hash_.reset();
    // Without a new one the terminal is the way in.
    static_cast<void>(make().has_value());
  }
  return false;
}

}  // namespace av::api
