#pragma once
// LimitLedger: the counters behind rate limits, shared by every process that has the store open.
// Nothing here knows rules: a counter is a key, a limit and a window.

#include <cstdint>
#include <string_view>

#include "core/expected.h"
#include "vault/rule.h"

namespace av::vault {

// What is counted: 64 bits of SHA-256 over the parts.
struct LimitKey {
  std::uint64_t value = 0;
  // `what`: a rule's or an agent's uid; `who`: the uid of the agent, or "" for runs without one,
  // which all count together. A window is part of the key: changing it begins anew.
  [[nodiscard]] static LimitKey of(std::string_view vault_uid, std::string_view what,
                                   std::string_view who, std::int64_t window_ms);
};

class LimitLedger {
 public:
  struct Count {
    bool granted = false;
    std::uint32_t used = 0;          // in this window, with this one
    std::int64_t window_end_ms = 0;  // 0: never ends
  };
  virtual ~LimitLedger() = default;

  // Takes one of `limit` in the window that holds `now_ms`; a `window_ms` of 0 is the one window
  // that never ends. When the clock was set back by less than a window, the later window goes on:
  // nothing is had twice. Lock-free, from any thread. An error means that nothing is known: refuse.
  [[nodiscard]] virtual Expected<Count> take(LimitKey key, std::uint32_t limit,
                                             std::int64_t window_ms, std::int64_t now_ms) = 0;
  // Undoes a take() of the same window, when something else refused the request.
  virtual void give_back(LimitKey key, std::int64_t window_ms, const Count& taken) = 0;
  // Without taking: `granted` says whether take() would.
  [[nodiscard]] virtual Expected<Count> look(LimitKey key, std::uint32_t limit,
                                             std::int64_t window_ms, std::int64_t now_ms) = 0;
};

}  // namespace av::vault
