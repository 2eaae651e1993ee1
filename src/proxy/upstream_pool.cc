#include "proxy/upstream_pool.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "proxy/http1_upstream.h"

namespace av::proxy {
namespace {

// Idle for longer than this (ms), a connection is asked whether it is still there; and always for a
// request that cannot be sent again. Else, what the Poller has heard will do.
constexpr std::int64_t kFresh = 1000;

constexpr std::size_t kMaxOrigins = 4096;
constexpr std::int64_t kSilence = 30'000;   // ms without a byte before a connection is asked
constexpr std::int64_t kPatience = 15'000;  // ms for its answer
constexpr Millis kDialWait{60'000};
constexpr Millis kSettingsWait{10'000};

Awaitable<void> run_shared(SharedH2Ptr shared) {
  co_await shared->http2.run(UpstreamPool::kMaxIdleTime);
}

}  // namespace

std::string UpstreamPool::key(const OutboundRequest& request) {
  const vault::RequestIdentity& identity = request.identity();
  std::string key(identity.scheme == vault::Scheme::kHttps ? "s|" : "c|");
  key += identity.authority.host;
  key += ':';
  key += std::to_string(identity.authority.port);
  key += '|';
  if (request.credential() != nullptr) {
    key += request.credential()->identity();
  }
  // Trusted roots of its own: what they vouch for serves no other service.
  key += tls_pool_tag(request.service());
  return key;
}

Awaitable<Outcome<UpstreamExchangePtr>> UpstreamPool::acquire(const OutboundRequest& request,
                                                              bool http2, bool fresh) {
  const std::string origin =
      request.identity().authority.host + ':' + std::to_string(request.identity().authority.port);
  const std::string pool_key = key(request);
  // After an upgrade the connection is a pipe of bytes; the handshake is HTTP/1.1 everywhere.
  const bool want_http2 =
      !request.websocket() && (http2 || is_known_as(origin, Protocol::kHttp2Only));
  for (bool waited = false; want_http2; waited = true) {
    if (SharedH2Ptr shared = find_shared(pool_key)) {
      ++counts_.reused;
      const bool first = !shared->used;
      UpstreamExchangePtr exchange = std::make_unique<H2Upstream>(std::move(shared), first);
      co_return exchange;
    }
    // Nobody waits twice: where a first attempt fails, each makes its own.
    if (waited || !dialing_.contains(pool_key) || is_known_as(origin, Protocol::kHttp1)) {
      break;
    }
    co_await wait_for_dial(pool_key);
  }
  if (!fresh && !request.websocket()) {
    if (UpstreamPtr pooled = take(pool_key, is_idempotent(request.method()))) {
      ++counts_.reused;
      UpstreamExchangePtr exchange = std::make_unique<Http1Upstream>(*this, std::move(pooled));
      co_return exchange;
    }
  }
  if (want_http2) {
    dialing_[pool_key];
  }
  ++counts_.dialled;
  auto dialed = co_await dial(request, origin, want_http2);
  if (!dialed) {
    dial_done(pool_key);
    co_return std::move(dialed.error());
  }
  UpstreamPtr connection = std::move(*dialed);
  connection->key = pool_key;
  if (!connection->http2) {
    dial_done(pool_key);
    UpstreamExchangePtr exchange = std::make_unique<Http1Upstream>(*this, std::move(connection));
    co_return exchange;
  }
  auto shared = std::make_shared<SharedH2>(executor_, deadlines_, std::move(connection));
  shared_.emplace(pool_key, shared);
  asio::co_spawn(executor_, run_shared(shared), asio::detached);
  asio::co_spawn(executor_, announce(shared, pool_key), asio::detached);
  UpstreamExchangePtr exchange = std::make_unique<H2Upstream>(std::move(shared), /*fresh=*/true);
  co_return exchange;
}

Awaitable<Outcome<UpstreamPtr>> UpstreamPool::dial(const OutboundRequest& request,
                                                   const std::string& origin, bool http2) {
  AlpnOffer offer = AlpnOffer::kHttp1;
  if (http2) {
    offer =
        is_known_as(origin, Protocol::kHttp2Only) ? AlpnOffer::kHttp2 : AlpnOffer::kHttp2OrHttp1;
  }
  auto connection = co_await connector_.connect(request, offer);
  if (!connection && connection.error().code == "upstream_alpn" && offer == AlpnOffer::kHttp1 &&
      !request.websocket()) {
    // It speaks HTTP/2 only.
    connection = co_await connector_.connect(request, AlpnOffer::kHttp2);
    if (connection) {
      remember(origin, Protocol::kHttp2Only);
    }
    co_return std::move(connection);
  }
  if (connection && http2) {
    if (request.identity().scheme == vault::Scheme::kHttp) {
      // A client that began in clear with HTTP/2 knows that the server can (RFC 9113 section 3.3).
      (*connection)->http2 = true;
    }
    if (offer == AlpnOffer::kHttp2OrHttp1) {
      remember(origin, (*connection)->http2 ? Protocol::kHttp2 : Protocol::kHttp1);
    }
  }
  co_return std::move(connection);
}

bool UpstreamPool::is_known_as(const std::string& origin, Protocol protocol) const {
  const auto found = protocols_.find(origin);
  return found != protocols_.end() && found->second == protocol;
}

void UpstreamPool::remember(const std::string& origin, Protocol protocol) {
  if (protocols_.size() >= kMaxOrigins) {
    protocols_.clear();
  }
  protocols_[origin] = protocol;
}

Awaitable<void> UpstreamPool::wait_for_dial(const std::string& key) {
  Signal done(executor_);
  std::list<Signal*>& waiting = dialing_[key];
  waiting.push_back(&done);
  const bool notified = co_await done.wait(kDialWait);
  if (!notified) {
    // Still registered: nobody has called.
    const auto found = dialing_.find(key);
    if (found != dialing_.end()) {
      found->second.remove(&done);
    }
  }
}

// Those who wait for the connection may come when it is known how many of them it can serve.
Awaitable<void> UpstreamPool::announce(SharedH2Ptr shared, std::string key) {
  co_await shared->http2.wait_ready(kSettingsWait);
  dial_done(key);
}

void UpstreamPool::dial_done(const std::string& key) {
  const auto found = dialing_.find(key);
  if (found != dialing_.end()) {
    for (Signal* waiting : found->second) {
      waiting->notify();
    }
    dialing_.erase(found);
  }
}

SharedH2Ptr UpstreamPool::find_shared(const std::string& key) {
  const auto [begin, end] = shared_.equal_range(key);
  for (auto entry = begin; entry != end; ++entry) {
    if (entry->second->http2.can_open()) {
      return entry->second;
    }
  }
  return nullptr;
}

UpstreamPtr UpstreamPool::take(const std::string& key, bool repeatable) {
  const auto found = idle_.find(key);
  if (found == idle_.end()) {
    return nullptr;
  }
  auto& list = found->second;
  while (!list.empty()) {
    // The youngest: the least likely to be closing at the other end.
    UpstreamPtr connection = std::move(list.back());
    list.pop_back();
    --total_;
    const bool doubtful = !repeatable || deadlines_.now_ms() - connection->idle_since_ms > kFresh;
    if (connection->stream.idle_and_healthy(doubtful)) {
      connection->reused = true;
      return connection;
    }
  }
  return nullptr;
}

void UpstreamPool::put(UpstreamPtr connection) {
  auto& list = idle_[connection->key];
  connection->buffer.release();
  connection->idle_since_ms = deadlines_.now_ms();
  if (list.size() == kMaxIdlePerKey) {
    list.erase(list.begin());
    --total_;
  }
  list.push_back(std::move(connection));
  if (++total_ > kMaxIdle) {
    drop_oldest();
  }
}

void UpstreamPool::drop_oldest() {
  auto oldest = idle_.end();
  for (auto entry = idle_.begin(); entry != idle_.end(); ++entry) {
    const bool older = !entry->second.empty() &&
                       (oldest == idle_.end() || entry->second.front()->idle_since_ms <
                                                     oldest->second.front()->idle_since_ms);
    oldest = older ? entry : oldest;
  }
  if (oldest != idle_.end()) {
    oldest->second.erase(oldest->second.begin());
    --total_;
  }
}

void UpstreamPool::sweep() {
  const std::int64_t now = deadlines_.now_ms();
  for (auto entry = idle_.begin(); entry != idle_.end();) {
    total_ -= std::erase_if(entry->second, [&](const UpstreamPtr& c) {
      return now - c->idle_since_ms >= kMaxIdleTime.count() || c->stream.closed() ||
             !c->stream.idle_and_healthy(/*doubtful=*/false);
    });
    entry = entry->second.empty() ? idle_.erase(entry) : std::next(entry);
  }
  std::erase_if(shared_, [](const auto& item) { return item.second->http2.closed(); });
  for (auto& [key, shared] : shared_) {
    const std::int64_t silent = shared->http2.silent_ms();
    if (silent < kSilence || shared->http2.open_streams() == 0) {
      shared->pinged_ms = 0;
    } else if (shared->pinged_ms == 0) {
      shared->pinged_ms = now;
      shared->http2.ping();
    } else if (now - shared->pinged_ms > kPatience) {
      // A peer that is there answers a ping (RFC 9113 section 6.7), however slow its response is.
      shared->http2.close();
    }
  }
}

void UpstreamPool::clear() {
  idle_.clear();
  total_ = 0;
  for (auto& [key, shared] : shared_) {
    shared->http2.close();
  }
  shared_.clear();
}

}  // namespace av::proxy
