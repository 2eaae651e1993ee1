#include "proxy/certificate_authority.h"

#include <openssl/x509v3.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>

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

namespace {

// A client and a server that pass bytes through memory.
struct Handshake {
  Handshake(SSL_CTX* client_context, SSL_CTX* server_context, const char* name,
            SSL_SESSION* session)
      : client(SSL_new(client_context)), server(SSL_new(server_context)) {
    BIO* ours = nullptr;
    BIO* theirs = nullptr;
    BIO_new_bio_pair(&ours, 0, &theirs, 0);
    SSL_set_bio(client.get(), ours, ours);
    SSL_set_bio(server.get(), theirs, theirs);
    SSL_set_connect_state(client.get());
    SSL_set_accept_state(server.get());
    if (name != nullptr) {
      SSL_set_tlsext_host_name(client.get(), name);
    }
    if (session != nullptr) {
      SSL_set_session(client.get(), session);
    }
    for (int i = 0; i < 10; ++i) {
      const int c = SSL_do_handshake(client.get());
      const int s = SSL_do_handshake(server.get());
      if (c == 1 && s == 1) {
        done = true;
        break;
      }
    }
    if (done) {
      char byte = 'x';
      SSL_write(server.get(), &byte, 1);
      SSL_read(client.get(), &byte, 1);  // and the tickets before it
    }
  }
  [[nodiscard]] bool resumed() const {
    return SSL_session_reused(client.get()) == 1 && SSL_session_reused(server.get()) == 1;
  }
  [[nodiscard]] ossl::SslSession session() const {
    return ossl::SslSession(SSL_get1_session(client.get()));
  }
  [[nodiscard]] std::string name_seen() const {
    const char* const name = SSL_get_servername(server.get(), TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? "" : name;
  }
  ossl::Ssl client;
  ossl::Ssl server;
  bool done = false;
};

ossl::SslCtx client_context(int version) {
  ossl::SslCtx context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_max_proto_version(context.get(), version);
  return context;
}

}  // namespace

TEST_CASE("ca: a client resumes with the host that it was at, and with no other",
          "[proxy][ca][tls]") {
  const SystemClock clock;
  const auto ca = CertificateAuthority::create("agent-vault test", kDay, clock);
  REQUIRE(ca);
  const auto a = ca->make_leaf_context("a.test", clock);
  const auto b = ca->make_leaf_context("b.test", clock);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    INFO("version " << std::hex << version);
    const ossl::SslCtx client = client_context(version);
    const Handshake first(client.get(), a->get(), "a.test", nullptr);
    REQUIRE(first.done);
    CHECK_FALSE(first.resumed());
    const ossl::SslSession session = first.session();
    const Handshake again(client.get(), a->get(), "a.test", session.get());
    REQUIRE(again.done);
    CHECK(again.resumed());
    // Below TLS 1.3 OpenSSL has no name for a resumed session: callers take that as agreement.
    CHECK(again.name_seen() == (version == TLS1_2_VERSION ? "" : "a.test"));
    // The attack: a session of one host in a tunnel to another, with either name.
    for (const char* const name : {"a.test", "b.test"}) {
      const Handshake elsewhere(client.get(), b->get(), name, session.get());
      REQUIRE(elsewhere.done);
      CHECK_FALSE(elsewhere.resumed());
      CHECK(elsewhere.name_seen() == name);
    }
  }
}

TEST_CASE("ca: were the keys of tickets shared, a session would cross hosts", "[proxy][ca][tls]") {
  // The control of the case above: contexts that share what ours do not.
  const SystemClock clock;
  const auto ca = CertificateAuthority::create("agent-vault test", kDay, clock);
  const auto a = ca->make_leaf_context("a.test", clock);
  const auto b = ca->make_leaf_context("b.test", clock);
  std::array<unsigned char, 80> keys{};
  for (SSL_CTX* const context : {a->get(), b->get()}) {
    SSL_CTX_set_tlsext_ticket_keys(context, keys.data(), static_cast<long>(keys.size()));
    SSL_CTX_set_session_id_context(context, keys.data(), 8);
  }
  const ossl::SslCtx client = client_context(TLS1_3_VERSION);
  const Handshake first(client.get(), a->get(), "a.test", nullptr);
  const ossl::SslSession session = first.session();
  const Handshake elsewhere(client.get(), b->get(), "b.test", session.get());
  CHECK(elsewhere.resumed());
}

TEST_CASE("ca: the name in TLS is looked at on resumed sessions too", "[proxy][ca][tls]") {
  const SystemClock clock;
  const auto ca = CertificateAuthority::create("agent-vault test", kDay, clock);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const bool defended : {true, false}) {
      INFO("version " << std::hex << version << " defended " << defended);
      const auto a = ca->make_leaf_context("a.test", clock);
      const ossl::SslCtx client = client_context(version);
      if (!defended) {
        SSL_CTX_set_client_hello_cb(a->get(), nullptr, nullptr);
      }
      const Handshake first(client.get(), a->get(), "a.test", nullptr);
      const ossl::SslSession session = first.session();
      const Handshake lies(client.get(), a->get(), "evil.test", session.get());
      REQUIRE(lies.done);
      if (defended) {
        CHECK_FALSE(lies.resumed());
        CHECK(lies.name_seen() == "evil.test");  // which is then refused with 421
      } else if (version == TLS1_2_VERSION) {
        // The control: the other name goes unseen.
        CHECK(lies.resumed());
        CHECK(lies.name_seen().empty());
      }
      const Handshake fresh(client.get(), a->get(), "a.test", nullptr);
      const Handshake spelt(client.get(), a->get(), "A.Test", fresh.session().get());
      CHECK(spelt.resumed());
    }
  }
}

TEST_CASE("ca: handshakes with and without resumption", "[.][benchmark]") {
  const SystemClock clock;
  const auto ca = CertificateAuthority::create("agent-vault test", kDay, clock);
  const auto a = ca->make_leaf_context("a.test", clock);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const ossl::SslCtx client = client_context(version);
    for (const bool resume : {false, true}) {
      ossl::SslSession session;
      int count = 0;
      const auto start = std::chrono::steady_clock::now();
      std::chrono::duration<double> spent{};
      while (spent.count() < 2) {
        const Handshake one(client.get(), a->get(), "a.test", resume ? session.get() : nullptr);
        session = one.session();
        ++count;
        spent = std::chrono::steady_clock::now() - start;
      }
      WARN((version == TLS1_3_VERSION ? "TLS 1.3" : "TLS 1.2")
           << (resume ? " resumed: " : " full: ") << static_cast<int>(count / spent.count())
           << " handshakes/s, both ends on one core");
    }
  }
}
