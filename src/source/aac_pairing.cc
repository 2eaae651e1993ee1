#include "source/aac_pairing.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/aac_link.h"
#include "source/aac_transport.h"
#include "source/noise.h"
#include "source/ours.h"

namespace av::source {
namespace {

constexpr Millis kHandshake{10'000};

struct Token {
  std::string code;  // "ABC-DEF-GHI"; or else:
  Secret psk;
  Fingerprint peer{};
};

Failure bad_token() {
  return failure(Failure::Why::kInvalid, "the pairing token is neither a code nor a key",
                 "paste what `aac listen --psk` prints (129 characters), or the code of "
                 "`aac listen` (ABC-DEF-GHI)");
}

bool is_code(std::string_view text) {
  if (text.size() != 11) {
    return false;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool fits =
        i == 3 || i == 7 ? text[i] == '-' : ascii::is_alpha(text[i]) || ascii::is_digit(text[i]);
    if (!fits) {
      return false;
    }
  }
  return true;
}

Expected<Secret> from_hex(std::string_view text) {
  AV_TRY(Secret out, Secret::with_size(text.size() / 2));
  const auto room = out.writable();
  for (std::size_t i = 0; i < room.size(); ++i) {
    const int high = ascii::hex_value(text[2 * i]);
    const int low = ascii::hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) {
      return make_error(ErrorCode::kInvalid, "not hexadecimal");
    }
    room[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return out;
}

Result<Token> read_token(const Secret& token) {
  return token.reveal([](std::string_view text) -> Result<Token> {
    text = ascii::trim(text);
    Token out;
    if (is_code(text)) {
      out.code = text;
      std::transform(out.code.begin(), out.code.end(), out.code.begin(),
                     [](char c) { return ascii::upper(c); });
      return out;
    }
    // hex(psk) "_" hex(fingerprint)
    if (text.size() != 129 || text[64] != '_') {
      return bad_token();
    }
    auto psk = from_hex(text.substr(0, 64));
    const auto peer = encoding::from_hex(text.substr(65));
    if (!psk || !peer || peer->size() != out.peer.size()) {
      return bad_token();
    }
    out.psk = std::move(*psk);
    std::copy(peer->begin(), peer->end(), out.peer.begin());
    return out;
  });
}

Result<crypto::Bytes> handshake_answer(AacLink& link, const Fingerprint& peer, const Clock& clock) {
  const auto until = clock.steady() + kHandshake;
  for (;;) {
    const auto left = std::chrono::duration_cast<Millis>(until - clock.steady());
    if (left <= Millis::zero()) {
      return failure(Failure::Why::kTimeout, "the other device did not answer",
                     "is `aac listen` running there, with this very token?");
    }
    AV_TRY(std::optional<AacMessage> message, link.receive(peer, left.count()));
    if (message && message->kind == AacMessage::Kind::kHandshake) {
      return std::move(message->bytes);
    }
  }
}

// Six digits of SHA-256(r2i || i2r).
std::string compared(const NoiseInitiator::Keys& keys) {
  return keys.from_responder.reveal([&](std::string_view first) {
    return keys.to_responder.reveal([&](std::string_view second) {
      const crypto::Digest digest = crypto::sha256(first, second);
      return encoding::hex(std::span(digest).first(3));
    });
  });
}

Result<vault::StoreSecrets> kept(Secret seed, const Fingerprint& peer,
                                 const NoiseInitiator::Keys& keys, const Clock& clock) {
  AV_TRY(Secret send_key, ours(keys.to_responder.clone()));
  AV_TRY(Secret receive_key, ours(keys.from_responder.clone()));
  AacTransport transport(std::move(send_key), std::move(receive_key), clock.wall_ms() / 1'000);
  AV_TRY(Secret channel, ours(transport.save()));
  AV_TRY(Secret device, ours(Secret::copy_of(peer)));
  vault::StoreSecrets out;
  out.emplace("identity", std::move(seed));
  out.emplace("peer", std::move(device));
  out.emplace("channel", std::move(channel));
  return out;
}

}  // namespace

Result<void> check_pairing_token(const Secret& token) {
  AV_CHECK(read_token(token));
  return {};
}

Result<AacPairing> pair_devices(const std::string& url, const Secret& token, const Ports& ports) {
  AV_TRY(Token with, read_token(token));
  AV_TRY(Secret seed, ours(crypto::random_secret(32)));
  AV_TRY(const RelayIdentity identity, ours(RelayIdentity::of_seed(seed)));
  AV_TRY(const std::unique_ptr<AacLink> link,
         AacLink::open(*ports.websockets, url, identity, *ports.clock));
  AacPairing out;
  out.peer = with.peer;
  std::string psk_id;
  if (with.code.empty()) {
    psk_id = psk_id_of(with.psk);
  } else {
    AV_TRY(out.peer, link->resolve(with.code));
    AV_TRY(with.psk, ours(Secret::with_size(NoiseInitiator::kKeySize)));  // zeros
  }
  AV_TRY(NoiseInitiator noise, ours(NoiseInitiator::make(std::move(with.psk), {})));
  AV_TRY(const crypto::Bytes start, ours(noise.start({})));
  AV_CHECK(link->send(out.peer, handshake_init(start, psk_id)));
  AV_TRY(const crypto::Bytes answer, handshake_answer(*link, out.peer, *ports.clock));
  const auto keys = noise.finish(answer);
  if (!keys) {
    return failure(Failure::Why::kDenied, keys.error().message,
                   "make a new token there and pair again; if it happens again, the relay "
                   "interferes");
  }
  if (!with.code.empty()) {
    out.fingerprint = compared(*keys);
  }
  AV_TRY(out.secrets, kept(std::move(seed), out.peer, *keys, *ports.clock));
  return out;
}

}  // namespace av::source
