#include "proxy/stream.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace av::proxy {
namespace {

// SSL_get_error() looks into the thread's queue of errors, which is hardly ever not empty.
void forget_errors() {
  if (ERR_peek_error() != 0) {
    ERR_clear_error();
  }
}

}  // namespace

Stream::Stream(Executor executor, UniqueFd socket, DeadlineList& deadlines)
    : Stream(executor, deadlines) {
  adopt(std::move(socket));
  if (!socket_.watch.start(socket_.fd.get())) {
    close_now();
  }
}

Stream::Stream(Executor executor, DeadlineList& deadlines)
    : Deadline(deadlines), socket_(Poller::of(executor)) {}

void Stream::adopt(UniqueFd fd) {
  socket_.fd = std::move(fd);
  const int on = 1;  // a socket that is not TCP's refuses, and needs none of it
  (void)::setsockopt(socket_.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Stream::~Stream() {
  close();
}

void Stream::close() noexcept {
  if (closed_) {
    return;
  }
  say_goodbye();
  close_now();
}

IoResult Stream::peek(char* data, std::size_t size) {
  IoResult result;
  if (closed_) {
    result.status = Io::kClosed;
    return result;
  }
  if (ssl_ != nullptr) {
    forget_errors();
    errno = 0;
    Want want = Want::kNothing;
    const int ok = SSL_peek_ex(ssl_.get(), data, size, &result.size);
    if (ok != 1) {
      result.size = 0;
      result.status = tls_status(ok, want);
    }
    return result;
  }
  const ssize_t got = ::recv(socket_.fd.get(), data, size, MSG_PEEK);
  if (got > 0) {
    result.size = static_cast<std::size_t>(got);
  } else if (got == 0) {
    result.status = Io::kEof;
  } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
    socket_.watch.drained();
  } else if (errno != EINTR) {
    result.status = Io::kReset;
  }
  return result;
}

Awaitable<void> Stream::close_gently(Millis timeout) {
  if (closed_) {
    co_return;
  }
  say_goodbye();
  (void)::shutdown(socket_.fd.get(), SHUT_WR);
  // A client that is in the middle of a body must not find the connection reset before it has read
  // why: up to 16 MiB.
  std::array<char, std::size_t{16} << 10> discarded{};
  for (int reads = 0; reads < 1024; ++reads) {
    const ssize_t got = receive(socket_, discarded.data(), discarded.size());
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) {
      break;
    }
    if (got < 0) {
      const Io waited = co_await wait(Want::kRead, Side::kRead, timeout);
      if (waited != Io::kOk) {
        break;
      }
    }
  }
  close_now();
}

void Stream::expire(Side side) {
  timed_out_[static_cast<std::size_t>(side)] = true;
  socket_.watch.wake(static_cast<std::size_t>(side));
}

bool Stream::peer_ended(bool half) const {
  if (closed_) {
    return true;
  }
  pollfd poll_entry{};
  poll_entry.fd = socket_.fd.get();
  poll_entry.events = POLLRDHUP;
  if (::poll(&poll_entry, 1, 0) <= 0) {
    return false;
  }
  // In clear, a half-closed client may still be waiting for its answer; under TLS none does that.
  const int gone = POLLHUP | POLLERR | (half ? POLLRDHUP : 0);
  return (poll_entry.revents & gone) != 0;
}

void Stream::close_now() {
  // The owner unwinds later; the flag makes every further call fail.
  if (!closed_) {
    closed_ = true;
    if (outer_ != nullptr) {
      // The inner TLS shuts the outer one down when it is freed, and another connection may have
      // the descriptor by then.
      SSL_set_quiet_shutdown(outer_.get(), 1);
    }
    socket_.watch.stop();
    socket_.fd.reset();
    socket_.watch.wake(0);
    socket_.watch.wake(1);
  }
}

Awaitable<Io> Stream::wait(Want want, Side side, Millis timeout) {
  const Watch::Ready what = want == Want::kRead ? Watch::Ready::kRead : Watch::Ready::kWrite;
  if (closed_ || socket_.watch.ready(what)) {
    co_return closed_ ? Io::kClosed : Io::kOk;
  }
  bool& timed_out = timed_out_[static_cast<std::size_t>(side)];
  timed_out = false;
  if (timeout.count() != 0) {
    arm(side, timeout);
  }
  co_await socket_.watch.wait(static_cast<std::size_t>(side), what);
  disarm(side);
  if (closed_) {
    co_return Io::kClosed;
  }
  co_return timed_out ? Io::kTimeout : Io::kOk;
}

