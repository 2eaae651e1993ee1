#include "proxy/certificate_authority.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>

#include "core/crypto.h"
#include "core/encoding.h"
#include "vault/canonical.h"

namespace av::proxy {
namespace {

constexpr std::int64_t kBackdateSeconds = 5 * 60;
constexpr std::int64_t kLeafSeconds = 24 * 60 * 60;

Expected<ossl::Pkey> generate_key() {
  ossl::Pkey key(EVP_EC_gen("P-256"));
  if (key == nullptr) {
    return ossl::error("cannot generate a P-256 key");
  }
  return key;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, ossl::Free<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// Subject alternative name without OpenSSL's text syntax: a host must never be parsed as options.
bool push_name(GENERAL_NAMES* names, std::string_view host) {
  std::unique_ptr<GENERAL_NAME, ossl::Free<GENERAL_NAME_free>> name(GENERAL_NAME_new());
  if (name == nullptr) {
    return false;
  }
  std::string bare(host);
  if (bare.size() > 2 && bare.front() == '[') {
    bare = bare.substr(1, bare.size() - 2);
  }
  ASN1_OCTET_STRING* const address = a2i_IPADDRESS(bare.c_str());
  if (address != nullptr) {
    GENERAL_NAME_set0_value(name.get(), GEN_IPADD, address);
  } else {
    (void)ossl::drain_errors();
    ASN1_IA5STRING* const dns = ASN1_IA5STRING_new();
    if (dns == nullptr || ASN1_STRING_set(dns, bare.data(), static_cast<int>(bare.size())) != 1) {
      ASN1_IA5STRING_free(dns);
      return false;
    }
    GENERAL_NAME_set0_value(name.get(), GEN_DNS, dns);
  }
  if (sk_GENERAL_NAME_push(names, name.get()) == 0) {
    return false;
  }
  (void)name.release();
  return true;
}

bool add_subject_alt_name(X509* certificate, std::string_view host,
                          std::span<const std::string_view> also, bool critical) {
  const std::unique_ptr<GENERAL_NAMES, ossl::Free<GENERAL_NAMES_free>> names(
      sk_GENERAL_NAME_new_null());
  if (names == nullptr || !push_name(names.get(), host)) {
    return false;
  }
  for (const std::string_view other : also) {
    if (other != host && !push_name(names.get(), other)) {
      return false;
    }
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), critical ? 1 : 0, 0) ==
         1;
}

// Without the key: the caller sets it.
Expected<ossl::X509Cert> new_certificate(std::int64_t not_before, std::int64_t not_after) {
  ossl::X509Cert certificate(X509_new());
  std::array<std::uint8_t, 16> serial{};
  crypto::random_bytes(serial);
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x7fU) | 0x40U);  // positive, full length
  const std::unique_ptr<BIGNUM, ossl::Free<BN_free>> number(
      BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  const bool ok =
      certificate != nullptr && number != nullptr &&
      X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get())) != nullptr &&
      ASN1_TIME_set(X509_getm_notBefore(certificate.get()), not_before) != nullptr &&
      ASN1_TIME_set(X509_getm_notAfter(certificate.get()), not_after) != nullptr;
  if (!ok) {
    return ossl::error("cannot make a certificate");
  }
  return certificate;
}

// X509_set_pubkey() writes the key with OpenSSL's encoders and reads it again with its decoders.
// The first use of these makes lists of all of them, which takes longer than the rest of a run's
// start. What this leaves out is the key as an object inside the X509: an issuer needs none.
bool set_issuer_key(X509* certificate, EVP_PKEY* p256_key) {
  unsigned char* point = nullptr;
  const std::size_t size = EVP_PKEY_get1_encoded_public_key(p256_key, &point);
  if (size == 0 || X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(certificate),
                                          OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT,
                                          OBJ_nid2obj(NID_X9_62_prime256v1), point,
                                          static_cast<int>(size)) != 1) {
    OPENSSL_free(point);
    return false;
  }
  return true;
}

bool set_common_name(X509_NAME* name, std::string_view text) {
  return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()), -1, 0) == 1;
}

// -- resumption by the client

