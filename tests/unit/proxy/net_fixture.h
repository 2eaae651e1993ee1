#pragma once
// What tests of the way to an upstream share: a worker's loop, requests that policy has allowed,
// servers on loopback, a resolver that answers as told. Servers must be declared behind the
// fixture.

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/fs.h"
#include "proxy/certificate_authority.h"
#include "proxy/connector.h"
#include "proxy/http1_parser.h"

namespace av::proxy::test {

template <typename T>
Awaitable<void> keep_result(Awaitable<T> work, std::optional<T>* result) {
  T value = co_await std::move(work);
  result->emplace(std::move(value));
}

inline Awaitable<void> tick(Executor executor, DeadlineList* deadlines) {
  Timer timer(executor);
  for (;;) {
    deadlines->tick(std::chrono::steady_clock::now());
    co_await sleep_for(timer, Millis{20});
  }
}

class Net {
 public:
  Net() {
    // As the program does: OpenSSL writes to sockets without MSG_NOSIGNAL.
    std::signal(SIGPIPE, SIG_IGN);
    // Whatever roots this machine has: they take a while to read and have no part in the tests.
    ::setenv("SSL_CERT_FILE", "/nonexistent", 1);
    ::setenv("SSL_CERT_DIR", "/nonexistent", 1);
    asio::co_spawn(io, tick(executor(), &deadlines), asio::detached);
  }
  [[nodiscard]] Executor executor() { return io.get_executor(); }

  // Runs the loop until the work is done; fails after ten seconds.
  template <typename T>
  T run(Awaitable<T> work) {
    std::optional<T> result;
    asio::co_spawn(io, keep_result(std::move(work), &result), asio::detached);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!result && std::chrono::steady_clock::now() < end) {
      io.run_one_for(std::chrono::milliseconds(50));
    }
    REQUIRE(result);
    return std::move(*result);
  }
  // Lets everything that can happen now happen.
  void settle() { io.run_for(std::chrono::milliseconds(30)); }

  DeadlineList deadlines;
  asio::io_context io{1};
};

inline IpAddress ip(const char* text) {
  return *parse_ip(text);
}

// A request as it is when the Connector gets it.
class Requests {
 public:
  Requests() : ring_(std::make_shared<vault::KeyRing>(*vault::KeyRing::generate())) {}

  void credential(const std::string& key, std::string_view value, std::uint64_t version = 1) {
    auto sealed = ring_->seal(vault::SealContext{"uid", "credential", key, version}, value);
    REQUIRE(sealed);
    snapshot_.credentials[key] = vault::SealedCredential{key, version, *sealed, {}};
  }
  std::optional<vault::Service> service;

  OutboundRequest to(const std::string& host, std::uint16_t port,
                     vault::Scheme scheme = vault::Scheme::kHttps) {
    RequestHead head;
    REQUIRE_FALSE(parse_request_head("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n", head));
    REQUIRE_FALSE(check_request_head(head));
    auto snapshot = std::make_shared<vault::PolicySnapshot>(snapshot_);
    snapshot->vault_uid = "uid";
    snapshot->vault_name = "default";
    if (service) {
      snapshot->set_services({*service});
    }
    snapshot->generation = ++generation_;
    vault::RequestIdentity identity;
    identity.scheme = scheme;
    identity.authority = {host, port};
    identity.method = "GET";
    identity.target = *vault::canonical_target("/");
    const vault::Principal nobody;
    vault::PolicyInput input;
    input.snapshot = snapshot;
    input.principal = &nobody;
    auto decision = vault::Policy::decide(input, identity);
    REQUIRE(std::holds_alternative<vault::AllowedRequest>(decision));
    auto allowed = std::get<vault::AllowedRequest>(std::move(decision));
    auto resolved = resolver_.resolve(allowed, *ring_, {1, 0});
    REQUIRE(resolved);
    auto request = Injector::inject(std::move(allowed), *resolved, head);
    REQUIRE(request);
    return std::move(*request);
  }

 private:
  std::shared_ptr<vault::KeyRing> ring_;
  vault::PolicySnapshot snapshot_;
  CredentialResolver resolver_;
  std::uint64_t generation_ = 0;
};

// Answers each name with its next list; the last one stays.
class FakeResolver final : public NameResolver {
 public:
  void answer(const std::string& host, std::vector<const char*> addresses) {
    std::vector<IpAddress> list;
    for (const char* const text : addresses) {
      list.push_back(ip(text));
    }
    answers_[host].push_back(std::move(list));
  }
  Awaitable<Outcome<std::vector<IpAddress>>> resolve(const std::string& host, Millis) override {
    const auto found = answers_.find(host);
    const std::size_t turn = asked[host]++;
    if (found == answers_.end()) {
      Fault fault;
      fault.status = 502;
      fault.code = "dns_failed";
      co_return std::move(fault);
    }
    std::vector<IpAddress> list = found->second[std::min(turn, found->second.size() - 1)];
    co_return std::move(list);
  }
  std::map<std::string, std::size_t> asked;

 private:
  std::map<std::string, std::vector<std::vector<IpAddress>>> answers_;
};

