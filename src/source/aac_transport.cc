#include "source/aac_transport.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "source/cbor.h"

namespace av::source {
namespace {

constexpr std::size_t kMostPacket = std::size_t{256} << 10;
constexpr std::size_t kMostHead = 512;
// Of what is kept: beyond all that a channel can come to.
constexpr std::uint64_t kMostNumber = std::uint64_t{1} << 40U;
constexpr std::int64_t kMostTime = std::int64_t{1} << 40U;
constexpr std::string_view kCorrectSuite = "ClassicalNNpsk2_25519_XChaCha20Poly1305";

struct Packet {
  xchacha::Nonce nonce{};
  crypto::Bytes ciphertext;
  crypto::Bytes associated;
};

struct Associated {
  std::int64_t sent_s = 0;
  std::uint64_t number = 0;
};

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::optional<Packet> read_packet(std::span<const std::uint8_t> bytes) {
  CborReader in(bytes);
  const auto members = in.map();
  if (!members || *members != 3) {
    return std::nullopt;
  }
  Packet out;
  std::optional<crypto::Bytes> nonce;
  std::optional<crypto::Bytes> ciphertext;
  std::optional<crypto::Bytes> associated;
  for (std::size_t i = 0; i < *members; ++i) {
    const auto name = in.text(16);
    if (name == "nonce" && !nonce) {
      nonce = in.octets(out.nonce.size());
    } else if (name == "ciphertext" && !ciphertext) {
      ciphertext = in.octets(kMostPacket);
    } else if (name == "aad" && !associated) {
      associated = in.octets(kMostHead);
    } else {
      return std::nullopt;
    }
  }
  if (!in.done() || !nonce || nonce->size() != out.nonce.size() || !ciphertext || !associated) {
    return std::nullopt;
  }
  std::copy(nonce->begin(), nonce->end(), out.nonce.begin());
  out.ciphertext = std::move(*ciphertext);
  out.associated = std::move(*associated);
  return out;
}

std::optional<Associated> read_associated(std::span<const std::uint8_t> bytes) {
  CborReader in(bytes);
  const auto members = in.map();
  if (!members || *members != 3) {
    return std::nullopt;
  }
  std::optional<std::int64_t> sent;
  std::optional<std::int64_t> number;
  std::optional<std::string> suite;
  for (std::size_t i = 0; i < *members; ++i) {
    const auto name = in.text(32);
    if (name == "timestamp" && !sent) {
      sent = in.integer();
    } else if (name == "chain_counter" && !number) {
      number = in.integer();
    } else if (name == "ciphersuite" && !suite) {
      suite = in.text(64);
    } else {
      return std::nullopt;
    }
  }
  if (!in.done() || !sent || *sent < 0 || !number || *number < 1 || !suite ||
      (*suite != kAacSuite && *suite != kCorrectSuite)) {
    return std::nullopt;
  }
  Associated out;
  out.sent_s = *sent;
  out.number = static_cast<std::uint64_t>(*number);
  return out;
}

// The next key of the chain.
Expected<Secret> next_key(const Secret& key) {
  xchacha::Nonce nonce{};
  nonce.fill(0xff);
  constexpr std::string_view kZeros(
      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32);
  AV_TRY(crypto::Bytes sealed, xchacha::seal(key, nonce, kZeros, {}));
  auto out = Secret::copy_of(std::span<const std::uint8_t>(sealed).first(32));
  std::fill(sealed.begin(), sealed.end(), std::uint8_t{0});
  return out;
}

Error no_packet() {
  return make_error(ErrorCode::kInvalid, "a message is not a packet of the protocol");
}

Error out_of_time(const char* why) {
  return make_error(ErrorCode::kConflict, why);
}

template <typename Number>
bool take(std::string_view& text, char end, Number& value) {
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || at == text.data() + text.size() || *at != end) {
    return false;
  }
  text.remove_prefix(static_cast<std::size_t>(at - text.data()) + 1);
  return true;
}

}  // namespace

AacTransport::AacTransport(Secret send_key, Secret receive_key, std::int64_t now_s)
    : send_key_(std::move(send_key)), receive_key_(std::move(receive_key)), rekeyed_s_(now_s) {}

Expected<crypto::Bytes> AacTransport::seal(std::string_view plaintext, std::int64_t now_s) {
  if ((now_s - rekeyed_s_) / kRekeyAfter > static_cast<std::int64_t>(kMostSteps)) {
    return out_of_time("the channel has not been used for years");
  }
  while (now_s - rekeyed_s_ >= kRekeyAfter) {
    AV_TRY(send_key_, next_key(send_key_));
    ++send_number_;
    rekeyed_s_ += kRekeyAfter;
    changed_ = true;
  }
  CborWriter associated;
  associated.map(3);
  associated.text("timestamp");
  associated.integer(now_s);
  associated.text("chain_counter");
  associated.integer(static_cast<std::int64_t>(send_number_));
  associated.text("ciphersuite");
  associated.text(kAacSuite);
  xchacha::Nonce nonce{};
  crypto::random_bytes(nonce);
  AV_TRY(const crypto::Bytes sealed,
         xchacha::seal(send_key_, nonce, plaintext, as_text(associated.out())));
  CborWriter out;
  out.map(3);
  out.text("nonce");
  out.octets(nonce);
  out.text("ciphertext");
  out.octets(sealed);
  out.text("aad");
  out.octets(associated.out());
  return out.out();
}

