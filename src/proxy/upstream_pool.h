#pragma once
// UpstreamPool: where exchanges get their connections from: idle ones of HTTP/1, shared ones of
// HTTP/2, new ones by the Connector. Kept per origin and credential identity, so that nothing
// scoped to a connection crosses from one credential to another. Belongs to one worker.

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "proxy/connector.h"
#include "proxy/fault.h"
#include "proxy/h2_upstream.h"
#include "proxy/upstream.h"
#include "proxy/upstream_exchange.h"

namespace av::proxy {

class UpstreamPool {
 public:
  static constexpr std::size_t kMaxIdlePerKey = 32;
  static constexpr std::size_t kMaxIdle = 256;   // of all keys together
  static constexpr Millis kMaxIdleTime{55'000};  // under the usual 60 s of load balancers

  UpstreamPool(Executor executor, DeadlineList& deadlines, Connector& connector)
      : executor_(executor), deadlines_(deadlines), connector_(connector) {}

  // What the client speaks is offered to the server first: a message then goes through as it was
  // written. `fresh`: not an idle connection, one of them has just failed.
  Awaitable<Outcome<UpstreamExchangePtr>> acquire(const OutboundRequest& request, bool http2,
                                                  bool fresh);
  // Takes back a connection of HTTP/1 that is between two messages.
  void put(UpstreamPtr connection);
  // Closes what has been idle for too long and what the server has ended; asks silent connections
  // for a sign of life.
  void sweep();
  void clear();
  // How often a request got a connection that was there, and how often one had to be made.
  struct Counts {
    std::uint64_t reused = 0;
    std::uint64_t dialled = 0;
  };
  [[nodiscard]] Counts take_counts() { return std::exchange(counts_, {}); }
  [[nodiscard]] bool empty() const { return idle_.empty() && shared_.empty(); }

 private:
  enum class Protocol : std::uint8_t { kHttp1, kHttp2Only, kHttp2 };

  [[nodiscard]] static std::string key(const OutboundRequest& request);
  [[nodiscard]] UpstreamPtr take(const std::string& key, bool repeatable);
  [[nodiscard]] SharedH2Ptr find_shared(const std::string& key);
  void remember(const std::string& origin, Protocol protocol);
  [[nodiscard]] bool is_known_as(const std::string& origin, Protocol protocol) const;
  Awaitable<Outcome<UpstreamPtr>> dial(const OutboundRequest& request, const std::string& origin,
                                       bool http2);
  Awaitable<void> wait_for_dial(const std::string& key);
  Awaitable<void> announce(SharedH2Ptr shared, std::string key);
  void dial_done(const std::string& key);
  void drop_oldest();

  Executor executor_;
  DeadlineList& deadlines_;
  Connector& connector_;
  std::map<std::string, std::vector<UpstreamPtr>, std::less<>> idle_;
  std::size_t total_ = 0;
  Counts counts_;
  std::multimap<std::string, SharedH2Ptr, std::less<>> shared_;
  // Origins whose protocol is known from an earlier connection.
  std::map<std::string, Protocol, std::less<>> protocols_;
  // Exchanges that wait for somebody else's connection attempt instead of making one each.
  std::map<std::string, std::list<Signal*>, std::less<>> dialing_;
};

}  // namespace av::proxy
