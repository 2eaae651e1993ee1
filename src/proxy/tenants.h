#pragma once
// Tenants: whose connection it is, on a server that many agents share. A connection begins with the
// worker of nobody; the token that it shows says which worker it belongs to from then on. Workers
// are made when they are first needed and are gone some time after their last connection.
//
// TenantPlan is made by whoever reads the store, on any thread, and is immutable afterwards;
// Tenants belongs to the server's thread.

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "proxy/fault.h"
#include "proxy/worker.h"

namespace av::proxy {

// What a token permits in one vault. A token may have several of these.
struct Tenancy {
  SessionGrant grant;
  vault::SnapshotPtr snapshot;
  bool by_default = false;  // the vault that is meant when the client names none
};

class TenantPlan {
 public:
  explicit TenantPlan(std::shared_ptr<const vault::KeyRing> key_ring)
      : key_ring_(std::move(key_ring)) {}
  void add(Tenancy tenancy);

  // Null: the token permits nothing.
  [[nodiscard]] const std::vector<Tenancy>* find(const crypto::Digest& token_hash) const;
  [[nodiscard]] const std::shared_ptr<const vault::KeyRing>& key_ring() const { return key_ring_; }
  [[nodiscard]] std::size_t size() const { return tenancies_.size(); }
  // Of all tenancies, each once.
  [[nodiscard]] std::set<vault::SnapshotPtr> snapshots() const;

 private:
  // A SHA-256 of random bits spreads by itself; nobody can aim at its first bytes without the
  // token.
  struct Spread {
    std::size_t operator()(const crypto::Digest& digest) const {
      std::size_t out = 0;
      std::memcpy(&out, digest.data(), sizeof out);
      return out;
    }
  };
  std::shared_ptr<const vault::KeyRing> key_ring_;
  std::unordered_map<crypto::Digest, std::vector<Tenancy>, Spread> tenancies_;
};

class Tenants {
 public:
  // No attempt to reach an upstream lasts longer than this; a worker without connections may go
  // when it has had none for so long.
  static constexpr Millis kKeep{120'000};

  Tenants(ServerState& state, std::shared_ptr<const TenantPlan> plan)
      : state_(state), plan_(std::move(plan)) {}

  // The worker of what a Proxy-Authorization field shows. Faults: 407 (nobody's token), 403
  // `vault_not_permitted`, 400 `vault_not_named`.
  [[nodiscard]] Outcome<Worker*> find(std::string_view field_value);

  // Grants that are not in the plan any more end: their connections are cut.
  void publish(std::shared_ptr<const TenantPlan> plan);
  void tick();
  // For the end of the server.
  template <typename F>
  void each(F&& use) {
    for (auto& [key, tenant] : workers_) {
      use(*tenant.worker);
    }
  }

 private:
  using Key = std::pair<crypto::Digest, std::string>;  // token, uid of the vault
  struct Tenant {
    std::unique_ptr<Worker> worker;
    std::int64_t idle_since_ms = 0;  // 0: it is not
  };
  Worker& worker_of(const crypto::Digest& hash, const Tenancy& tenancy);

  ServerState& state_;
  std::shared_ptr<const TenantPlan> plan_;
  std::map<Key, Tenant> workers_;
};

// 407 with a challenge.
[[nodiscard]] Fault proxy_auth_required();

}  // namespace av::proxy
