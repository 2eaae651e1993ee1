#include "oauth/id_token.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "unit/oauth/fake_port.h"
#include "unit/oauth/test_keys.h"

using namespace av;
using namespace av::test;
using nlohmann::json;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;
constexpr const char* kJwks = "https://id.example.com/jwks";
constexpr const char* kRs256 = R"({"alg":"RS256","kid":"r1"})";
constexpr const char* kEs256 = R"({"alg":"ES256","kid":"e1","typ":"JWT"})";

json claims() {
  return {{"iss", "https://id.example.com"},
          {"aud", "client-1"},
          {"sub", "person-1"},
          {"nonce", "nonce-1"},
          {"iat", kNow},
          {"exp", kNow + 600},
          {"email", "Person@Example.COM"},
          {"email_verified", true},
          {"hd", "Example.com"}};
}

std::string both_keys() {
  return R"({"keys":[)" + TestKey::rsa().jwk(R"(,"kid":"r1","use":"sig","alg":"RS256")") + "," +
         TestKey::ec().jwk(R"(,"kid":"e1","key_ops":["verify"])") + "]}";
}

Expected<oauth::Identity> verify(const std::string& token, const std::string& jwks = both_keys()) {
  FakePort port;
  port.page(kJwks, jwks);
  oauth::IdTokenExpectation expected;
  expected.issuer = "https://id.example.com";
  expected.client_id = "client-1";
  expected.nonce = "nonce-1";
  expected.now_s = kNow;
  return oauth::verify_id_token(port, kJwks, secret(token), expected);
}

std::string rs256(const json& of) {
  return TestKey::rsa().token(kRs256, of.dump());
}

std::string fault(const std::string& token, const std::string& jwks = both_keys()) {
  const auto identity = verify(token, jwks);
  REQUIRE_FALSE(identity);
  CHECK(identity.error().code == ErrorCode::kNotPermitted);
  return identity.error().message;
}

std::string fault_with(const char* name, const json& value) {
  json changed = claims();
  if (value.is_discarded()) {
    changed.erase(name);
  } else {
    changed[name] = value;
  }
  return fault(rs256(changed));
}

const json kAbsent = json(json::value_t::discarded);

}  // namespace

TEST_CASE("id token: who it says has signed in", "[oauth][id_token]") {
  for (const std::string& token : {rs256(claims()), TestKey::ec().token(kEs256, claims().dump())}) {
    const auto identity = verify(token);
    REQUIRE(identity);
    CHECK(identity->issuer == "https://id.example.com");
    CHECK(identity->subject == "person-1");
    CHECK(identity->email == "person@example.com");
    CHECK(identity->email_verified);
    CHECK(identity->hosted_domain == "example.com");
  }
}

TEST_CASE("id token: no signature, or one that anybody can make", "[oauth][id_token][attack]") {
  const std::string body = claims().dump();
  const auto unsigned_by = [&](const char* header) { return b64(header) + "." + b64(body) + "."; };
  CHECK_THAT(fault(unsigned_by(R"({"alg":"none"})")), Catch::Contains("not signed"));
  CHECK_THAT(fault(unsigned_by(R"({"alg":"none"})") + "AAAA"), Catch::Contains("neither"));
  CHECK_THAT(fault(unsigned_by(R"({"alg":"NONE","kid":"r1"})") + "AAAA"),
             Catch::Contains("neither"));
  CHECK_THAT(fault(b64(R"({"alg":"none"})") + "." + b64(body)), Catch::Contains("not signed"));
  // HMAC with the public key as its secret, in the forms in which it is found.
  for (const std::string& key : {TestKey::rsa().public_pem(), TestKey::rsa().jwk(), both_keys()}) {
    CHECK_THAT(fault(hmac_token(R"({"alg":"HS256","kid":"r1"})", body, key)),
               Catch::Contains("neither"));
    CHECK_THAT(fault(hmac_token(kRs256, body, key)), Catch::Contains("signature is wrong"));
  }
  // The key that the token itself brings along.
  const TestKey own{ossl::Pkey(EVP_RSA_gen(2048))};
  CHECK_THAT(fault(own.token(R"({"alg":"RS256","jwk":)" + own.jwk() + "}", body),
                   R"({"keys":[)" + TestKey::rsa().jwk() + "]}"),
             Catch::Contains("signature is wrong"));
  CHECK_THAT(fault(own.token(kRs256, body)), Catch::Contains("signature is wrong"));
  // ES256 made out to be RS256 and the other way about.
  CHECK_THAT(fault(TestKey::ec().token(R"({"alg":"RS256","kid":"r1"})", body)),
             Catch::Contains("signature is wrong"));
  CHECK_THAT(fault(TestKey::rsa().token(R"({"alg":"ES256","kid":"e1"})", body)),
             Catch::Contains("signature is wrong"));
  // r = s = 0 (CVE-2022-21449).
  CHECK_THAT(fault(b64(kEs256) + "." + b64(body) + "." + b64(std::string(64, '\0'))),
             Catch::Contains("signature is wrong"));
}

