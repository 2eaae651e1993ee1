#include "source/bitwarden_sm.h"

#include <openssl/evp.h>

#include <catch2/catch.hpp>
#include <thread>

#include "source/enc_string.h"
#include "source/sm_token.h"
#include "unit/source/aac_device.h"

namespace av::source {
namespace {

using testing::FakeClock;
using testing::json;
using testing::secret_hex;
using testing::secret_of;
using testing::shown;
using Why = Failure::Why;

// bitwarden-core's own test of access tokens.
constexpr std::string_view kToken =
    "0.ec2c1d46-6a4b-4751-a310-af9601317f2d.C2IgxjjLF7qSshsbwe8JGcbM075YXw:X8vbvA0bduihIDe/"
    "qrzIQQ==";
constexpr std::string_view kDerived =
    "H9/oIRLtL9nGCQOVDjSMoEbJsjWXSOCb3qeyDt6ckzS3FhyboEDWyTP/CQfbIszNmAVg2ExFganG1FVFGXO/Jg==";

std::string sealed(const Secret& key, const std::string& text) {
  const std::string k = shown(key);
  std::string iv(16, '\0');
  crypto::random_bytes({reinterpret_cast<std::uint8_t*>(iv.data()), iv.size()});
  std::string out(text.size() + 16, '\0');
  const ossl::CipherCtx ctx(EVP_CIPHER_CTX_new());
  int first = 0;
  int last = 0;
  auto* const room = reinterpret_cast<unsigned char*>(out.data());
  const auto bytes = [](const std::string& s) {
    return reinterpret_cast<const unsigned char*>(s.data());
  };
  REQUIRE(EVP_EncryptInit_ex(ctx.get(), EVP_aes_256_cbc(), nullptr, bytes(k), bytes(iv)) == 1);
  REQUIRE(EVP_EncryptUpdate(ctx.get(), room, &first, bytes(text), static_cast<int>(text.size())) ==
          1);
  REQUIRE(EVP_EncryptFinal_ex(ctx.get(), room + first, &last) == 1);
  out.resize(static_cast<std::size_t>(first + last));
  const std::string mac = shown(hmac(HashKind::kSha256, k.substr(32), iv + out).value());
  return "2." + encoding::base64(iv) + "|" + encoding::base64(out) + "|" + encoding::base64(mac);
}

TEST_CASE("EncString: the vector of bitwarden-crypto") {
  std::string bytes;
  for (int i = 0; i < 64; ++i) {
    bytes += static_cast<char>(i);
  }
  const Secret key = secret_of(bytes);
  const auto b64 = [](std::initializer_list<int> list) {
    std::string out;
    for (const int byte : list) {
      out += static_cast<char>(byte);
    }
    return encoding::base64(out);
  };
  const std::string iv =
      b64({216, 218, 36, 0, 196, 186, 150, 85, 49, 147, 110, 168, 185, 227, 42, 172});
  const std::string data =
      b64({234, 77,  16,  15, 189, 82,  36,  188, 182, 88,  64, 67,  145, 94,  30, 178,
           36,  235, 130, 67, 255, 207, 183, 168, 73,  231, 82, 122, 193, 139, 25, 129});
  const std::string mac =
      b64({60,  78,  44,  111, 72, 233, 3,   6,  86,  250, 217, 242, 62,  229, 184, 221,
           231, 150, 189, 44,  99, 189, 220, 55, 196, 194, 101, 60,  102, 195, 149, 130});
  const auto text = open_enc_string(key, "2." + iv + "|" + data + "|" + mac);
  REQUIRE(text.has_value());
  CHECK(shown(*text) == "Bitwarden SDK test vector");
}

TEST_CASE("EncString: what was touched, is of another kind or of another key, is refused") {
  const Secret key = secret_of(std::string(64, 'k'));
  const std::string good = sealed(key, "value");
  CHECK(shown(*open_enc_string(key, good)) == "value");
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(open_enc_string(key, bad).has_value());
    // Without its padding, base64 is the same.
    CHECK((i + 1 == good.size() || !open_enc_string(key, good.substr(0, i)).has_value()));
  }
  CHECK_FALSE(open_enc_string(secret_of(std::string(64, 'x')), good).has_value());
  CHECK_FALSE(open_enc_string(secret_of("short"), good).has_value());
  CHECK_FALSE(open_enc_string(key, good + "|AAAA").has_value());
  // Without a MAC it would have been opened by the older kind.
  const std::size_t last = good.rfind('|');
  CHECK_FALSE(open_enc_string(key, "0" + good.substr(1, last - 1)).has_value());
  CHECK_FALSE(open_enc_string(key, "7.AAAA").has_value());
  CHECK_FALSE(open_enc_string(key, "2.||").has_value());
  CHECK(shown(*open_enc_string(key, sealed(key, ""))).empty());
  CHECK(shown(*open_enc_string(key, sealed(key, std::string(1'000, 'x')))).size() == 1'000);
}

TEST_CASE("access tokens: the vectors of bitwarden-core and bitwarden-crypto") {
  const auto token = read_sm_token(secret_of(kToken));
  REQUIRE(token.has_value());
  CHECK(token->id == "ec2c1d46-6a4b-4751-a310-af9601317f2d");
  CHECK(shown(token->client_secret) == "C2IgxjjLF7qSshsbwe8JGcbM075YXw");
  CHECK(encoding::base64(shown(token->key)) == kDerived);
  CHECK(
      encoding::base64(shown(*shareable_key(secret_of("67t9b5g67$%Dh89n"), "test_key", "test"))) ==
      "F9jVQmrACGx9VUPjuzfMYDjr726JtL300Y3Yg+VYUnVQtQ1s8oImJ5xtp1KALC9h2nav04++1LDW4iFD+infng==");
  CHECK(encoding::base64(shown(*shareable_key(secret_of("&/$%F1a895g67HlX"), "test_key", ""))) ==
        "4PV6+PcmF2w7YHRatvyMcVQtI7zvCyssv/wFWmzjiH6Iv9altjmDkuBD1aagLVaLezbthbSe+ktR+U6qswxNnQ==");
  // Padding is not needed.
  CHECK(read_sm_token(secret_of(kToken.substr(0, kToken.size() - 2))).has_value());
  for (const std::string_view bad :
       {"", "x", "0.ec2c1d46-6a4b-4751-a310-af9601317f2d.C2Ig",
        "1.ec2c1d46-6a4b-4751-a310-af9601317f2d.C2Ig:X8vbvA0bduihIDe/qrzIQQ==",
        "ec2c1d46-6a4b-4751-a310-af9601317f2d.C2Ig:X8vbvA0bduihIDe/qrzIQQ==",
        "0.ec2c1d46-6a4b-4751-a310-af9601317f2d.C2Ig.X8vbvA0bduihIDe/qrzIQQ==",
        "0.ec2c1d46.C2Ig:X8vbvA0bduihIDe/qrzIQQ==",
        "0.ec2c1d46-6a4b-4751-a310-af9601317f2d.:X8vbvA0bduihIDe/qrzIQQ==",
        "0.ec2c1d46-6a4b-4751-a310-af9601317f2d.C2\nIg:X8vbvA0bduihIDe/qrzIQQ==",
        "0.ec2c1d46-6a4b-4751-a310-af9601317f2d.C2Ig:X8vbvA0bduihIDe9qrz",
        "0.ec2c1d46-6a4b-4751-a310-af9601317f2d.C2Ig:!!!!"}) {
    INFO(bad);
    const auto refused = read_sm_token(secret_of(bad));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().why == Why::kInvalid);
  }
}

constexpr std::string_view kOrganization = "b1a4b97f-c75e-4901-b831-00912f3549a7";
constexpr std::string_view kSecret = "11111111-2222-3333-4444-555555555555";
constexpr std::string_view kOther = "99999999-2222-3333-4444-555555555555";

// A server of Secrets Manager with two secrets.
class FakeServer final : public Http {
 public:
  Result<HttpAnswer> send(const HttpRequest& request) override {
    const std::lock_guard lock(mutex_);
    const std::string fields(request.fields.view());
    HttpAnswer out;
    if (request.url == base + "/identity/connect/token") {
      ++logins;
      CHECK(request.method == "POST");
      CHECK(fields.find("Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n") !=
            std::string::npos);
      CHECK(request.body.view() ==
            "scope=api.secrets&client_id=ec2c1d46-6a4b-4751-a310-af9601317f2d"
            "&client_secret=C2IgxjjLF7qSshsbwe8JGcbM075YXw&grant_type=client_credentials");
      out.status = login_status;
      out.body = secret_of(login_status == 200 ? login() : R"({"error":"invalid_client"})");
      out.retry_after = "7";
      return out;
    }
    CHECK(request.method == "GET");
    if (fields.find("Authorization: Bearer " + bearer + "\r\n") == std::string::npos) {
      out.status = 401;
      return out;
    }
    out.status = status;
    const std::string api = base + "/api";
    if (status != 200) {
      out.body = secret_of("{}");
    } else if (request.url == api + "/organizations/" + std::string(kOrganization) + "/secrets") {
      out.body = secret_of(listed().dump());
    } else if (request.url.starts_with(api + "/secrets/")) {
      const std::string id = request.url.substr(api.size() + 9);
      out.status = id == kSecret || id == kOther ? 200 : 404;
      out.body = secret_of(entry(id, true).dump());
    } else {
      FAIL(request.url);
    }
    return out;
  }
  [[nodiscard]] json entry(const std::string& id, bool whole) const {
    json out = {{"id", says_id.empty() ? id : says_id},
                {"organizationId", kOrganization},
                {"key", sealed(key, id == kSecret ? "OPENAI_API_KEY" : "OTHER")}};
    if (whole) {
      out["value"] = sealed(key, id == kSecret ? "sk-live" : "other");
      out["note"] = sealed(key, "");
    }
    return out;
  }
  [[nodiscard]] json listed() const {
    json list =
        json::array({entry(std::string(kSecret), false), entry(std::string(kOther), false)});
    if (twice) {
      list.push_back(list.front());
    }
    return {{"object", "SecretsWithProjectsList"}, {"secrets", list}, {"projects", json::array()}};
  }
  [[nodiscard]] std::string login() {
    bearer = "h." +
             encoding::base64(json{{"organization", kOrganization}, {"n", logins}}.dump(),
                              encoding::Base64::kUrl) +
             ".s";
    const Secret token_key = secret_of(testing::unbase64(std::string(kDerived)));
    const std::string payload = json{{"encryptionKey", encoding::base64(shown(key))}}.dump();
    return json{{"access_token", bearer},
                {"expires_in", 3600},
                {"token_type", "Bearer"},
                {"scope", "api.secrets"},
                {"encrypted_payload", sealed(spoilt ? key : token_key, payload)}}
        .dump();
  }

  std::string base = "https://sm.test";
  Secret key = secret_of(std::string(64, 'o'));
  std::string bearer;
  std::string says_id;
  int status = 200;
  int login_status = 200;
  int logins = 0;
  bool twice = false;
  bool spoilt = false;

 private:
  std::mutex mutex_;
};

struct Store {
  Store() {
    ports.http = &server;
    ports.clock = &clock;
    provider = std::move(*make("https://sm.test/"));
  }
  Result<std::unique_ptr<Provider>> make(const std::string& url, const std::string& plain = {}) {
    vault::ExternalStore store;
    store.settings.emplace("url", url);
    store.settings.emplace("plain_http", plain);
    vault::StoreSecrets secrets;
    secrets.emplace("token", secret_of(kToken));
    return kBitwardenSm.make(store, std::move(secrets), ports);
  }
  [[nodiscard]] std::string value(const std::string& item, std::string_view field = "value") const {
    const auto record = provider->fetch(item);
    if (!record) {
      return "(" + std::string(to_string(record.error().why)) + ")";
    }
    const auto found = field_of(*record, field);
    return found ? shown(**found) : "(no field)";
  }
  FakeClock clock;
  FakeServer server;
  Ports ports;
  std::unique_ptr<Provider> provider;
};

TEST_CASE("Secrets Manager: a secret by its identifier and by its name, under one login") {
  Store store;
  CHECK(store.value("id/" + std::string(kSecret)) == "sk-live");
  CHECK(store.value("id/" + std::string(kSecret), "key") == "OPENAI_API_KEY");
  CHECK(store.value("id/" + std::string(kSecret), "note").empty());
  CHECK(store.value("key/OPENAI_API_KEY") == "sk-live");
  CHECK(store.value("key/OTHER") == "other");
  CHECK(store.server.logins == 1);
  CHECK(store.value("key/openai_api_key") == "(not_found)");
  CHECK(store.value("id/00000000-2222-3333-4444-555555555555") == "(not_found)");
  store.server.twice = true;
  CHECK(store.value("key/OPENAI_API_KEY") == "(invalid)");
}

TEST_CASE("Secrets Manager: logins end, are taken back, and are made again once") {
  Store store;
  CHECK(store.value("id/" + std::string(kSecret)) == "sk-live");
  store.clock.advance(3'539'000);
  CHECK(store.value("id/" + std::string(kSecret)) == "sk-live");
  CHECK(store.server.logins == 1);
  store.clock.advance(2'000);
  CHECK(store.value("id/" + std::string(kSecret)) == "sk-live");
  CHECK(store.server.logins == 2);
  store.server.bearer = "another";
  CHECK(store.value("id/" + std::string(kSecret)) == "sk-live");
  CHECK(store.server.logins == 3);
  store.server.bearer = "another";
  store.server.login_status = 400;
  CHECK(store.value("id/" + std::string(kSecret)) == "(denied)");
  CHECK(store.provider->test().error().message.find("invalid_client") != std::string::npos);
  store.server.login_status = 429;
  const auto busy = store.provider->test();
  CHECK(busy.error().why == Why::kBusy);
  CHECK(busy.error().retry_ms == 7'000);
  store.server.login_status = 502;
  CHECK(store.provider->test().error().why == Why::kUnreachable);
  store.server.login_status = 200;
  const auto about = store.provider->test();
  REQUIRE(about.has_value());
  CHECK(about->detail == "organization " + std::string(kOrganization));
}

TEST_CASE("Secrets Manager: threads that come at once share one login") {
  Store store;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { good += store.value("id/" + std::string(kSecret)) == "sk-live"; });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(good == 8);
  CHECK(store.server.logins == 1);
}

TEST_CASE("Secrets Manager: a server cannot make up a secret, nor give another for a name") {
  Store store;
  CHECK(store.value("key/OTHER") == "other");
  // Another key than the organization's.
  Secret right = std::exchange(store.server.key, secret_of(std::string(64, 'x')));
  CHECK(store.value("id/" + std::string(kSecret)) == "(malformed)");
  store.server.key = std::move(right);
  store.server.says_id = kOther;
  CHECK(store.value("id/" + std::string(kSecret)) == "(malformed)");
  // In the list, the other secret's identifier stands beside this one's name.
  store.server.twice = false;
  CHECK(store.value("key/OPENAI_API_KEY") == "(malformed)");
  store.server.says_id.clear();
  store.server.spoilt = true;
  store.server.bearer = "another";
  CHECK(store.value("id/" + std::string(kSecret)) == "(malformed)");
}

TEST_CASE("Secrets Manager: names are listed, values are not asked for") {
  Store store;
  const auto listed = store.provider->list({});
  REQUIRE(listed.has_value());
  REQUIRE(listed->size() == 2);
  CHECK(listed->front().reference == "bw://id/" + std::string(kSecret));
  CHECK(listed->front().title == "OPENAI_API_KEY");
  CHECK_FALSE(store.provider->list("x").has_value());
  CHECK(store.provider->item_of_host("github.com").empty());
  for (const auto& [status, why] : {std::pair{403, Why::kDenied},
                                    {404, Why::kNotFound},
                                    {429, Why::kBusy},
                                    {500, Why::kUnreachable},
                                    {302, Why::kMalformed}}) {
    store.server.status = status;
    CHECK(store.provider->list({}).error().why == why);
  }
}

TEST_CASE("Secrets Manager: URLs that cannot be are refused") {
  Store store;
  for (const std::string& bad :
       {std::string("http://sm.test"), std::string("https://"), std::string("https://sm.test/?x"),
        std::string("https://sm.test/a b"), std::string("https://sm.test/../x"),
        std::string("https://u@sm.test")}) {
    INFO(bad);
    CHECK_FALSE(store.make(bad).has_value());
  }
  CHECK(store.make("http://sm.test", "yes").has_value());
  CHECK(store.make("").has_value());
  vault::ExternalStore none;
  CHECK_FALSE(kBitwardenSm.make(none, {}, store.ports).has_value());
}

}  // namespace
}  // namespace av::source