// For how long a client may resume; the certificate that it has seen is good for longer.
constexpr long kTicketSeconds = 2 * 60 * 60;

void free_host(void* /*parent*/, void* host, CRYPTO_EX_DATA* /*data*/, int /*index*/,
               long /*number*/, void* /*argument*/) {
  delete static_cast<std::string*>(host);
}

int host_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_host);
  return index;
}

// RFC 6066 section 3: a list of one name. Empty when there is none or it is malformed; OpenSSL
// refuses the latter.
std::string_view server_name(SSL* ssl) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  constexpr std::size_t kBeforeName = 5;  // length of the list, kind, length of the name
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1 ||
      size <= kBeforeName) {
    return {};
  }
  return {reinterpret_cast<const char*>(data) + kBeforeName, size - kBeforeName};
}

// Below TLS 1.3, OpenSSL does not look at the name that the client says when it resumes a session
// (RFC 6066 section 3: "the server MUST NOT accept the request to resume the session if the
// server_name extension contains a different name"). A client that says another name gets a full
// handshake, after which the session compares what it said.
int check_client_hello(SSL* ssl, int* /*alert*/, void* /*unused*/) {
  const auto* const host =
      static_cast<std::string*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), host_index()));
  const std::string_view name = server_name(ssl);
  if (host != nullptr && !name.empty()) {
    const auto canonical = vault::canonical_host(name);
    if (!canonical || *canonical != *host) {
      SSL_set_options(ssl, SSL_OP_NO_TICKET);
      (void)SSL_set_num_tickets(ssl, 0);
    }
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

// Sessions live in tickets (RFC 5077, RFC 8446 section 4.6.1), under keys that each context makes
// for itself: no memory here, and a ticket for one host is noise to the context of another. The
// session id context says the same once more.
bool allow_resumption(SSL_CTX* context, std::string_view host) {
  const crypto::Digest id = crypto::sha256(host);
  auto name = std::make_unique<std::string>(host);
  if (SSL_CTX_set_session_id_context(context, id.data(), static_cast<unsigned>(id.size())) != 1 ||
      SSL_CTX_set_ex_data(context, host_index(), name.get()) != 1) {
    return false;
  }
  (void)name.release();
  SSL_CTX_set_client_hello_cb(context, check_client_hello, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context, kTicketSeconds);
  // Early data could be replayed (RFC 8446 section 8): none is taken.
  return SSL_CTX_set_max_early_data(context, 0) == 1 &&
         SSL_CTX_set_recv_max_early_data(context, 0) == 1;
}

Expected<std::string> to_pem(X509* certificate) {
  const ossl::Bio bio(BIO_new(BIO_s_mem()));
  char* data = nullptr;
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1) {
    return ossl::error("cannot encode a certificate");
  }
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace

Expected<CertificateAuthority> CertificateAuthority::create(std::string_view common_name,
                                                            Millis lifetime, const Clock& clock) {
  const std::int64_t now = clock.wall_ms() / 1000;
  AV_TRY(ossl::Pkey key, generate_key());
  AV_TRY(ossl::X509Cert certificate,
         new_certificate(now - kBackdateSeconds, now + lifetime.count() / 1000));
  // X.520 bounds a common name to 64 characters.
  const bool ok =
      set_issuer_key(certificate.get(), key.get()) &&
      set_common_name(X509_get_subject_name(certificate.get()), common_name.substr(0, 64)) &&
      X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get())) == 1 &&
      // pathlen:0: this root signs leaves and nothing else.
      add_extension(certificate.get(), certificate.get(), NID_basic_constraints,
                    "critical,CA:TRUE,pathlen:0") &&
      add_extension(certificate.get(), certificate.get(), NID_key_usage,
                    "critical,keyCertSign,cRLSign") &&
      add_extension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash") &&
      X509_sign(certificate.get(), key.get(), EVP_sha256()) != 0;
  if (!ok) {
    return ossl::error("cannot make a certificate authority");
  }
  CertificateAuthority authority;
  AV_TRY(authority.certificate_pem_, to_pem(certificate.get()));
  AV_TRY(authority.leaf_key_, generate_key());
  authority.certificate_ = std::move(certificate);
  authority.key_ = std::move(key);
  return authority;
}