TEST_CASE("id token: a changed token is refused at every place", "[oauth][id_token][attack]") {
  const std::string token = TestKey::ec().token(kEs256, claims().dump());
  REQUIRE(verify(token));
  for (std::size_t at = 0; at < token.size(); at += 5) {
    std::string changed = token;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    CAPTURE(at);
    CHECK_FALSE(verify(changed));
  }
  for (std::size_t size = 0; size < token.size(); size += 7) {
    CHECK_FALSE(verify(token.substr(0, size)));
  }
  CHECK_FALSE(verify(token + "."));
  CHECK_FALSE(verify(token + "=="));
  CHECK_FALSE(verify(token + "\n"));
}

TEST_CASE("id token: for whom and by whom it was made", "[oauth][id_token][attack]") {
  CHECK_THAT(fault_with("iss", "https://evil.example"), Catch::Contains("issuer"));
  CHECK_THAT(fault_with("iss", "https://id.example.com/"), Catch::Contains("issuer"));
  CHECK_THAT(fault_with("iss", kAbsent), Catch::Contains("issuer"));
  CHECK_THAT(fault_with("iss", json::array({"https://id.example.com"})), Catch::Contains("issuer"));
  CHECK_THAT(fault_with("aud", "client-2"), Catch::Contains("another client"));
  CHECK_THAT(fault_with("aud", "client-1 client-2"), Catch::Contains("another client"));
  CHECK_THAT(fault_with("aud", kAbsent), Catch::Contains("another client"));
  CHECK_THAT(fault_with("aud", json::array()), Catch::Contains("another client"));
  CHECK_THAT(fault_with("aud", json::array({"client-2"})), Catch::Contains("another client"));
  CHECK_THAT(fault_with("aud", json::array({"client-1", "client-2"})),
             Catch::Contains("made for another"));
  CHECK_THAT(fault_with("azp", "client-2"), Catch::Contains("made for another"));
  CHECK_THAT(fault_with("azp", 1), Catch::Contains("made for another"));
  json list = claims();
  list["aud"] = {"client-1"};
  CHECK(verify(rs256(list)));
  list["aud"] = {"client-2", "client-1"};
  list["azp"] = "client-1";
  CHECK(verify(rs256(list)));
  list["azp"] = "client-2";
  CHECK_FALSE(verify(rs256(list)));
}

TEST_CASE("id token: when it was made, when it ends", "[oauth][id_token][attack]") {
  CHECK_THAT(fault_with("exp", kNow - 60), Catch::Contains("expired"));
  CHECK_THAT(fault_with("exp", kAbsent), Catch::Contains("when it was made"));
  CHECK_THAT(fault_with("exp", "1900000000"), Catch::Contains("when it was made"));
  CHECK_THAT(fault_with("exp", -1), Catch::Contains("when it was made"));
  CHECK_THAT(fault_with("exp", 9223372036854775807), Catch::Contains("when it was made"));
  CHECK_THAT(fault_with("iat", kAbsent), Catch::Contains("when it was made"));
  CHECK_THAT(fault_with("iat", kNow + 61), Catch::Contains("another time"));
  CHECK_THAT(fault_with("iat", kNow - 2 * 24 * 3600), Catch::Contains("another time"));
  CHECK_THAT(fault_with("nbf", kNow + 61), Catch::Contains("not hold yet"));
  json skewed = claims();
  skewed["exp"] = kNow - 59;
  skewed["iat"] = kNow + 60;
  skewed["nbf"] = kNow + 60;
  CHECK(verify(rs256(skewed)));
}

