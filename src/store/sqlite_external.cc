// The external part of SqliteStore: what a vault is paired with, and what is kept there.

#include <algorithm>

#include "core/encoding.h"
#include "store/sqlite_store.h"
#include "vault/host_reference.h"
#include "vault/names.h"

namespace av::store {
namespace {

constexpr std::string_view kRead = "cannot read the store";
constexpr std::string_view kKind = "external-store";
constexpr std::string_view kListStores = "agent-vault vault store list";
constexpr std::size_t kMostStores = 64;  // of a vault
constexpr std::size_t kMostError = 400;
// What has not changed is written again after this long.
constexpr std::int64_t kNoteAgainMs = 600'000;

constexpr const char* kColumns =
    "SELECT e.id, e.uid, e.name, e.kind, e.settings, e.account, e.sealed, e.sealed_version,"
    " e.revision, e.paired_ms, e.ok_ms, e.error_ms, e.error, v.name, v.uid,"
    " (SELECT count(*) FROM credential_source s WHERE s.store_id = e.id),"
    " (SELECT count(*) FROM host_mapping m WHERE m.store_id = e.id),"
    " (SELECT count(*) FROM store_lease l WHERE l.store_id = e.id)"
    " FROM external_store e JOIN vault v ON v.id = e.vault_id ";

// What opens a store is bound to the kind and the settings that it was given for: a token that
// could be carried to another address, by who may write the database but not open it, would be
// anybody's. The text as it is in the row: it is not made anew, so that any version of this program
// makes the same of it.
std::string sealed_name(std::string_view uid, std::string_view kind, std::string_view settings) {
  return std::string(uid) + "/" + std::string(kind) + "/" + encoding::hex(crypto::sha256(settings));
}

Error no_such_store() {
  return make_error(ErrorCode::kNotFound, "the external store is not paired any more",
                    std::string(kListStores));
}

}  // namespace

Expected<SqliteStore::ExternalRow> SqliteStore::read_external(SQLite::Statement& statement) {
  ExternalRow row;
  row.id = statement.getColumn(0).getInt64();
  ExternalStoreInfo& info = row.info;
  info.store.uid = statement.getColumn(1).getString();
  info.store.name = statement.getColumn(2).getString();
  info.store.kind = statement.getColumn(3).getString();
  row.settings = statement.getColumn(4).getString();
  // What cannot be read is nobody's settings: the store cannot be opened (they are sealed with it),
  // and the others can.
  if (auto settings = vault::settings_from_json(row.settings)) {
    info.store.settings = std::move(*settings);
  }
  info.store.account = statement.getColumn(5).getString();
  row.sealed = blob(statement.getColumn(6));
  row.sealed_version = unsigned_of(statement.getColumn(7));
  info.revision = unsigned_of(statement.getColumn(8));
  info.store.paired_ms = statement.getColumn(9).getInt64();
  info.ok_ms = statement.getColumn(10).getInt64();
  info.error_ms = statement.getColumn(11).getInt64();
  info.error = statement.getColumn(12).getString();
  info.vault = statement.getColumn(13).getString();
  row.vault_uid = statement.getColumn(14).getString();
  info.credentials = unsigned_of(statement.getColumn(15));
  info.mappings = unsigned_of(statement.getColumn(16));
  info.leases = unsigned_of(statement.getColumn(17));
  return row;
}

Expected<SqliteStore::ExternalRow> SqliteStore::find_external(const VaultRow& vault,
                                                              std::string_view name) {
  auto statement =
      database_.prepare((std::string(kColumns) + "WHERE e.vault_id = ? AND e.name = ?").c_str());
  put(statement, 1, vault.id);
  put(statement, 2, name);
  if (!statement.executeStep()) {
    Error error = not_found("external store", name,
                            names("SELECT name FROM external_store WHERE vault_id = ?", vault.id),
                            kListStores);
    error.message += " in vault '" + vault.name + "'";
    return error;
  }
  return read_external(statement);
}

Expected<std::vector<ExternalStores::ExternalStoreInfo>> SqliteStore::list_stores(
    std::string_view vault) {
  return database_.read(kRead, [&]() -> Expected<std::vector<ExternalStoreInfo>> {
    VaultRow row;  // id 0: every vault
    if (!vault.empty()) {
      AV_TRY(row, find_vault(vault));
    }
    auto statement = database_.prepare(
        (std::string(kColumns) + "WHERE ?1 = 0 OR e.vault_id = ?1 ORDER BY v.name, e.name")
            .c_str());
    put(statement, 1, row.id);
    std::vector<ExternalStoreInfo> out;
    while (statement.executeStep()) {
      AV_TRY(ExternalRow found, read_external(statement));
      out.push_back(std::move(found.info));
    }
    return out;
  });
}

Expected<ExternalStores::ExternalStoreInfo> SqliteStore::get_store(std::string_view vault,
                                                                   std::string_view name) {
  return database_.read(kRead, [&]() -> Expected<ExternalStoreInfo> {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(ExternalRow found, find_external(row, name));
    return std::move(found.info);
  });
}

Expected<Secret> SqliteStore::unseal(const vault::KeyRing& ring, const ExternalRow& row,
                                     bool* old) {
  const vault::ExternalStore& store = row.info.store;
  auto packed = ring.open(
      {row.vault_uid, kKind, sealed_name(store.uid, store.kind, row.settings), row.sealed_version},
      row.sealed);
  if (packed || packed.error().code != ErrorCode::kCrypto) {
    return packed;
  }
  // As it was sealed once: bound to nothing but the store.
  packed = ring.open({row.vault_uid, kKind, store.uid, row.sealed_version}, row.sealed);
  if (old != nullptr) {
    *old = packed.has_value();
  }
  return packed;
}

Expected<ExternalStores::OpenedStore> SqliteStore::open_store(std::string_view uid) {
  bool old = false;
  auto opened = open_sealed_store(uid, old);
  if (opened && old) {
    // At its first use. Who cannot write now does so the next time.
    (void)bind_store(uid);
  }
  return opened;
}

Status SqliteStore::bind_store(std::string_view uid) {
  return write_sealed("cannot save what the external store keeps", [&]() -> Status {
    auto statement = database_.prepare((std::string(kColumns) + "WHERE e.uid = ?").c_str());
    put(statement, 1, uid);
    if (!statement.executeStep()) {
      return no_such_store();
    }
    AV_TRY(const ExternalRow row, read_external(statement));
    return reseal_row(*keys_.ring(), *keys_.ring(), row);
  });
}

Status SqliteStore::reseal_row(const vault::KeyRing& from, const vault::KeyRing& to,
                               const ExternalRow& row) {
  const vault::ExternalStore& store = row.info.store;
  const std::string place = sealed_name(store.uid, store.kind, row.settings);
  AV_TRY(const Secret packed, unseal(from, row, nullptr));
  AV_TRY(const crypto::Bytes sealed, packed.reveal([&](std::string_view bytes) {
    return to.seal({row.vault_uid, kKind, place, row.sealed_version}, bytes);
  }));
  auto update = database_.prepare("UPDATE external_store SET sealed = ? WHERE id = ?");
  put(update, 1, sealed);
  put(update, 2, row.id);
  update.exec();
  return {};
}

Expected<ExternalStores::OpenedStore> SqliteStore::open_sealed_store(std::string_view uid,
                                                                     bool& old) {
  return read_sealed(kRead, [&]() -> Expected<OpenedStore> {
    auto statement = database_.prepare((std::string(kColumns) + "WHERE e.uid = ?").c_str());
    put(statement, 1, uid);
    if (!statement.executeStep()) {
      return no_such_store();
    }
    AV_TRY(ExternalRow row, read_external(statement));
    Expected<Secret> packed = unseal(*keys_.ring(), row, &old);
    if (!packed && packed.error().code == ErrorCode::kCrypto) {
      return make_error(ErrorCode::kCorrupt,
                        "what the external store '" + row.info.store.name +
                            "' was paired with was damaged or tampered with",
                        "pair it again: agent-vault vault store pair " + row.info.store.kind);
    }
    if (!packed) {
      return packed.error();
    }
    AV_TRY(vault::StoreSecrets secrets, vault::unpack_store_secrets(*packed));
    return OpenedStore{std::move(row.info.store), std::move(row.info.vault), std::move(secrets)};
  });
}

Expected<std::string> SqliteStore::pair_store(std::string_view vault,
                                              const vault::ExternalStore& store,
                                              const vault::StoreSecrets& secrets) {
  AV_CHECK(vault::check_slug("external store", store.name));
  AV_CHECK(vault::check_settings(store.settings));
  AV_TRY(const Secret packed, vault::pack(secrets));
  return write_sealed("cannot save the external store", [&]() -> Expected<std::string> {
    AV_TRY(const VaultRow row, find_vault(vault));
    std::string uid = store.uid;
    std::uint64_t sealed_version = 1;
    const Expected<ExternalRow> known = find_external(row, store.name);
    if (known) {
      if (known->info.store.kind != store.kind) {
        return make_error(ErrorCode::kExists,
                          "'" + store.name + "' is of the kind " + known->info.store.kind,
                          "give this one another name: --name NAME");
      }
      uid = known->info.store.uid;
      sealed_version = known->sealed_version + 1;
    } else if (known.error().code != ErrorCode::kNotFound) {
      return known.error();
    } else {
      if (names("SELECT name FROM external_store WHERE vault_id = ?", row.id).size() >=
          kMostStores) {
        return make_error(ErrorCode::kConflict, "the vault has 64 external stores already");
      }
      auto insert = database_.prepare(
          "INSERT INTO external_store (vault_id, uid, name, kind, settings, account, sealed,"
          " sealed_version, revision, paired_ms) VALUES (?, ?, ?, ?, '{}', '', x'', 0, 0, 0)");
      put(insert, 1, row.id);
      put(insert, 2, uid);
      put(insert, 3, store.name);
      put(insert, 4, store.kind);
      insert.exec();
    }
    const std::string settings = vault::settings_to_json(store.settings);
    const std::string place = sealed_name(uid, store.kind, settings);
    AV_TRY(const crypto::Bytes sealed, packed.reveal([&](std::string_view bytes) {
      return keys_.ring()->seal({row.uid, kKind, place, sealed_version}, bytes);
    }));
    auto update = database_.prepare(
        "UPDATE external_store SET settings = ?, account = ?, sealed = ?, sealed_version = ?,"
        " revision = revision + 1, paired_ms = ?, ok_ms = ?, error_ms = 0, error = ''"
        " WHERE uid = ?");
    put(update, 1, settings);
    put(update, 2, store.account);
    put(update, 3, sealed);
    put(update, 4, sealed_version);
    put(update, 5, clock_.wall_ms());
    put(update, 6, clock_.wall_ms());
    put(update, 7, uid);
    update.exec();
    return uid;
  });
}

Status SqliteStore::keep_store(std::string_view uid, const vault::StoreSecrets& secrets) {
  AV_TRY(const Secret packed, vault::pack(secrets));
  return write_sealed("cannot save what the external store keeps", [&]() -> Status {
    auto select = database_.prepare(
        "SELECT e.sealed_version, v.uid, e.kind, e.settings FROM external_store e"
        " JOIN vault v ON v.id = e.vault_id WHERE e.uid = ?");
    put(select, 1, uid);
    if (!select.executeStep()) {
      return no_such_store();
    }
    const std::uint64_t version = unsigned_of(select.getColumn(0)) + 1;
    const std::string vault_uid = select.getColumn(1).getString();
    const std::string place =
        sealed_name(uid, select.getColumn(2).getString(), select.getColumn(3).getString());
    AV_TRY(const crypto::Bytes sealed, packed.reveal([&](std::string_view bytes) {
      return keys_.ring()->seal({vault_uid, kKind, place, version}, bytes);
    }));
    auto update =
        database_.prepare("UPDATE external_store SET sealed = ?, sealed_version = ? WHERE uid = ?");
    put(update, 1, sealed);
    put(update, 2, version);
    put(update, 3, uid);
    update.exec();
    return {};
  });
}

Status SqliteStore::note_store(std::string_view uid, std::string_view error) {
  constexpr std::string_view kWhat = "cannot note how the external store did";
  const std::string words(error.substr(0, kMostError));
  struct Before {
    std::int64_t ok_ms = 0;
    std::int64_t error_ms = 0;
    bool noted = false;
  };
  const std::int64_t now = clock_.wall_ms();
  const auto look = [&]() -> Expected<Before> {
    auto select =
        database_.prepare("SELECT ok_ms, error_ms, error FROM external_store WHERE uid = ?");
    put(select, 1, uid);
    if (!select.executeStep()) {
      return Before{0, 0, true};  // it was removed meanwhile
    }
    Before out{select.getColumn(0).getInt64(), select.getColumn(1).getInt64(), false};
    const bool was_ok = out.ok_ms >= out.error_ms;
    const std::int64_t last = was_ok ? out.ok_ms : out.error_ms;
    const bool same = error.empty() ? was_ok : !was_ok && select.getColumn(2).getString() == words;
    out.noted = same && now >= last && now - last < kNoteAgainMs;
    return out;
  };
  // Looked at first without the lock of those who write.
  AV_TRY(const Before seen, database_.read(kWhat, look));
  if (seen.noted) {
    return {};
  }
  return database_.write(kWhat, [&]() -> Status {
    AV_TRY(const Before before, look());
    if (before.noted) {
      return {};
    }
    auto update = database_.prepare(
        error.empty() ? "UPDATE external_store SET ok_ms = ?, error = ? WHERE uid = ?"
                      : "UPDATE external_store SET error_ms = ?, error = ? WHERE uid = ?");
    put(update, 1, std::max(now, error.empty() ? before.error_ms : before.ok_ms + 1));
    put(update, 2, words);
    put(update, 3, uid);
    update.exec();
    return {};
  });
}

Status SqliteStore::note_missing(const vault::SourceRef& ref, std::string_view host, bool missing) {
  constexpr std::string_view kWhat = "cannot note what is not in the external store";
  const std::string of_ref =
      " WHERE item = ?1 AND field = ?2 AND (missing_ms = 0) = ?3"
      " AND store_id = (SELECT id FROM external_store WHERE uid = ?4)";
  const bool by_host = vault::depends_on_host(ref.item);
  const std::string of_mapping = of_ref + (by_host ? " AND host = ?5" : "");
  const auto fill = [&](SQLite::Statement& statement, bool mapping) {
    put(statement, 1, ref.item);
    put(statement, 2, ref.field);
    put(statement, 3, std::int64_t{missing});
    put(statement, 4, ref.store_uid);
    if (mapping && by_host) {
      put(statement, 5, host);
    }
  };
  const auto is_news = [&]() -> Expected<bool> {
    auto mappings = database_.prepare(("SELECT 1 FROM host_mapping" + of_mapping).c_str());
    fill(mappings, true);
    auto sources = database_.prepare(("SELECT 1 FROM credential_source" + of_ref).c_str());
    fill(sources, false);
    return mappings.executeStep() || sources.executeStep();
  };
  AV_TRY(const bool news, database_.read(kWhat, is_news));
  if (!news) {
    return {};
  }
  return database_.write(kWhat, [&]() -> Status {
    const std::int64_t since = missing ? std::max<std::int64_t>(clock_.wall_ms(), 1) : 0;
    auto mappings =
        database_.prepare(("UPDATE host_mapping SET missing_ms = ?6" + of_mapping).c_str());
    fill(mappings, true);
    put(mappings, 6, since);
    mappings.exec();
    auto sources =
        database_.prepare(("UPDATE credential_source SET missing_ms = ?6" + of_ref).c_str());
    fill(sources, false);
    put(sources, 6, since);
    sources.exec();
    return {};
  });
}

Status SqliteStore::remove_store(std::string_view vault, std::string_view name) {
  return database_.write("cannot remove the external store", [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(const ExternalRow found, find_external(row, name));
    const auto keys = names(
        "SELECT c.key FROM credential_source s JOIN credential c ON c.id = s.credential_id"
        " WHERE s.store_id = ? ORDER BY c.key",
        found.id);
    const auto hosts =
        names("SELECT host FROM host_mapping WHERE store_id = ? ORDER BY host", found.id);
    if (!keys.empty()) {
      return make_error(
          ErrorCode::kConflict,
          "the credential " + keys.front() + " is kept in '" + std::string(name) + "'",
          "agent-vault vault credential delete " + keys.front());
    }
    if (!hosts.empty()) {
      return make_error(ErrorCode::kConflict,
                        "'" + std::string(name) + "' is mapped to " + hosts.front(),
                        "agent-vault vault store unmap " + hosts.front());
    }
    auto statement = database_.prepare("DELETE FROM external_store WHERE id = ?");
    put(statement, 1, found.id);
    statement.exec();
    return {};
  });
}

Status SqliteStore::check_kept_here(std::int64_t credential_id, std::string_view key) {
  const auto stores = names(
      "SELECT e.name FROM credential_source s JOIN external_store e ON e.id = s.store_id"
      " WHERE s.credential_id = ?",
      credential_id);
  if (stores.empty()) {
    return {};
  }
  return make_error(ErrorCode::kInvalid,
                    "the value of " + std::string(key) + " is kept in the external store '" +
                        stores.front() + "', not here",
                    "agent-vault vault store read " + std::string(key));
}

Status SqliteStore::check_changed_here(std::int64_t credential_id, std::string_view key) {
  auto select = database_.prepare(
      "SELECT e.name, s.reference FROM credential_source s"
      " JOIN external_store e ON e.id = s.store_id WHERE s.credential_id = ?");
  put(select, 1, credential_id);
  if (!select.executeStep()) {
    return {};
  }
  const std::string name(key);
  return make_error(ErrorCode::kConflict,
                    "the value of " + name + " is kept in the external store '" +
                        select.getColumn(0).getString() + "' and is changed there: " +
                        encoding::printable(select.getColumn(1).getString()),
                    "a change there counts within a minute; to keep it here instead: agent-vault "
                    "vault credential delete " +
                        name + ", then set it");
}

Expected<bool> SqliteStore::set_source(std::string_view vault, std::string_view key,
                                       const Source& source) {
  AV_CHECK(vault::check_credential_key(key));
  return database_.write("cannot save the credential", [&]() -> Expected<bool> {
    AV_TRY(const VaultRow row, find_vault(vault));
    return save_source(row, key, source);
  });
}

Expected<bool> SqliteStore::save_source(const VaultRow& vault, std::string_view key,
                                        const Source& source) {
  AV_TRY(const ExternalRow store, find_external(vault, source.store));
  const auto existing = look_for_credential(vault, key);
  const std::int64_t now = clock_.wall_ms();
  std::int64_t id = existing ? existing->id : 0;
  if (existing) {
    make_static(id);
  } else {
    auto insert = database_.prepare(
        "INSERT INTO credential (vault_id, key, type, current_version, created_ms, updated_ms)"
        " VALUES (?1, ?2, 'external', 0, ?3, ?3)");
    put(insert, 1, vault.id);
    put(insert, 2, key);
    put(insert, 3, now);
    insert.exec();
    id = database_.last_id();
  }
  auto bind = database_.prepare(
      "INSERT INTO credential_source (credential_id, store_id, reference, item, field)"
      " VALUES (?, ?, ?, ?, ?)");
  put(bind, 1, id);
  put(bind, 2, store.id);
  put(bind, 3, source.reference);
  put(bind, 4, source.item);
  put(bind, 5, source.field);
  bind.exec();
  // A version of its own, of which there is no value here.
  auto update = database_.prepare(
      "UPDATE credential SET type = 'external', current_version = current_version + 1,"
      " updated_ms = ? WHERE id = ?");
  put(update, 1, now);
  put(update, 2, id);
  update.exec();
  return !existing;
}

Expected<std::vector<ExternalStores::SourceInfo>> SqliteStore::list_sources(
    std::string_view vault) {
  return database_.read(kRead, [&]() -> Expected<std::vector<SourceInfo>> {
    AV_TRY(const VaultRow row, find_vault(vault));
    auto statement = database_.prepare(
        "SELECT c.key, e.name, s.reference, e.uid, s.item, s.field, s.missing_ms"
        " FROM credential_source s JOIN credential c ON c.id = s.credential_id"
        " JOIN external_store e ON e.id = s.store_id WHERE c.vault_id = ? ORDER BY c.key");
    put(statement, 1, row.id);
    std::vector<SourceInfo> out;
    while (statement.executeStep()) {
      out.push_back({statement.getColumn(0).getString(),
                     statement.getColumn(1).getString(),
                     statement.getColumn(2).getString(),
                     {statement.getColumn(3).getString(), statement.getColumn(4).getString(),
                      statement.getColumn(5).getString()},
                     statement.getColumn(6).getInt64()});
    }
    return out;
  });
}

Status SqliteStore::put_mapping(std::string_view vault, const vault::HostMapping& mapping) {
  AV_CHECK(vault::check_mapping(mapping.service));
  return database_.write("cannot save the mapping", [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(const ExternalRow store, find_external(row, mapping.store));
    auto statement = database_.prepare(
        "INSERT INTO host_mapping (vault_id, store_id, host, reference, item, field, body)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (vault_id, host, store_id) DO UPDATE SET"
        " reference = ?4, item = ?5, field = ?6, body = ?7, missing_ms = 0");
    put(statement, 1, row.id);
    put(statement, 2, store.id);
    put(statement, 3, mapping.service.host);
    put(statement, 4, mapping.reference);
    put(statement, 5, mapping.ref.item);
    put(statement, 6, mapping.ref.field);
    put(statement, 7, vault::mapping_to_json(mapping.service));
    statement.exec();
    return {};
  });
}

Status SqliteStore::remove_mapping(std::string_view vault, std::string_view host,
                                   std::string_view store) {
  return database_.write("cannot remove the mapping", [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    ExternalRow only;  // id 0: of every store
    if (!store.empty()) {
      AV_TRY(only, find_external(row, store));
    }
    auto statement = database_.prepare(
        "DELETE FROM host_mapping WHERE vault_id = ?1 AND host = ?2 AND (?3 = 0 OR store_id = ?3)");
    put(statement, 1, row.id);
    put(statement, 2, host);
    put(statement, 3, only.id);
    if (statement.exec() == 0) {
      return not_found("mapping", host,
                       names("SELECT DISTINCT host FROM host_mapping WHERE vault_id = ?", row.id),
                       "agent-vault vault store mappings");
    }
    return {};
  });
}

Expected<std::vector<vault::HostMapping>> SqliteStore::load_mappings(std::int64_t vault_id) {
  auto statement = database_.prepare(
      "SELECT e.name, m.reference, e.uid, m.item, m.field, m.body, m.missing_ms"
      " FROM host_mapping m JOIN external_store e ON e.id = m.store_id"
      " WHERE m.vault_id = ? ORDER BY m.id");
  put(statement, 1, vault_id);
  std::vector<vault::HostMapping> out;
  while (statement.executeStep()) {
    vault::HostMapping mapping;
    mapping.store = statement.getColumn(0).getString();
    mapping.reference = statement.getColumn(1).getString();
    mapping.ref = {statement.getColumn(2).getString(), statement.getColumn(3).getString(),
                   statement.getColumn(4).getString()};
    AV_TRY(mapping.service, vault::mapping_from_json(statement.getColumn(5).getString()));
    mapping.missing_ms = statement.getColumn(6).getInt64();
    out.push_back(std::move(mapping));
  }
  return out;
}

Expected<std::vector<vault::HostMapping>> SqliteStore::list_mappings(std::string_view vault) {
  return database_.read(kRead, [&]() -> Expected<std::vector<vault::HostMapping>> {
    AV_TRY(const VaultRow row, find_vault(vault));
    return load_mappings(row.id);
  });
}

Status SqliteStore::load_sources(const VaultRow& vault, vault::PolicySnapshot& snapshot) {
  auto statement = database_.prepare(
      "SELECT c.key, c.current_version, e.uid, s.item, s.field FROM credential_source s"
      " JOIN credential c ON c.id = s.credential_id JOIN external_store e ON e.id = s.store_id"
      " WHERE c.vault_id = ?");
  put(statement, 1, vault.id);
  while (statement.executeStep()) {
    vault::SealedCredential credential;
    credential.key = statement.getColumn(0).getString();
    credential.version = unsigned_of(statement.getColumn(1));
    credential.sources.push_back({statement.getColumn(2).getString(),
                                  statement.getColumn(3).getString(),
                                  statement.getColumn(4).getString()});
    snapshot.has_sources = true;
    std::string key = credential.key;
    snapshot.credentials.insert_or_assign(std::move(key), std::move(credential));
  }
  auto stores = database_.prepare("SELECT uid, revision FROM external_store WHERE vault_id = ?");
  put(stores, 1, vault.id);
  while (stores.executeStep()) {
    snapshot.stores.emplace(stores.getColumn(0).getString(), unsigned_of(stores.getColumn(1)));
  }
  AV_TRY(const std::vector<vault::HostMapping> mappings, load_mappings(vault.id));
  vault::add_mappings(snapshot, mappings);
  return {};
}

Status SqliteStore::reseal_external(const vault::KeyRing& from, const vault::KeyRing& to) {
  std::vector<ExternalRow> rows;
  auto select = database_.prepare(kColumns);
  while (select.executeStep()) {
    AV_TRY(ExternalRow row, read_external(select));
    rows.push_back(std::move(row));
  }
  for (const ExternalRow& row : rows) {
    const vault::ExternalStore& store = row.info.store;
    if (!reseal_row(from, to, row)) {
      return make_error(ErrorCode::kCorrupt,
                        "what the external store '" + store.name +
                            "' was paired with was damaged or tampered with",
                        "nothing was changed; pair it again (agent-vault vault store pair " +
                            store.kind + ") and try again");
    }
  }
  return {};
}

}  // namespace av::store