Expected<CertificateAuthority> CertificateAuthority::from_pem(std::string_view certificate_pem,
                                                              const Secret& key_pem) {
  const ossl::Bio certificate_bio(
      BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size())));
  ossl::X509Cert certificate(PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr));
  ossl::Pkey key = key_pem.reveal([](std::string_view pem) {
    const ossl::Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    return ossl::Pkey(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  });
  if (certificate == nullptr || key == nullptr) {
    (void)ossl::drain_errors();
    return make_error(ErrorCode::kInvalid, "the stored certificate authority is not readable PEM",
                      "agent-vault ca rotate");
  }
  if (X509_check_private_key(certificate.get(), key.get()) != 1 ||
      X509_check_ca(certificate.get()) != 1) {
    (void)ossl::drain_errors();
    return make_error(ErrorCode::kInvalid, "the stored certificate authority does not fit its key",
                      "agent-vault ca rotate");
  }
  CertificateAuthority authority;
  AV_TRY(authority.certificate_pem_, to_pem(certificate.get()));
  AV_TRY(authority.leaf_key_, generate_key());
  authority.certificate_ = std::move(certificate);
  authority.key_ = std::move(key);
  return authority;
}

Expected<Secret> CertificateAuthority::key_pem() const {
  const ossl::Bio bio(BIO_new(BIO_s_secmem()));
  if (bio == nullptr ||
      PEM_write_bio_PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return ossl::error("cannot encode the CA key");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return Secret::copy_of(std::string_view(data, static_cast<std::size_t>(size)));
}

std::string CertificateAuthority::fingerprint_sha256() const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(certificate_.get(), EVP_sha256(), digest.data(), &size) != 1) {
    (void)ossl::drain_errors();
    return {};
  }
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    if (i != 0) {
      text.push_back(':');
    }
    text.push_back(kHex[digest[i] >> 4U]);
    text.push_back(kHex[digest[i] & 15U]);
  }
  return text;
}

std::int64_t CertificateAuthority::not_after_ms() const {
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate_.get()), &parts) != 1) {
    return 0;
  }
  return static_cast<std::int64_t>(timegm(&parts)) * 1000;
}

Expected<ossl::SslCtx> CertificateAuthority::make_leaf_context(
    std::string_view host, const Clock& clock, std::span<const std::string_view> also) const {
  const std::int64_t now = clock.wall_ms() / 1000;
  AV_TRY(ossl::X509Cert leaf, new_certificate(now - kBackdateSeconds, now + kLeafSeconds));
  X509* const issuer = certificate_.get();
  // Clients read the alternative name; a host longer than a common name may be leaves the subject
  // empty, and then the alternative name must be critical (RFC 5280 section 4.1.2.6).
  const bool nameless = host.size() > 64;
  const bool named = nameless || set_common_name(X509_get_subject_name(leaf.get()), host);
  const bool ok = named && X509_set_pubkey(leaf.get(), leaf_key_.get()) == 1 &&
                  X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer)) == 1 &&
                  add_subject_alt_name(leaf.get(), host, also, /*critical=*/nameless) &&
                  add_extension(leaf.get(), issuer, NID_basic_constraints, "critical,CA:FALSE") &&
                  add_extension(leaf.get(), issuer, NID_key_usage, "critical,digitalSignature") &&
                  add_extension(leaf.get(), issuer, NID_ext_key_usage, "serverAuth") &&
                  add_extension(leaf.get(), issuer, NID_subject_key_identifier, "hash") &&
                  add_extension(leaf.get(), issuer, NID_authority_key_identifier, "keyid:always") &&
                  X509_sign(leaf.get(), key_.get(), EVP_sha256()) != 0;
  if (!ok) {
    return ossl::error("cannot make a certificate for " + std::string(host));
  }
  ossl::SslCtx context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_use_certificate(context.get(), leaf.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), leaf_key_.get()) != 1) {
    return ossl::error("cannot set up TLS for " + std::string(host));
  }
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (!allow_resumption(context.get(), host)) {
    return ossl::error("cannot set up TLS for " + std::string(host));
  }
  return context;
}

}  // namespace av::proxy