TEST_CASE("id token: it belongs to this attempt, and names somebody", "[oauth][id_token][attack]") {
  CHECK_THAT(fault_with("nonce", "nonce-2"), Catch::Contains("another attempt"));
  CHECK_THAT(fault_with("nonce", kAbsent), Catch::Contains("another attempt"));
  CHECK_THAT(fault_with("nonce", ""), Catch::Contains("another attempt"));
  CHECK_THAT(fault_with("sub", kAbsent), Catch::Contains("nobody"));
  CHECK_THAT(fault_with("sub", ""), Catch::Contains("nobody"));
  CHECK_THAT(fault_with("sub", 7), Catch::Contains("nobody"));
  CHECK_THAT(fault_with("sub", std::string(256, 's')), Catch::Contains("nobody"));
  json less = claims();
  less["email"] = "a b@example.com";
  less.erase("hd");
  const auto without = verify(rs256(less));
  REQUIRE(without);
  CHECK(without->email.empty());
  CHECK_FALSE(without->email_verified);
  CHECK(without->hosted_domain.empty());
  json worded = claims();
  worded["email_verified"] = "true";
  CHECK(verify(rs256(worded))->email_verified);
  worded["email_verified"] = "false";
  CHECK_FALSE(verify(rs256(worded))->email_verified);
  worded["email_verified"] = 1;
  CHECK_FALSE(verify(rs256(worded))->email_verified);
}

TEST_CASE("id token: a header that means something else", "[oauth][id_token][attack]") {
  const std::string body = claims().dump();
  const TestKey& key = TestKey::rsa();
  CHECK(verify(key.token(R"({"alg":"RS256","kid":"r1","typ":"jwt","x":1})", body)));
  CHECK_THAT(fault(key.token(R"({"alg":"RS256","kid":"r1","crit":["exp"]})", body)),
             Catch::Contains("critical"));
  CHECK_THAT(fault(key.token(R"({"alg":"RS256","kid":"r1","typ":"at+jwt"})", body)),
             Catch::Contains("another type"));
  CHECK_THAT(fault(key.token(R"({"alg":"RS256","kid":"r1","alg":"RS256"})", body)),
             Catch::Contains("header"));
  CHECK_THAT(fault(key.token(R"({"alg":["RS256"]})", body)), Catch::Contains("neither"));
  CHECK_THAT(fault(key.token(R"({"alg":"PS256","kid":"r1"})", body)), Catch::Contains("neither"));
  CHECK_THAT(fault(key.token(R"({"alg":"RS256","kid":""})", body)), Catch::Contains("name"));
  CHECK_THAT(fault(key.token("[]", body)), Catch::Contains("header"));
  CHECK_THAT(fault(key.token(kRs256, R"({"iss":1,"iss":2})")), Catch::Contains("claims"));
  CHECK_THAT(fault(key.token(kRs256, "[]")), Catch::Contains("claims"));
  CHECK_THAT(fault(std::string(65 * 1024, 'a')), Catch::Contains("64 KiB"));
}

