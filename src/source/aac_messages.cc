#include "source/aac_messages.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/aac_transport.h"
#include "source/cbor.h"
#include "source/noise.h"
#include "source/one_time_code.h"
#include "vault/json_view.h"

namespace av::source {
namespace {

using vault::JsonDocument;
using vault::JsonView;

constexpr std::size_t kMostText = std::size_t{128} << 10;

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::optional<crypto::Bytes> decoded(const std::optional<JsonView>& member) {
  if (!member || !member->is(JsonView::Kind::kString)) {
    return std::nullopt;
  }
  const std::string text = member->text();
  if (text.size() > 2 * kMostText) {
    return std::nullopt;
  }
  crypto::Bytes out(encoding::base64_decoded_bound(text.size()));
  const auto size = encoding::from_base64(text, out);
  if (!size) {
    return std::nullopt;
  }
  out.resize(*size);
  return out;
}

// {message_type, ciphersuite, payload}
std::optional<crypto::Bytes> handshake_finish(std::span<const std::uint8_t> packet) {
  CborReader in(packet);
  const auto members = in.map();
  if (!members || *members != 3) {
    return std::nullopt;
  }
  std::optional<std::string> type;
  std::optional<std::string> suite;
  std::optional<crypto::Bytes> payload;
  for (std::size_t i = 0; i < *members; ++i) {
    const auto name = in.text(32);
    if (name == "message_type" && !type) {
      type = in.text(32);
    } else if (name == "ciphersuite" && !suite) {
      suite = in.text(64);
    } else if (name == "payload" && !payload) {
      payload = in.octets(NoiseInitiator::kMostMessage);
    } else {
      return std::nullopt;
    }
  }
  if (!in.done() || type != "HandshakeFinish" || suite != kAacSuite) {
    return std::nullopt;
  }
  return payload;
}

bool says(std::string_view text, std::string_view word) {
  return ascii::lower(text).find(word) != std::string::npos;
}

// Free text in this version of the protocol. "Request denied" is all that aac itself ever says:
// when the person at the other end says no, when the item is not there, when its vault is locked.
Failure refusal(const std::string& text) {
  if (text == "Request denied") {
    return failure(Failure::Why::kNotFound,
                   "the other device has no such item, or its owner denied the request",
                   "look at the device: aac does not tell us which");
  }
  if (says(text, "not found") || says(text, "no credential") || says(text, "no matching")) {
    return failure(Failure::Why::kNotFound, "the other device has no such item");
  }
  if (says(text, "locked")) {
    return failure(Failure::Why::kLocked, "the vault on the other device is locked",
                   "unlock it there");
  }
  return failure(Failure::Why::kDenied, "the other device refused: " + excerpt(text));
}

Result<Record> record_of(const JsonView& credential, std::int64_t now_ms) {
  Record out;
  for (const std::string_view name : {"username", "password", "uri", "notes", "totp"}) {
    const auto member = credential.find(name);
    if (!member || member->is(JsonView::Kind::kNull)) {
      continue;
    }
    auto value = member->secret();
    if (!value) {
      return failure(Failure::Why::kMalformed,
                     "the answer's " + std::string(name) + " is not a text");
    }
    if (value->empty()) {
      continue;
    }
    if (name != "totp") {
      out.fields.emplace(name, std::move(*value));
    } else if (auto code = totp_code(*value, now_ms)) {
      out.fields.emplace(name, std::move(code->code));
      out.keep_ms = std::min(out.keep_ms, code->left_ms);
    }
  }
  return out;
}

}  // namespace

std::string handshake_init(std::span<const std::uint8_t> noise, std::string_view psk_id) {
  CborWriter packet;
  packet.map(3);
  packet.text("message_type");
  packet.text("HandshakeStart");
  packet.text("ciphersuite");
  packet.text(kAacSuite);
  packet.text("payload");
  packet.octets(noise);
  std::string out = R"({"type":"handshake-init","data":")" +
                    encoding::base64(as_text(packet.out())) + R"(","ciphersuite":")" +
                    std::string(kAacSuite) + '"';
  if (!psk_id.empty()) {
    out += R"(,"psk_id":")" + std::string(psk_id) + '"';
  }
  return out + '}';
}

std::string credential_request(std::span<const std::uint8_t> packet) {
  return R"({"type":"credential-request","encrypted":")" + encoding::base64(as_text(packet)) +
         R"("})";
}

std::string credential_query(const AacQuery& query, std::string_view request_id,
                             std::int64_t now_ms) {
  return R"({"type":"credential_request","query":{")" + query.kind + R"(":")" +
         encoding::json_escaped(query.text) + R"("},"timestamp":)" + std::to_string(now_ms) +
         R"(,"requestId":")" + std::string(request_id) + R"("})";
}

std::string psk_id_of(const Secret& psk) {
  const crypto::Digest digest =
      psk.reveal([](std::string_view bytes) { return crypto::sha256(bytes); });
  return encoding::hex(std::span(digest).first(8));
}

std::optional<AacMessage> read_aac_message(std::string_view payload) {
  const auto document = JsonDocument::parse(payload);
  if (!document || !document->root().is(JsonView::Kind::kObject)) {
    return std::nullopt;
  }
  const JsonView root = document->root();
  const auto type = root.find("type");
  if (!type) {
    return std::nullopt;
  }
  AacMessage out;
  const std::string name = type->text();
  std::optional<crypto::Bytes> bytes;
  if (name == "handshake-response") {
    out.kind = AacMessage::Kind::kHandshake;
    const auto packet = decoded(root.find("data"));
    bytes = packet ? handshake_finish(*packet) : std::nullopt;
  } else if (name == "credential-response") {
    out.kind = AacMessage::Kind::kCredential;
    bytes = decoded(root.find("encrypted"));
  } else {
    return out;
  }
  if (!bytes) {
    return std::nullopt;
  }
  out.bytes = std::move(*bytes);
  return out;
}

std::optional<AacAnswer> read_aac_answer(const Secret& text, std::int64_t now_ms) {
  return text.reveal([&](std::string_view bytes) -> std::optional<AacAnswer> {
    const auto document = JsonDocument::parse(bytes);
    if (!document || !document->root().is(JsonView::Kind::kObject)) {
      return std::nullopt;
    }
    const JsonView root = document->root();
    const auto id = root.find("requestId");
    if (!id || !id->is(JsonView::Kind::kString)) {
      return std::nullopt;
    }
    const auto given = [&](std::string_view name) {
      const auto member = root.find(name);
      return member && !member->is(JsonView::Kind::kNull) ? member : std::nullopt;
    };
    AacAnswer out{id->text(),
                  failure(Failure::Why::kMalformed, "the answer has neither item nor error")};
    if (const auto error = given("error")) {
      out.record = refusal(error->text());
    } else if (const auto credential = given("credential")) {
      out.record = record_of(*credential, now_ms);
    }
    return out;
  });
}

}  // namespace av::source
