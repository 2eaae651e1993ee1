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

#include "proxy/name_door.h"
#include "proxy/server_state.h"
#include "proxy/session.h"
#include "proxy/tenants.h"
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
Awaitable<void> accept_loop(Worker& worker, Acceptor& acceptor, Door door) {
  const ServerState& state = worker.state;
  constexpr int kAtOnce = 16;
  Timer pause(worker.io.get_executor());
  for (;;) {
    error_code ec;
    auto token = asio::redirect_error(use_awaitable, ec);
    co_await acceptor.async_wait(Acceptor::wait_read, std::move(token));
    if (state.draining || !acceptor.is_open()) {
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
      if (state.sessions < state.session_limit) {
        asio::co_spawn(worker.io.get_executor(), run_session(worker, std::move(socket), door),
                       asio::detached);
      }
    }
    if (failed) {
      // Out of descriptors, most likely: others will end.
      co_await sleep_for(pause, Millis{50});
    }
  }
}

// All workers of a server: the one that connections begin with, and those of its tenants.
template <typename F>
void each_worker(Worker& first, F&& use) {
  use(first);
  if (first.tenants != nullptr) {
    first.tenants->each(use);
  }
}

Awaitable<void> tick_loop(Worker& worker) {
  Timer timer(worker.io.get_executor());
  for (;;) {
    worker.tick();
    if (worker.tenants != nullptr) {
      worker.tenants->tick();
    }
    worker.state.metrics->set_sessions(worker.state.sessions);
    co_await sleep_for(timer, DeadlineList::kTick);
  }
}

void close_all(Worker& worker) {
  worker.deadlines.close_all();
  worker.pool.clear();
}

void tell_to_drain(Worker& worker) {
  for (Session* const session : worker.open_sessions) {
    session->drain();
  }
}

Awaitable<void> drain(Worker& worker, std::vector<Acceptor>& acceptors, Millis grace) {
  ServerState& state = worker.state;
  state.draining = true;
  for (Acceptor& acceptor : acceptors) {
    error_code ignored;
    acceptor.close(ignored);
  }
  each_worker(worker, tell_to_drain);
  Timer timer(worker.io.get_executor());
  const auto wait_until = [&](Millis limit) { return worker.clock.steady() + limit; };
  for (const auto end = wait_until(grace); state.sessions != 0 && worker.clock.steady() < end;) {
    co_await sleep_for(timer, Millis{5});
  }
  each_worker(worker, close_all);
  for (const auto end = wait_until(kUnwind); state.sessions != 0 && worker.clock.steady() < end;) {
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
  // The members go in the reverse order: workers before what they refer to.
  std::unique_ptr<asio::io_context> io = std::make_unique<asio::io_context>(1);
  std::unique_ptr<ServerState> state;
  std::unique_ptr<Tenants> tenants;  // on a server of many
  std::unique_ptr<Worker> worker;    // the one that connections begin with
  std::vector<Acceptor> acceptors;
  std::thread thread;

  struct Listeners {
    Door door;
    std::vector<UniqueFd> sockets;
  };
  std::vector<Listeners> listeners;
  std::vector<Door> doors;  // as `acceptors`
  UniqueFd names;

  void prepare(ProxyOptions options, std::shared_ptr<const CertificateAuthority> authority,
               vault::AuditLog& audit, const Clock& clock) {
    listeners.push_back({Door::kProxy, std::move(options.listeners)});
    listeners.push_back({Door::kApi, std::move(options.api_listeners)});
    listeners.push_back({Door::kDirect, std::move(options.direct_listeners)});
    listeners.push_back({Door::kSsh, std::move(options.ssh_listeners)});
    names = std::move(options.names);
    state =
        std::make_unique<ServerState>(*io, std::move(options), std::move(authority), audit, clock);
  }
  // The sockets become acceptors, and their addresses those that no request may lead to.
  Status adopt(Listeners& from) {
    for (UniqueFd& socket : from.sockets) {
      sockaddr_storage address{};
      socklen_t size = sizeof address;
      if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return errno_error(errno, "the proxy's listener is not a socket");
      }
      Acceptor& acceptor = acceptors.emplace_back(io->get_executor());
      doors.push_back(from.door);
      error_code ec;
      acceptor.assign(address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), socket.get(), ec);
      if (ec) {
        return make_error(ErrorCode::kIo, "cannot listen: " + ec.message());
      }
      (void)socket.release();
      acceptor.native_non_blocking(true, ec);
      const tcp::endpoint local = acceptor.local_endpoint(ec);
      if (state->port == 0) {
        state->port = local.port();
      }
      if (from.door == Door::kDirect || from.door == Door::kSsh) {
        continue;  // in a network of the run's own, which no request of ours gets into
      }
      if (const auto own = parse_ip(local.address().to_string())) {
        state->own_listeners.push_back(Endpoint{*own, local.port()});
      }
    }
    return {};
  }
  Status listen() {
    std::size_t count = 0;
    for (const Listeners& each : listeners) {
      count += each.sockets.size();
    }
    acceptors.reserve(count);
    for (Listeners& each : listeners) {
      AV_CHECK(adopt(each));
    }
    raise_descriptor_limit();
    state->session_limit = session_limit();
    return {};
  }
  bool resolving() {
    bool any = false;
    each_worker(*worker, [&](Worker& one) { any = any || one.connector.resolving() != 0; });
    return any;
  }
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
  impl->prepare(std::move(options), std::move(authority), audit, clock);
  AV_CHECK(impl->listen());
  impl->worker = std::make_unique<Worker>(*impl->state, std::move(grant));
  impl->worker->set_policy(std::move(snapshot), std::move(key_ring));
  return run(std::move(impl));
}