IoResult Stream::attempt_read(char* data, std::size_t size, Want& want) {
  want = Want::kNothing;
  IoResult result;
  if (closed_) {
    result.status = Io::kClosed;
    return result;
  }
  if (ssl_ != nullptr) {
    forget_errors();
    errno = 0;
    std::size_t got = 0;
    const int ok = SSL_read_ex(ssl_.get(), data, size, &got);
    if (ok == 1) {
      result.size = got;
    } else {
      result.status = tls_status(ok, want);
    }
    return result;
  }
  const ssize_t got = receive(socket_, data, size);
  if (got > 0) {
    result.size = static_cast<std::size_t>(got);
  } else if (got == 0) {
    result.status = Io::kEof;
  } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
    want = Want::kRead;
  } else {
    result.status = Io::kReset;
  }
  return result;
}

IoResult Stream::attempt_write(std::string_view bytes, Want& want) {
  want = Want::kNothing;
  IoResult result;
  if (closed_) {
    result.status = Io::kClosed;
    return result;
  }
  if (ssl_ != nullptr) {
    forget_errors();
    errno = 0;
    std::size_t put = 0;
    const int ok = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &put);
    if (ok == 1) {
      result.size = put;
    } else {
      result.status = tls_status(ok, want);
      if (result.status == Io::kEof) {
        result.status = Io::kReset;
      }
    }
    return result;
  }
  const ssize_t put = transmit(socket_, bytes.data(), bytes.size());
  if (put >= 0) {
    result.size = static_cast<std::size_t>(put);
  } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
    want = Want::kWrite;
  } else {
    result.status = Io::kReset;
  }
  return result;
}

IoResult Stream::try_read(char* data, std::size_t size) {
  Want want = Want::kNothing;
  return attempt_read(data, size, want);
}

Awaitable<IoResult> Stream::read_some(char* data, std::size_t size, Millis timeout) {
  for (;;) {
    Want want = Want::kNothing;
    IoResult result = attempt_read(data, size, want);
    if (want == Want::kNothing) {
      co_return result;
    }
    const Io waited = co_await wait(want, Side::kRead, timeout);
    if (waited != Io::kOk) {
      result.status = waited;
      co_return result;
    }
  }
}

Awaitable<Io> Stream::write_all(std::string_view bytes, Millis timeout) {
  if (socket_.watch.poller().in_turn()) {
    co_await socket_.watch.poller().end_of_turn();
  }
  while (!bytes.empty()) {
    Want want = Want::kNothing;
    const IoResult result = attempt_write(bytes, want);
    if (result.status != Io::kOk) {
      co_return result.status;
    }
    bytes.remove_prefix(result.size);
    if (want != Want::kNothing) {
      const Io waited = co_await wait(want, Side::kWrite, timeout);
      if (waited != Io::kOk) {
        co_return waited;
      }
    }
  }
  co_return Io::kOk;
}

Awaitable<Io> Stream::connect(const tcp::endpoint& endpoint, Millis timeout) {
  adopt(UniqueFd(::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                          IPPROTO_TCP)));
  if (!socket_.fd.valid()) {
    connect_errno_ = errno;
    co_return Io::kReset;
  }
  const int connected =
      ::connect(socket_.fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size()));
  if (connected != 0 && errno != EINPROGRESS) {
    connect_errno_ = errno;
    co_return Io::kReset;
  }
  // Not before connect(): a socket that is not on its way counts as one that has ended.
  if (!socket_.watch.start(socket_.fd.get())) {
    connect_errno_ = errno;
    co_return Io::kReset;
  }
  if (connected == 0) {
    co_return Io::kOk;
  }
  socket_.watch.full();
  const Io waited = co_await wait(Want::kWrite, Side::kWrite, timeout);
  if (waited != Io::kOk) {
    co_return waited;
  }
  socklen_t size = sizeof connect_errno_;
  if (::getsockopt(socket_.fd.get(), SOL_SOCKET, SO_ERROR, &connect_errno_, &size) != 0) {
    connect_errno_ = errno;
  }
  co_return connect_errno_ == 0 ? Io::kOk : Io::kReset;
}

bool Stream::idle_and_healthy(bool doubtful) {
  // Bytes that OpenSSL has decrypted already are not in the socket any more.
  if (closed_ || (ssl_ != nullptr && SSL_has_pending(ssl_.get()) != 0)) {
    return false;
  }
  if (!doubtful && outer_ == nullptr && !socket_.watch.ready(Watch::Ready::kRead)) {
    return true;
  }
  char byte = 0;
  const ssize_t got = ::recv(socket_.fd.get(), &byte, 1, MSG_PEEK);
  // What a proxy's TLS has decrypted already is for the TLS inside it.
  const bool pending = outer_ != nullptr && SSL_has_pending(outer_.get()) != 0;
  if (got < 0 && !pending) {
    return errno == EAGAIN || errno == EWOULDBLOCK;
  }
  if (got == 0 || ssl_ == nullptr) {
    return false;
  }
  // Under TLS 1.3 session tickets may be waiting; let OpenSSL take them. Application data, an alert
  // or the end mean that this connection must not carry another request.
  char scratch = 0;
  Want want = Want::kNothing;
  const IoResult result = attempt_read(&scratch, 1, want);
  return result.status == Io::kOk && result.size == 0;
}

}  // namespace av::proxy
