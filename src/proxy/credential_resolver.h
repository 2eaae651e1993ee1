#pragma once
// CredentialResolver: from an allowed request to the opened values that its service names. Opens on
// use into locked memory, keeps what it opened for half a minute, wipes it after. Belongs to its
// worker.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/secret.h"
#include "proxy/fault.h"
#include "proxy/pattern_set.h"
#include "vault/key_ring.h"
#include "vault/policy.h"

namespace av::proxy {

// The opened credentials of one service at one version each, with what guards their way back.
class ResolvedCredential {
 public:
  // The value of a key that the service names.
  [[nodiscard]] const Secret& value(std::string_view key) const;
  [[nodiscard]] const PatternSet& patterns() const { return patterns_; }
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }
  // Tells apart any two sets of credentials: connections that carried one never carry another.
  [[nodiscard]] const std::string& identity() const { return identity_; }

 private:
  friend class CredentialResolver;
  std::map<std::string, Secret, std::less<>> values_;
  std::vector<std::string> keys_;
  PatternSet patterns_;
  std::string identity_;
};
using ResolvedPtr = std::shared_ptr<const ResolvedCredential>;

class CredentialResolver {
 public:
  static constexpr Millis kKeep{30'000};

  // Null when the request needs no credential. `now_ms`: the worker's coarse clock.
  [[nodiscard]] Outcome<ResolvedPtr> resolve(const vault::AllowedRequest& request,
                                             const vault::KeyRing& key_ring, std::int64_t now_ms);
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
  };
  [[nodiscard]] Outcome<ResolvedPtr> open(const vault::AllowedRequest& request,
                                          const vault::KeyRing& key_ring) const;

  std::uint64_t generation_ = 0;
  Counts counts_;
  std::map<const vault::Service*, Entry> cache_;
};

}  // namespace av::proxy
