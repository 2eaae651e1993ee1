#pragma once
// Connection: one client connection, non-blocking, to a server under TLS, directly or through a
// CONNECT proxy. OpenSSL works on the socket itself. The certificate chain and the name in it are
// verified against one CA file and nothing else.
//
// Everything is a step that is tried and says what it waits for; whoever drives it does the
// waiting. Errors end the program (common.h).

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "core/ossl.h"

namespace av::bench {

// Where requests go.
struct Route {
  std::string host;          // in TLS (SNI), in the certificate, in Host
  std::uint16_t port = 443;  // in CONNECT and Host
  sockaddr_in address{};     // of the server, or of the proxy when there is one
  bool through_proxy = false;
  std::string proxy_authorization;  // the field's value; empty: none is sent
  ossl::SslCtx context;

  // "host" or "host:port", as Host wants it.
  [[nodiscard]] std::string authority() const;
};

// `target`: "host:port". `address`: "a.b.c.d:port" to connect to. `proxy`:
// "http://user:pass@a.b.c.d:port", or "env" for the value of HTTPS_PROXY (which then is not in the
// list of processes), or empty.
[[nodiscard]] Route make_route(const std::string& target, const std::string& address,
                               const std::string& proxy, const std::string& ca_file);

enum class Step : std::uint8_t { kDone, kWantRead, kWantWrite };

class Connection {
 public:
  Connection() = default;
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // A new socket, on its way to being connected. The route must outlive the connection.
  void start(const Route& route);
  // TCP, CONNECT, TLS: until kDone. May be called again after it.
  Step advance();
  // Takes what was written off the front of `bytes`; kDone when nothing is left.
  Step write(std::string_view& bytes);
  // kDone: `got` bytes, 0 at the end of the stream.
  Step read(char* data, std::size_t size, std::size_t& got);
  // TLS close_notify and close.
  void close();
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

 private:
  enum class Phase : std::uint8_t { kTcp, kAsk, kAnswer, kHandshake, kReady };
  Step read_connect_answer();
  Step tls_want(int result, const char* doing);
  void begin_tls();

  const Route* route_ = nullptr;
  int fd_ = -1;
  Phase phase_ = Phase::kTcp;
  std::string outgoing_;  // rest of the CONNECT request
  std::string answer_;    // to it, as far as it came
  ossl::Ssl ssl_;
};

// Waits until the descriptor is ready for what the step wants. Without an answer in a minute the
// program ends.
void wait_for(int fd, Step step);

}  // namespace av::bench
