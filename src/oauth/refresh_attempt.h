#pragma once
// RefreshAttempt: one credential, one thread: lease, provider, store.

#include <cstdint>
#include <functional>
#include <string>

#include "core/clock.h"
#include "oauth/http_port.h"
#include "vault/oauth_refresh.h"

namespace av::oauth {

struct RefreshTools {
  vault::TokenStore& store;
  HttpPort& http;
  const Clock& clock;
  // Waits; false when the program ends and there is no more time.
  std::function<bool(Millis)> pause;
  Millis poll;
  Millis store_again;
  // What the provider gave could not be stored (yet): whoever waits is told so at once.
  std::function<void(const vault::RefreshRefusal&)> not_stored;
};
struct AttemptOutcome {
  vault::RefreshResult result;  // its words are for agents
  std::string code;             // of a failure; empty when there is none
  std::string words;       // for the owner, with those of the provider; empty: those of `result`
  bool attempted = false;  // the provider was asked
};
// A lease of somebody else is waited for, kMostWait at the most.
inline constexpr Millis kMostWait{40'000};
[[nodiscard]] AttemptOutcome attempt_refresh(const RefreshTools& tools,
                                             const vault::TokenName& name, std::uint64_t known,
                                             vault::RefreshReason reason);

}  // namespace av::oauth
