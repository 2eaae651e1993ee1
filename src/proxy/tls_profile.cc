#include "proxy/tls_profile.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <system_error>

#include "core/crypto.h"
#include "core/encoding.h"
#include "proxy/gateway_fault.h"
#include "proxy/tls_session_cache.h"

namespace av::proxy {
namespace {

constexpr std::size_t kMaxChain = 16;

// OpenSSL would ask on the terminal for the passphrase of an encrypted key.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*unused*/) {
  return -1;
}

ossl::Bio memory_bio(std::string_view bytes) {
  return ossl::Bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

ossl::X509Cert next_certificate(BIO* bio) {
  ossl::X509Cert certificate(PEM_read_bio_X509(bio, nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  return certificate;
}

Fault trust_fault(const std::string& what) {
  return gateway_fault("trust_store", what + ": " + ossl::drain_errors(),
                       "check the certificate files of this machine and --upstream-ca", false);
}

// The certificate verified always, nothing older than TLS 1.2, nothing that lets one side change
// what has been agreed. Early data is never sent: OpenSSL sends none unless asked.
ossl::SslCtx new_context() {
  ossl::SslCtx context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
    return nullptr;
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  TlsSessionCache::attach_to(context.get());
  return context;
}

// The roots of `base`, those of the system's certificate directory, and the service's.
Outcome<ossl::X509Store> store_with(X509_STORE* base, const vault::Service& service) {
  ossl::X509Store store(X509_STORE_new());
  X509_LOOKUP* const directory =
      store == nullptr ? nullptr : X509_STORE_add_lookup(store.get(), X509_LOOKUP_hash_dir());
  if (directory == nullptr || X509_LOOKUP_add_dir(directory, nullptr, X509_FILETYPE_DEFAULT) != 1) {
    return trust_fault("cannot read the system's root certificates");
  }
  const STACK_OF(X509_OBJECT)* const objects = X509_STORE_get0_objects(base);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
    X509* const root = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
    if (root != nullptr && X509_STORE_add_cert(store.get(), root) != 1) {
      return trust_fault("cannot copy the system's root certificates");
    }
  }
  const ossl::Bio bio = memory_bio(service.tls.ca_pem);
  bool any = false;
  while (const ossl::X509Cert root = next_certificate(bio.get())) {
    any = X509_STORE_add_cert(store.get(), root.get()) == 1 || any;
  }
  ERR_clear_error();
  if (!any) {
    return gateway_fault("trust_store",
                         "the service " + service.name + " brings no readable root certificate",
                         "the owner of the vault can set \"ca\" of \"tls\" again", false);
  }
  return store;
}

Fault certificate_fault(const std::string& key, const std::string& what) {
  // Only what kind of thing is wrong: the credential's bytes stay out of it.
  ERR_clear_error();
  return gateway_fault(
      "client_certificate_invalid", "the credential " + key + ' ' + what,
      "the owner of the vault can set it again: agent-vault vault credential set " + key +
          " --from-file FILE.pem",
      false);
}

Outcome<void> use_chain(SSL_CTX* context, const std::string& key, const Secret& pem) {
  return pem.reveal([&](std::string_view bytes) -> Outcome<void> {
    const ossl::Bio bio = memory_bio(bytes);
    const ossl::X509Cert leaf = next_certificate(bio.get());
    if (leaf == nullptr) {
      return certificate_fault(key, "is not a certificate in PEM");
    }
    if (SSL_CTX_use_certificate(context, leaf.get()) != 1) {
      return certificate_fault(key, "is a certificate that TLS cannot use (too weak a key?)");
    }
    std::size_t length = 1;
    while (const ossl::X509Cert next = next_certificate(bio.get())) {
      if (++length > kMaxChain || SSL_CTX_add1_chain_cert(context, next.get()) != 1) {
        return certificate_fault(key, "holds a certificate chain that TLS cannot use");
      }
    }
    return {};
  });
}

Outcome<void> use_private_key(SSL_CTX* context, const std::string& key, const Secret& pem) {
  return pem.reveal([&](std::string_view bytes) -> Outcome<void> {
    // Reads through OpenSSL's secure heap; the key object lives as long as the context.
    const ossl::Bio bio = memory_bio(bytes);
    const ossl::Pkey private_key(
        PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
    if (private_key == nullptr) {
      return certificate_fault(key, "is not a private key in PEM without a passphrase");
    }
    if (SSL_CTX_use_PrivateKey(context, private_key.get()) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
      return certificate_fault(key, "is a private key that does not belong to the certificate");
    }
    return {};
  });
}

const std::string& private_key_key(const vault::UpstreamTls& tls) {
  return tls.private_key_key.empty() ? tls.certificate_key : tls.private_key_key;
}

void append_digest(std::string& key, const crypto::Digest& digest) {
  key += '|';
  key += encoding::hex(digest);
}

// Roots by content; a client certificate by the versions of the credentials and, because names and
// versions of two vaults may be the same, by content too.
std::string profile_key(const vault::UpstreamTls& tls, const ResolvedCredential* credential) {
  std::string key;
  if (!tls.ca_pem.empty()) {
    append_digest(key, crypto::sha256(tls.ca_pem));
  }
  if (!tls.certificate_key.empty() && credential != nullptr) {
    key += '|' + credential->identity();
    const Secret& certificate = credential->value(tls.certificate_key);
    const Secret& private_key = credential->value(private_key_key(tls));
    certificate.reveal([&](std::string_view chain) {
      private_key.reveal(
          [&](std::string_view pem) { append_digest(key, crypto::sha256(chain, pem)); });
    });
  }
  return key;
}

}  // namespace

// Whether the system's roots lie in a directory by the hash of their names. OpenSSL reads from
// there the one that a chain needs; reading all of them from a bundle would stop every exchange of
// the worker for some thirty milliseconds.
bool UpstreamRoots::has_hashed_roots() {
  if (::secure_getenv(X509_get_default_cert_file_env()) != nullptr) {
    return false;  // the user has named a file
  }
  const char* const named = ::secure_getenv(X509_get_default_cert_dir_env());
  std::error_code ec;
  std::filesystem::directory_iterator entries(
      named != nullptr ? named : X509_get_default_cert_dir(), ec);
  for (; !ec && entries != std::filesystem::directory_iterator(); entries.increment(ec)) {
    if (entries->path().extension() == ".0") {
      return true;
    }
  }
  return false;
}

Outcome<SSL_CTX*> UpstreamRoots::context() {
  if (context_ != nullptr) {
    return context_.get();
  }
  ossl::SslCtx context = new_context();
  const bool usable = context != nullptr &&
                      (has_hashed_roots() ? SSL_CTX_set_default_verify_dir(context.get())
                                          : SSL_CTX_set_default_verify_paths(context.get())) == 1;
  if (!usable) {
    return trust_fault("cannot read the system's root certificates");
  }
  for (const std::string& file : ca_files_) {
    if (SSL_CTX_load_verify_file(context.get(), file.c_str()) != 1) {
      return trust_fault("cannot read " + file);
    }
  }
  ERR_clear_error();
  context_ = std::move(context);
  return context_.get();
}

namespace {

Outcome<ossl::SslCtx> make_own(SSL_CTX* shared, const vault::Service& service,
                               const ResolvedCredential* credential) {
  ossl::SslCtx context = new_context();
  if (context == nullptr) {
    return trust_fault("cannot set up TLS");
  }
  X509_STORE* const base = SSL_CTX_get_cert_store(shared);
  if (service.tls.ca_pem.empty()) {
    SSL_CTX_set1_cert_store(context.get(), base);
  } else {
    AV_TRY(ossl::X509Store store, store_with(base, service));
    SSL_CTX_set_cert_store(context.get(), store.release());
  }
  const vault::UpstreamTls& tls = service.tls;
  if (!tls.certificate_key.empty() && credential != nullptr) {
    AV_CHECK(use_chain(context.get(), tls.certificate_key, credential->value(tls.certificate_key)));
    const std::string& key = private_key_key(tls);
    AV_CHECK(use_private_key(context.get(), key, credential->value(key)));
  }
  return context;
}

}  // namespace

Outcome<TlsProfiles::Profile> TlsProfiles::profile_for(const vault::Service* service,
                                                       const ResolvedCredential* credential,
                                                       std::int64_t now_ms) {
  AV_TRY(SSL_CTX* const shared, roots_->context());
  if (service == nullptr || service->tls == vault::UpstreamTls{}) {
    return Profile{shared, {}};
  }
  std::string key = profile_key(service->tls, credential);
  const auto found =
      std::find_if(own_.begin(), own_.end(), [&](const Own& own) { return own.key == key; });
  if (found != own_.end()) {
    found->used_ms = now_ms;
    own_.splice(own_.begin(), own_, found);
    return Profile{found->context.get(), std::move(key)};
  }
  AV_TRY(ossl::SslCtx context, make_own(shared, *service, credential));
  if (own_.size() >= kMaxProfiles) {
    own_.pop_back();
  }
  own_.push_front(Own{key, std::move(context), now_ms, !service->tls.certificate_key.empty()});
  return Profile{own_.front().context.get(), std::move(key)};
}

void TlsProfiles::sweep(std::int64_t now_ms) {
  own_.remove_if(
      [&](const Own& own) { return own.has_key && now_ms - own.used_ms >= kKeepKeys.count(); });
}

std::string tls_pool_tag(const vault::Service* service) {
  if (service == nullptr || service->tls.ca_pem.empty()) {
    return {};
  }
  // The owner of the vault chooses the text: nobody gains by a collision.
  return service->name + '#' + std::to_string(std::hash<std::string>{}(service->tls.ca_pem));
}

}  // namespace av::proxy
