// The leases of SqliteStore: what external stores have made for processes and must be told to take
// back, should those die.

#include <algorithm>

#include "store/sqlite_store.h"

namespace av::store {
namespace {

constexpr std::string_view kRead = "cannot read the store";
constexpr std::string_view kWrite = "cannot note the lease of an external store";
constexpr std::string_view kKind = "store-lease";
constexpr std::size_t kUidBytes = 8;
// A clock may have been wrong: that a lease has ended is believed an hour later.
constexpr std::int64_t kDoubtMs = 3'600'000;

Error no_such_lease() {
  return make_error(ErrorCode::kNotFound, "the lease has been given back");
}

}  // namespace

Expected<std::string> SqliteStore::add_lease(std::string_view store_uid, std::string_view id,
                                             std::int64_t owner, std::int64_t ends_ms) {
  return write_sealed(kWrite, [&]() -> Expected<std::string> {
    auto select = database_.prepare(
        "SELECT e.id, v.uid FROM external_store e JOIN vault v ON v.id = e.vault_id"
        " WHERE e.uid = ?");
    put(select, 1, store_uid);
    if (!select.executeStep()) {
      return make_error(ErrorCode::kNotFound, "the external store is not paired any more");
    }
    std::string uid = "lse_" + crypto::random_hex(kUidBytes);
    AV_TRY(const crypto::Bytes sealed,
           keys_.ring()->seal({select.getColumn(1).getString(), kKind, uid, 1}, id));
    auto insert = database_.prepare(
        "INSERT INTO store_lease (uid, store_id, owner, sealed, ends_ms) VALUES (?, ?, ?, ?, ?)");
    put(insert, 1, uid);
    put(insert, 2, select.getColumn(0).getInt64());
    put(insert, 3, owner);
    put(insert, 4, sealed);
    put(insert, 5, ends_ms);
    insert.exec();
    return uid;
  });
}

Status SqliteStore::extend_lease(std::string_view uid, std::int64_t ends_ms) {
  return database_.write(kWrite, [&]() -> Status {
    auto update = database_.prepare("UPDATE store_lease SET ends_ms = ? WHERE uid = ?");
    put(update, 1, ends_ms);
    put(update, 2, uid);
    update.exec();
    return {};
  });
}

Status SqliteStore::remove_lease(std::string_view uid) {
  return database_.write(kWrite, [&]() -> Status {
    auto statement = database_.prepare("DELETE FROM store_lease WHERE uid = ?");
    put(statement, 1, uid);
    statement.exec();
    return {};
  });
}

Expected<bool> SqliteStore::adopt_lease(std::string_view uid, std::int64_t from, std::int64_t to,
                                        std::int64_t retry_ms) {
  return database_.write(kWrite, [&]() -> Expected<bool> {
    auto update = database_.prepare(
        "UPDATE store_lease SET owner = ?, retry_ms = ? WHERE uid = ? AND owner = ?");
    put(update, 1, to);
    put(update, 2, retry_ms);
    put(update, 3, uid);
    put(update, 4, from);
    return update.exec() != 0;
  });
}

Expected<std::vector<ExternalStores::LeaseInfo>> SqliteStore::list_leases(
    std::string_view store_uid) {
  const std::int64_t ended = clock_.wall_ms() - kDoubtMs;
  AV_TRY(std::vector<LeaseInfo> all,
         database_.read(kRead, [&]() -> Expected<std::vector<LeaseInfo>> {
           auto statement = database_.prepare(
               "SELECT l.uid, e.uid, l.owner, l.ends_ms, l.retry_ms FROM store_lease l"
               " JOIN external_store e ON e.id = l.store_id WHERE ?1 = '' OR e.uid = ?1"
               " ORDER BY l.ends_ms");
           put(statement, 1, store_uid);
           std::vector<LeaseInfo> out;
           while (statement.executeStep()) {
             out.push_back({statement.getColumn(0).getString(), statement.getColumn(1).getString(),
                            statement.getColumn(2).getInt64(), statement.getColumn(3).getInt64(),
                            statement.getColumn(4).getInt64()});
           }
           return out;
         }));
  const auto is_over = [&](const LeaseInfo& lease) { return lease.ends_ms < ended; };
  if (std::any_of(all.begin(), all.end(), is_over)) {
    AV_CHECK(database_.write(kWrite, [&]() -> Status {
      auto statement = database_.prepare("DELETE FROM store_lease WHERE ends_ms < ?");
      put(statement, 1, ended);
      statement.exec();
      return {};
    }));
    std::erase_if(all, is_over);
  }
  return all;
}

Expected<std::string> SqliteStore::open_lease(std::string_view uid) {
  return read_sealed(kRead, [&]() -> Expected<std::string> {
    auto statement = database_.prepare(
        "SELECT l.sealed, v.uid FROM store_lease l JOIN external_store e ON e.id = l.store_id"
        " JOIN vault v ON v.id = e.vault_id WHERE l.uid = ?");
    put(statement, 1, uid);
    if (!statement.executeStep()) {
      return no_such_lease();
    }
    const std::string vault_uid = statement.getColumn(1).getString();
    const auto id = keys_.ring()->open({vault_uid, kKind, uid, 1}, blob(statement.getColumn(0)));
    if (!id) {
      return make_error(ErrorCode::kCorrupt, "a lease was damaged or tampered with",
                        "the store that made it takes it back when it ends");
    }
    return id->reveal([](std::string_view text) { return std::string(text); });
  });
}

Status SqliteStore::reseal_leases(const vault::KeyRing& from, const vault::KeyRing& to) {
  struct Row {
    std::string uid;
    std::string vault_uid;
    crypto::Bytes sealed;
  };
  std::vector<Row> rows;
  auto select = database_.prepare(
      "SELECT l.uid, v.uid, l.sealed FROM store_lease l JOIN external_store e ON e.id = l.store_id"
      " JOIN vault v ON v.id = e.vault_id");
  while (select.executeStep()) {
    rows.push_back({select.getColumn(0).getString(), select.getColumn(1).getString(),
                    blob(select.getColumn(2))});
  }
  for (const Row& row : rows) {
    const vault::SealContext place{row.vault_uid, kKind, row.uid, 1};
    const auto id = from.open(place, row.sealed);
    if (!id) {
      continue;  // damaged: nothing can be done with it, under any key
    }
    AV_TRY(const crypto::Bytes sealed,
           id->reveal([&](std::string_view text) { return to.seal(place, text); }));
    auto update = database_.prepare("UPDATE store_lease SET sealed = ? WHERE uid = ?");
    put(update, 1, sealed);
    put(update, 2, row.uid);
    update.exec();
  }
  return {};
}

}  // namespace av::store
