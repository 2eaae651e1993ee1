#include "proxy/proxy_relay.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <list>
#include <thread>
#include <vector>

#include "core/encoding.h"
#include "proxy/direct_target.h"
#include "proxy/gateway_fault.h"
#include "proxy/happy_eyeballs.h"
#include "proxy/local_reply.h"
#include "proxy/name_door.h"
#include "proxy/resolver.h"
#include "proxy/session.h"
#include "proxy/ssh_farewell.h"

namespace av::proxy {
namespace {

using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;

constexpr Millis kConnect{10'000};
constexpr Millis kLinger{1'000};
constexpr Millis kPause{50};
constexpr Millis kAnswer{60'000};
constexpr Millis kGreeting{10'000};
constexpr std::size_t kMostHead = std::size_t{16} << 10;
constexpr std::size_t kPiece = std::size_t{16} << 10;

struct State {
  State(asio::io_context& context, RelayTarget to)
      : io(context), target(std::move(to)), resolver(context.get_executor()) {
    deadlines.tick(std::chrono::steady_clock::now());
  }
  asio::io_context& io;
  RelayTarget target;
  DeadlineList deadlines;
  SystemResolver resolver;
  NamePool names;
  std::size_t open = 0;
};

class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::size_t& count_;
};

Fault unreachable(const RelayTarget& target, const std::string& why) {
  return gateway_fault("server_unreachable",
                       "the agent-vault server at " + target.host + ":" +
                           std::to_string(target.port) + " cannot be reached: " + why,
                       "try again later", /*transient=*/true);
}

// The end of one direction, passed on: the other may go on.
void end_sending(Stream& stream) {
  if (stream.closed()) {
    return;
  }
  if (stream.ssl() != nullptr) {
    ERR_clear_error();
    (void)SSL_shutdown(stream.ssl());
    ERR_clear_error();
  }
  (void)::shutdown(stream.descriptor(), SHUT_WR);
}

// One connection and what both of its directions hold.
struct Link {
  Link(State& owner, UniqueFd socket)
      : state(owner),
        counted(owner.open),
        client(owner.io.get_executor(), std::move(socket), owner.deadlines) {}
  State& state;
  Counted counted;
  Stream client;
  UpstreamPtr server;
  bool server_takes = true;  // false: what it is sent goes nowhere
  bool client_ended = false;
};
using LinkPtr = std::shared_ptr<Link>;

// Goes on reading when the server takes nothing any more: a client that is still sending would be
// reset over an answer that it has not read.
Awaitable<void> copy_up(LinkPtr link) {
  const auto piece = std::make_unique<std::array<char, kPiece>>();
  Stream& server = link->server->stream;
  Turns turns(link->state.io.get_executor());
  for (;;) {
    co_await turns.take();
    const IoResult got = co_await link->client.read_some(piece->data(), piece->size(), Millis(0));
    if (got.status == Io::kEof) {
      end_sending(server);  // it may have an answer to give yet
    } else if (got.status != Io::kOk) {
      server.close_truncated();
    }
    if (got.status != Io::kOk) {
      link->client_ended = true;
      co_return;
    }
    if (link->server_takes) {
      const std::string_view bytes(piece->data(), got.size);
      const Io put = co_await server.write_all(bytes, Millis(0));
      link->server_takes = link->server_takes && put == Io::kOk;
    }
  }
}

Awaitable<void> copy_down(LinkPtr link) {
  const auto piece = std::make_unique<std::array<char, kPiece>>();
  Turns turns(link->state.io.get_executor());
  for (Io io = Io::kOk; io == Io::kOk;) {
    co_await turns.take();
    const IoResult got =
        co_await link->server->stream.read_some(piece->data(), piece->size(), Millis(0));
    io = got.status;
    if (io == Io::kOk) {
      const std::string_view bytes(piece->data(), got.size);
      io = co_await link->client.write_all(bytes, Millis(0));
    }
  }
}

Awaitable<Outcome<void>> start_tls(Link& link, ConnectBudget budget) {
  ossl::Ssl ssl(SSL_new(link.state.target.tls.get()));
  const std::string name(kProxyTlsName);
  if (ssl == nullptr || SSL_set1_host(ssl.get(), name.c_str()) != 1 ||
      SSL_set_tlsext_host_name(ssl.get(), name.c_str()) != 1) {
    co_return unreachable(link.state.target, ossl::drain_errors());
  }
  Stream& stream = link.server->stream;
  const Io io = co_await stream.connect_tls(std::move(ssl), budget.left());
  if (io == Io::kOk) {
    co_return Outcome<void>();
  }
  const long verified = SSL_get_verify_result(stream.ssl());
  co_return unreachable(link.state.target,
                        verified == X509_V_OK
                            ? std::string("no TLS")
                            : std::string("its certificate is not one of the authority that was "
                                          "agreed on: ") +
                                  X509_verify_cert_error_string(verified));
}

Awaitable<Outcome<void>> connect(Link& link) {
  State& state = link.state;
  const ConnectBudget budget(kConnect);
  auto addresses = co_await state.resolver.resolve(state.target.host, budget.left());
  if (!addresses) {
    co_return unreachable(state.target, addresses.error().message);
  }
  std::vector<Endpoint> endpoints;
  for (const IpAddress& address : *addresses) {
    Endpoint endpoint;
    endpoint.address = address;
    endpoint.port = state.target.port;
    endpoints.push_back(endpoint);
  }
  std::vector<Endpoint> order = interleave(endpoints);
  std::string name = state.target.host;
  auto connected = co_await race_connect(state.io.get_executor(), state.deadlines, std::move(order),
                                         std::move(name), budget, kAttemptDelay);
  if (!connected) {
    co_return unreachable(state.target, connected.error().message);
  }
  link.server = std::move(*connected);
  if (state.target.tls != nullptr) {
    auto secure = co_await start_tls(link, budget);
    co_return secure;
  }
  co_return Outcome<void>();
}

Awaitable<void> carry(LinkPtr link) {
  asio::co_spawn(link->state.io.get_executor(), copy_up(link), asio::detached);
  co_await copy_down(link);
  link->server_takes = false;
  link->server->stream.close_truncated();
  end_sending(link->client);
  if (!link->client_ended) {
    Timer timer(link->state.io.get_executor());
    co_await sleep_for(timer, kLinger);
  }
  link->client.close_truncated();
}

Awaitable<void> serve_link(LinkPtr link) {
  const auto connected = co_await connect(*link);
  if (!connected) {
    // Whatever the client would ask, this is the answer.
    const std::string reply =
        to_http1(fault_reply(connected.error()), /*close=*/true, /*head_only=*/false);
    (void)co_await link->client.write_all(reply, kLinger);
    co_await link->client.close_gently(kLinger);
    co_return;
  }
  co_await carry(std::move(link));
}

// RFC 9110 section 9.3.6.
SecretBuffer connect_head(const vault::Authority& to, const SecretBuffer& user) {
  const std::string name = to.host + ":" + std::to_string(to.port);
  SecretBuffer head;
  head.append("CONNECT " + name + " HTTP/1.1\r\nHost: " + name + "\r\nProxy-Authorization: Basic ");
  encoding::append_base64(head, user.view());
  head.append("\r\n\r\n");
  return head;
}

// The server's answer, to the end of its head and what came with it; empty when there is none.
Awaitable<std::string> read_answer(Stream& server) {
  std::string answer;
  std::array<char, 1024> piece;
  while (answer.find("\r\n\r\n") == std::string::npos && answer.size() < kMostHead) {
    const IoResult got = co_await server.read_some(piece.data(), piece.size(), kAnswer);
    if (got.status != Io::kOk) {
      co_return std::string();
    }
    answer.append(piece.data(), got.size);
  }
  co_return answer;
}

// For a program that knows of no proxy. It could not read a proxy's answer: what fails ends here,
// and the server has it on its log.
Awaitable<void> serve_direct_link(LinkPtr link) {
  const auto target = direct_target(link->client.descriptor(), link->state.names);
  const auto connected = co_await connect(*link);
  if (!target || !connected) {
    co_return;
  }
  Stream& server = link->server->stream;
  const SecretBuffer head = connect_head(*target, link->state.target.user);
  const Io asked = co_await server.write_all(head.view(), kAnswer);
  if (asked != Io::kOk) {
    co_return;
  }
  const std::string answer = co_await read_answer(server);
  const std::size_t end = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.1 200") || end == std::string::npos) {
    co_return;
  }
  const Io passed =
      co_await link->client.write_all(std::string_view(answer).substr(end + 4), kAnswer);
  if (passed == Io::kOk) {
    co_await carry(std::move(link));
  }
}

// Where the farewell is said that a broker says (session_direct.cc).
Awaitable<void> dismiss_ssh(LinkPtr link) {
  const Io greeted = co_await link->client.write_all(kSshVersion, kGreeting);
  if (greeted == Io::kOk) {
    (void)co_await link->client.wait_readable(kGreeting);
    const std::string farewell = ssh_disconnect(kNoWayForSsh);
    (void)co_await link->client.write_all(farewell, kGreeting);
    co_await link->client.close_gently(kLinger);
  }
}

using Serve = Awaitable<void> (*)(LinkPtr);

Awaitable<void> accept_loop(State& state, Acceptor& acceptor, Serve serve) {
  Timer pause(state.io.get_executor());
  for (;;) {
    error_code ec;
    auto token = asio::redirect_error(use_awaitable, ec);
    co_await acceptor.async_wait(Acceptor::wait_read, std::move(token));
    if (!acceptor.is_open()) {
      co_return;
    }
    bool wait = ec.failed() || state.open >= ProxyRelay::kMost;
    if (!wait) {
      UniqueFd socket(
          ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (socket.valid()) {
        asio::co_spawn(state.io.get_executor(),
                       serve(std::make_shared<Link>(state, std::move(socket))), asio::detached);
      } else {
        wait = errno != EAGAIN && errno != ECONNABORTED && errno != EINTR;
      }
    }
    if (wait) {
      co_await sleep_for(pause, kPause);
    }
  }
}

Awaitable<void> tick_loop(State& state) {
  Timer timer(state.io.get_executor());
  for (;;) {
    state.deadlines.tick(std::chrono::steady_clock::now());
    co_await sleep_for(timer, DeadlineList::kTick);
  }
}

}  // namespace

Expected<ossl::SslCtx> relay_context(std::string_view authority_pem) {
  ossl::SslCtx context(SSL_CTX_new(TLS_client_method()));
  const ossl::Bio bio(
      BIO_new_mem_buf(authority_pem.data(), static_cast<int>(authority_pem.size())));
  if (context == nullptr || bio == nullptr ||
      SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1) {
    return ossl::error("cannot prepare TLS");
  }
  const ossl::X509Cert authority(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (authority == nullptr ||
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority.get()) != 1) {
    (void)ossl::drain_errors();
    return make_error(ErrorCode::kInvalid, "the server's authority is no certificate");
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

struct ProxyRelay::Impl {
  std::unique_ptr<asio::io_context> io = std::make_unique<asio::io_context>(1);
  std::unique_ptr<State> state;
  std::list<Acceptor> acceptors;  // their coroutines refer to them
  std::thread thread;

  Status listen(UniqueFd socket, Serve serve);
};

Status ProxyRelay::Impl::listen(UniqueFd socket, Serve serve) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return errno_error(errno, "what the relay listens on is no socket");
  }
  Acceptor& acceptor = acceptors.emplace_back(io->get_executor());
  error_code ec;
  acceptor.assign(address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), socket.get(), ec);
  if (ec) {
    return make_error(ErrorCode::kIo, "cannot listen: " + ec.message());
  }
  (void)socket.release();
  acceptor.native_non_blocking(true, ec);
  asio::co_spawn(io->get_executor(), accept_loop(*state, acceptor, serve), asio::detached);
  return {};
}

ProxyRelay::ProxyRelay(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Expected<std::unique_ptr<ProxyRelay>> ProxyRelay::start(RelaySockets sockets, RelayTarget target) {
  auto impl = std::make_unique<Impl>();
  impl->state = std::make_unique<State>(*impl->io, std::move(target));
  for (UniqueFd& socket : sockets.proxy) {
    AV_CHECK(impl->listen(std::move(socket), serve_link));
  }
  for (UniqueFd& socket : sockets.direct) {
    AV_CHECK(impl->listen(std::move(socket), serve_direct_link));
  }
  for (UniqueFd& socket : sockets.ssh) {
    AV_CHECK(impl->listen(std::move(socket), dismiss_ssh));
  }
  if (sockets.names.valid()) {
    asio::co_spawn(
        impl->io->get_executor(),
        serve_names(impl->io->get_executor(), std::move(sockets.names), impl->state->names),
        asio::detached);
  }
  asio::co_spawn(impl->io->get_executor(), tick_loop(*impl->state), asio::detached);
  asio::io_context& io = *impl->io;
  impl->thread = std::thread([&io] {
    pthread_setname_np(pthread_self(), "av-relay");
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    io.run();
  });
  return std::unique_ptr<ProxyRelay>(new ProxyRelay(std::move(impl)));
}

ProxyRelay::~ProxyRelay() {
  State& state = *impl_->state;
  asio::post(*impl_->io, [&state] {
    state.deadlines.close_all();
    state.io.stop();
  });
  impl_->thread.join();
  impl_->acceptors.clear();
  if (state.resolver.pending() != 0) {
    // A look-up is stuck in the C library, and its thread would be joined.
    (void)impl_->io.release();
    (void)impl_->state.release();
    return;
  }
  // Suspended coroutines refer to the state: they go first.
  impl_->io.reset();
  impl_->state.reset();
}

}  // namespace av::proxy
