#pragma once
// Happy Eyeballs (RFC 8305): one TCP connection to whichever of several addresses answers first,
// tried one after the other with a short delay and not all at once.

#include <chrono>
#include <string>
#include <vector>

#include "core/clock.h"
#include "proxy/fault.h"
#include "proxy/io.h"
#include "proxy/net_guard.h"
#include "proxy/upstream.h"

namespace av::proxy {

// What is left of the time for everything between the look-up of a name and the end of TLS.
class ConnectBudget {
 public:
  explicit ConnectBudget(Millis total) : end_(std::chrono::steady_clock::now() + total) {}
  // At least 1 ms: for Stream, 0 is no limit.
  [[nodiscard]] Millis left() const {
    const auto now = std::chrono::steady_clock::now();
    const Millis left = std::chrono::duration_cast<Millis>(end_ - now);
    return left.count() > 0 ? left : Millis{1};
  }
  [[nodiscard]] bool spent() const { return std::chrono::steady_clock::now() >= end_; }

 private:
  std::chrono::steady_clock::time_point end_;
};

// A list that names hundreds of addresses costs no more than this many attempts.
inline constexpr std::size_t kMaxEndpoints = 16;
// RFC 8305 section 5: "Connection Attempt Delay ... recommended value is 250 milliseconds".
inline constexpr Millis kAttemptDelay{250};

// RFC 8305 section 4: the families take turns, beginning with that of the first address; within a
// family the order stays. At most kMaxEndpoints.
[[nodiscard]] std::vector<Endpoint> interleave(const std::vector<Endpoint>& endpoints);

// The first connection that stands. A failed attempt starts the next at once; the others are closed
// when one has won or the budget is spent. Else the fault that tells most: `connect_refused` before
// `connect_failed` before `connect_timeout`. `name` is for its text.
Awaitable<Outcome<UpstreamPtr>> race_connect(Executor executor, DeadlineList& deadlines,
                                             std::vector<Endpoint> endpoints, std::string name,
                                             ConnectBudget budget, Millis attempt_delay);

}  // namespace av::proxy
