#include "cmd/http_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <memory>

#include "core/fs.h"
#include "proxy/http1_parser.h"

namespace av::cmd {
namespace {

constexpr int kConnectTimeoutMs = 10'000;

Error unreachable(const HttpPeer& peer, const std::string& why) {
  return make_error(ErrorCode::kNetwork, peer.name + " at " + peer.url.text() + ": " + why,
                    peer.hint);
}

using AddressList = std::unique_ptr<addrinfo, ossl::Free<&::freeaddrinfo>>;

int connect_in_time(int fd, const addrinfo& address) {
  if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) {
    return 0;
  }
  if (errno != EINPROGRESS) {
    return errno;
  }
  pollfd ready{fd, POLLOUT, 0};
  int count = 0;
  do {
    count = ::poll(&ready, 1, kConnectTimeoutMs);
  } while (count < 0 && errno == EINTR);
  if (count <= 0) {
    return count == 0 ? ETIMEDOUT : errno;
  }
  int error_number = 0;
  socklen_t size = sizeof error_number;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &size) == 0 ? error_number : errno;
}

Expected<UniqueFd> connect_to(const HttpPeer& peer) {
  const timeval patience = {peer.answer_seconds, 0};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (const int failed =
          ::getaddrinfo(peer.url.host.c_str(), peer.url.port.c_str(), &hints, &found);
      failed != 0) {
    return unreachable(peer, ::gai_strerror(failed));
  }
  const AddressList addresses(found);
  int error_number = ENOENT;
  for (const addrinfo* one = addresses.get(); one != nullptr; one = one->ai_next) {
    UniqueFd fd(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    error_number = fd.valid() ? connect_in_time(fd.get(), *one) : errno;
    if (error_number != 0) {
      continue;
    }
    const int flags = ::fcntl(fd.get(), F_GETFL);
    if (::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK) != 0 ||
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0) {
      error_number = errno;
      continue;
    }
    return fd;
  }
  return unreachable(peer, errno_error(error_number, "cannot connect").message);
}

// One connection, in clear or under TLS.
class Wire {
 public:
  Wire(const HttpPeer& peer, UniqueFd fd) : peer_(peer), fd_(std::move(fd)) {}

  Status start_tls(SSL_CTX* context) {
    ssl_.reset(SSL_new(context));
    const std::string& host = peer_.url.host;
    std::array<unsigned char, 16> address{};
    const bool literal = ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
                         ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
    if (ssl_ == nullptr || SSL_set_fd(ssl_.get(), fd_.get()) != 1 ||
        (literal ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str()) != 1
                 : SSL_set1_host(ssl_.get(), host.c_str()) != 1 ||
                       SSL_set_tlsext_host_name(ssl_.get(), host.c_str()) != 1)) {
      return ossl::error("cannot prepare TLS");
    }
    if (SSL_connect(ssl_.get()) == 1) {
      return {};
    }
    const long verified = SSL_get_verify_result(ssl_.get());
    const std::string why = ossl::drain_errors();
    if (verified != X509_V_OK) {
      return make_error(ErrorCode::kCrypto,
                        "the certificate of " + peer_.name + " at " + peer_.url.text() +
                            " is not good: " + X509_verify_cert_error_string(verified),
                        peer_.roots_hint);
    }
    return unreachable(peer_, "no TLS" + (why.empty() ? "" : ": " + why));
  }

  Status send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto size = std::min(bytes.size(), std::size_t{1} << 20);
      const ssize_t put = ssl_ != nullptr
                              ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(size))
                              : ::send(fd_.get(), bytes.data(), size, MSG_NOSIGNAL);
      if (put < 0 && ssl_ == nullptr && errno == EINTR) {
        continue;
      }
      if (put <= 0) {
        (void)ossl::drain_errors();
        return unreachable(peer_, "the connection broke while sending");
      }
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
  }

  // 0 at the end.
  Expected<std::size_t> receive(char* out, std::size_t size) {
    for (;;) {
      const ssize_t got = ssl_ != nullptr ? SSL_read(ssl_.get(), out, static_cast<int>(size))
                                          : ::recv(fd_.get(), out, size, 0);
      if (got > 0) {
        return static_cast<std::size_t>(got);
      }
      if (ssl_ != nullptr) {
        const int error = SSL_get_error(ssl_.get(), static_cast<int>(got));
        (void)ossl::drain_errors();
        if (error == SSL_ERROR_ZERO_RETURN) {
          return std::size_t{0};
        }
        return unreachable(peer_, "the connection broke before the answer was complete");
      }
      if (got == 0) {
        return std::size_t{0};
      }
      if (errno != EINTR) {
        return unreachable(peer_, errno == EAGAIN ? "no answer in time"
                                                  : "the connection broke before the answer");
      }
    }
  }

 private:
  const HttpPeer& peer_;
  UniqueFd fd_;
  ossl::Ssl ssl_;
};

// OpenSSL writes to the socket without MSG_NOSIGNAL; what this program prints must go on ending it
// when nobody reads any more.
class NoSigpipe {
 public:
  NoSigpipe() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &before_);
  }
  ~NoSigpipe() { ::sigaction(SIGPIPE, &before_, nullptr); }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  struct sigaction before_ {};
};

// What has arrived, and more of it on demand.
class Answer {
 public:
  Answer(const HttpPeer& peer, std::string_view method, Wire& wire)
      : peer_(peer), method_(method), wire_(wire) {}
  Expected<HttpReply> read();

 private:
  Expected<bool> more();
  Status read_head(proxy::ResponseHead& head);
  Status read_body(const proxy::ResponseHead& head, SecretBuffer& body);
  Status read_chunks(SecretBuffer& body);
  [[nodiscard]] std::string_view rest() const { return bytes_.view().substr(used_); }