Expected<std::unique_ptr<ProxyServer>> ProxyServer::start_shared(
    ProxyOptions options, std::shared_ptr<const CertificateAuthority> authority,
    std::shared_ptr<const TenantPlan> plan, vault::AuditLog& audit, const Clock& clock) {
  auto impl = std::make_unique<Impl>();
  impl->prepare(std::move(options), std::move(authority), audit, clock);
  AV_CHECK(impl->listen());
  // Nobody's: it has a grant that no token fits, and nothing to grant.
  impl->worker = std::make_unique<Worker>(*impl->state, SessionGrant());
  auto nothing = std::make_shared<vault::PolicySnapshot>();
  nothing->unmatched = vault::UnmatchedPolicy::kDeny;
  impl->worker->set_policy(std::move(nothing), plan->key_ring());
  impl->tenants = std::make_unique<Tenants>(*impl->state, std::move(plan));
  impl->worker->tenants = impl->tenants.get();
  return run(std::move(impl));
}

Expected<std::unique_ptr<ProxyServer>> ProxyServer::run(std::unique_ptr<Impl> impl) {
  Worker& worker = *impl->worker;
  asio::io_context& io = *impl->io;
  for (std::size_t i = 0; i < impl->acceptors.size(); ++i) {
    asio::co_spawn(io.get_executor(), accept_loop(worker, impl->acceptors[i], impl->doors[i]),
                   asio::detached);
  }
  if (impl->names.valid()) {
    asio::co_spawn(io.get_executor(),
                   serve_names(io.get_executor(), std::move(impl->names), worker.state.names),
                   asio::detached);
  }
  asio::co_spawn(io.get_executor(), tick_loop(worker), asio::detached);
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
               worker.set_policy(std::move(snapshot), std::move(key_ring));
             });
}

void ProxyServer::publish(std::shared_ptr<const TenantPlan> plan) {
  Tenants& tenants = *impl_->tenants;
  asio::post(*impl_->io,
             [&tenants, plan = std::move(plan)]() mutable { tenants.publish(std::move(plan)); });
}

void ProxyServer::stop(Millis grace) {
  if (!impl_ || !impl_->thread.joinable()) {
    return;
  }
  asio::co_spawn(impl_->io->get_executor(), drain(*impl_->worker, impl_->acceptors, grace),
                 asio::detached);
  impl_->thread.join();
  each_worker(*impl_->worker, [](Worker& worker) {
    worker.pool.clear();
    worker.resolver.clear();
  });
  impl_->state->flush_timer.reset();
  impl_->state->audit.flush();
  impl_->acceptors.clear();
  if (impl_->resolving()) {
    // A name look-up is stuck in the C library and its thread would be joined: leave all behind,
    // the process is about to end.
    (void)impl_->io.release();
    (void)impl_->worker.release();
    (void)impl_->tenants.release();
    (void)impl_->state.release();
    return;
  }
  // Suspended coroutines refer to the workers: they go first.
  impl_->io.reset();
  impl_->worker.reset();
  impl_->tenants.reset();
  impl_->state.reset();
}

}  // namespace av::proxy
