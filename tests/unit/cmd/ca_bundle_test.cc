#include "cmd/ca_bundle.h"

#include <openssl/pem.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/clock.h"
#include "core/ossl.h"
#include "proxy/certificate_authority.h"

using namespace av;  // NOLINT: a test

namespace {

std::string make_certificate(const char* name) {
  const SystemClock clock;
  const auto authority = proxy::CertificateAuthority::create(name, Millis{60'000}, clock);
  REQUIRE(authority);
  return authority->certificate_pem();
}

struct Files {
  Files() {
    std::string pattern = "/tmp/av-bundle-XXXXXX";
    path = ::mkdtemp(pattern.data());
    own = make_certificate("own");
    extra = make_certificate("extra");
    std::ofstream(path / "own.pem") << "words\n" << own << "more words";
    std::ofstream(path / "extra.pem") << extra;
    std::ofstream(path / "key") << "key of the store\n"
                                << "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                << "-----END CERTIFICATE-----\n";
  }
  ~Files() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
  std::string own;
  std::string extra;
};

cmd::EnvLookup lookup(const std::map<std::string, std::string>& variables) {
  return [&variables](const char* name) {
    const auto it = variables.find(name);
    return it == variables.end() ? nullptr : it->second.c_str();
  };
}

}  // namespace

TEST_CASE("ca bundle: the user's bundle is the base, extra roots are kept, ours comes last",
          "[cmd][ca_bundle]") {
  const Files files;
  const std::map<std::string, std::string> variables{
      {"SSL_CERT_FILE", (files.path / "own.pem").string()},
      {"NODE_EXTRA_CA_CERTS", (files.path / "extra.pem").string()}};
  const auto bundle = cmd::combined_bundle("CA\n", lookup(variables));
  REQUIRE(bundle);
  CHECK(bundle->pem == files.own + files.extra + "CA\n");
  CHECK(bundle->warnings.empty());
}

TEST_CASE("ca bundle: of a file that is no bundle nothing is taken", "[cmd][ca_bundle]") {
  const Files files;
  // As the command of an earlier run would leave it.
  std::filesystem::create_symlink(files.path / "key", files.path / "link.pem");
  const std::string link = (files.path / "link.pem").string();
  const std::map<std::string, std::string> variables{
      {"SSL_CERT_FILE", link}, {"REQUESTS_CA_BUNDLE", link}, {"NODE_EXTRA_CA_CERTS", link}};
  const auto bundle = cmd::combined_bundle("CA\n", lookup(variables));
  REQUIRE(bundle);
  CHECK(bundle->pem.find("key of the store") == std::string::npos);
  CHECK(bundle->pem.find("AAAA\n-----END") == std::string::npos);
  REQUIRE(bundle->warnings.size() == 3);
  CHECK(bundle->warnings[0].find("SSL_CERT_FILE") == 0);
  CHECK(bundle->warnings[1].find("REQUESTS_CA_BUNDLE") == 0);
  CHECK(bundle->warnings[2].find("NODE_EXTRA_CA_CERTS") == 0);
}

TEST_CASE("ca bundle: a pipe in the place of a bundle is refused at once", "[cmd][ca_bundle]") {
  const Files files;
  REQUIRE(::mkfifo((files.path / "pipe").c_str(), 0600) == 0);
  const std::map<std::string, std::string> variables{
      {"SSL_CERT_FILE", (files.path / "pipe").string()}};
  CHECK_FALSE(cmd::combined_bundle("CA\n", lookup(variables)));
}

TEST_CASE("ca bundle: a bundle that the user names must be readable", "[cmd][ca_bundle]") {
  const std::map<std::string, std::string> variables{{"CURL_CA_BUNDLE", "/no/such/bundle"}};
  const auto bundle = cmd::combined_bundle("CA\n", lookup(variables));
  REQUIRE_FALSE(bundle);
  CHECK(bundle.error().message.find("CURL_CA_BUNDLE") == 0);
}

TEST_CASE("ca bundle: the trust store is a PKCS #12 file that OpenSSL reads", "[cmd][ca_bundle]") {
  const SystemClock clock;
  const auto authority = proxy::CertificateAuthority::create("test", Millis{60'000}, clock);
  REQUIRE(authority);
  const std::string pem =
      "words\n" + authority->certificate_pem() + "-----BEGIN CERTIFICATE-----\n";
  const auto certificates = cmd::certificates_in(pem);
  REQUIRE(certificates.size() == 1);
  const std::string store = cmd::make_trust_store({certificates[0], certificates[0]});
  const auto* at = reinterpret_cast<const unsigned char*>(store.data());
  const ossl::Pkcs12 parsed(d2i_PKCS12(nullptr, &at, static_cast<long>(store.size())));
  REQUIRE(parsed);
  CHECK(at == reinterpret_cast<const unsigned char*>(store.data()) + store.size());
  STACK_OF(PKCS7)* const safes = PKCS12_unpack_authsafes(parsed.get());
  REQUIRE(safes != nullptr);
  REQUIRE(sk_PKCS7_num(safes) == 1);
  STACK_OF(PKCS12_SAFEBAG)* const bags = PKCS12_unpack_p7data(sk_PKCS7_value(safes, 0));
  REQUIRE(bags != nullptr);
  CHECK(sk_PKCS12_SAFEBAG_num(bags) == 2);
  const ossl::X509Cert certificate(PKCS12_SAFEBAG_get1_cert(sk_PKCS12_SAFEBAG_value(bags, 0)));
  REQUIRE(certificate);
  sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
  sk_PKCS7_pop_free(safes, PKCS7_free);
}
