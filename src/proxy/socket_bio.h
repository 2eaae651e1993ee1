#pragma once
// OpenSSL's way to a Stream's socket. Unlike its own socket BIO it tells when a read has emptied
// the socket, which saves the attempt that would only find nothing; and it never raises SIGPIPE.

#include <openssl/bio.h>

#include "core/fs.h"
#include "proxy/poller.h"

namespace av::proxy {

// Both belong to the Stream and outlive the BIO. A closed socket reads and writes as an error.
struct WatchedSocket {
  explicit WatchedSocket(Poller& poller) : watch(poller) {}
  UniqueFd fd;
  Watch watch;
  bool at_end = false;  // a read has found the peer's end
};

// recv(2) and send(2), taking note of what they say about the socket; `errno` as they leave it.
[[nodiscard]] ssize_t receive(WatchedSocket& socket, char* data, std::size_t size);
[[nodiscard]] ssize_t transmit(WatchedSocket& socket, const char* data, std::size_t size);

// Null: no memory. SSL_set_bio() takes it.
[[nodiscard]] BIO* make_socket_bio(WatchedSocket& socket);

}  // namespace av::proxy
