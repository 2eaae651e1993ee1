#pragma once
// Refreshing: what the store, the proxy and the refresher tell each other about an access token
// that must be replaced.

#include <algorithm>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/fs.h"
#include "core/secret.h"
#include "vault/oauth.h"

namespace av::vault {

// As the snapshot and the store name it: neither changes with a rename.
struct TokenName {
  std::string vault_uid;
  std::string key;
  auto operator<=>(const TokenName&) const = default;
};

// A value that is newer than the one that was known, sealed as in SealedCredential.
struct FreshToken {
  std::uint64_t version = 0;
  crypto::Bytes sealed;
  std::int64_t expires_ms = 0;  // 0: not known
  std::int64_t issued_ms = 0;
};

enum class RefreshReason : std::uint8_t {
  kDue,       // it ends soon
  kRejected,  // a server said 401 to it
  kAsked,     // by a person: neither back-off nor an earlier failure counts
};

// Why there is no newer one.
struct RefreshRefusal {
  enum class Why : std::uint8_t {
    kBusy,        // somebody else is at it
    kLater,       // back-off after a failure, or it was refreshed a moment ago
    kReconnect,   // a person must connect it again
    kImpossible,  // no refresh token, and nothing to make a new one of
    kFailed,      // tried just now; the provider could not be reached, or could not
    kNotStored,   // the provider gave new ones, but the store did not take them
    kGone,        // there is no such OAuth credential any more
  };
  Why why = Why::kFailed;
  std::string message;  // for people; never any part of a secret
};
using RefreshResult = Expected<FreshToken, RefreshRefusal>;

// A forced refresh (kRejected) of a token that is younger than this is not made: whoever can make a
// server say 401 could else have tokens made at will.
inline constexpr std::int64_t kLeastAgeMs = 60'000;
// Back-off after failures: the first, doubled with each, up to the most.
inline constexpr std::int64_t kFirstBackoffMs = 2'000;
inline constexpr std::int64_t kMostBackoffMs = std::int64_t{5} * 60 * 1000;
inline constexpr std::int64_t kMostRetryAfterMs = std::int64_t{60} * 60 * 1000;
[[nodiscard]] std::int64_t backoff_ms(std::uint32_t failures, std::int64_t retry_after_s);

// Whoever has the lease, alone among all threads and processes, may ask the provider for a new
// token. The kernel takes it back from a process that dies.
struct RefreshLease {
  UniqueFd lock;
  TokenName name;
  std::int64_t credential_id = 0;
  std::uint64_t version = 0;
  OauthClient client;
  OauthSecrets secrets;
  // An earlier holder died, or lost its connection, between asking and storing: the provider may
  // have replaced the refresh token already.
  bool interrupted = false;
};
struct RefreshedTokens {
  // Empty: only the refresh token is new, out of an answer that was no good otherwise; the access
  // token and when it ends stay as they were.
  Secret access_token;
  Secret refresh_token;  // empty: the one before stays
  std::int64_t expires_ms = 0;
  std::vector<std::string> scopes;  // empty: as before
};
struct RefreshFailure {
  bool permanent = false;  // a person must connect it again
  bool answered = true;    // else the provider may or may not have acted
  std::int64_t retry_after_s = 0;
  std::string message;
};

// TokenStore: the port of whoever refreshes to what is kept. One object belongs to one thread.
class TokenStore {
 public:
  virtual ~TokenStore() = default;
  using BeginRefresh = std::variant<RefreshLease, FreshToken, RefreshRefusal>;
  // Without waiting. `known`: the version that the caller has; when there is another, that is the
  // answer. That somebody is about to ask is on disk when this returns a lease.
  virtual Expected<BeginRefresh> begin_refresh(const TokenName& name, std::uint64_t known,
                                               RefreshReason reason) = 0;
  // On disk when this returns. kConflict: the credential was changed or removed meanwhile.
  virtual Expected<FreshToken> finish_refresh(const RefreshLease& lease,
                                              const RefreshedTokens& tokens) = 0;
  virtual Status fail_refresh(const RefreshLease& lease, const RefreshFailure& failure) = 0;
};

// What a snapshot carries about an OAuth credential beside its value.
struct TokenTimes {
  std::int64_t expires_ms = 0;  // 0: not known
  std::int64_t issued_ms = 0;
  std::int64_t retry_ms = 0;
  bool refreshable = false;
  bool reconnect = false;
  std::string last_error;
  // From when on it should be replaced before it is used: five minutes before it ends, or when
  // three quarters of a shorter life are over. Never for one whose end is not known.
  [[nodiscard]] std::int64_t due_ms() const {
    return expires_ms -
           std::min(kRefreshAheadMs, std::max<std::int64_t>(expires_ms - issued_ms, 0) / 4);
  }
  [[nodiscard]] bool due(std::int64_t now_ms) const {
    return expires_ms != 0 && now_ms >= due_ms();
  }
  [[nodiscard]] bool ended(std::int64_t now_ms) const {
    return expires_ms != 0 && now_ms >= expires_ms;
  }
};

}  // namespace av::vault
