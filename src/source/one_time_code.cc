#include "source/one_time_code.h"

#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "core/ascii.h"
#include "source/keyed_hash.h"

namespace av::source {
namespace {

constexpr std::size_t kMostText = 2'048;
constexpr std::int64_t kMostPeriod = 86'400;

struct Recipe {
  HashKind hash = HashKind::kSha1;
  std::int64_t digits = 6;
  std::int64_t period_s = 30;
  bool steam = false;
  SecretBuffer seed;  // in base32
};

// RFC 4648 section 6; lower case, spaces, hyphens and missing padding are taken, as people copy
// seeds.
std::optional<Secret> base32(std::string_view text) {
  SecretBuffer out;
  std::uint32_t bits = 0;
  unsigned held = 0;
  bool padding = false;
  for (const char raw : text) {
    const char c = ascii::upper(raw);
    if (c == ' ' || c == '-') {
      continue;
    }
    if (c == '=') {
      padding = true;
      continue;
    }
    const int value = c >= 'A' && c <= 'Z' ? c - 'A' : c >= '2' && c <= '7' ? c - '2' + 26 : -1;
    if (value < 0 || padding) {
      return std::nullopt;
    }
    bits = (bits << 5U | static_cast<std::uint32_t>(value)) & 0xfffU;
    held += 5;
    if (held >= 8) {
      held -= 8;
      out.push_back(static_cast<char>(bits >> held & 0xffU));
    }
  }
  auto secret = out.to_secret();
  if (!secret || secret->empty()) {
    return std::nullopt;
  }
  return std::move(*secret);
}

std::optional<SecretBuffer> percent_decoded(std::string_view text) {
  SecretBuffer out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) {
      return std::nullopt;
    }
    const int high = ascii::hex_value(text[i + 1]);
    const int low = ascii::hex_value(text[i + 2]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

bool same_word(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (ascii::lower(a[i]) != lower[i]) {
      return false;
    }
  }
  return true;
}

bool number_in(std::string_view text, std::int64_t least, std::int64_t most, std::int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= least && out <= most;
}

bool parameter(std::string_view name, std::string_view value, Recipe& recipe) {
  if (same_word(name, "secret")) {
    auto seed = percent_decoded(value);
    const bool first = recipe.seed.empty();
    if (seed) {
      recipe.seed = std::move(*seed);
    }
    return first && !recipe.seed.empty();
  }
  if (same_word(name, "digits")) {
    return number_in(value, 1, 10, recipe.digits);
  }
  if (same_word(name, "period")) {
    return number_in(value, 1, kMostPeriod, recipe.period_s);
  }
  if (same_word(name, "encoder")) {
    recipe.steam = recipe.steam || same_word(value, "steam");
    return true;
  }
  if (same_word(name, "algorithm")) {
    if (same_word(value, "sha1")) {
      recipe.hash = HashKind::kSha1;
    } else if (same_word(value, "sha256")) {
      recipe.hash = HashKind::kSha256;
    } else if (same_word(value, "sha512")) {
      recipe.hash = HashKind::kSha512;
    } else {
      return false;
    }
  }
  return true;  // issuer, image...
}

std::optional<Recipe> of_uri(std::string_view text) {
  Recipe recipe;
  const std::size_t question = text.find('?');
  if (question == std::string_view::npos) {
    return std::nullopt;
  }
  text.remove_prefix(question + 1);
  text = text.substr(0, text.find('#'));
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      continue;
    }
    if (!parameter(pair.substr(0, equals), pair.substr(equals + 1), recipe)) {
      return std::nullopt;
    }
  }
  return recipe;
}

std::optional<Recipe> recipe_of(std::string_view text) {
  if (same_word(text.substr(0, 15), "otpauth://totp/") ||
      same_word(text.substr(0, 15), "otpauth://totp?")) {
    return of_uri(text);
  }
  Recipe recipe;
  if (same_word(text.substr(0, 8), "steam://")) {
    recipe.steam = true;
    text.remove_prefix(8);
  } else if (text.find("://") != std::string_view::npos) {
    return std::nullopt;  // otpauth://hotp needs a counter that nobody keeps here
  }
  recipe.seed.append(text);
  return recipe;
}

// RFC 4226 section 5.3.
std::uint32_t truncated(const Secret& digest) {
  return digest.reveal([](std::string_view bytes) {
    const auto at = [&](std::size_t i) {
      return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
    };
    const std::size_t from = at(bytes.size() - 1) & 15U;
    return (at(from) & 0x7fU) << 24U | at(from + 1) << 16U | at(from + 2) << 8U | at(from + 3);
  });
}

SecretBuffer spelled(std::uint64_t value, const Recipe& recipe) {
  constexpr std::string_view kSteam = "23456789BCDFGHJKMNPQRTVWXY";
  SecretBuffer out;
  if (recipe.steam) {
    for (int i = 0; i < 5; ++i) {
      out.push_back(kSteam[value % kSteam.size()]);
      value /= kSteam.size();
    }
    return out;
  }
  std::array<char, 10> digits{};
  for (auto at = digits.rbegin(); at != digits.rend(); ++at) {
    *at = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  out.append(std::string_view(digits.data(), digits.size())
                 .substr(digits.size() - static_cast<std::size_t>(recipe.digits)));
  return out;
}

bool is_code(std::string_view text) {
  return text.size() >= 6 && text.size() <= 10 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::int64_t left_of(std::int64_t wall_ms, std::int64_t period_s) {
  const std::int64_t period = period_s * 1'000;
  return period - wall_ms % period;
}

}  // namespace

std::optional<TotpCode> totp_code(const Secret& kept, std::int64_t wall_ms) {
  return kept.reveal([&](std::string_view text) -> std::optional<TotpCode> {
    text = ascii::trim(text);
    if (text.empty() || text.size() > kMostText || wall_ms < 0) {
      return std::nullopt;
    }
    TotpCode out;
    if (is_code(text)) {
      // Whoever made it did not say for how long: the usual period, from its usual beginning.
      auto code = Secret::copy_of(text);
      if (!code) {
        return std::nullopt;
      }
      out.code = std::move(*code);
      out.left_ms = left_of(wall_ms, 30);
      return out;
    }
    const auto recipe = recipe_of(text);
    const auto seed = recipe ? base32(recipe->seed.view()) : std::nullopt;
    if (!seed) {
      return std::nullopt;
    }
    const auto steps = static_cast<std::uint64_t>(wall_ms / 1'000 / recipe->period_s);
    std::array<char, 8> counter{};
    for (unsigned i = 0; i < 8; ++i) {
      counter[i] = static_cast<char>(steps >> (8 * (7 - i)));
    }
    const auto digest = hmac(recipe->hash, *seed, std::string_view(counter.data(), counter.size()));
    if (!digest) {
      return std::nullopt;
    }
    auto code = spelled(truncated(*digest), *recipe).to_secret();
    if (!code) {
      return std::nullopt;
    }
    out.code = std::move(*code);
    out.left_ms = left_of(wall_ms, recipe->period_s);
    return out;
  });
}

}  // namespace av::source
