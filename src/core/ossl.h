#pragma once
// Typed owners for OpenSSL handles. Raw handles appear only as call arguments.

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "core/error.h"

namespace av::ossl {

template <auto F>
struct Free {
  template <typename T>
  void operator()(T* handle) const noexcept {
    F(handle);
  }
};

using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, Free<EVP_CIPHER_CTX_free>>;
using MdCtx = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using X509Cert = std::unique_ptr<X509, Free<X509_free>>;
using X509Store = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using SslCtx = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, Free<SSL_free>>;
using SslSession = std::unique_ptr<SSL_SESSION, Free<SSL_SESSION_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Pkcs12 = std::unique_ptr<PKCS12, Free<PKCS12_free>>;

// Empties this thread's error queue and returns its entries as text ("reason; reason").
[[nodiscard]] std::string drain_errors();

// kCrypto, "`what`: <drained queue>".
[[nodiscard]] Error error(std::string what);

}  // namespace av::ossl