class Server {
 public:
  Server(Net& net, const char* address, std::uint16_t port = 0)
      : net_(net), acceptor_(net.executor()) {
    const tcp::endpoint endpoint(asio::ip::make_address(address), port);
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(asio::socket_base::reuse_address(true));
    acceptor_.bind(endpoint);
    acceptor_.listen();
    port_ = acceptor_.local_endpoint().port();
    asio::co_spawn(net.io, accept_loop(), asio::detached);
  }
  virtual ~Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  [[nodiscard]] std::uint16_t port() const { return port_; }
  int accepted = 0;

 protected:
  [[nodiscard]] Executor executor() const { return net_.executor(); }
  // Says nothing, for as long as the client stays.
  virtual Awaitable<void> handle(Stream& stream) {
    char byte = 0;
    IoResult got;
    while (got.status == Io::kOk) {
      got = co_await stream.read_some(&byte, 1, Millis{5000});
    }
  }

 private:
  Awaitable<void> accept_loop() {
    for (;;) {
      error_code ec;
      auto token = asio::redirect_error(use_awaitable, ec);
      co_await acceptor_.async_wait(asio::socket_base::wait_read, std::move(token));
      UniqueFd socket(
          ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (ec || !socket.valid()) {
        co_return;
      }
      ++accepted;
      asio::co_spawn(net_.io, serve(std::move(socket)), asio::detached);
    }
  }
  Awaitable<void> serve(UniqueFd socket) {
    Stream stream(net_.executor(), std::move(socket), net_.deadlines);
    co_await handle(stream);
  }

  Net& net_;
  asio::basic_socket_acceptor<tcp, Executor> acceptor_;
  std::uint16_t port_ = 0;
};

// An address at which connections neither stand nor fail: the queue of a listener is full, and
// Linux drops what else comes.
class BlackHole {
 public:
  explicit BlackHole(const char* address, std::uint16_t port = 0) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    const IpAddress parsed = ip(address);
    std::copy(parsed.bytes.begin() + 12, parsed.bytes.end(),
              reinterpret_cast<std::uint8_t*>(&where.sin_addr));
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM, 0));
    auto* const generic = reinterpret_cast<sockaddr*>(&where);
    socklen_t size = sizeof where;
    REQUIRE(::bind(listener_.get(), generic, size) == 0);
    REQUIRE(::listen(listener_.get(), 0) == 0);
    REQUIRE(::getsockname(listener_.get(), generic, &size) == 0);
    port_ = ntohs(where.sin_port);
    for (UniqueFd& fd : fillers_) {
      fd = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      (void)::connect(fd.get(), generic, size);
    }
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  UniqueFd listener_;
  UniqueFd fillers_[3];
  std::uint16_t port_ = 0;
};

// A certificate authority in a file, for ConnectorOptions::upstream_ca_files, and leaves of it.
class TestCa {
 public:
  TestCa() : authority_(*CertificateAuthority::create("test root", Millis{3'600'000}, clock_)) {
    char name[] = "/tmp/av-test-ca-XXXXXX";
    const int fd = ::mkstemp(name);
    REQUIRE(fd >= 0);
    ::close(fd);
    file_ = name;
    std::ofstream(file_) << authority_.certificate_pem();
  }
  ~TestCa() { ::unlink(file_.c_str()); }
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;
  [[nodiscard]] ossl::SslCtx context(const char* host) const {
    return std::move(*authority_.make_leaf_context(host, clock_));
  }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& pem() const { return authority_.certificate_pem(); }

 private:
  SystemClock clock_;
  CertificateAuthority authority_;
  std::string file_;
};

// A TLS server that says "x" to every client and notes what it learnt.
class TlsServer : public Server {
 public:
  TlsServer(Net& net, ossl::SslCtx context, const char* address = "127.0.0.1",
            std::uint16_t port = 0)
      : Server(net, address, port), context_(std::move(context)) {}
  [[nodiscard]] SSL_CTX* context() { return context_.get(); }
  int completed = 0;
  int resumed = 0;
  std::string client_name;  // of the client's certificate

 protected:
  Awaitable<void> handle(Stream& stream) override {
    const Io io = co_await stream.accept_tls(context_.get(), Millis{5000});
    if (io != Io::kOk) {
      co_return;
    }
    ++completed;
    resumed += SSL_session_reused(stream.ssl());
    client_name = name_of(SSL_get0_peer_certificate(stream.ssl()));
    (void)co_await stream.write_all("x", Millis{5000});
    char byte = 0;
    (void)co_await stream.read_some(&byte, 1, Millis{5000});
  }

 private:
  static std::string name_of(X509* certificate) {
    char text[65] = {};
    if (certificate != nullptr) {
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text,
                                sizeof text);
    }
    return text;
  }
  ossl::SslCtx context_;
};

// Reads the "x", and with it the tickets that came before it.
inline Awaitable<bool> greeted(Stream& stream) {
  char byte = 0;
  const IoResult got = co_await stream.read_some(&byte, 1, Millis{5000});
  co_return got.status == Io::kOk&& byte == 'x';
}

inline std::string code_of(Outcome<UpstreamPtr>& outcome) {
  return outcome ? "" : std::string(outcome.error().code);
}

}  // namespace av::proxy::test
