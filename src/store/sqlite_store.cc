#include "store/sqlite_store.h"

#include <unistd.h>

#include <atomic>

#include "store/key_file.h"
#include "store/migrations.h"
#include "vault/names.h"

namespace av::store {
namespace {

constexpr std::string_view kItemScope = "store";
constexpr std::string_view kItemKind = "item";

bool is_there(const std::filesystem::path& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

void remove_database(const std::filesystem::path& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    ::unlink((path.string() + suffix).c_str());
  }
}

// A store appears whole or not at all: it is built beside its place and moved there. Of two
// processes that do it at once the first wins and the second takes what it finds.
Status create_store(const fs::Paths& paths, KeyStore& keys, const Clock& clock) {
  const auto fresh = paths.database().string() + ".init-" + crypto::random_hex(6);
  const auto build = [&]() -> Status {
    AV_TRY(Database database, Database::create(fresh));
    AV_CHECK(migrate(database));
    return database.write("cannot create the store", [&]() -> Status {
      AV_CHECK(keys.initialise(database, clock));
      return insert_vault(database, vault::kDefaultVault, clock.wall_ms());
    });
  };
  Status built = build();
  if (built && is_there(fresh + "-wal")) {
    // The last connection to close empties the log; what is left over would be lost by the move.
    built = make_error(ErrorCode::kIo, "cannot create the store: its log did not reach the file");
  }
  if (built) {
    built = rename_new_durably(fresh, paths.database());
  }
  if (built) {
    return {};
  }
  remove_database(fresh);
  return built.error().code == ErrorCode::kExists ? Status{} : built;
}

// Of a credential, in a snapshot: what is not used any more but may have been sent.
constexpr std::uint64_t kEarlierValues = 2;

}  // namespace

Error not_found(std::string_view what, std::string_view name,
                const std::vector<std::string>& candidates, std::string_view command) {
  const std::string near = vault::did_you_mean(name, candidates);
  return make_error(ErrorCode::kNotFound,
                    "no " + std::string(what) + " named '" + std::string(name) + "'",
                    near.empty() ? std::string(command)
                                 : "did you mean '" + near + "'? see: " + std::string(command));
}

Expected<std::unique_ptr<Store>> Store::open(const fs::Paths& paths, KeySources sources,
                                             const Clock& clock) {
  AV_TRY(std::unique_ptr<Store> store, SqliteStore::open(paths, std::move(sources), clock));
  return store;
}

Expected<std::unique_ptr<SqliteStore>> SqliteStore::open(const fs::Paths& paths, KeySources sources,
                                                         const Clock& clock) {
  AV_CHECK(fs::make_private_directory(paths.data));
  KeyStore keys(paths, std::move(sources));
  const auto path = paths.database();
  if (!is_there(path)) {
    // A log without its database would be replayed into the new one. (Looked at again because
    // another process may have created both just now.)
    if (is_there(path.string() + "-wal") && !is_there(path)) {
      return make_error(ErrorCode::kCorrupt, path.string() + " is missing, but its log is there",
                        "restore the database from a backup, or move " + path.string() +
                            "-wal away to begin anew");
    }
    AV_CHECK(create_store(paths, keys, clock));
  }
  AV_TRY(Database database, Database::open(path));
  AV_CHECK(migrate(database));
  std::unique_ptr<SqliteStore> store(new SqliteStore(std::move(database), std::move(keys), clock));
  AV_CHECK(store->keys_.unlock(store->database_));
  return store;
}

Expected<std::unique_ptr<Store>> SqliteStore::another() {
  AV_TRY(KeyStore keys, keys_.another());
  AV_TRY(Database database, Database::join(keys.paths().database()));
  AV_CHECK(migrate(database));  // nothing to do, or the store is too new by now
  std::unique_ptr<SqliteStore> store(new SqliteStore(std::move(database), std::move(keys), clock_));
  AV_CHECK(store->read_sealed("cannot read the store", [] { return Status{}; }));
  return std::unique_ptr<Store>(std::move(store));
}

Expected<vault::SnapshotPtr> SqliteStore::load_snapshot(std::string_view vault) {
  static std::atomic<std::uint64_t> last_generation{0};
  return read_sealed("cannot read the store", [&]() -> Expected<vault::SnapshotPtr> {
    AV_TRY(const VaultRow row, find_vault(vault));
    auto snapshot = std::make_shared<vault::PolicySnapshot>();
    snapshot->vault_name = row.name;
    snapshot->vault_uid = row.uid;
    snapshot->unmatched = row.unmatched;
    AV_TRY(auto services, load_services(row.id));
    snapshot->set_services(std::move(services));
    AV_TRY(auto rules, load_rules(row.id));
    snapshot->set_rules(std::move(rules));
    AV_TRY(snapshot->agents, load_agents(row.name));
    snapshot->grants = load_grants(row.id);
    auto statement = database_.prepare(
        "SELECT c.key, v.version, v.sealed, v.version = c.current_version FROM credential c"
        " JOIN credential_version v ON v.credential_id = c.id"
        " AND v.version BETWEEN c.current_version - ? AND c.current_version"
        " WHERE c.vault_id = ? ORDER BY c.id, v.version");
    put(statement, 1, kEarlierValues);
    put(statement, 2, row.id);
    std::vector<vault::SealedCredential::Earlier> earlier;
    std::string of;
    while (statement.executeStep()) {
      vault::SealedCredential sealed{statement.getColumn(0).getString(),
                                     unsigned_of(statement.getColumn(1)),
                                     blob(statement.getColumn(2)),
                                     {}};
      if (sealed.key != of) {
        of = sealed.key;
        earlier.clear();
      }
      if (statement.getColumn(3).getInt() == 0) {
        earlier.push_back({sealed.version, std::move(sealed.sealed)});
        continue;
      }
      sealed.earlier = std::exchange(earlier, {});
      std::string key = sealed.key;
      snapshot->credentials.emplace(std::move(key), std::move(sealed));
    }
    AV_CHECK(load_token_times(row, *snapshot));
    AV_CHECK(load_sources(row, *snapshot));
    snapshot->generation = ++last_generation;
    return vault::SnapshotPtr(std::move(snapshot));
  });
}

Expected<std::uint64_t> SqliteStore::change_counter() {
  return database_.plain("cannot read the store", [&]() -> Expected<std::uint64_t> {
    if (data_version_ == nullptr) {
      data_version_ = std::make_unique<SQLite::Statement>(database_.prepare("PRAGMA data_version"));
    }
    data_version_->executeStep();
    const auto counter = unsigned_of(data_version_->getColumn(0));
    data_version_->reset();
    return counter;
  });
}

Expected<std::optional<Store::Item>> SqliteStore::get_item(std::string_view name) {
  return read_sealed("cannot read the store", [&]() -> Expected<std::optional<Item>> {
    auto statement = database_.prepare("SELECT public_part, sealed FROM item WHERE name = ?");
    put(statement, 1, name);
    if (!statement.executeStep()) {
      return std::optional<Item>();
    }
    Expected<Secret> secret =
        keys_.ring()->open({kItemScope, kItemKind, name, 0}, blob(statement.getColumn(1)));
    if (!secret) {
      return make_error(ErrorCode::kCorrupt,
                        "the sealed item '" + std::string(name) + "' was damaged or tampered with",
                        "restore the store from a backup");
    }
    return std::optional<Item>(Item{statement.getColumn(0).getString(), std::move(*secret)});
  });
}

Status SqliteStore::put_item(std::string_view name, const Item& item) {
  return write_sealed("cannot save", [&]() -> Status {
    AV_TRY(const crypto::Bytes sealed, item.secret_part.reveal([&](std::string_view bytes) {
      return keys_.ring()->seal({kItemScope, kItemKind, name, 0}, bytes);
    }));
    auto statement = database_.prepare(
        "INSERT OR REPLACE INTO item (name, public_part, sealed, updated_ms) VALUES (?, ?, ?, ?)");
    put(statement, 1, name);
    put(statement, 2, item.public_part);
    put(statement, 3, sealed);
    put(statement, 4, clock_.wall_ms());
    statement.exec();
    return {};
  });
}

Status SqliteStore::set_passphrase(const Secret& passphrase) {
  return keys_.set_passphrase(database_, passphrase);
}

Status SqliteStore::reseal_items(const vault::KeyRing& from, const vault::KeyRing& to) {
  std::vector<std::pair<std::string, crypto::Bytes>> items;
  auto select = database_.prepare("SELECT name, sealed FROM item");
  while (select.executeStep()) {
    items.emplace_back(select.getColumn(0).getString(), blob(select.getColumn(1)));
  }
  for (const auto& [name, sealed] : items) {
    const vault::SealContext context{kItemScope, kItemKind, name, 0};
    const Expected<Secret> secret = from.open(context, sealed);
    if (!secret) {
      return make_error(ErrorCode::kCorrupt,
                        "the sealed item '" + name + "' was damaged or tampered with",
                        "nothing was changed; make it anew (agent-vault ca rotate) and try again");
    }
    AV_TRY(const crypto::Bytes resealed,
           secret->reveal([&](std::string_view bytes) { return to.seal(context, bytes); }));
    auto update = database_.prepare("UPDATE item SET sealed = ? WHERE name = ?");
    put(update, 1, resealed);
    put(update, 2, name);
    update.exec();
  }
  return {};
}

Status SqliteStore::rotate_key(const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  return keys_.rotate(database_, clock_,
                      [&](const vault::KeyRing& from, const vault::KeyRing& to) -> Status {
                        AV_CHECK(reseal_credentials(from, to, progress));
                        AV_CHECK(reseal_oauth(from, to));
                        AV_CHECK(reseal_external(from, to));
                        AV_CHECK(reseal_leases(from, to));
                        AV_CHECK(reseal_proposals(from, to));
                        return reseal_items(from, to);
                      });
}

}  // namespace av::store
