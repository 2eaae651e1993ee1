#include "connection.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <vector>

#include "common.h"

namespace av::bench {
namespace {

constexpr int kPatienceMs = 60'000;
constexpr std::size_t kMaxConnectAnswer = 8192;
// Several records from one system call: the generator must be cheaper than what it measures.
constexpr std::size_t kTlsReadBuffer = std::size_t{64} << 10;

std::uint16_t parse_port(std::string_view text, const std::string& whole) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    die("no port in " + whole);
  }
  return port;
}

std::size_t colon_of(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    die("wanted HOST:PORT, got " + std::string(text));
  }
  return colon;
}

sockaddr_in parse_address(const std::string& text) {
  const std::size_t colon = colon_of(text);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(parse_port(std::string_view(text).substr(colon + 1), text));
  if (::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    die("wanted an IPv4 address and a port, got " + text);
  }
  return address;
}

std::string base64(const std::string& text) {
  std::vector<unsigned char> out(text.size() * 4 / 3 + 8);
  const int size = EVP_EncodeBlock(out.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  return {reinterpret_cast<const char*>(out.data()), static_cast<std::size_t>(size)};
}

void use_proxy(Route& route, const std::string& proxy) {
  std::string url = proxy;
  if (proxy == "env") {
    const char* const value = std::getenv("HTTPS_PROXY");
    if (value == nullptr) {
      die("HTTPS_PROXY is not set");
    }
    url = value;
  }
  static constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) {
    die("the proxy must be http://[user:password@]address:port");
  }
  url.erase(0, kScheme.size());
  if (const std::size_t slash = url.find('/'); slash != std::string::npos) {
    url.erase(slash);
  }
  if (const std::size_t at = url.rfind('@'); at != std::string::npos) {
    route.proxy_authorization = "Basic " + base64(url.substr(0, at));
    url.erase(0, at + 1);
  }
  route.address = parse_address(url);
  route.through_proxy = true;
}

}  // namespace

std::string Route::authority() const {
  return port == 443 ? host : host + ':' + std::to_string(port);
}

Route make_route(const std::string& target, const std::string& address, const std::string& proxy,
                 const std::string& ca_file) {
  Route route;
  const std::size_t colon = colon_of(target);
  route.host = target.substr(0, colon);
  route.port = parse_port(std::string_view(target).substr(colon + 1), target);
  if (proxy.empty() == address.empty()) {
    die("one of --address and --connect says where to connect to");
  }
  if (proxy.empty()) {
    route.address = parse_address(address);
  } else {
    use_proxy(route, proxy);
  }
  route.context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = route.context.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_load_verify_file(context, ca_file.c_str()) != 1) {
    die("cannot use the certificates in " + ca_file + ": " + ossl::drain_errors());
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, kTlsReadBuffer);
  return route;
}

void Connection::start(const Route& route) {
  close();
  route_ = &route;
  phase_ = Phase::kTcp;
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) {
    die_errno("socket");
  }
  const int on = 1;
  (void)::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto* const address = reinterpret_cast<const sockaddr*>(&route.address);
  if (::connect(fd_, address, sizeof route.address) != 0 && errno != EINPROGRESS) {
    die_errno("connect");
  }
}

void Connection::begin_tls() {
  ssl_.reset(SSL_new(route_->context.get()));
  in_addr ignored{};
  const bool is_address = ::inet_pton(AF_INET, route_->host.c_str(), &ignored) == 1;
  bool ok = ssl_ != nullptr && SSL_set_fd(ssl_.get(), fd_) == 1;
  if (is_address) {
    ok = ok && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), route_->host.c_str()) == 1;
  } else {
    ok = ok && SSL_set_tlsext_host_name(ssl_.get(), route_->host.c_str()) == 1 &&
         SSL_set1_host(ssl_.get(), route_->host.c_str()) == 1;
  }
  static constexpr unsigned char kAlpn[] = "\x08http/1.1";
  if (!ok || SSL_set_alpn_protos(ssl_.get(), kAlpn, sizeof kAlpn - 1) != 0) {
    die("cannot set up TLS: " + ossl::drain_errors());
  }
  SSL_set_connect_state(ssl_.get());
  phase_ = Phase::kHandshake;
}

