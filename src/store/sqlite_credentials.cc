#include <algorithm>

#include "store/sqlite_store.h"
#include "vault/names.h"

namespace av::store {
namespace {

constexpr std::string_view kRead = "cannot read the store";
constexpr std::string_view kKind = "credential";
constexpr std::string_view kListCredentials = "agent-vault vault credential list";

Error damaged(std::string_view key, std::string_view vault) {
  return make_error(ErrorCode::kCorrupt,
                    "the value of " + std::string(key) + " in vault '" + std::string(vault) +
                        "' was damaged or tampered with",
                    "set it again, or restore the store from a backup");
}

}  // namespace

std::optional<SqliteStore::CredentialRow> SqliteStore::look_for_credential(const VaultRow& vault,
                                                                           std::string_view key) {
  auto statement = database_.prepare(
      "SELECT id, current_version FROM credential WHERE vault_id = ? AND key = ?");
  put(statement, 1, vault.id);
  put(statement, 2, key);
  if (!statement.executeStep()) {
    return std::nullopt;
  }
  return CredentialRow{statement.getColumn(0).getInt64(), unsigned_of(statement.getColumn(1))};
}

Expected<SqliteStore::CredentialRow> SqliteStore::find_credential(const VaultRow& vault,
                                                                  std::string_view key) {
  if (auto row = look_for_credential(vault, key)) {
    return *row;
  }
  Error error =
      not_found("credential", key, names("SELECT key FROM credential WHERE vault_id = ?", vault.id),
                kListCredentials);
  error.message += " in vault '" + vault.name + "'";
  return error;
}

Expected<Secret> SqliteStore::open_version(const VaultRow& vault, const CredentialRow& row,
                                           std::string_view key, std::uint64_t version) {
  auto statement = database_.prepare(
      "SELECT sealed FROM credential_version WHERE credential_id = ? AND version = ?");
  put(statement, 1, row.id);
  put(statement, 2, version);
  if (!statement.executeStep()) {
    return make_error(ErrorCode::kNotFound,
                      std::string(key) + " has no version " + std::to_string(version),
                      "agent-vault vault credential history " + std::string(key));
  }
  Expected<Secret> value =
      keys_.ring()->open({vault.uid, kKind, key, version}, blob(statement.getColumn(0)));
  if (!value && value.error().code == ErrorCode::kCrypto) {
    return damaged(key, vault.name);
  }
  return value;
}

// Also makes it current, and forgets versions beyond kKeptVersions.
Status SqliteStore::add_version(const VaultRow& vault, std::int64_t credential_id,
                                std::string_view key, std::uint64_t version, std::string_view value,
                                std::string_view origin) {
  AV_TRY(const crypto::Bytes sealed, keys_.ring()->seal({vault.uid, kKind, key, version}, value));
  const std::int64_t now = clock_.wall_ms();
  auto insert = database_.prepare(
      "INSERT INTO credential_version (credential_id, version, sealed, origin, created_ms)"
      " VALUES (?, ?, ?, ?, ?)");
  put(insert, 1, credential_id);
  put(insert, 2, version);
  put(insert, 3, sealed);
  put(insert, 4, origin);
  put(insert, 5, now);
  insert.exec();
  auto update =
      database_.prepare("UPDATE credential SET current_version = ?, updated_ms = ? WHERE id = ?");
  put(update, 1, version);
  put(update, 2, now);
  put(update, 3, credential_id);
  update.exec();
  if (version > kKeptVersions) {
    auto prune = database_.prepare(
        "DELETE FROM credential_version WHERE credential_id = ? AND version <= ?");
    put(prune, 1, credential_id);
    put(prune, 2, version - kKeptVersions);
    prune.exec();
  }
  return {};
}

Expected<bool> SqliteStore::save_value(const VaultRow& vault, std::string_view key,
                                       const Secret& value, std::string_view origin) {
  const auto existing = look_for_credential(vault, key);
  std::int64_t id = existing ? existing->id : 0;
  if (!existing) {
    auto insert = database_.prepare(
        "INSERT INTO credential (vault_id, key, type, current_version, created_ms, updated_ms)"
        " VALUES (?1, ?2, 'static', 0, ?3, ?3)");
    put(insert, 1, vault.id);
    put(insert, 2, key);
    put(insert, 3, clock_.wall_ms());
    insert.exec();
    id = database_.last_id();
  } else {
    AV_CHECK(check_changed_here(id, key));
    make_static(id);
  }
  const std::uint64_t version = (existing ? existing->version : 0) + 1;
  AV_CHECK(value.reveal(
      [&](std::string_view bytes) { return add_version(vault, id, key, version, bytes, origin); }));
  return !existing;
}

Status check_new_value(const Store::NewValue& value) {
  AV_CHECK(vault::check_credential_key(value.key));
  if (value.value.empty()) {
    return make_error(ErrorCode::kInvalid, "the value of " + value.key + " is empty",
                      "to remove it: agent-vault vault credential delete " + value.key);
  }
  if (value.value.size() > vault::kMaxValueSize) {
    return make_error(ErrorCode::kInvalid, "the value of " + value.key + " is larger than 1 MiB");
  }
  return {};
}

Expected<std::vector<bool>> SqliteStore::set_credentials(std::string_view vault,
                                                         const std::vector<NewValue>& values,
                                                         std::string_view origin) {
  for (const NewValue& value : values) {
    AV_CHECK(check_new_value(value));
  }
  return write_sealed("cannot save the credential", [&]() -> Expected<std::vector<bool>> {
    AV_TRY(const VaultRow row, find_vault(vault));
    std::vector<bool> fresh;
    for (const NewValue& value : values) {
      AV_TRY(const bool is_new, save_value(row, value.key, value.value, origin));
      fresh.push_back(is_new);
    }
    return fresh;
  });
}

Expected<std::vector<CredentialInfo>> SqliteStore::list_credentials(std::string_view vault) {
  return database_.read(kRead, [&]() -> Expected<std::vector<CredentialInfo>> {
    AV_TRY(const VaultRow row, find_vault(vault));
    auto statement = database_.prepare(
        "SELECT c.key, c.type, c.current_version, c.created_ms, c.updated_ms,"
        " coalesce(o.state, ''), coalesce(o.expires_ms, 0), coalesce(e.name, ''),"
        " coalesce(s.reference, '') FROM credential c"
        " LEFT JOIN oauth o ON o.credential_id = c.id"
        " LEFT JOIN credential_source s ON s.credential_id = c.id"
        " LEFT JOIN external_store e ON e.id = s.store_id WHERE c.vault_id = ? ORDER BY c.key");
    put(statement, 1, row.id);
    std::vector<CredentialInfo> credentials;
    while (statement.executeStep()) {
      credentials.push_back({statement.getColumn(0).getString(), statement.getColumn(1).getString(),
                             unsigned_of(statement.getColumn(2)), statement.getColumn(3).getInt64(),
                             statement.getColumn(4).getInt64(),
                             statement.getColumn(5).getString() == "reconnect"
                                 ? vault::OauthState::kReconnect
                                 : vault::OauthState::kConnected,
                             statement.getColumn(6).getInt64(), statement.getColumn(7).getString(),
                             statement.getColumn(8).getString()});
    }
    return credentials;
  });
}

Expected<Secret> SqliteStore::get_credential(std::string_view vault, std::string_view key) {
  return read_sealed(kRead, [&]() -> Expected<Secret> {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(const CredentialRow credential, find_credential(row, key));
    AV_CHECK(check_kept_here(credential.id, key));
    return open_version(row, credential, key, credential.version);
  });
}

Status SqliteStore::delete_credentials(std::string_view vault,
                                       const std::vector<std::string>& keys) {
  return database_.write("cannot delete the credential", [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (std::find(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(i), keys[i]) !=
          keys.begin() + static_cast<std::ptrdiff_t>(i)) {
        continue;  // named twice
      }
      AV_TRY(const CredentialRow credential, find_credential(row, keys[i]));
      auto statement = database_.prepare("DELETE FROM credential WHERE id = ?");
      put(statement, 1, credential.id);
      statement.exec();
    }
    return {};
  });
}

