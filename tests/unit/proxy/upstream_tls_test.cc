#include "proxy/upstream_tls.h"

#include <openssl/x509v3.h>

#include <catch2/catch.hpp>

#include "net_fixture.h"

using namespace av;               // NOLINT: a test
using namespace av::proxy;        // NOLINT
using namespace av::proxy::test;  // NOLINT

namespace {

struct Identity {
  std::string certificate;
  std::string key;
};

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

// A self-signed certificate and its key, in PEM.
Identity make_identity(const char* name) {
  const ossl::Pkey key(EVP_EC_gen("P-256"));
  const ossl::X509Cert certificate(X509_new());
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 7);
  X509_set_version(certificate.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  REQUIRE(X509_sign(certificate.get(), key.get(), EVP_sha256()) != 0);
  const ossl::Bio out(BIO_new(BIO_s_mem()));
  const ossl::Bio key_out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate.get());
  PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {text_of(out.get()), text_of(key_out.get())};
}

// Makes a server want a certificate, and trust this one.
void want_client(SSL_CTX* context, const std::vector<Identity>& known) {
  for (const Identity& identity : known) {
    const ossl::Bio bio(BIO_new_mem_buf(identity.certificate.data(),
                                        static_cast<int>(identity.certificate.size())));
    const ossl::X509Cert certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get());
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

int choose(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
           unsigned offered_size, void* known) {
  const std::string_view names = static_cast<const char*>(known);
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(names.data()),
                            static_cast<unsigned>(names.size()), offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// Names h2 whatever was offered.
int choose_h2(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char*,
              unsigned, void*) {
  *out = reinterpret_cast<const unsigned char*>("h2");
  *out_size = 2;
  return SSL_TLSEXT_ERR_OK;
}

struct Way {
  explicit Way(Net& to) : net(to), fake(new FakeResolver) {
    options.net.allow_net.push_back(*parse_cidr("127.0.0.0/8"));
  }
  Connector& connector() {
    if (made == nullptr) {
      made = std::make_unique<Connector>(net.executor(), net.deadlines, options,
                                         std::unique_ptr<NameResolver>(fake));
    }
    return *made;
  }
  Outcome<UpstreamPtr> connect(const std::string& host, std::uint16_t port,
                               AlpnOffer offer = AlpnOffer::kHttp1) {
    const OutboundRequest request = requests.to(host, port);
    return net.run(connector().connect(request, offer));
  }
  // Connects, reads the greeting (and with it the tickets), closes. "" or the fault's code.
  std::string visit(const std::string& host, std::uint16_t port) {
    auto connection = connect(host, port);
    if (!connection) {
      return std::string(connection.error().code);
    }
    return net.run(greeted((*connection)->stream)) ? "" : "cut";
  }
  Net& net;
  FakeResolver* fake;
  ConnectorOptions options;
  Requests requests;
  std::unique_ptr<Connector> made;
};

vault::Service service_for(const std::string& host, std::uint16_t port) {
  vault::Service service;
  service.name = "svc";
  service.host = host;
  service.port = port;
  return service;
}

}  // namespace

TEST_CASE("upstream tls: sessions are resumed, for their host only", "[proxy][tls]") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    INFO("version " << std::hex << version);
    Net net;
    const TestCa ca;
    TlsServer server(net, ca.context("a.test"));
    SSL_CTX_set_max_proto_version(server.context(), version);
    Way way(net);
    way.options.upstream_ca_files.push_back(ca.file());
    way.fake->answer("a.test", {"127.0.0.1"});
    way.fake->answer("b.test", {"127.0.0.1"});
    CHECK(way.visit("a.test", server.port()).empty());
    CHECK(server.resumed == 0);
    for (int i = 1; i <= 3; ++i) {
      CHECK(way.visit("a.test", server.port()).empty());
      CHECK(server.resumed == i);
    }
    // The same server under a name that its certificate does not have: a resumed session would have
    // skipped the look at the certificate.
    CHECK(way.visit("b.test", server.port()) == "upstream_certificate_mismatch");
    CHECK(server.resumed == 3);
  }
}

