#include "source/xchacha.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <bit>

#include "source/chachapoly.h"

namespace av::source::xchacha {
namespace {

using State = std::array<std::uint32_t, 16>;

std::uint32_t little(const std::uint8_t* at) {
  return std::uint32_t{at[0]} | std::uint32_t{at[1]} << 8U | std::uint32_t{at[2]} << 16U |
         std::uint32_t{at[3]} << 24U;
}

void put_little(std::uint8_t* at, std::uint32_t word) {
  for (unsigned i = 0; i < 4; ++i) {
    at[i] = static_cast<std::uint8_t>(word >> (8 * i));
  }
}

// RFC 8439 section 2.1.
void quarter_round(State& s, std::size_t a, std::size_t b, std::size_t c, std::size_t d) {
  s[a] += s[b];
  s[d] = std::rotl(s[d] ^ s[a], 16);
  s[c] += s[d];
  s[b] = std::rotl(s[b] ^ s[c], 12);
  s[a] += s[b];
  s[d] = std::rotl(s[d] ^ s[a], 8);
  s[c] += s[d];
  s[b] = std::rotl(s[b] ^ s[c], 7);
}

void twenty_rounds(State& s) {
  for (int i = 0; i < 10; ++i) {
    quarter_round(s, 0, 4, 8, 12);
    quarter_round(s, 1, 5, 9, 13);
    quarter_round(s, 2, 6, 10, 14);
    quarter_round(s, 3, 7, 11, 15);
    quarter_round(s, 0, 5, 10, 15);
    quarter_round(s, 1, 6, 11, 12);
    quarter_round(s, 2, 7, 8, 13);
    quarter_round(s, 3, 4, 9, 14);
  }
}

// The last 8 bytes behind four zeros (section 2.3).
chachapoly::Nonce inner_nonce(const Nonce& nonce) {
  chachapoly::Nonce out{};
  std::copy(nonce.begin() + 16, nonce.end(), out.begin() + 4);
  return out;
}

Expected<Secret> key_for(const Secret& key, const Nonce& nonce) {
  return subkey(key, std::span(nonce).first<16>());
}

}  // namespace

Expected<Secret> subkey(const Secret& key, std::span<const std::uint8_t, 16> input) {
  if (key.size() != chachapoly::kKeySize) {
    return make_error(ErrorCode::kInternal, "a key has the wrong size");
  }
  AV_TRY(Secret out, Secret::with_size(32));
  State state{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  key.reveal([&](std::string_view bytes) {
    const auto* const k = reinterpret_cast<const std::uint8_t*>(bytes.data());
    for (std::size_t i = 0; i < 8; ++i) {
      state[4 + i] = little(k + 4 * i);
    }
  });
  for (std::size_t i = 0; i < 4; ++i) {
    state[12 + i] = little(input.data() + 4 * i);
  }
  twenty_rounds(state);
  const auto room = out.writable();
  for (std::size_t i = 0; i < 4; ++i) {
    put_little(room.data() + 4 * i, state[i]);
    put_little(room.data() + 16 + 4 * i, state[12 + i]);
  }
  OPENSSL_cleanse(state.data(), sizeof state);
  return out;
}

Expected<crypto::Bytes> seal(const Secret& key, const Nonce& nonce, std::string_view plaintext,
                             std::string_view associated) {
  AV_TRY(const Secret inner, key_for(key, nonce));
  return chachapoly::seal(inner, inner_nonce(nonce), plaintext, associated);
}

Expected<Secret> open(const Secret& key, const Nonce& nonce, std::span<const std::uint8_t> sealed,
                      std::string_view associated) {
  AV_TRY(const Secret inner, key_for(key, nonce));
  return chachapoly::open(inner, inner_nonce(nonce), sealed, associated);
}

}  // namespace av::source::xchacha
