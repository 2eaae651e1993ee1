// The part of a Stream that knows TLS.

#include <openssl/err.h>

#include <cerrno>

#include "proxy/stream.h"

namespace av::proxy {
namespace {

// With so many connections, an idle one gives OpenSSL's two buffers (34 KiB) back; with few, they
// are not taken and returned for each message.
constexpr std::size_t kManyStreams = 256;

}  // namespace

bool Stream::attach_tls() {
  SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (in_list() > kManyStreams) {
    SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
  }
  if (outer_ == nullptr) {
    // A record's header and body in one system call instead of two.
    SSL_set_read_ahead(ssl_.get(), 1);
    BIO* const bio = make_socket_bio(socket_);
    if (bio == nullptr) {
      return false;
    }
    SSL_set_bio(ssl_.get(), bio, bio);
    return true;
  }
  BIO* const inside = BIO_new(BIO_f_ssl());
  if (inside == nullptr) {
    return false;
  }
  BIO_set_ssl(inside, outer_.get(), BIO_NOCLOSE);
  SSL_set_bio(ssl_.get(), inside, inside);
  return true;
}

Awaitable<Io> Stream::handshake(Millis timeout) {
  if (closed_) {
    co_return Io::kClosed;
  }
  if (!attach_tls()) {
    tls_error_ = ossl::drain_errors();
    co_return Io::kTls;
  }
  // Of the whole, not of each wait: a peer that dribbles bytes would never be late.
  const auto end = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    if (closed_) {
      co_return Io::kClosed;
    }
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
      co_return Io::kOk;
    }
    Want want = Want::kNothing;
    const Io status = tls_status(result, want);
    if (want == Want::kNothing) {
      co_return status;
    }
    Millis left{0};
    if (timeout.count() != 0) {
      left = std::chrono::duration_cast<Millis>(end - std::chrono::steady_clock::now());
      if (left.count() <= 0) {
        co_return Io::kTimeout;
      }
    }
    const Io waited = co_await wait(want, Side::kRead, left);
    if (waited != Io::kOk) {
      co_return waited;
    }
  }
}

Awaitable<Io> Stream::accept_tls(SSL_CTX* context, Millis timeout) {
  outer_ = std::move(ssl_);
  ssl_.reset(SSL_new(context));
  if (ssl_ == nullptr) {
    tls_error_ = ossl::drain_errors();
    co_return Io::kTls;
  }
  SSL_set_accept_state(ssl_.get());
  co_return co_await handshake(timeout);
}

Awaitable<Io> Stream::connect_tls(ossl::Ssl ssl, Millis timeout) {
  outer_ = std::move(ssl_);
  ssl_ = std::move(ssl);
  SSL_set_connect_state(ssl_.get());
  co_return co_await handshake(timeout);
}

Io Stream::tls_status(int result, Want& want) {
  const int sys_errno = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      want = Want::kRead;
      return Io::kOk;
    case SSL_ERROR_WANT_WRITE:
      want = Want::kWrite;
      return Io::kOk;
    case SSL_ERROR_ZERO_RETURN:
      return Io::kEof;
    case SSL_ERROR_SYSCALL:
      ERR_clear_error();
      if (sys_errno == 0) {
        truncated_ = true;
        return Io::kEof;
      }
      return Io::kReset;
    default: {
      // OpenSSL 3 reports a bare FIN as an error of its own.
      if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        ERR_clear_error();
        truncated_ = true;
        return Io::kEof;
      }
      tls_reason_ = ERR_GET_REASON(ERR_peek_error());
      tls_error_ = ossl::drain_errors();
      return Io::kTls;
    }
  }
}

// Sends close_notify if the socket takes it; never waits.
void Stream::say_goodbye() noexcept {
  for (SSL* const ssl : {ssl_.get(), outer_.get()}) {
    if (ssl != nullptr && SSL_is_init_finished(ssl) != 0) {
      ERR_clear_error();
      (void)SSL_shutdown(ssl);
      ERR_clear_error();
    }
  }
}

std::string_view chosen_protocol(SSL* ssl) {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

}  // namespace av::proxy
