#include "proxy/proxy_server.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <thread>

#include "proxy/session.h"
#include "proxy/worker.h"

namespace av::proxy {
namespace {

using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;

constexpr std::int64_t kLeafRenewMs = 12LL * 60 * 60 * 1000;  // half of a leaf's life
// After close_all() sessions only have to unwind.
constexpr Millis kUnwind{2'000};
constexpr std::size_t kMaxSessions = 8192;

// Each session may take two descriptors; the usual soft limit of 1024 is for programs that use
// select(). Called in the broker: the command has its limits from before.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4 * kMaxSessions);
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

// As many as the descriptors carry, with some left for the store and new connections.
std::size_t session_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= 3 * kMaxSessions) {
    return kMaxSessions;
  }
  return std::max<std::size_t>(32, (static_cast<std::size_t>(limit.rlim_cur) - 64) / 3);
}

int select_protocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned offered_size, void* /*unused*/) {
  static constexpr unsigned char kOurs[] = "\x02h2\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOurs, sizeof kOurs - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// What is waiting, at most so many, so that those who are in already get their turn.
Awaitable<void> accept_loop(Worker& worker, Acceptor& acceptor) {
  constexpr int kAtOnce = 16;
  Timer pause(worker.io.get_executor());
  for (;;) {
    error_code ec;
    auto token = asio::redirect_error(use_awaitable, ec);
    co_await acceptor.async_wait(Acceptor::wait_read, std::move(token));
    if (worker.draining || !acceptor.is_open()) {
      break;
    }
    bool failed = ec.failed();
    for (int i = 0; i < kAtOnce && !failed; ++i) {
      UniqueFd socket(
          ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket.valid()) {
        failed = errno != EAGAIN && errno != ECONNABORTED && errno != EINTR;
        break;
      }
      if (worker.sessions < worker.session_limit) {
        asio::co_spawn(worker.io.get_executor(), run_session(worker, std::move(socket)),
                       asio::detached);
      }
    }
    if (failed) {
      // Out of descriptors, most likely: others will end.
      co_await sleep_for(pause, Millis{50});
    }
  }
}

Awaitable<void> tick_loop(Worker& worker) {
  Timer timer(worker.io.get_executor());
  for (;;) {
    worker.deadlines.tick(worker.clock.steady());
    worker.check_grant();
    worker.pool.sweep();
    worker.resolver.sweep(worker.deadlines.now_ms());
    worker.connector.sweep(worker.deadlines.now_ms());
    co_await sleep_for(timer, DeadlineList::kTick);
  }
}

Awaitable<void> drain(Worker& worker, std::vector<Acceptor>& acceptors, Millis grace) {
  worker.draining = true;
  for (Acceptor& acceptor : acceptors) {
    error_code ignored;
    acceptor.close(ignored);
  }
  for (Session* const session : worker.open_sessions) {
    session->drain();
  }
  Timer timer(worker.io.get_executor());
  const auto wait_until = [&](Millis limit) { return worker.clock.steady() + limit; };
  for (const auto end = wait_until(grace); worker.sessions != 0 && worker.clock.steady() < end;) {
    co_await sleep_for(timer, Millis{5});
  }
  worker.deadlines.close_all();
  worker.pool.clear();
  for (const auto end = wait_until(kUnwind); worker.sessions != 0 && worker.clock.steady() < end;) {
    co_await sleep_for(timer, Millis{1});
  }
  worker.io.stop();
}

}  // namespace

Expected<SSL_CTX*> LeafCache::context_for(const std::string& host) {
  const std::int64_t now = clock_.wall_ms();
  const auto found = entries_.find(host);
  if (found != entries_.end() && now - found->second.made_ms < kLeafRenewMs) {
    return found->second.context.get();
  }
  AV_TRY(ossl::SslCtx context, authority_->make_leaf_context(host, clock_));
  SSL_CTX_set_alpn_select_cb(context.get(), select_protocol, nullptr);
  if (entries_.size() >= kMaxEntries) {
    entries_.erase(entries_.begin());
  }
  Entry& entry = entries_[host];
  entry.context = std::move(context);
  entry.made_ms = now;
  return entry.context.get();
}