TEST_CASE("upstream tls: other protocols on offer, another session", "[proxy][tls]") {
  Net net;
  const TestCa ca;
  TlsServer server(net, ca.context("a.test"));
  static char both[] = "\x02h2\x08http/1.1";
  SSL_CTX_set_alpn_select_cb(server.context(), choose, both);
  Way way(net);
  way.options.upstream_ca_files.push_back(ca.file());
  way.fake->answer("a.test", {"127.0.0.1"});
  CHECK(way.visit("a.test", server.port()).empty());
  auto second = way.connect("a.test", server.port(), AlpnOffer::kHttp2OrHttp1);
  REQUIRE(second);
  CHECK((*second)->http2);
  net.settle();
  CHECK(server.completed == 2);
  CHECK(server.resumed == 0);
}

TEST_CASE("upstream tls: tickets of TLS 1.3 are used once, the cache is bounded", "[proxy][tls]") {
  Net net;
  const TestCa ca;
  TlsServer server(net, ca.context("a.test"));
  Way way(net);
  way.options.upstream_ca_files.push_back(ca.file());
  way.fake->answer("a.test", {"127.0.0.1"});
  CHECK(way.visit("a.test", server.port()).empty());
  REQUIRE(way.connector().sessions().keys() == 1);
  auto cache = std::make_shared<TlsSessionCache>();
  // Connections that are never read bring no new tickets: two came, two are used, then none.
  std::vector<UpstreamPtr> open;
  for (int i = 0; i < 3; ++i) {
    auto connection = way.connect("a.test", server.port());
    REQUIRE(connection);
    open.push_back(std::move(*connection));
    net.settle();
  }
  CHECK(server.resumed == 2);
  for (int i = 0; i < 400; ++i) {
    for (int n = 0; n < 10; ++n) {
      ossl::SslSession session(SSL_SESSION_new());
      SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION);
      cache->put("key" + std::to_string(i), std::move(session));
    }
  }
  CHECK(cache->keys() == TlsSessionCache::kMaxKeys);
  CHECK(cache->take("key0") == nullptr);
  std::size_t held = 0;
  while (cache->take("key399") != nullptr) {
    ++held;
  }
  CHECK(held == TlsSessionCache::kMaxPerKey);
}

TEST_CASE("upstream tls: a session lives no longer than its certificate, nor than a day's work",
          "[proxy][tls]") {
  auto cache = std::make_shared<TlsSessionCache>();
  for (const long age : {long{0}, long{299}, long{301}}) {
    ossl::SslSession session(SSL_SESSION_new());
    SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION);
    SSL_SESSION_set_timeout(session.get(), 300);
    SSL_SESSION_set_time(session.get(), static_cast<long>(std::time(nullptr)) - age);
    cache->put("k", std::move(session));
    CHECK((cache->take("k") != nullptr) == (age < 300));
  }
  ossl::SslSession session(SSL_SESSION_new());
  SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION);
  SSL_SESSION_set_timeout(session.get(), 7 * 24 * 3600);
  SSL_SESSION_set_time(session.get(),
                       static_cast<long>(std::time(nullptr) - TlsSessionCache::kMaxAge));
  cache->put("k", std::move(session));
  CHECK(cache->take("k") == nullptr);
}

