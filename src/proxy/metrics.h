#pragma once
// Metrics: counters of what passed through a server's proxy. Written by its thread, read by any;
// each is exact, a reading of all of them is of no single moment. No labels that a client could
// choose: what is counted does not grow.

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "vault/audit.h"

namespace av::proxy {

class Metrics {
 public:
  // Upper bounds of the latency classes, in microseconds; the last class has none.
  static constexpr std::array<std::int64_t, 12> kBounds{
      1'000,   2'500,   5'000,     10'000,    25'000,     50'000,
      100'000, 250'000, 1'000'000, 2'500'000, 10'000'000, 60'000'000};

  // Of one request, when it is over.
  void note(const vault::AuditRecord& record);
  void note_tunnel() { add(tunnels_); }
  void note_auth_failure() { add(auth_failures_); }
  void note_masked(std::uint64_t values) { add(masked_, values); }
  void note_upstreams(std::uint64_t reused, std::uint64_t dialled) {
    add(upstream_reused_, reused);
    add(upstream_dialled_, dialled);
  }
  void note_credentials(std::uint64_t cached, std::uint64_t opened) {
    add(credential_cached_, cached);
    add(credential_opened_, opened);
  }
  void set_sessions(std::uint64_t now) { sessions_.store(now, std::memory_order_relaxed); }
  void set_workers(std::uint64_t now) { workers_.store(now, std::memory_order_relaxed); }

  // In the text format of Prometheus, version 0.0.4.
  [[nodiscard]] std::string text() const;

 private:
  using Counter = std::atomic<std::uint64_t>;
  static void add(Counter& counter, std::uint64_t n = 1) {
    counter.fetch_add(n, std::memory_order_relaxed);
  }

  std::array<Counter, 6> by_status_{};    // none, 1xx .. 5xx
  std::array<Counter, 3> by_decision_{};  // allow, deny, error
  std::array<Counter, kBounds.size() + 1> latency_{};
  Counter latency_sum_us_{0};
  Counter bytes_in_{0};
  Counter bytes_out_{0};
  Counter tunnels_{0};
  Counter auth_failures_{0};
  Counter masked_{0};
  Counter upstream_reused_{0};
  Counter upstream_dialled_{0};
  Counter credential_cached_{0};
  Counter credential_opened_{0};
  Counter sessions_{0};
  Counter workers_{0};
};

}  // namespace av::proxy
