#include "oauth/id_token.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/crypto.h"
#include "oauth/answer.h"
#include "oauth/jwks.h"
#include "oauth/jwt.h"
#include "vault/oauth.h"

namespace av::oauth {
namespace {

using vault::JsonDocument;

constexpr std::size_t kMostToken = std::size_t{64} << 10;
constexpr std::size_t kMostSubject = 255;  // OpenID Connect Core section 2
constexpr std::size_t kMostEmail = 320;
constexpr std::size_t kMostAudiences = 20;
constexpr std::int64_t kClocksApartS = 60;
// Tokens are looked at when they have just been made.
constexpr std::int64_t kOldestS = std::int64_t{24} * 3600;

Error refused(std::string_view why) {
  return make_error(ErrorCode::kNotPermitted, "the ID token is not taken: " + std::string(why));
}

struct Header {
  JwtAlgorithm algorithm = JwtAlgorithm::kRs256;
  std::string key_id;
};

Expected<Header> read_header(std::string_view part) {
  const auto bytes = from_base64url(part);
  const auto document = bytes ? JsonDocument::parse(bytes->view())
                              : Expected<JsonDocument>(make_error(ErrorCode::kInvalid, ""));
  if (!document || !document->root().is(JsonView::Kind::kObject)) {
    return refused("its header is malformed");
  }
  const JsonView header = document->root();
  Header out;
  // From a list of two, whatever the issuer offers: neither `none` nor HMAC with a public key.
  const std::string algorithm = text_of(header, "alg");
  if (algorithm == "ES256") {
    out.algorithm = JwtAlgorithm::kEs256;
  } else if (algorithm != "RS256") {
    return refused("it is signed neither with RS256 nor with ES256");
  }
  // RFC 7515 section 4.1.11: what is critical and not understood makes the token invalid.
  if (header.find("crit")) {
    return refused("it has critical extensions");
  }
  const std::string type = ascii::lower(text_of(header, "typ"));
  if (header.find("typ") && type != "jwt") {
    return refused("it is a token of another type");
  }
  const auto id = header.find("kid");
  if (id && (!id->is(JsonView::Kind::kString) || id->text().empty())) {
    return refused("its key has no usable name");
  }
  out.key_id = id ? id->text() : std::string();
  return out;
}

Status check_signature(EVP_PKEY* key, JwtAlgorithm algorithm, const JwtParts& parts) {
  const auto raw = from_base64url(parts.signature);
  if (!raw) {
    return refused("its signature is malformed");
  }
  const std::string signature =
      algorithm == JwtAlgorithm::kEs256 ? der_of_es256(raw->view()) : std::string(raw->view());
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  const bool good =
      !signature.empty() && ctx != nullptr &&
      EVP_DigestVerifyInit_ex(ctx.get(), nullptr, "SHA256", nullptr, nullptr, key, nullptr) == 1 &&
      EVP_DigestVerify(ctx.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                       signature.size(),
                       reinterpret_cast<const unsigned char*>(parts.signed_text.data()),
                       parts.signed_text.size()) == 1;
  (void)ossl::drain_errors();
  return good ? Status() : Status(refused("its signature is wrong"));
}

// OpenID Connect Core section 3.1.3.7, 3 to 5.
Status check_audience(const JsonView& claims, std::string_view client_id) {
  const auto audience = claims.find("aud");
  const bool list = audience && audience->is(JsonView::Kind::kArray);
  const std::vector<JsonView> many = list ? audience->children() : std::vector<JsonView>();
  const bool one = audience && audience->is(JsonView::Kind::kString);
  const bool ours = (one && audience->text() == client_id) ||
                    (many.size() <= kMostAudiences &&
                     std::any_of(many.begin(), many.end(), [&](const JsonView& each) {
                       return each.is(JsonView::Kind::kString) && each.text() == client_id;
                     }));
  if (!ours || client_id.empty()) {
    return refused("it is for another client");
  }
  const auto party = claims.find("azp");
  if (party ? party->text() != client_id : many.size() > 1) {
    return refused("it was made for another client");
  }
  return {};
}

Status check_times(const JsonView& claims, std::int64_t now_s) {
  const auto number = [&](std::string_view name) -> std::optional<std::int64_t> {
    const auto found = claims.find(name);
    const auto value = found ? found->integer() : std::nullopt;
    // Far from where sums overflow.
    return value && *value >= 0 && *value < (std::int64_t{1} << 40) ? value : std::nullopt;
  };
  const auto expires = number("exp");
  const auto issued = number("iat");
  if (!expires || !issued) {
    return refused("it does not say when it was made and when it ends");
  }
  if (now_s >= *expires + kClocksApartS) {
    return refused("it has expired");
  }
  if (*issued > now_s + kClocksApartS || *issued < now_s - kOldestS) {
    return refused("it was made at another time");
  }
  const auto before = number("nbf");
  if (claims.find("nbf") && (!before || *before > now_s + kClocksApartS)) {
    return refused("it does not hold yet");
  }
  return {};
}

bool is_plain(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

Expected<Identity> read_claims(const JsonView& claims, const IdTokenExpectation& expectation) {
  Identity out;
  out.issuer = text_of(claims, "iss");
  if (out.issuer.empty() || out.issuer != expectation.issuer) {
    return refused("it comes from another issuer");
  }
  AV_CHECK(check_audience(claims, expectation.client_id));
  AV_CHECK(check_times(claims, expectation.now_s));
  if (!expectation.nonce.empty() &&
      !crypto::constant_time_equal(text_of(claims, "nonce"), expectation.nonce)) {
    return refused("it belongs to another attempt");
  }
  out.subject = text_of(claims, "sub");
  if (!is_plain(out.subject, kMostSubject)) {
    return refused("it names nobody");
  }
  const std::string email = ascii::lower(text_of(claims, "email"));
  if (is_plain(email, kMostEmail)) {
    out.email = email;
    const auto verified = claims.find("email_verified");
    // Some issuers write it as a string.
    out.email_verified = verified && (verified->boolean() == true || verified->text() == "true");
  }
  const std::string domain = ascii::lower(text_of(claims, "hd"));
  out.hosted_domain = is_plain(domain, kMostSubject) ? domain : std::string();
  const auto shown = claims.find("auth_time");
  out.auth_time_s = shown ? shown->integer().value_or(0) : 0;
  return out;
}

Expected<Identity> read_payload(std::string_view part, const IdTokenExpectation& expectation) {
  const auto bytes = from_base64url(part);
  if (!bytes) {
    return refused("its claims are malformed");
  }
  const auto document = JsonDocument::parse(bytes->view());
  if (!document || !document->root().is(JsonView::Kind::kObject)) {
    return refused("its claims are malformed");
  }
  return read_claims(document->root(), expectation);
}

Expected<ossl::Pkey> fetch_key(HttpPort& http, std::string_view jwks_url, const Header& header) {
  AV_CHECK(vault::check_endpoint(jwks_url, "jwks_url"));
  HttpRequest request;
  request.method = "GET";
  request.url = std::string(jwks_url);
  AV_TRY(const HttpAnswer answer, http.send(request));
  if (answer.status != 200 || !says_json(answer)) {
    return make_error(ErrorCode::kNetwork, "the issuer did not show its keys (status " +
                                               std::to_string(answer.status) + ")");
  }
  Expected<ossl::Pkey> out = make_error(ErrorCode::kNetwork, "the issuer's keys are no JSON");
  read_answer(answer, [&](const std::optional<JsonView>& object) {
    if (object) {
      out = signing_key(*object, header.algorithm, header.key_id);
    }
  });
  return out;
}

Expected<Identity> verify(HttpPort& http, std::string_view jwks_url, std::string_view token,
                          const IdTokenExpectation& expectation) {
  if (token.size() > kMostToken) {
    return refused("it is larger than 64 KiB");
  }
  const auto parts = split_jwt(token);
  if (!parts) {
    return refused("it is not signed");
  }
  AV_TRY(const Header header, read_header(parts->header));
  AV_TRY(const ossl::Pkey key, fetch_key(http, jwks_url, header));
  AV_CHECK(check_signature(key.get(), header.algorithm, *parts));
  return read_payload(parts->payload, expectation);
}

}  // namespace

Expected<Identity> verify_id_token(HttpPort& http, std::string_view jwks_url,
                                   const Secret& id_token, const IdTokenExpectation& expectation) {
  return id_token.reveal(
      [&](std::string_view bytes) { return verify(http, jwks_url, bytes, expectation); });
}

}  // namespace av::oauth
