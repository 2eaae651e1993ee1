#pragma once
// Stream: one TCP connection, in clear or under TLS, with a deadline on every wait. Belongs to its
// worker. OpenSSL works on the socket itself (no BIO pair, no copy); each operation is tried first
// and waits only when the kernel says so. Writing may wait for the end of the Poller's turn.
//
// At most one read and one write may be under way at a time, each in its own coroutine.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "core/ossl.h"
#include "proxy/deadline.h"
#include "proxy/io.h"
#include "proxy/socket_bio.h"

namespace av::proxy {

enum class Io : std::uint8_t {
  kOk,
  kEof,      // orderly end (TLS: close_notify, or a bare FIN: see truncated())
  kTimeout,  // the deadline passed
  kReset,    // the connection broke
  kTls,      // TLS alert or protocol error; ossl::drain_errors() has been read into tls_error()
  kClosed,   // closed by us
};

struct [[nodiscard]] IoResult {
  Io status = Io::kOk;
  std::size_t size = 0;
};

class Stream final : private Deadline {
 public:
  // A connected, non-blocking socket; or none yet: see connect().
  Stream(Executor executor, UniqueFd socket, DeadlineList& deadlines);
  Stream(Executor executor, DeadlineList& deadlines);
  ~Stream() override;

  // At least one byte, or not kOk. `timeout` 0: no limit.
  Awaitable<IoResult> read_some(char* data, std::size_t size, Millis timeout);
  Awaitable<Io> write_all(std::string_view bytes, Millis timeout);
  // Tries once, without waiting: size 0 and kOk when there is nothing to read.
  IoResult try_read(char* data, std::size_t size);

  // Until there is something to read (or the end), without reading it. May be wrong: an attempt to
  // read decides.
  Awaitable<Io> wait_readable(Millis timeout) { return wait(Want::kRead, Side::kRead, timeout); }

  // Ends the wait of a read that is under way in another coroutine, as if its time had passed.
  void hurry_read() { expire(Side::kRead); }

  // Opens and connects a fresh socket. connect_errno() tells more than kReset does.
  Awaitable<Io> connect(const tcp::endpoint& endpoint, Millis timeout);
  [[nodiscard]] int connect_errno() const { return connect_errno_; }

  // Turns the connection into TLS, as server or client. `timeout` is for the whole handshake. On a
  // connection that is under TLS already (an https:// proxy, the user's or our own) the new one is
  // put inside it; from then on everything here is about the inner one.
  Awaitable<Io> accept_tls(SSL_CTX* context, Millis timeout);
  Awaitable<Io> connect_tls(ossl::Ssl ssl, Millis timeout);

  // Looks at received bytes without taking them: size 0 and kOk when there are none yet. Under TLS
  // it shows what is left of one record at most.
  IoResult peek(char* data, std::size_t size);

  // Says that nothing more will be sent, discards what still comes, closes. Without this a client
  // that is still sending would get a reset instead of the answer (RFC 9112 section 9.6).
  Awaitable<void> close_gently(Millis timeout);
  // Ends TCP without TLS's close_notify: the peer sees a truncated stream.
  void close_truncated() { close_now(); }
  // TLS close_notify (best effort) and close.
  void close() noexcept;
  [[nodiscard]] bool closed() const { return closed_; }
  // The connection is another worker's from now on, which cuts it with its own. Not while a wait is
  // under way.
  void belong_to(DeadlineList& deadlines) { move_to(deadlines); }
  // OpenSSL holds received bytes that the socket does not show any more.
  [[nodiscard]] bool has_pending() const {
    return (ssl_ != nullptr && SSL_has_pending(ssl_.get()) != 0) ||
           (outer_ != nullptr && SSL_has_pending(outer_.get()) != 0);
  }
  [[nodiscard]] bool is_tls() const { return ssl_ != nullptr; }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
  // The peer ended TCP without TLS's close_notify: a close-delimited body may be cut short.
  [[nodiscard]] bool truncated() const { return truncated_; }
  [[nodiscard]] const std::string& tls_error() const { return tls_error_; }
  // OpenSSL's reason code for the same; 0 when there is none.
  [[nodiscard]] int tls_reason() const { return tls_reason_; }
  [[nodiscard]] int descriptor() const { return socket_.fd.get(); }
  // The peer has closed its end and cannot be waiting for anything. Costs one system call.
  [[nodiscard]] bool peer_gone() const { return peer_ended(is_tls()); }
  // The same where a peer that sends nothing more is taken for gone, as in a question that may be
  // open for long.
  [[nodiscard]] bool peer_silent() const { return peer_ended(/*half=*/true); }
  // True when an idle connection has neither ended nor received stray bytes. Without a system call
  // unless the Poller has heard of something; `doubtful`: with one.
  [[nodiscard]] bool idle_and_healthy(bool doubtful);

 private:
  enum class Want : std::uint8_t { kNothing, kRead, kWrite };
  [[nodiscard]] bool peer_ended(bool half) const;
  void expire(Side side) override;
  void close_now() override;
  Awaitable<Io> wait(Want want, Side side, Millis timeout);
  IoResult attempt_read(char* data, std::size_t size, Want& want);
  IoResult attempt_write(std::string_view bytes, Want& want);
  Io tls_status(int result, Want& want);
  Awaitable<Io> handshake(Millis timeout);
  bool attach_tls();
  void adopt(UniqueFd fd);
  void say_goodbye() noexcept;

  WatchedSocket socket_;
  ossl::Ssl outer_;  // TLS with a proxy, or of a client with ours, around ssl_; outlives it
  ossl::Ssl ssl_;
  std::string tls_error_;
  int tls_reason_ = 0;
  std::array<bool, 2> timed_out_{};
  int connect_errno_ = 0;
  bool closed_ = false;
  bool truncated_ = false;
};

// What ALPN has agreed on (RFC 7301); empty: nothing. Valid as long as the connection.
[[nodiscard]] std::string_view chosen_protocol(SSL* ssl);

}  // namespace av::proxy
