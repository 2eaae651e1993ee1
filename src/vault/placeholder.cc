#include "vault/placeholder.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "core/crypto.h"

namespace av::vault {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::size_t kMinRandom = 16;  // 95 bits: nobody meets it by chance
constexpr std::size_t kMaxRandom = 200;
constexpr std::size_t kMaxShape = 300;

struct Shape {
  std::string_view before;
  std::size_t count = 0;
  std::string_view after;
};

std::optional<Shape> split(std::string_view shape) {
  const std::size_t open = shape.find('{');
  const std::size_t close = shape.find('}');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open + 2 ||
      close > open + 4) {
    return std::nullopt;
  }
  Shape out{shape.substr(0, open), 0, shape.substr(close + 1)};
  for (const char c : shape.substr(open + 1, close - open - 1)) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    out.count = out.count * 10 + static_cast<std::size_t>(c - '0');
  }
  if (out.after.find_first_of("{}") != std::string_view::npos) {
    return std::nullopt;
  }
  return out;
}

void append_random(std::string& out, std::size_t count) {
  // Bytes above the largest multiple of 62 are thrown away, so that every letter is as likely.
  constexpr unsigned kLimit = 256 / 62 * 62;
  std::array<std::uint8_t, 64> pool{};
  while (count > 0) {
    crypto::random_bytes(pool);
    for (const std::uint8_t byte : pool) {
      if (byte < kLimit && count > 0) {
        out.push_back(kAlphabet[byte % kAlphabet.size()]);
        --count;
      }
    }
  }
}

}  // namespace

std::string make_placeholder(std::string_view shape) {
  Shape parts{"av_ph_", 32, ""};
  if (!shape.empty()) {
    parts = split(shape).value_or(parts);
  }
  std::string out(parts.before);
  append_random(out, std::clamp(parts.count, kMinRandom, kMaxRandom));
  out.append(parts.after);
  return out;
}

std::string placeholder_for(const Service& service, std::string_view key) {
  for (const Substitution& substitution : service.substitutions) {
    if (substitution.credential_key == key) {
      return substitution.placeholder;
    }
  }
  return make_placeholder(service.placeholder_shape);
}

Status check_placeholder_shape(std::string_view shape) {
  const auto fail = [](std::string message) {
    return make_error(ErrorCode::kInvalid, std::move(message),
                      "write literal text and one {N}, like sk-av-{40}");
  };
  if (shape.empty()) {
    return {};
  }
  if (shape.size() > kMaxShape) {
    return fail("placeholder shape is too long");
  }
  const bool printable = std::all_of(shape.begin(), shape.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '\\' && c != '`';
  });
  if (!printable) {
    return fail("placeholder shape has white space, quotes or unprintable characters");
  }
  const std::optional<Shape> parts = split(shape);
  if (!parts) {
    return fail("placeholder shape needs exactly one {N}");
  }
  if (parts->count < kMinRandom || parts->count > kMaxRandom) {
    return fail("placeholder shape asks for fewer than 16 or more than 200 random characters");
  }
  return {};
}

}  // namespace av::vault