TEST_CASE("upstream tls: a server that knows no protocol on offer is told apart", "[proxy][tls]") {
  Net net;
  const TestCa ca;
  TlsServer only_h1(net, ca.context("a.test"));
  static char h1[] = "\x08http/1.1";
  SSL_CTX_set_alpn_select_cb(only_h1.context(), choose, h1);
  TlsServer pushy(net, ca.context("a.test"));
  SSL_CTX_set_alpn_select_cb(pushy.context(), choose_h2, nullptr);
  TlsServer without(net, ca.context("a.test"));
  Way way(net);
  way.options.upstream_ca_files.push_back(ca.file());
  way.fake->answer("a.test", {"127.0.0.1"});
  auto refused = way.connect("a.test", only_h1.port(), AlpnOffer::kHttp2);
  CHECK(code_of(refused) == "upstream_alpn");
  auto agreed = way.connect("a.test", only_h1.port(), AlpnOffer::kHttp2OrHttp1);
  REQUIRE(agreed);
  CHECK_FALSE((*agreed)->http2);
  // h2 that nobody offered must not be spoken to in HTTP/1.1; newer releases of OpenSSL see to it.
  auto unasked = way.connect("a.test", pushy.port(), AlpnOffer::kHttp1);
  CHECK((code_of(unasked) == "upstream_alpn" || code_of(unasked) == "upstream_tls_failed"));
  auto silent = way.connect("a.test", without.port(), AlpnOffer::kHttp2OrHttp1);
  REQUIRE(silent);
  CHECK_FALSE((*silent)->http2);
}