Status AacTransport::remember(const xchacha::Nonce& nonce, std::int64_t sent_s,
                              std::int64_t now_s) {
  floor_s_ = std::max(floor_s_, now_s - kMostAge - 1);
  std::erase_if(seen_, [&](const auto& entry) { return entry.second <= floor_s_; });
  if (seen_.size() >= kMostNonces) {
    // Memory is bounded: what is older than the oldest half is refused as a whole from now on.
    std::vector<std::int64_t> times;
    times.reserve(seen_.size());
    for (const auto& entry : seen_) {
      times.push_back(entry.second);
    }
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    floor_s_ = *middle;
    std::erase_if(seen_, [&](const auto& entry) { return entry.second <= floor_s_; });
  }
  seen_.emplace(nonce, sent_s);
  return {};
}

Expected<Secret> AacTransport::open(std::span<const std::uint8_t> bytes, std::int64_t now_s) {
  if (bytes.size() > 2 * kMostPacket) {
    return no_packet();
  }
  const auto packet = read_packet(bytes);
  const auto associated = packet ? read_associated(packet->associated) : std::nullopt;
  if (!associated) {
    return no_packet();
  }
  if (associated->sent_s < now_s - kMostAge || associated->sent_s <= floor_s_) {
    return out_of_time("a message is too old");
  }
  if (associated->sent_s > now_s + kSkew) {
    return out_of_time("a message is from the future: one of the two clocks is wrong");
  }
  if (seen_.contains(packet->nonce)) {
    return out_of_time("a message has been repeated");
  }
  if (associated->number < receive_number_ || associated->number > receive_number_ + kMostSteps) {
    return out_of_time("the two sides have lost each other's keys");
  }
  // Up to one before the packet's, as the other side may still send under that; then, to read this
  // one, perhaps once more.
  std::optional<Secret> base;
  std::uint64_t number = receive_number_;
  for (; number + 1 < associated->number; ++number) {
    AV_TRY(base, next_key(base ? *base : receive_key_));
  }
  const Secret& reached = base ? *base : receive_key_;
  Secret newer;
  if (number < associated->number) {
    AV_TRY(newer, next_key(reached));
  }
  AV_TRY(Secret text, xchacha::open(newer.empty() ? reached : newer, packet->nonce,
                                    packet->ciphertext, as_text(packet->associated)));
  if (base) {
    receive_key_ = std::move(*base);
    receive_number_ = number;
    changed_ = true;
  }
  AV_CHECK(remember(packet->nonce, associated->sent_s, now_s));
  return text;
}

// "1 <send number> <receive number> <rekeyed>\n", then both keys. Nonces are not kept: an answer
// counts for one question of one process only.
Expected<Secret> AacTransport::save() {
  SecretBuffer out;
  out.append("1 " + std::to_string(send_number_) + " " + std::to_string(receive_number_) + " " +
             std::to_string(rekeyed_s_) + "\n");
  out.append(send_key_);
  out.append(receive_key_);
  AV_TRY(Secret saved, out.to_secret());
  changed_ = false;
  return saved;
}

Expected<AacTransport> AacTransport::load(const Secret& saved) {
  return saved.reveal([](std::string_view text) -> Expected<AacTransport> {
    int version = 0;
    std::uint64_t sending = 0;
    std::uint64_t receiving = 0;
    std::int64_t rekeyed = 0;
    if (!take(text, ' ', version) || version != 1 || !take(text, ' ', sending) ||
        !take(text, ' ', receiving) || !take(text, '\n', rekeyed) || text.size() != 64 ||
        sending == 0 || sending > kMostNumber || receiving == 0 || receiving > kMostNumber ||
        rekeyed < 0 || rekeyed > kMostTime) {
      return make_error(ErrorCode::kCorrupt, "the kept state of the channel is damaged",
                        "pair the store again");
    }
    AV_TRY(Secret send_key, Secret::copy_of(text.substr(0, 32)));
    AV_TRY(Secret receive_key, Secret::copy_of(text.substr(32)));
    AacTransport out(std::move(send_key), std::move(receive_key), rekeyed);
    out.send_number_ = sending;
    out.receive_number_ = receiving;
    out.changed_ = false;
    return out;
  });
}

}  // namespace av::source
