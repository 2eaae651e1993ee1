#pragma once
// A relay of Agent Access and the one device behind it, in memory: what BitwardenAccess talks to in
// tests. The device's half of the handshake is here; its channel is the same AacTransport, with the
// keys exchanged (tests/support/fake_aac.py is the independent counterpart).

#include <openssl/evp.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "core/encoding.h"
#include "source/aac_messages.h"
#include "source/aac_transport.h"
#include "source/cbor.h"
#include "source/chachapoly.h"
#include "source/cose.h"
#include "source/keyed_hash.h"
#include "source/ports.h"

namespace av::source::testing {

using nlohmann::json;

class FakeClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return 1'800'000'000'000 + now_; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(Millis(now_ + 1'000'000));
  }
  void advance(std::int64_t ms) { now_ += ms; }

 private:
  std::atomic<std::int64_t> now_{0};
};

inline std::string_view text_of(const crypto::Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline crypto::Bytes unhex(std::string_view text) {
  return *encoding::from_hex(text);
}
inline Secret secret_of(std::string_view text) {
  auto secret = Secret::copy_of(text);
  REQUIRE(secret.has_value());
  return std::move(*secret);
}
inline Secret secret_hex(std::string_view text) {
  return secret_of(text_of(unhex(text)));
}
inline std::string shown(const Secret& secret) {
  return secret.reveal([](std::string_view bytes) { return std::string(bytes); });
}
inline std::string shown_hex(const Secret& secret) {
  return secret.reveal([](std::string_view bytes) {
    return encoding::hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  });
}

// The responder of NNpsk2, for one handshake.
struct Responder {
  std::string answer;  // the second message
  Secret i2r, r2i;
};
inline std::string raw(const Expected<Secret>& secret) {
  return shown(secret.value());
}
inline Responder respond(std::string_view first, const Secret& psk) {
  std::string h = "Noise_NNpsk2_25519_ChaChaPoly_SHA256";
  const auto hashed = [](std::string_view text) {
    const auto digest = crypto::sha256(text);
    return std::string(digest.begin(), digest.end());
  };
  h = hashed(h);
  std::string ck = h;
  std::string k;
  const auto mix_hash = [&](std::string_view data) { h = hashed(h + std::string(data)); };
  const auto hkdf = [&](std::string_view material, std::size_t n) {
    return raw(hkdf_expand(hmac(HashKind::kSha256, ck, material).value(), {}, 32 * n));
  };
  const auto mix_key = [&](std::string_view material) {
    const std::string out = hkdf(material, 2);
    ck = out.substr(0, 32);
    k = out.substr(32);
  };
  mix_hash("");
  const std::string re(first.substr(0, 32));
  mix_hash(re);
  mix_key(re);
  const crypto::Bytes sealed(first.begin() + 32, first.end());
  REQUIRE(chachapoly::open(secret_of(k), {}, sealed, h).has_value());
  mix_hash(text_of(sealed));

  EVP_PKEY* mine = nullptr;
  const ossl::PkeyCtx making(EVP_PKEY_CTX_new_id(EVP_PKEY_X25519, nullptr));
  REQUIRE(EVP_PKEY_keygen_init(making.get()) == 1);
  REQUIRE(EVP_PKEY_keygen(making.get(), &mine) == 1);
  const ossl::Pkey own(mine);
  std::string e(32, '\0');
  std::size_t size = 32;
  REQUIRE(EVP_PKEY_get_raw_public_key(own.get(), reinterpret_cast<std::uint8_t*>(e.data()),
                                      &size) == 1);
  mix_hash(e);
  mix_key(e);
  const ossl::Pkey theirs(EVP_PKEY_new_raw_public_key(
      EVP_PKEY_X25519, nullptr, reinterpret_cast<const std::uint8_t*>(re.data()), 32));
  const ossl::PkeyCtx ctx(EVP_PKEY_CTX_new(own.get(), nullptr));
  std::string dh(32, '\0');
  REQUIRE(EVP_PKEY_derive_init(ctx.get()) == 1);
  REQUIRE(EVP_PKEY_derive_set_peer(ctx.get(), theirs.get()) == 1);
  REQUIRE(EVP_PKEY_derive(ctx.get(), reinterpret_cast<std::uint8_t*>(dh.data()), &size) == 1);
  mix_key(dh);
  const std::string mixed = hkdf(shown(psk), 3);
  ck = mixed.substr(0, 32);
  mix_hash(mixed.substr(32, 32));
  k = mixed.substr(64);
  const auto tail = chachapoly::seal(secret_of(k), {}, {}, h).value();
  const std::string keys = hkdf({}, 2);
  Responder out;
  out.answer = e + std::string(text_of(tail));
  out.i2r = secret_of(keys.substr(0, 32));
  out.r2i = secret_of(keys.substr(32));
  return out;
}

inline std::vector<int> ints(std::string_view bytes) {
  std::vector<int> out;
  for (const char c : bytes) {
    out.push_back(static_cast<unsigned char>(c));
  }
  return out;
}
inline std::string bytes_of(const json& list) {
  std::string out;
  for (const auto& item : list) {
    out += static_cast<char>(item.get<int>());
  }
  return out;
}
inline std::string fingerprint_text(const Fingerprint& print) {
  return {print.begin(), print.end()};
}
inline std::string unbase64(const std::string& text) {
  std::string out(encoding::base64_decoded_bound(text.size()), '\0');
  out.resize(
      *encoding::from_base64(text, {reinterpret_cast<std::uint8_t*>(out.data()), out.size()}));
  return out;
}

class FakeRelay final : public WebSockets {
 public:
  explicit FakeRelay(FakeClock& clock)
      : clock_(clock), device_(RelayIdentity::of_seed(secret_of(std::string(32, 'd'))).value()) {}

  // What the device knows: {"domain":"github.com"} -> the members of the answer beside requestId.
  std::map<std::string, json> items;
  Secret psk = secret_of(std::string(32, '\0'));
  std::string code = "ABC-DEF-GHI";
  bool silent = false;        // the device says nothing
  bool refuse_links = false;  // the relay cannot be reached
  bool real_time = false;     // silence takes its time: for tests with threads
  int die_after_sends = -1;   // links break behind so many of our frames, without a word
  // Changes what the relay hands over; called with the frames of the device, in order.
  std::function<void(std::vector<std::string>&)> hand_over;
  std::vector<json> questions;  // decrypted
  std::vector<std::string> urls;
  int links = 0;
  std::unique_ptr<AacTransport> channel;
  std::string fingerprint;  // that the device shows
  std::string psk_id;

  [[nodiscard]] std::string token() const {
    return shown_hex(psk) + "_" + encoding::hex(device_.fingerprint());
  }
  [[nodiscard]] const Fingerprint& device() const { return device_.fingerprint(); }

  Result<std::unique_ptr<WebSocket>> open(const std::string& url) override {
    const std::lock_guard lock(mutex_);
    urls.push_back(url);
    if (refuse_links) {
      return failure(Failure::Why::kUnreachable, "no route");
    }
    ++links;
    return std::unique_ptr<WebSocket>(std::make_unique<Socket>(*this));
  }

  // A frame as the relay writes it, from the device to `to`.
  [[nodiscard]] std::string framed(const std::string& payload, const std::string& to,
                                   const std::string& from = {}) const {
    const std::string source = from.empty() ? fingerprint_text(device_.fingerprint()) : from;
    return json{
        {"Send", {{"source", ints(source)}, {"destination", ints(to)}, {"payload", ints(payload)}}}}
        .dump();
  }
  [[nodiscard]] std::string sealed_answer(const json& answer) {
    const auto packet = channel->seal(answer.dump(), clock_.wall_ms() / 1'000).value();
    return json{{"type", "credential-response"}, {"encrypted", encoding::base64(text_of(packet))}}
        .dump();
  }

 private:
  class Socket final : public WebSocket {
   public:
    explicit Socket(FakeRelay& relay) : relay_(relay) {
      frames_.push_back(json{{"AuthChallenge", ints(relay.challenge_)}}.dump());
    }
    Result<void> send(std::string_view text) override {
      const std::lock_guard lock(relay_.mutex_);
      if (dead_) {
        return failure(Failure::Why::kUnreachable, "closed");
      }
      std::vector<std::string> answers = relay_.answers_to(json::parse(text), *this);
      if (relay_.hand_over) {
        relay_.hand_over(answers);
      }
      if (relay_.die_after_sends >= 0 && ++sent_ > relay_.die_after_sends) {
        dead_ = true;
        return {};
      }
      frames_.insert(frames_.end(), answers.begin(), answers.end());
      return {};
    }
    Result<SecretBuffer> receive(std::int64_t timeout_ms) override {
      if (relay_.real_time) {
        std::this_thread::sleep_for(Millis(1));
        timeout_ms = 1;
      }
      const std::lock_guard lock(relay_.mutex_);
      if (dead_) {
        return failure(Failure::Why::kUnreachable, "closed");
      }
      if (frames_.empty()) {
        relay_.clock_.advance(timeout_ms);
        return failure(Failure::Why::kTimeout, "nothing came");
      }
      SecretBuffer out;
      out.append(frames_.front());
      frames_.pop_front();
      return out;
    }

   private:
    friend class FakeRelay;
    FakeRelay& relay_;
    std::deque<std::string> frames_;
    std::string client_;  // its fingerprint, once it has proved it
    int sent_ = 0;
    bool dead_ = false;
  };

  std::vector<std::string> answers_to(const json& frame, Socket& from) {
    REQUIRE(frame.size() == 1);
    if (frame.contains("AuthResponse")) {
      authenticate(frame["AuthResponse"], from);
      return {};
    }
    REQUIRE_FALSE(from.client_.empty());
    if (frame.contains("GetIdentity")) {
      REQUIRE(frame["GetIdentity"].size() == 1);
      if (frame["GetIdentity"]["code"] != code) {
        return {};
      }
      code.clear();  // works once
      return {json{{"IdentityInfo",
                    {{"fingerprint", ints(fingerprint_text(device_.fingerprint()))},
                     {"identity", {{"cose_key_bytes", ints(text_of(device_.cose_key()))}}}}}}
                  .dump()};
    }
    REQUIRE(frame.contains("Send"));
    const json& send = frame["Send"];
    REQUIRE(send.size() == 2);
    if (bytes_of(send["destination"]) != fingerprint_text(device_.fingerprint()) || silent) {
      return {};
    }
    std::vector<std::string> out;
    for (const std::string& payload : device_says(json::parse(bytes_of(send["payload"])))) {
      out.push_back(framed(payload, from.client_));
    }
    return out;
  }

  // As the crates do it: raw Ed25519 over the challenge, and the key's curve as -8.
  void authenticate(const json& response, Socket& from) {
    REQUIRE(response.size() == 2);
    const std::string key = bytes_of(response[0]["cose_key_bytes"]);
    REQUIRE(key.size() == 42);
    REQUIRE(encoding::hex({reinterpret_cast<const std::uint8_t*>(key.data()), 10}) ==
            "a4010103272027215820");
    const std::string proof = bytes_of(response[1]["cose_sign1_bytes"]);
    REQUIRE(proof.size() == 1 + 4 + 1 + 34 + 66);
    REQUIRE(proof.substr(0, 6) == std::string("\x84\x43\xa1\x01\x27\xa0", 6));
    REQUIRE(proof.substr(8, 32) == challenge_);
    const ossl::Pkey theirs(EVP_PKEY_new_raw_public_key(
        EVP_PKEY_ED25519, nullptr, reinterpret_cast<const std::uint8_t*>(key.data()) + 10, 32));
    const ossl::MdCtx ctx(EVP_MD_CTX_new());
    REQUIRE(EVP_DigestVerifyInit(ctx.get(), nullptr, nullptr, nullptr, theirs.get()) == 1);
    REQUIRE(EVP_DigestVerify(ctx.get(), reinterpret_cast<const std::uint8_t*>(proof.data()) + 42,
                             64, reinterpret_cast<const std::uint8_t*>(challenge_.data()),
                             challenge_.size()) == 1);
    const auto digest = crypto::sha256(key.substr(10));
    from.client_.assign(digest.begin(), digest.end());
  }

  std::vector<std::string> device_says(const json& message) {
    if (message["type"] == "handshake-init") {
      return {handshake(message)};
    }
    REQUIRE(message["type"] == "credential-request");
    REQUIRE(channel != nullptr);
    const std::string packet = unbase64(message["encrypted"]);
    const auto text =
        channel->open({reinterpret_cast<const std::uint8_t*>(packet.data()), packet.size()},
                      clock_.wall_ms() / 1'000);
    if (!text) {
      return {};
    }
    const json question = json::parse(shown(*text));
    REQUIRE(question.size() == 4);
    REQUIRE(question["type"] == "credential_request");
    REQUIRE(question["timestamp"].is_number_integer());
    questions.push_back(question);
    const auto found = items.find(question["query"].dump());
    json answer = found == items.end() ? json{{"error", "Request denied"}} : found->second;
    answer["requestId"] = question["requestId"];
    return {sealed_answer(answer)};
  }

  std::string handshake(const json& message) {
    REQUIRE(message["ciphersuite"] == std::string(kAacSuite));
    psk_id = message.value("psk_id", "");
    const std::string packet = unbase64(message["data"]);
    CborReader in({reinterpret_cast<const std::uint8_t*>(packet.data()), packet.size()});
    REQUIRE(in.map() == 3U);
    REQUIRE(in.text(99) == "message_type");
    REQUIRE(in.text(99) == "HandshakeStart");
    REQUIRE(in.text(99) == "ciphersuite");
    REQUIRE(in.text(99) == std::string(kAacSuite));
    REQUIRE(in.text(99) == "payload");
    const auto noise = in.octets(99);
    REQUIRE(in.done());
    REQUIRE(noise->size() == 48);
    Responder done = respond(text_of(*noise), psk);
    const auto digest = crypto::sha256(shown(done.r2i), shown(done.i2r));
    fingerprint = encoding::hex(std::span(digest).first(3));
    channel = std::make_unique<AacTransport>(std::move(done.r2i), std::move(done.i2r),
                                             clock_.wall_ms() / 1'000);
    CborWriter out;
    out.map(3);
    out.text("message_type");
    out.text("HandshakeFinish");
    out.text("ciphersuite");
    out.text(kAacSuite);
    out.text("payload");
    out.octets({reinterpret_cast<const std::uint8_t*>(done.answer.data()), done.answer.size()});
    return json{{"type", "handshake-response"},
                {"data", encoding::base64(text_of(out.out()))},
                {"ciphersuite", std::string(kAacSuite)}}
        .dump();
  }

  FakeClock& clock_;
  const RelayIdentity device_;
  const std::string challenge_ = std::string(32, '\x42');
  std::recursive_mutex mutex_;
};

}  // namespace av::source::testing