TEST_CASE("upstream tls: nothing older than TLS 1.2, nothing unverified", "[proxy][tls]") {
  Net net;
  const TestCa ca;
  const TestCa unknown;
  TlsServer old(net, ca.context("a.test"));
  SSL_CTX_set_min_proto_version(old.context(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(old.context(), TLS1_1_VERSION);
  SSL_CTX_set_security_level(old.context(), 0);
  TlsServer untrusted(net, unknown.context("a.test"));
  Way way(net);
  way.options.upstream_ca_files.push_back(ca.file());
  way.fake->answer("a.test", {"127.0.0.1"});
  CHECK(way.visit("a.test", old.port()) == "upstream_tls_failed");
  CHECK(way.visit("a.test", untrusted.port()) == "upstream_certificate_untrusted");
  CHECK(way.connector().sessions().keys() == 0);
}

TEST_CASE("upstream tls: roots of a service are for that service only", "[proxy][tls]") {
  Net net;
  const TestCa ca;
  TlsServer server(net, ca.context("a.test"));
  Way way(net);
  way.fake->answer("a.test", {"127.0.0.1"});
  CHECK(way.visit("a.test", server.port()) == "upstream_certificate_untrusted");
  way.requests.service = service_for("a.test", server.port());
  way.requests.service->tls.ca_pem = ca.pem();
  CHECK(way.visit("a.test", server.port()).empty());
  CHECK(way.visit("a.test", server.port()).empty());
  CHECK(server.resumed == 1);
  // Without the service the roots are gone, and so are the sessions that they had verified.
  way.requests.service.reset();
  CHECK(way.visit("a.test", server.port()) == "upstream_certificate_untrusted");
  CHECK(server.resumed == 1);
  // The system's roots and --upstream-ca still count beside them.
  const TestCa other;
  TlsServer second(net, other.context("a.test"));
  Way both(net);
  both.fake->answer("a.test", {"127.0.0.1"});
  both.options.upstream_ca_files.push_back(other.file());
  both.requests.service = service_for("a.test", second.port());
  both.requests.service->tls.ca_pem = ca.pem();
  CHECK(both.visit("a.test", second.port()).empty());
  both.requests.service->tls.ca_pem =
      "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n";
  CHECK(both.visit("a.test", second.port()) == "trust_store");
}

TEST_CASE("upstream tls: connections of services with roots of their own are kept apart",
          "[proxy][tls]") {
  vault::Service one = service_for("a.test", 443);
  CHECK(tls_pool_tag(nullptr).empty());
  CHECK(tls_pool_tag(&one).empty());
  one.tls.ca_pem = "A";
  vault::Service two = one;
  two.tls.ca_pem = "B";
  CHECK(tls_pool_tag(&one) != tls_pool_tag(&two));
  CHECK(tls_pool_tag(&one) == tls_pool_tag(&one));
}

TEST_CASE("upstream tls: a client certificate is shown, its sessions never cross identities",
          "[proxy][tls]") {
  Net net;
  const TestCa ca;
  const Identity alice = make_identity("alice");
  const Identity bob = make_identity("bob");
  TlsServer server(net, ca.context("a.test"));
  want_client(server.context(), {alice, bob});
  Way way(net);
  way.options.upstream_ca_files.push_back(ca.file());
  way.fake->answer("a.test", {"127.0.0.1"});
  // TLS 1.3: the server's refusal comes after the handshake.
  CHECK(way.visit("a.test", server.port()) == "cut");

  way.requests.service = service_for("a.test", server.port());
  way.requests.service->tls.certificate_key = "CERT";
  way.requests.service->tls.private_key_key = "CERT_KEY";
  way.requests.credential("CERT", alice.certificate);
  way.requests.credential("CERT_KEY", alice.key);
  CHECK(way.visit("a.test", server.port()).empty());
  CHECK(server.client_name == "alice");
  CHECK(way.visit("a.test", server.port()).empty());
  CHECK(server.resumed == 1);
  CHECK(server.client_name == "alice");

  // Another version of the credential is another identity: a full handshake, another name.
  way.requests.credential("CERT", bob.certificate, 2);
  way.requests.credential("CERT_KEY", bob.key, 2);
  CHECK(way.visit("a.test", server.port()).empty());
  CHECK(server.client_name == "bob");
  CHECK(server.resumed == 1);
  // And without one there is nothing to resume.
  way.requests.service.reset();
  CHECK(way.visit("a.test", server.port()) == "cut");
  CHECK(server.resumed == 1);

  // Certificate and key in one credential.
  way.requests.service = service_for("a.test", server.port());
  way.requests.service->tls.certificate_key = "BOTH";
  way.requests.credential("BOTH", bob.key + bob.certificate);
  CHECK(way.visit("a.test", server.port()).empty());
  CHECK(server.client_name == "bob");
}

TEST_CASE("upstream tls: a client certificate that cannot be used is named, never quoted",
          "[proxy][tls]") {
  Net net;
  const TestCa ca;
  TlsServer server(net, ca.context("a.test"));
  const Identity alice = make_identity("alice");
  const Identity bob = make_identity("bob");
  struct Case {
    std::string certificate;
    std::string key;
    const char* named;
  };
  for (const Case& c :
       {Case{"not a certificate at all", alice.key, "CERT "}, Case{alice.key, alice.key, "CERT "},
        Case{alice.certificate, "neither is this a key", "CERT_KEY"},
        Case{alice.certificate, bob.key, "CERT_KEY"},
        Case{alice.certificate, alice.certificate, "CERT_KEY"}}) {
    Way way(net);
    way.options.upstream_ca_files.push_back(ca.file());
    way.fake->answer("a.test", {"127.0.0.1"});
    way.requests.service = service_for("a.test", server.port());
    way.requests.service->tls.certificate_key = "CERT";
    way.requests.service->tls.private_key_key = "CERT_KEY";
    way.requests.credential("CERT", c.certificate);
    way.requests.credential("CERT_KEY", c.key);
    auto made = way.connect("a.test", server.port());
    REQUIRE_FALSE(made);
    CHECK(made.error().code == "client_certificate_invalid");
    CHECK(made.error().message.find(c.named) != std::string::npos);
    const std::string text = made.error().message + made.error().help;
    CHECK(text.find("BEGIN") == std::string::npos);
    CHECK(text.find("not a certificate at all") == std::string::npos);
  }
}

TEST_CASE("upstream tls: contexts with keys are bounded, and forgotten when unused",
          "[proxy][tls]") {
  TlsProfiles profiles(std::make_shared<UpstreamRoots>(std::vector<std::string>()));
  const TestCa ca;
  vault::Service service = service_for("a.test", 443);
  const std::string pem = ca.pem();
  for (int i = 0; i < 100; ++i) {
    service.tls.ca_pem = pem + std::string(static_cast<std::size_t>(i), '\n');
    REQUIRE(profiles.profile_for(&service, nullptr, 1));
  }
  CHECK(profiles.size() == TlsProfiles::kMaxProfiles);
  profiles.sweep(TlsProfiles::kKeepKeys.count() + 1);
  CHECK(profiles.size() == TlsProfiles::kMaxProfiles);  // roots are no secret
}
