#pragma once
// Text encodings of bytes. None of these may be used on a secret unless the output is itself a
// SecretBuffer: the std::string forms are for public data.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace av {
class SecretBuffer;
}

namespace av::encoding {

[[nodiscard]] std::string hex(std::span<const std::uint8_t> bytes);
void append_hex(std::string& out, std::span<const std::uint8_t> bytes);
[[nodiscard]] std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text);

enum class Base64 { kStandard, kUrl };  // RFC 4648 section 4 (padded) and 5 (unpadded)
[[nodiscard]] std::string base64(std::string_view bytes, Base64 alphabet = Base64::kStandard);
void append_base64(SecretBuffer& out, std::string_view bytes, Base64 alphabet = Base64::kStandard);

// Strict: right alphabet, right padding or none, no white space, no stray bits. Returns the number
// of bytes written, or nullopt. `out` must hold base64_decoded_bound(text.size()) bytes.
[[nodiscard]] constexpr std::size_t base64_decoded_bound(std::size_t encoded) {
  return encoded / 4 * 3 + 3;
}
[[nodiscard]] std::optional<std::size_t> from_base64(std::string_view text,
                                                     std::span<std::uint8_t> out,
                                                     Base64 alphabet = Base64::kStandard);

// Percent-encodes everything but RFC 3986 unreserved characters, upper-case hex.
void append_percent(SecretBuffer& out, std::string_view bytes);
[[nodiscard]] std::string percent(std::string_view bytes);

// The inside of a JSON string (RFC 8259 section 7), without the quotes. Bytes that are not UTF-8
// pass unchanged.
void append_json_escaped(SecretBuffer& out, std::string_view bytes);
[[nodiscard]] std::string json_escaped(std::string_view text);

// Well-formed UTF-8 by RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view bytes);

// For a terminal: control characters, escape sequences and bidirectional overrides are shown as
// \xNN or \u{NNNN}, so that untrusted text can neither move the cursor nor disguise itself.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace av::encoding
