#pragma once
// Connections to upstreams: made through the network guard, verified, and kept for reuse per origin
// and credential identity, so that nothing scoped to a connection crosses from one credential to
// another. Belongs to one worker.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "proxy/body.h"
#include "proxy/fault.h"
#include "proxy/io.h"
#include "proxy/net_guard.h"
#include "proxy/stream.h"
#include "vault/canonical.h"

namespace av::proxy {

struct UpstreamConnection {
  UpstreamConnection(Executor executor, DeadlineList& deadlines)
      : stream(Socket(executor), deadlines) {}
  Stream stream;
  ReadBuffer buffer;
  std::string key;      // of the pool
  std::string address;  // "192.0.2.1:443"
  bool reused = false;
  std::int64_t idle_since_ms = 0;
};
using UpstreamPtr = std::unique_ptr<UpstreamConnection>;

// Name -> checked addresses -> TCP -> verified TLS.
class Connector {
 public:
  Connector(Executor executor, DeadlineList& deadlines, NetOptions net,
            std::vector<std::string> upstream_ca_files, Millis connect_timeout);

  Awaitable<Outcome<UpstreamPtr>> connect(vault::Scheme scheme, const vault::Authority& authority);
  // Name look-ups that a blocking resolver is still busy with.
  [[nodiscard]] int resolving() const { return *resolving_; }

 private:
  struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;
  };
  Awaitable<Outcome<std::vector<Endpoint>>> resolve(const vault::Authority& authority);
  Awaitable<Outcome<UpstreamPtr>> open(const std::vector<Endpoint>& endpoints,
                                       const vault::Authority& authority);
  Outcome<ossl::Ssl> make_client_ssl(const vault::Authority& authority);
  Outcome<void> load_roots();

  Executor executor_;
  DeadlineList& deadlines_;
  NetGuard guard_;
  std::vector<std::string> upstream_ca_files_;
  Millis connect_timeout_;
  ossl::SslCtx client_context_;  // made at the first TLS upstream: reading the roots takes a while
  std::shared_ptr<int> resolving_ = std::make_shared<int>(0);
};

class UpstreamPool {
 public:
  static constexpr std::size_t kMaxIdlePerKey = 32;
  static constexpr std::size_t kMaxIdle = 256;   // of all keys together
  static constexpr Millis kMaxIdleTime{55'000};  // under the usual 60 s of load balancers

  // A healthy idle connection, or null.
  UpstreamPtr take(const std::string& key);
  void put(UpstreamPtr connection, std::int64_t now_ms);
  void sweep(std::int64_t now_ms);
  void clear() {
    idle_.clear();
    total_ = 0;
  }
  // `credential_identity`: empty when the request carries none.
  [[nodiscard]] static std::string key(vault::Scheme scheme, const vault::Authority& authority,
                                       std::string_view credential_identity);

 private:
  void drop_oldest();

  std::map<std::string, std::vector<UpstreamPtr>, std::less<>> idle_;
  std::size_t total_ = 0;
};

}  // namespace av::proxy
