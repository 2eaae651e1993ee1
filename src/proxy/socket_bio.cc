#include "proxy/socket_bio.h"

#include <sys/socket.h>

#include <cerrno>
#include <climits>
#include <memory>

namespace av::proxy {
namespace {

WatchedSocket& socket_of(BIO* bio) {
  return *static_cast<WatchedSocket*>(BIO_get_data(bio));
}

bool would_block(ssize_t result) {
  return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

int bio_read(BIO* bio, char* data, std::size_t size, std::size_t* got) {
  BIO_clear_retry_flags(bio);
  const ssize_t result = receive(socket_of(bio), data, size);
  if (would_block(result)) {
    BIO_set_retry_read(bio);
  }
  *got = result > 0 ? static_cast<std::size_t>(result) : 0;
  return result > 0 ? 1 : static_cast<int>(result);
}

int bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* put) {
  BIO_clear_retry_flags(bio);
  const ssize_t result = transmit(socket_of(bio), data, size);
  if (would_block(result)) {
    BIO_set_retry_write(bio);
  }
  *put = result > 0 ? static_cast<std::size_t>(result) : 0;
  return result > 0 ? 1 : static_cast<int>(result);
}

long bio_ctrl(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
  switch (command) {
    case BIO_CTRL_EOF:
      return socket_of(bio).at_end ? 1 : 0;
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP:
      return 1;
    default:  // an open set of numbers; 0: not known
      return 0;
  }
}

using Method = std::unique_ptr<BIO_METHOD, decltype(&BIO_meth_free)>;

Method make_method() {
  Method method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "watched socket"),
                &BIO_meth_free);
  if (method != nullptr) {
    BIO_meth_set_read_ex(method.get(), bio_read);
    BIO_meth_set_write_ex(method.get(), bio_write);
    BIO_meth_set_ctrl(method.get(), bio_ctrl);
  }
  return method;
}

}  // namespace

ssize_t receive(WatchedSocket& socket, char* data, std::size_t size) {
  ssize_t got = 0;
  do {
    got = ::recv(socket.fd.get(), data, size, 0);
  } while (got < 0 && errno == EINTR);
  if (would_block(got)) {
    socket.watch.drained();
  } else if (got > 0 && static_cast<std::size_t>(got) < size) {
    socket.watch.got_less();  // epoll(7), questions and answers
  }
  socket.at_end = socket.at_end || got == 0;
  return got;
}

ssize_t transmit(WatchedSocket& socket, const char* data, std::size_t size) {
  ssize_t put = 0;
  do {
    put = ::send(socket.fd.get(), data, size, MSG_NOSIGNAL);
  } while (put < 0 && errno == EINTR);
  if (would_block(put)) {
    socket.watch.full();
  }
  return put;
}

BIO* make_socket_bio(WatchedSocket& socket) {
  static const Method method = make_method();
  BIO* const bio = method == nullptr ? nullptr : BIO_new(method.get());
  if (bio != nullptr) {
    BIO_set_data(bio, &socket);
    BIO_set_init(bio, 1);
  }
  return bio;
}

}  // namespace av::proxy