struct ProxyServer::Impl {
  std::unique_ptr<asio::io_context> io = std::make_unique<asio::io_context>(1);
  std::unique_ptr<Worker> worker;
  std::vector<Acceptor> acceptors;
  std::thread thread;
};

ProxyServer::ProxyServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ProxyServer::~ProxyServer() {
  stop();
}

Expected<std::unique_ptr<ProxyServer>> ProxyServer::start(
    ProxyOptions options, std::shared_ptr<const CertificateAuthority> authority, SessionGrant grant,
    vault::SnapshotPtr snapshot, std::shared_ptr<const vault::KeyRing> key_ring,
    vault::AuditLog& audit, const Clock& clock) {
  auto impl = std::make_unique<Impl>();
  std::vector<UniqueFd> listeners = std::move(options.listeners);
  impl->worker = std::make_unique<Worker>(*impl->io, std::move(options), std::move(authority),
                                          std::move(grant), audit, clock);
  Worker& worker = *impl->worker;
  worker.snapshot = std::move(snapshot);
  worker.key_ring = std::move(key_ring);
  worker.deadlines.tick(clock.steady());
  worker.check_grant();
  raise_descriptor_limit();
  worker.session_limit = session_limit();
  impl->acceptors.reserve(listeners.size());
  for (UniqueFd& listener : listeners) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      return errno_error(errno, "the proxy's listener is not a socket");
    }
    Acceptor& acceptor = impl->acceptors.emplace_back(impl->io->get_executor());
    error_code ec;
    acceptor.assign(address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), listener.get(), ec);
    if (ec) {
      return make_error(ErrorCode::kIo, "cannot listen: " + ec.message());
    }
    (void)listener.release();
    acceptor.native_non_blocking(true, ec);
    const tcp::endpoint local = acceptor.local_endpoint(ec);
    worker.port = local.port();
    if (const auto own = parse_ip(local.address().to_string())) {
      worker.connector.add_own_listener(Endpoint{*own, local.port()});
    }
  }
  for (Acceptor& acceptor : impl->acceptors) {
    asio::co_spawn(impl->io->get_executor(), accept_loop(worker, acceptor), asio::detached);
  }
  asio::co_spawn(impl->io->get_executor(), tick_loop(worker), asio::detached);
  asio::io_context& io = *impl->io;
  impl->thread = std::thread([&io] {
    pthread_setname_np(pthread_self(), "av-proxy");
    // Signals are the owner's business; OpenSSL's writes must not raise SIGPIPE.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    io.run();
  });
  return std::unique_ptr<ProxyServer>(new ProxyServer(std::move(impl)));
}

void ProxyServer::publish(vault::SnapshotPtr snapshot,
                          std::shared_ptr<const vault::KeyRing> key_ring) {
  Worker& worker = *impl_->worker;
  asio::post(*impl_->io,
             [&worker, snapshot = std::move(snapshot), key_ring = std::move(key_ring)]() mutable {
               worker.snapshot = std::move(snapshot);
               worker.key_ring = std::move(key_ring);
               worker.resolver.clear();
               worker.check_grant();
             });
}

void ProxyServer::stop(Millis grace) {
  if (!impl_ || !impl_->thread.joinable()) {
    return;
  }
  asio::co_spawn(impl_->io->get_executor(), drain(*impl_->worker, impl_->acceptors, grace),
                 asio::detached);
  impl_->thread.join();
  impl_->worker->pool.clear();
  impl_->worker->resolver.clear();
  impl_->worker->flush_timer.reset();
  impl_->worker->audit.flush();
  impl_->acceptors.clear();
  if (impl_->worker->connector.resolving() != 0) {
    // A name look-up is stuck in the C library and its thread would be joined: leave both behind,
    // the process is about to end.
    (void)impl_->io.release();
    (void)impl_->worker.release();
    return;
  }
  // Suspended coroutines refer to the worker: they go first.
  impl_->io.reset();
  impl_->worker.reset();
}

}  // namespace av::proxy
