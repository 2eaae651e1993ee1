#pragma once
// CredentialResolver: from an allowed request to the opened values that its service names. Opens on
// use into locked memory, keeps what it opened for half a minute, wipes it after. Belongs to its
// worker.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/secret.h"
#include "proxy/fault.h"
#include "proxy/guarded_values.h"
#include "proxy/token_source.h"
#include "proxy/value_source.h"
#include "vault/key_ring.h"
#include "vault/policy.h"

namespace av::proxy {

// An access token that should be replaced before it is used (see token_refresh.h).
struct StaleToken {
  vault::TokenName name;
  std::uint64_t version = 0;
  bool ended = false;  // it is of no use any more
};

// The opened credentials of one service at one version each, with what guards their way back.
class ResolvedCredential {
 public:
  // The value of a key that the service names.
  [[nodiscard]] const Secret& value(std::string_view key) const;
  // What is looked for in responses; it grows (guarded_values.h).
  [[nodiscard]] const PatternSet& patterns() const { return guard_->patterns(); }
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }
  // Tells apart any two sets of credentials: connections that carried one never carry another.
  [[nodiscard]] const std::string& identity() const { return identity_; }
  // The access tokens among them, that a newer one could be had for.
  [[nodiscard]] const std::vector<StaleToken>& tokens() const { return tokens_; }

 private:
  friend class CredentialResolver;
  std::vector<StaleToken> tokens_;
  std::map<std::string, Secret, std::less<>> values_;
  std::vector<std::string> keys_;
  std::shared_ptr<GuardedValues> guard_ = std::make_shared<GuardedValues>();
  std::string identity_;
  std::vector<GuardedValues::Use> uses_;  // of its values, in guard_
};
using ResolvedPtr = std::shared_ptr<const ResolvedCredential>;

class CredentialResolver {
 public:
  static constexpr Millis kKeep{30'000};

  struct Now {
    std::int64_t coarse_ms = 0;  // the worker's coarse clock
    std::int64_t wall_ms = 0;
  };
  // `tokens`: told which are in use; may be null, and must outlive this.
  explicit CredentialResolver(TokenSource* tokens = nullptr,
                              std::shared_ptr<GuardTable> guards = std::make_shared<GuardTable>())
      : source_(tokens), guards_(std::move(guards)) {}

  // What must be fetched from external stores first; empty for nearly every request.
  [[nodiscard]] std::vector<vault::SourceQuery> missing(const vault::AllowedRequest& request,
                                                        Now now) const;
  // What came of one of them, for the values of this vault.
  void take(const vault::SourceQuery& query, vault::FetchedItem item);

  // Access tokens that must be replaced first; empty for nearly every request.
  [[nodiscard]] std::vector<StaleToken> stale(const vault::AllowedRequest& request, Now now) const;
  // What came of it. Newer than what the next snapshot has, or as new.
  void take(const vault::TokenName& name, vault::FreshToken token);
  void take(const vault::TokenName& name, vault::RefreshRefusal refusal, std::int64_t wall_ms);

  // Null when the request needs no credential.
  [[nodiscard]] Outcome<ResolvedPtr> resolve(const vault::AllowedRequest& request,
                                             const vault::KeyRing& key_ring, Now now);
  // Drops what is older than kKeep.
  void sweep(std::int64_t now_ms);
  void clear() { cache_.clear(); }
  struct Counts {
    std::uint64_t cached = 0;
    std::uint64_t opened = 0;
  };
  [[nodiscard]] Counts take_counts() { return std::exchange(counts_, {}); }

 private:
  struct Entry {
    ResolvedPtr resolved;
    std::int64_t opened_ms = 0;
    std::int64_t due_ms = 0;  // wall clock: when one of its tokens should be replaced
    // Coarse clock: when a value of an external store must be asked for again.
    std::int64_t until_ms = 0;
    std::string host;  // whose values they are, for a service that covers several; else empty
  };
  // When what is opened must be looked at again.
  struct Until {
    std::int64_t due_ms = 0;    // wall clock
    std::int64_t until_ms = 0;  // coarse clock
    bool of_host = false;
  };
  struct Fetched {
    std::shared_ptr<const Secret> value;
    std::uint64_t version = 0;
    std::int64_t until_ms = 0;
    std::vector<vault::SourceRef> from;  // a credential that is pointed elsewhere has another value
  };
  [[nodiscard]] const Entry* cached(const vault::AllowedRequest& request, Now now) const;
  // Null when it must be fetched.
  [[nodiscard]] const Fetched* fetched(const vault::SealedCredential& sealed, std::string_view host,
                                       std::int64_t coarse_ms) const;
  // What is known of a credential: the snapshot's, or what came since.
  struct Newest {
    std::uint64_t version = 0;
    const crypto::Bytes* sealed = nullptr;
    std::optional<vault::TokenTimes> token;
  };
  [[nodiscard]] Newest newest(const vault::PolicySnapshot& snapshot,
                              const vault::SealedCredential& sealed) const;
  [[nodiscard]] std::optional<vault::RefreshRefusal> refusal_of(const vault::TokenName& name) const;
  [[nodiscard]] Outcome<ResolvedPtr> open(const vault::AllowedRequest& request,
                                          const vault::KeyRing& key_ring, Now now,
                                          Until& until) const;
  [[nodiscard]] Outcome<void> guard_earlier(const vault::SealedCredential& sealed,
                                            const vault::SealContext& context,
                                            const vault::KeyRing& key_ring,
                                            GuardedValues& guard) const;
  [[nodiscard]] Outcome<void> open_token(const vault::PolicySnapshot& snapshot, const Newest& known,
                                         const std::string& key, Now now,
                                         ResolvedCredential& resolved, Until& until) const;

  struct Refused {
    vault::RefreshRefusal refusal;
    std::int64_t until_ms = 0;  // wall clock; it is not asked for again before
  };
  TokenSource* source_;
  std::shared_ptr<GuardTable> guards_;
  std::map<vault::TokenName, vault::FreshToken> fresh_;
  // By key and host (see external_name()); of the one vault that a worker has.
  std::map<std::string, Fetched, std::less<>> fetched_;
  std::map<vault::TokenName, Refused> refused_;
  std::uint64_t generation_ = 0;
  Counts counts_;
  std::map<const vault::Service*, Entry> cache_;
};

}  // namespace av::proxy