Step Connection::tls_want(int result, const char* doing) {
  const int number = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Step::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return Step::kWantWrite;
    default:
      break;
  }
  const long verify = SSL_get_verify_result(ssl_.get());
  std::string why = ossl::drain_errors();
  if (verify != X509_V_OK) {
    why = X509_verify_cert_error_string(verify);
  } else if (number != 0) {
    errno = number;
    die_errno(doing);
  }
  die(std::string(doing) + ": " + (why.empty() ? "the connection ended" : why));
}

Step Connection::read_connect_answer() {
  // Byte by byte at the end would be wrong only if the proxy spoke first inside the tunnel, which
  // TLS servers do not: what is here is the answer's head.
  std::array<char, 1024> piece{};
  const ssize_t got = ::recv(fd_, piece.data(), piece.size(), 0);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) {
      return Step::kWantRead;
    }
    die_errno("reading the answer to CONNECT");
  }
  if (got == 0) {
    die("the proxy closed the connection instead of answering CONNECT");
  }
  answer_.append(piece.data(), static_cast<std::size_t>(got));
  const std::size_t end = answer_.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (answer_.size() > kMaxConnectAnswer) {
      die("an endless answer to CONNECT");
    }
    return Step::kWantRead;
  }
  if (!answer_.starts_with("HTTP/1.1 200") && !answer_.starts_with("HTTP/1.0 200")) {
    die("CONNECT was answered with: " + answer_.substr(0, answer_.find('\r')));
  }
  if (end + 4 != answer_.size()) {
    die("bytes behind the answer to CONNECT");
  }
  return Step::kDone;
}

Step Connection::advance() {
  if (phase_ == Phase::kTcp) {
    int error = 0;
    socklen_t size = sizeof error;
    tcp_info info{};
    socklen_t info_size = sizeof info;
    (void)::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      errno = error;
      die_errno("connect");
    }
    (void)::getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &info_size);
    if (info.tcpi_state == TCP_SYN_SENT) {
      return Step::kWantWrite;
    }
    if (route_->through_proxy) {
      const std::string authority = route_->host + ':' + std::to_string(route_->port);
      outgoing_ = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
      if (!route_->proxy_authorization.empty()) {
        outgoing_ += "Proxy-Authorization: " + route_->proxy_authorization + "\r\n";
      }
      outgoing_ += "\r\n";
      answer_.clear();
      phase_ = Phase::kAsk;
    } else {
      begin_tls();
    }
  }
  if (phase_ == Phase::kAsk) {
    while (!outgoing_.empty()) {
      const ssize_t put = ::send(fd_, outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
      if (put < 0) {
        if (errno == EAGAIN || errno == EINTR) {
          return Step::kWantWrite;
        }
        die_errno("sending CONNECT");
      }
      outgoing_.erase(0, static_cast<std::size_t>(put));
    }
    phase_ = Phase::kAnswer;
    return Step::kWantRead;
  }
  if (phase_ == Phase::kAnswer) {
    if (const Step step = read_connect_answer(); step != Step::kDone) {
      return step;
    }
    begin_tls();
  }
  if (phase_ == Phase::kHandshake) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(ssl_.get());
    if (result != 1) {
      return tls_want(result, "TLS handshake");
    }
    phase_ = Phase::kReady;
  }
  return Step::kDone;
}

Step Connection::write(std::string_view& bytes) {
  while (!bytes.empty()) {
    ERR_clear_error();
    errno = 0;
    std::size_t put = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &put);
    if (result != 1) {
      return tls_want(result, "sending");
    }
    bytes.remove_prefix(put);
  }
  return Step::kDone;
}

Step Connection::read(char* data, std::size_t size, std::size_t& got) {
  ERR_clear_error();
  errno = 0;
  got = 0;
  const int result = SSL_read_ex(ssl_.get(), data, size, &got);
  if (result == 1 || SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN) {
    return Step::kDone;
  }
  return tls_want(result, "receiving");
}

void Connection::close() {
  if (fd_ < 0) {
    return;
  }
  if (ssl_ != nullptr && SSL_is_init_finished(ssl_.get()) != 0) {
    ERR_clear_error();
    (void)SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  ssl_.reset();
  ::close(fd_);
  fd_ = -1;
}

void wait_for(int fd, Step step) {
  if (step == Step::kDone) {
    return;
  }
  pollfd entry{};
  entry.fd = fd;
  entry.events = step == Step::kWantRead ? POLLIN : POLLOUT;
  const int ready = ::poll(&entry, 1, kPatienceMs);
  if (ready == 0) {
    die("nothing happened for a minute");
  }
  if (ready < 0 && errno != EINTR) {
    die_errno("poll");
  }
}

}  // namespace av::bench
