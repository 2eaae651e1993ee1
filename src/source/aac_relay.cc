#include "source/aac_relay.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "core/encoding.h"
#include "source/ours.h"
#include "vault/json_view.h"

namespace av::source {
namespace {

using vault::JsonDocument;
using vault::JsonView;

constexpr std::size_t kMostBytes = std::size_t{128} << 10;

Failure malformed(std::string_view what) {
  return failure(Failure::Why::kMalformed, "the relay sent " + std::string(what));
}

void append_integers(std::string& out, std::span<const std::uint8_t> bytes) {
  out += '[';
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    char number[4];
    const auto [end, error] = std::to_chars(number, number + sizeof number, unsigned{bytes[i]});
    (void)error;
    out.append(i == 0 ? "" : ",");
    out.append(number, end);
  }
  out += ']';
}

std::optional<crypto::Bytes> bytes_of(const std::optional<JsonView>& list) {
  if (!list || !list->is(JsonView::Kind::kArray)) {
    return std::nullopt;
  }
  const auto items = list->children();
  if (items.size() > kMostBytes) {
    return std::nullopt;
  }
  crypto::Bytes out;
  out.reserve(items.size());
  for (const JsonView& item : items) {
    const auto value = item.integer();
    if (!value || *value < 0 || *value > 255) {
      return std::nullopt;
    }
    out.push_back(static_cast<std::uint8_t>(*value));
  }
  return out;
}

bool fingerprint_in(const std::optional<JsonView>& list, Fingerprint& out) {
  const auto bytes = bytes_of(list);
  if (!bytes || bytes->size() != out.size()) {
    return false;
  }
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return true;
}

Result<RelayFrame> identity_of(const JsonView& body) {
  RelayFrame out;
  out.kind = RelayFrame::Kind::kIdentity;
  const auto identity = body.find("identity");
  const auto key = identity ? bytes_of(identity->find("cose_key_bytes")) : std::nullopt;
  const auto known = key ? public_key_of(*key) : std::nullopt;
  if (!fingerprint_in(body.find("fingerprint"), out.from) || !known) {
    return malformed("an identity that is not one of Ed25519");
  }
  if (fingerprint_of(*known) != out.from) {
    return malformed("an identity whose fingerprint is not its key's");
  }
  return out;
}

Result<RelayFrame> message_of(const JsonView& body) {
  RelayFrame out;
  out.kind = RelayFrame::Kind::kMessage;
  auto payload = bytes_of(body.find("payload"));
  if (!fingerprint_in(body.find("source"), out.from) ||
      !fingerprint_in(body.find("destination"), out.to) || !payload) {
    return malformed("a message without its sender, its address or its payload");
  }
  out.bytes = std::move(*payload);
  return out;
}

}  // namespace

Result<RelayFrame> read_relay_frame(std::string_view text) {
  // The unit variants of the enumeration are bare strings; none of those is for us.
  const auto document = JsonDocument::parse(text);
  if (!document) {
    return malformed("what is not JSON");
  }
  const JsonView root = document->root();
  if (root.is(JsonView::Kind::kString)) {
    return RelayFrame();
  }
  const auto members = root.children();
  if (!root.is(JsonView::Kind::kObject) || members.size() != 1) {
    return malformed("a frame that is not an object of one member");
  }
  const std::string name = members.front().name();
  const JsonView& body = members.front();
  if (name == "AuthChallenge") {
    RelayFrame out;
    out.kind = RelayFrame::Kind::kChallenge;
    auto bytes = bytes_of(body);
    if (!bytes || bytes->size() != 32) {
      return malformed("a challenge that has not 32 bytes");
    }
    out.bytes = std::move(*bytes);
    return out;
  }
  if (name == "IdentityInfo") {
    return identity_of(body);
  }
  if (name == "Send") {
    return message_of(body);
  }
  return RelayFrame();
}

Result<std::string> auth_response_frame(const RelayIdentity& identity,
                                        std::span<const std::uint8_t> challenge) {
  AV_TRY(const crypto::Bytes proof, ours(identity.cose_sign1(challenge)));
  std::string out = R"({"AuthResponse":[{"cose_key_bytes":)";
  append_integers(out, identity.cose_key());
  out += R"(},{"cose_sign1_bytes":)";
  append_integers(out, proof);
  out += "}]}";
  return out;
}

std::string get_identity_frame(std::string_view code) {
  return R"({"GetIdentity":{"code":")" + encoding::json_escaped(code) + R"("}})";
}

std::string send_frame(const Fingerprint& to, std::string_view payload) {
  std::string out = R"({"Send":{"destination":)";
  out.reserve(4 * payload.size() + 256);
  append_integers(out, to);
  out += R"(,"payload":)";
  append_integers(out, {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()});
  out += "}}";
  return out;
}

}  // namespace av::source
