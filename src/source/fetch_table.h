#pragma once
// FetchTable: what is known of the items of external stores: values for a minute, "not there" for
// half of one, failures for a minute. A failure is that of one item, which the store may have
// trouble with, or which an agent may have named so that it has: other items are asked for all the
// same. Only what a store says of itself (locked; too busy, and twice) is taken for all of it. No
// threads, no clock, no stores: told what happened and when (steady clock, milliseconds), it says
// what to do.
//
// Of a value whose time is over a keyed hash is kept, so that the same value has the same version
// when it comes again: connections go by that.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "source/provider.h"

namespace av::source {

inline constexpr std::int64_t kKeepFoundMs = 60'000;
// However soon it ends: for the request that it was fetched for.
inline constexpr std::int64_t kKeepLeastMs = 1'000;
inline constexpr std::int64_t kKeepMissingMs = 30'000;
inline constexpr std::int64_t kCooldownMs = 60'000;
// What nobody has asked for in this time is forgotten, and its lease is not renewed any more.
inline constexpr std::int64_t kIdleMs = std::int64_t{30} * 60 * 1000;
// Beyond so many, the one without a lease that was used least lately is forgotten: items can be
// named by an agent, where a mapping covers hosts that are not listed.
inline constexpr std::size_t kMostItems = 4'096;

struct ItemName {
  std::string store_uid;
  std::string item;
  auto operator<=>(const ItemName&) const = default;
};

// A record as it is handed out; shared with whoever is using it.
struct KeptRecord {
  std::map<std::string, std::shared_ptr<const Secret>, std::less<>> fields;
  std::uint64_t version = 0;
  std::int64_t until_ms = 0;
  std::optional<Lease> lease;
};

class FetchTable {
 public:
  FetchTable();

  struct Ask {};  // somebody must ask the store
  using Look = std::variant<std::shared_ptr<const KeptRecord>, Failure, Ask>;
  // A value that is still good comes before any failure of its store.
  [[nodiscard]] Look look(const ItemName& name, std::int64_t now_ms);

  // What the store said. A lease that this record replaces is returned: it should be given back.
  std::optional<Lease> found(const ItemName& name, Record record, std::int64_t now_ms);
  // The last one; null when there was none, or it was swept.
  [[nodiscard]] std::shared_ptr<const KeptRecord> record_of(const ItemName& name) const;
  // Whether it ever had a value, as far as is remembered.
  [[nodiscard]] bool has_answered(const ItemName& name) const;
  void failed(const ItemName& name, const Failure& failure, std::int64_t now_ms);

  struct Due {
    ItemName name;
    Lease lease;
  };
  // Leases of what is in use that should be renewed now: when two thirds of their life are over.
  // Each is returned once for each renewal.
  [[nodiscard]] std::vector<Due> due(std::int64_t now_ms);
  // When to look again; none when nothing has a lease.
  [[nodiscard]] std::optional<std::int64_t> next_due() const;
  void renewed(const ItemName& name, const Lease& lease, std::int64_t now_ms);
  // The store gives it no longer: it is used until it ends, and then asked for anew.
  void not_renewed(const ItemName& name);

  // All leases, or those of one store.
  [[nodiscard]] std::vector<Due> leases(std::string_view store_uid = {}) const;
  // How long the store is not asked for what it has failed at; 0: it has failed at nothing since it
  // last answered.
  [[nodiscard]] std::int64_t rests_ms(std::string_view store_uid, std::int64_t now_ms) const;
  void forget_store(std::string_view store_uid);
  // Drops values that have ended and what nobody uses; returns the leases among them.
  [[nodiscard]] std::vector<Due> sweep(std::int64_t now_ms);
  [[nodiscard]] std::size_t size() const { return items_.size(); }

 private:
  struct Item {
    std::shared_ptr<const KeptRecord> record;
    std::uint64_t version = 0;  // of the last record; 0: there was none
    Secret digest;              // of its values
    std::int64_t used_ms = 0;
    std::int64_t renew_ms = 0;       // 0: not to be renewed
    std::optional<Failure> missing;  // or any other failure
    std::int64_t missing_until_ms = 0;
  };
  struct Cooldown {
    Failure failure;
    std::int64_t until_ms = 0;
    std::string item;  // the last that has failed so; empty: it is all of the store
  };
  [[nodiscard]] Secret digest_of(const Record& record) const;
  Item& item_named(const ItemName& name);

  Secret key_;  // of the hashes; empty: no memory for it
  std::map<ItemName, Item> items_;
  std::map<std::string, Cooldown, std::less<>> cooldowns_;  // by store
  std::uint64_t last_version_ = 0;
};

}  // namespace av::source