TEST_CASE("id token: which of the issuer's keys", "[oauth][id_token]") {
  const std::string body = claims().dump();
  const TestKey& key = TestKey::rsa();
  const std::string unnamed = key.token(R"({"alg":"RS256"})", body);
  const TestKey other{ossl::Pkey(EVP_RSA_gen(2048))};
  const auto set = [](const std::string& keys) { return R"({"keys":[)" + keys + "]}"; };
  // OpenID Connect Core section 10.1: without a name there must be one only.
  CHECK(verify(unnamed, both_keys()));
  CHECK(verify(unnamed, set(key.jwk())));
  CHECK_THAT(fault(unnamed, set(key.jwk() + "," + other.jwk())), Catch::Contains("several"));
  CHECK(verify(unnamed, set(key.jwk() + "," + other.jwk(R"(,"use":"enc")"))));
  CHECK_THAT(fault(rs256(claims()), set(other.jwk(R"(,"kid":"r2")"))), Catch::Contains("no such"));
  CHECK_THAT(fault(rs256(claims()), set("")), Catch::Contains("no such"));
  CHECK_THAT(fault(unnamed, set(key.jwk(R"(,"use":"enc")"))), Catch::Contains("no such"));
  CHECK_THAT(fault(unnamed, set(key.jwk(R"(,"alg":"RS512")"))), Catch::Contains("no such"));
  CHECK_THAT(fault(unnamed, set(key.jwk(R"(,"key_ops":["sign"])"))), Catch::Contains("no such"));
  CHECK_THAT(fault(unnamed, R"({"keys":{}})"), Catch::Contains("no list"));
  CHECK_THAT(fault(unnamed, "{}"), Catch::Contains("no list"));
  std::string many;
  for (int i = 0; i < 101; ++i) {
    many += std::string(i == 0 ? "" : ",") + R"({"kty":"oct"})";
  }
  CHECK_THAT(fault(unnamed, set(many)), Catch::Contains("100"));
}

TEST_CASE("id token: a weak or broken key checks nothing", "[oauth][id_token][attack]") {
  const std::string body = claims().dump();
  const auto set = [](const std::string& key) { return R"({"keys":[)" + key + "]}"; };
  const TestKey weak{ossl::Pkey(EVP_RSA_gen(1024))};
  // Its signature is good: only its size speaks against it.
  const std::string by_weak = weak.token(R"({"alg":"RS256"})", body);
  REQUIRE(weak.verifies(by_weak));
  CHECK_THAT(fault(by_weak, set(weak.jwk())), Catch::Contains("weak"));
  const std::string n = b64(std::string(255, '\xff') + '\xfd');
  for (const std::string& key :
       {R"({"kty":"RSA","n":")" + n + R"(","e":"AQ"})",            // e = 1: every text signs itself
        R"({"kty":"RSA","n":")" + n + R"(","e":"Ag"})",            // e = 2
        R"({"kty":"RSA","n":")" + n + R"(","e":"AQABAQABAQAB"})",  // slow
        R"({"kty":"RSA","n":")" + b64(std::string(4096, '\xff')) + R"(","e":"AQAB"})",
        std::string(R"({"kty":"RSA","n":"!!","e":"AQAB"})"), std::string(R"({"kty":"RSA"})")}) {
    CAPTURE(key.substr(0, 60));
    CHECK_THAT(fault(TestKey::rsa().token(R"({"alg":"RS256"})", body), set(key)),
               Catch::Contains("weak"));
  }
  const std::string zero = b64(std::string(32, '\0'));
  for (const std::string& key :
       {R"({"kty":"EC","crv":"P-256","x":")" + zero + R"(","y":")" + zero + R"("})",
        R"({"kty":"EC","crv":"P-384","x":")" + zero + R"(","y":")" + zero + R"("})",
        std::string(R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})"),
        std::string(R"({"kty":"EC"})")}) {
    CAPTURE(key);
    CHECK_THAT(fault(TestKey::ec().token(R"({"alg":"ES256"})", body), set(key)),
               Catch::Contains("weak"));
  }
}

TEST_CASE("id token: the issuer's keys cannot be had", "[oauth][id_token]") {
  FakePort port;
  port.will(503, "").will(200, "<html>").fails(make_error(ErrorCode::kNetwork, "no route"));
  oauth::IdTokenExpectation expected;
  expected.issuer = "https://id.example.com";
  const auto failed = oauth::verify_id_token(port, kJwks, secret(rs256(claims())), expected);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::kNetwork);
  FakePort down;
  down.will(503, "").will(200, "<html>");
  for (int i = 0; i < 2; ++i) {
    CHECK(oauth::verify_id_token(down, kJwks, secret(rs256(claims())), expected).error().code ==
          ErrorCode::kNetwork);
  }
  FakePort none;
  CHECK_FALSE(oauth::verify_id_token(none, "http://id.example.com/jwks", secret(rs256(claims())),
                                     expected));
  CHECK(none.seen.empty());
}