Expected<std::vector<CredentialVersion>> SqliteStore::credential_history(std::string_view vault,
                                                                         std::string_view key) {
  return database_.read(kRead, [&]() -> Expected<std::vector<CredentialVersion>> {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(const CredentialRow credential, find_credential(row, key));
    auto statement = database_.prepare(
        "SELECT version, created_ms, origin FROM credential_version"
        " WHERE credential_id = ? ORDER BY version DESC");
    put(statement, 1, credential.id);
    std::vector<CredentialVersion> versions;
    while (statement.executeStep()) {
      const std::uint64_t version = unsigned_of(statement.getColumn(0));
      versions.push_back({version, statement.getColumn(1).getInt64(), version == credential.version,
                          statement.getColumn(2).getString()});
    }
    return versions;
  });
}

Expected<std::uint64_t> SqliteStore::rollback_credential(std::string_view vault,
                                                         std::string_view key, std::uint64_t to) {
  return write_sealed("cannot roll back the credential", [&]() -> Expected<std::uint64_t> {
    AV_TRY(const VaultRow row, find_vault(vault));
    AV_TRY(const CredentialRow credential, find_credential(row, key));
    AV_TRY(const auto tokens, look_for_oauth({row.uid, std::string(key)}));
    if (tokens) {
      return make_error(ErrorCode::kInvalid,
                        std::string(key) + " is an OAuth credential: its old tokens are void",
                        "to have it refreshed: agent-vault oauth refresh " + std::string(key));
    }
    if (to == 0 && credential.version < 2) {
      return make_error(ErrorCode::kNotFound, std::string(key) + " has only one version",
                        "agent-vault vault credential history " + std::string(key));
    }
    if (to == credential.version) {
      return make_error(ErrorCode::kInvalid, "version " + std::to_string(to) + " of " +
                                                 std::string(key) + " is the current one");
    }
    const std::uint64_t source = to == 0 ? credential.version - 1 : to;
    AV_TRY(const Secret value, open_version(row, credential, key, source));
    const std::uint64_t version = credential.version + 1;
    make_static(credential.id);
    AV_CHECK(value.reveal([&](std::string_view bytes) {
      return add_version(row, credential.id, key, version, bytes,
                         "rollback to " + std::to_string(source));
    }));
    return version;
  });
}

