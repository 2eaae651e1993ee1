#include "oauth/refresh_attempt.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "oauth/token_endpoint.h"

namespace av::oauth {
namespace {

using vault::FreshToken;
using vault::RefreshLease;
using vault::RefreshRefusal;
using Why = RefreshRefusal::Why;

// Longer than any token lives: what a server says beyond that is as good as nothing.
constexpr std::int64_t kMostLifetimeS = std::int64_t{10} * 365 * 24 * 3600;

AttemptOutcome refused(Why why, std::string message, std::string code) {
  AttemptOutcome out{unexpected(RefreshRefusal{why, std::move(message)}), std::move(code), {}};
  return out;
}

vault::RefreshFailure failure_of(const TokenFailure& failure, const RefreshLease& lease) {
  vault::RefreshFailure out;
  out.permanent = failure.kind == TokenFailure::Kind::kPermanent;
  out.answered = failure.kind != TokenFailure::Kind::kUnreachable;
  out.retry_after_s = failure.retry_after_s;
  // The code comes first: it is all of this that an agent may read.
  out.message = failure.code + (failure.code.empty() || failure.message.empty() ? "" : ": ") +
                failure.message;
  if (out.permanent && lease.interrupted) {
    out.message += "; an earlier refresh was cut off before its answer was stored";
  }
  if (failure.refresh_token != nullptr) {
    out.message += "; it has a new refresh token, which is kept";
  }
  return out;
}

// Agents read this: the provider's own words are for the owner, in the status and on the log.
std::string for_agents(const TokenFailure& failure) {
  if (failure.kind == TokenFailure::Kind::kUnreachable) {
    return "the provider could not be reached";
  }
  return "the attempt ended with " + (failure.code.empty() ? "an error" : failure.code);
}

// Until it is stored, or as long as there is a process: the old refresh token may be void by now.
Expected<FreshToken> keep(const RefreshTools& tools, const RefreshLease& lease,
                          const vault::RefreshedTokens& tokens) {
  for (;;) {
    Expected<FreshToken> stored = tools.store.finish_refresh(lease, tokens);
    // kConflict: somebody has connected it anew meanwhile.
    if (stored || stored.error().code == ErrorCode::kConflict) {
      return stored;
    }
    tools.not_stored(RefreshRefusal{Why::kNotStored, stored.error().message});
    if (!tools.pause(tools.store_again)) {
      return stored;
    }
  }
}

AttemptOutcome failed(const RefreshTools& tools, const RefreshLease& lease,
                      const TokenFailure& failure) {
  const vault::RefreshFailure noted = failure_of(failure, lease);
  if (failure.refresh_token != nullptr) {
    vault::RefreshedTokens only;
    auto copy = failure.refresh_token->clone();
    if (copy) {
      only.refresh_token = std::move(*copy);
      // What comes of it changes nothing in what whoever asked is told.
      (void)keep(tools, lease, only);
    }
  }
  // When even this cannot be written, the next one tries without a back-off.
  (void)tools.store.fail_refresh(lease, noted);
  AttemptOutcome out =
      refused(noted.permanent ? Why::kReconnect : Why::kFailed, for_agents(failure),
              failure.code.empty() ? "refresh_failed" : failure.code);
  out.words = noted.message;
  out.attempted = true;
  return out;
}

AttemptOutcome ask(const RefreshTools& tools, const RefreshLease& lease) {
  TokenEndpoint endpoint(tools.http, lease.client, lease.secrets);
  const std::int64_t now_ms = tools.clock.wall_ms();
  TokenResult given =
      vault::mints(lease.client.flow) ? endpoint.mint(now_ms / 1000) : endpoint.refresh();
  if (!given) {
    return failed(tools, lease, given.error());
  }
  vault::RefreshedTokens tokens;
  tokens.access_token = std::move(given->access_token);
  tokens.refresh_token = std::move(given->refresh_token);
  tokens.scopes = std::move(given->scopes);
  if (given->expires_in_s > 0) {
    tokens.expires_ms = now_ms + std::min(given->expires_in_s, kMostLifetimeS) * 1000;
  }
  Expected<FreshToken> stored = keep(tools, lease, tokens);
  if (stored) {
    return AttemptOutcome{vault::RefreshResult(std::move(*stored)), {}, {}, true};
  }
  AttemptOutcome out = refused(Why::kNotStored, stored.error().message, "not_stored");
  out.attempted = true;
  return out;
}

}  // namespace

AttemptOutcome attempt_refresh(const RefreshTools& tools, const vault::TokenName& name,
                               std::uint64_t known, vault::RefreshReason reason) {
  const auto give_up = tools.clock.steady() + kMostWait;
  for (;;) {
    Expected<vault::TokenStore::BeginRefresh> begun =
        tools.store.begin_refresh(name, known, reason);
    if (!begun) {
      return refused(Why::kFailed, begun.error().message, "store");
    }
    if (auto* const fresh = std::get_if<FreshToken>(&*begun)) {
      return AttemptOutcome{vault::RefreshResult(std::move(*fresh)), {}, {}, false};
    }
    if (auto* const lease = std::get_if<RefreshLease>(&*begun)) {
      return ask(tools, *lease);
    }
    RefreshRefusal& refusal = std::get<RefreshRefusal>(*begun);
    if (refusal.why != Why::kBusy || tools.clock.steady() >= give_up || !tools.pause(tools.poll)) {
      return refused(refusal.why, std::move(refusal.message), "");
    }
  }
}

}  // namespace av::oauth