  const HttpPeer& peer_;
  std::string_view method_;
  Wire& wire_;
  SecretBuffer bytes_;
  std::size_t used_ = 0;  // of bytes_, by heads
};

// False at the end.
Expected<bool> Answer::more() {
  std::array<char, 8192> chunk;  // not initialised: it is written before it is read
  AV_TRY(const std::size_t got, wire_.receive(chunk.data(), chunk.size()));
  bytes_.append(std::string_view(chunk.data(), got));
  OPENSSL_cleanse(chunk.data(), got);
  return got != 0;
}

Status Answer::read_head(proxy::ResponseHead& head) {
  proxy::HeadScanner scanner;
  for (;;) {
    switch (scanner.scan(rest())) {
      case proxy::HeadScanner::State::kMore: {
        AV_TRY(const bool any, more());
        if (!any) {
          return unreachable(peer_, "the connection ended before an answer");
        }
        break;
      }
      case proxy::HeadScanner::State::kComplete: {
        head.reset();
        const std::string_view text = rest().substr(0, scanner.size());
        if (proxy::parse_response_head(text, head) || proxy::check_response_head(head, method_)) {
          return unreachable(peer_, "the answer is not HTTP");
        }
        used_ += scanner.size();
        if (head.status / 100 != 1) {
          return {};
        }
        scanner.reset();
        break;
      }
      case proxy::HeadScanner::State::kBad:
      case proxy::HeadScanner::State::kTooLong:
        return unreachable(peer_, "the answer is not HTTP");
    }
  }
}

Status Answer::read_chunks(SecretBuffer& body) {
  proxy::ChunkDecoder decoder;
  for (;;) {
    const auto result = decoder.decode(bytes_.data() + used_, rest().size());
    body.append(rest().substr(0, result.produced));
    bytes_.clear();
    used_ = 0;
    if (result.state == proxy::ChunkDecoder::State::kDone || body.size() > peer_.most_body) {
      return {};
    }
    AV_TRY(const bool any, more());
    if (result.state == proxy::ChunkDecoder::State::kBad || !any) {
      return unreachable(peer_, "the answer is not complete");
    }
  }
}

Status Answer::read_body(const proxy::ResponseHead& head, SecretBuffer& body) {
  switch (head.body) {
    case proxy::BodyKind::kNone:
      return {};
    case proxy::BodyKind::kChunked:
      return read_chunks(body);
    case proxy::BodyKind::kLength:
    case proxy::BodyKind::kUntilClose:
      break;
  }
  const bool counted = head.body == proxy::BodyKind::kLength;
  const std::uint64_t want =
      counted ? std::min<std::uint64_t>(head.content_length, peer_.most_body) : peer_.most_body;
  while (rest().size() < want) {
    AV_TRY(const bool any, more());
    if (!any) {
      if (counted) {
        return unreachable(peer_, "the answer is not complete");
      }
      break;
    }
  }
  body.append(rest());
  return {};
}

Expected<HttpReply> Answer::read() {
  proxy::ResponseHead head;
  AV_CHECK(read_head(head));
  HttpReply reply;
  reply.status = head.status;
  for (const proxy::Field& field : head.fields) {
    if (!proxy::iequals(field.name, "Set-Cookie")) {  // it may hold a token, and is for browsers
      reply.fields.emplace_back(field.name, field.value);
    }
  }
  AV_CHECK(read_body(head, reply.body));
  reply.body.truncate(std::min(reply.body.size(), peer_.most_body));
  return reply;
}

Expected<ossl::SslCtx> make_context(const HttpPeer& peer,
                                    const std::vector<std::string>& ca_files) {
  ossl::SslCtx context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_default_verify_paths(context.get()) != 1) {
    return ossl::error("cannot prepare TLS");
  }
  for (const std::string& file : ca_files) {
    if (SSL_CTX_load_verify_locations(context.get(), file.c_str(), nullptr) != 1) {
      (void)ossl::drain_errors();
      return make_error(ErrorCode::kInvalid, file + " has no certificates", peer.roots_hint);
    }
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

}  // namespace

std::string_view HttpReply::field(std::string_view name) const {
  for (const auto& [known, value] : fields) {
    if (proxy::iequals(known, name)) {
      return value;
    }
  }
  return {};
}

Expected<HttpClient> HttpClient::create(HttpPeer peer, SecretBuffer headers,
                                        const std::vector<std::string>& ca_files) {
  ossl::SslCtx context;
  if (peer.url.tls) {
    AV_TRY(context, make_context(peer, ca_files));
  }
  return HttpClient(std::move(peer), std::move(headers), std::move(context));
}

Expected<HttpReply> HttpClient::send(std::string_view method, std::string_view target,
                                     std::string_view body) {
  const NoSigpipe quiet;
  AV_TRY(UniqueFd fd, connect_to(peer_));
  Wire wire(peer_, std::move(fd));
  if (context_ != nullptr) {
    AV_CHECK(wire.start_tls(context_.get()));
  }
  SecretBuffer head;
  head.append(method);
  head.append(" ");
  head.append(target);
  head.append(" HTTP/1.1\r\nHost: " + peer_.url.authority() +
              "\r\nUser-Agent: agent-vault/" AV_VERSION "\r\nConnection: close\r\n");
  if (method == "POST" || !body.empty()) {
    head.append("Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n");
  }
  head.append(headers_.view());
  head.append("\r\n");
  AV_CHECK(wire.send(head.view()));
  // One that answers before it has everything (401, 413) may close: its answer counts.
  const Status sent = wire.send(body);
  auto reply = Answer(peer_, method, wire).read();
  if (!reply && !sent) {
    return sent.error();
  }
  return reply;
}

}  // namespace av::cmd
