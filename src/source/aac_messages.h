#pragma once
// What two devices of Agent Access say to each other (crates v0.9.0): JSON in the payload of a
// relay's Send frames, with CBOR in base64 inside of it; and behind the handshake, sealed, JSON
// once more.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/crypto.h"
#include "core/secret.h"
#include "source/provider.h"

namespace av::source {

// "domain/github.com" -> {"domain":"github.com"}.
struct AacQuery {
  std::string kind;  // "domain", "id", "search"
  std::string text;
};

// `noise`: the first message of the handshake. `psk_id` is empty when there is no pre-shared key.
[[nodiscard]] std::string handshake_init(std::span<const std::uint8_t> noise,
                                         std::string_view psk_id);
[[nodiscard]] std::string credential_request(std::span<const std::uint8_t> packet);
[[nodiscard]] std::string credential_query(const AacQuery& query, std::string_view request_id,
                                           std::int64_t now_ms);
// hex(SHA-256(psk)[0..8])
[[nodiscard]] std::string psk_id_of(const Secret& psk);

// One message from the other device, whoever it is: nothing of it is trusted yet.
struct AacMessage {
  enum class Kind : std::uint8_t { kHandshake, kCredential, kOther };
  Kind kind = Kind::kOther;
  crypto::Bytes bytes;  // the second message of the handshake, or a packet
};
// Nothing when it is malformed.
[[nodiscard]] std::optional<AacMessage> read_aac_message(std::string_view payload);

// What was sealed in a packet.
struct AacAnswer {
  std::string request_id;
  Result<Record> record;
};
// Nothing when it is no answer. `now_ms`: for codes that are made of seeds.
[[nodiscard]] std::optional<AacAnswer> read_aac_answer(const Secret& text, std::int64_t now_ms);

}  // namespace av::source
