#include "proxy/certificate_authority.h"

#include <openssl/x509v3.h>

#include <catch2/catch.hpp>

using av::Millis;
using av::SystemClock;
using av::proxy::CertificateAuthority;
namespace ossl = av::ossl;

namespace {

constexpr Millis kDay{24LL * 3600 * 1000};

// Verifies the leaf that a context presents against the authority, as a client would.
long verify(SSL_CTX* context, const std::string& ca_pem, const char* host, bool ip) {
  const ossl::Bio bio(BIO_new_mem_buf(ca_pem.data(), static_cast<int>(ca_pem.size())));
  const ossl::X509Cert root(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  const ossl::X509Store store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), root.get());
  std::unique_ptr<X509_STORE_CTX, ossl::Free<X509_STORE_CTX_free>> check(X509_STORE_CTX_new());
  X509_STORE_CTX_init(check.get(), store.get(), SSL_CTX_get0_certificate(context), nullptr);
  X509_STORE_CTX_set_purpose(check.get(), X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(check.get());
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
  if (ip) {
    X509_VERIFY_PARAM_set1_ip_asc(param, host);
  } else {
    X509_VERIFY_PARAM_set1_host(param, host, 0);
  }
  X509_verify_cert(check.get());
  return X509_STORE_CTX_get_error(check.get());
}

}  // namespace

TEST_CASE("ca: leaves verify strictly for their host and for no other", "[proxy][ca]") {
  const SystemClock clock;
  const auto ca = CertificateAuthority::create("agent-vault test", kDay, clock);
  REQUIRE(ca);
  const auto leaf = ca->make_leaf_context("api.example.com", clock);
  REQUIRE(leaf);
  CHECK(verify(leaf->get(), ca->certificate_pem(), "api.example.com", false) == X509_V_OK);
  CHECK(verify(leaf->get(), ca->certificate_pem(), "evil.example.com", false) ==
        X509_V_ERR_HOSTNAME_MISMATCH);
  const auto v4 = ca->make_leaf_context("192.0.2.7", clock);
  REQUIRE(v4);
  CHECK(verify(v4->get(), ca->certificate_pem(), "192.0.2.7", true) == X509_V_OK);
  const auto v6 = ca->make_leaf_context("[2001:db8::7]", clock);
  REQUIRE(v6);
  CHECK(verify(v6->get(), ca->certificate_pem(), "2001:db8::7", true) == X509_V_OK);
  const std::string label(60, 'a');
  const std::string long_host = label + "." + label + ".example.com";
  const auto named = ca->make_leaf_context(long_host, clock);
  REQUIRE(named);
  CHECK(verify(named->get(), ca->certificate_pem(), long_host.c_str(), false) == X509_V_OK);
}

TEST_CASE("ca: survives a trip through PEM, and only with its own key", "[proxy][ca]") {
  const SystemClock clock;
  const auto first = CertificateAuthority::create("agent-vault one", kDay, clock);
  const auto second = CertificateAuthority::create("agent-vault two", kDay, clock);
  REQUIRE(first);
  REQUIRE(second);
  const auto key = first->key_pem();
  const auto other_key = second->key_pem();
  REQUIRE(key);
  REQUIRE(other_key);
  const auto again = CertificateAuthority::from_pem(first->certificate_pem(), *key);
  REQUIRE(again);
  CHECK(again->fingerprint_sha256() == first->fingerprint_sha256());
  const auto leaf = again->make_leaf_context("a.example.com", clock);
  REQUIRE(leaf);
  CHECK(verify(leaf->get(), first->certificate_pem(), "a.example.com", false) == X509_V_OK);
  CHECK_FALSE(CertificateAuthority::from_pem(first->certificate_pem(), *other_key));
}