Status SqliteStore::reseal_credentials(
    const vault::KeyRing& from, const vault::KeyRing& to,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  struct Place {
    std::int64_t id;
    std::string vault, uid, key;
    std::uint64_t version;
  };
  std::vector<Place> places;
  auto select = database_.prepare(
      "SELECT cv.id, v.name, v.uid, c.key, cv.version FROM credential_version cv"
      " JOIN credential c ON c.id = cv.credential_id JOIN vault v ON v.id = c.vault_id");
  while (select.executeStep()) {
    places.push_back({select.getColumn(0).getInt64(), select.getColumn(1).getString(),
                      select.getColumn(2).getString(), select.getColumn(3).getString(),
                      unsigned_of(select.getColumn(4))});
  }
  auto read = database_.prepare("SELECT sealed FROM credential_version WHERE id = ?");
  auto update = database_.prepare("UPDATE credential_version SET sealed = ? WHERE id = ?");
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Place& place = places[i];
    const vault::SealContext context{place.uid, kKind, place.key, place.version};
    read.reset();
    put(read, 1, place.id);
    read.executeStep();
    const Expected<Secret> value = from.open(context, blob(read.getColumn(0)));
    if (!value) {
      Error error = damaged(place.key, place.vault);
      error.hint = "nothing was changed; delete or restore that credential, then try again";
      return error;
    }
    AV_TRY(const crypto::Bytes sealed,
           value->reveal([&](std::string_view bytes) { return to.seal(context, bytes); }));
    update.reset();
    put(update, 1, sealed);
    put(update, 2, place.id);
    update.exec();
    if (progress) {
      progress(i + 1, places.size());
    }
  }
  return {};
}

}  // namespace av::store
