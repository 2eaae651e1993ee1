#include "store/sqlite_store.h"
#include "vault/names.h"

namespace av::store {
namespace {

constexpr std::string_view kRead = "cannot read the store";
constexpr std::string_view kListVaults = "agent-vault vault list";
constexpr const char* kCurrentVault = "current_vault";

constexpr const char* kSelectVaults =
    "SELECT name, uid, unmatched, created_ms,"
    " (SELECT count(*) FROM credential WHERE vault_id = vault.id),"
    " (SELECT count(*) FROM service WHERE vault_id = vault.id) FROM vault";

Expected<vault::UnmatchedPolicy> policy_of(const SQLite::Column& column) {
  const auto policy = vault::unmatched_from_string(column.getString());
  if (!policy) {
    return make_error(ErrorCode::kCorrupt, "the store names an unknown policy");
  }
  return *policy;
}

Expected<VaultInfo> info_of(SQLite::Statement& statement) {
  VaultInfo info;
  info.name = statement.getColumn(0).getString();
  info.uid = statement.getColumn(1).getString();
  AV_TRY(info.unmatched, policy_of(statement.getColumn(2)));
  info.created_ms = statement.getColumn(3).getInt64();
  info.credentials = unsigned_of(statement.getColumn(4));
  info.services = unsigned_of(statement.getColumn(5));
  return info;
}

Status refuse_default(std::string_view name, std::string_view verb) {
  if (name == vault::kDefaultVault) {
    return make_error(ErrorCode::kInvalid, "the vault 'default' cannot be " + std::string(verb),
                      "make another one: agent-vault vault create NAME");
  }
  return {};
}

}  // namespace

std::vector<std::string> SqliteStore::names(const char* sql, std::int64_t vault_id) {
  std::vector<std::string> result;
  auto statement = database_.prepare(sql);
  if (statement.getBindParameterCount() > 0) {
    put(statement, 1, vault_id);
  }
  while (statement.executeStep()) {
    result.push_back(statement.getColumn(0).getString());
  }
  return result;
}

Expected<SqliteStore::VaultRow> SqliteStore::find_vault(std::string_view name) {
  auto statement = database_.prepare("SELECT id, uid, name, unmatched FROM vault WHERE name = ?");
  put(statement, 1, name);
  if (!statement.executeStep()) {
    return not_found("vault", name, names("SELECT name FROM vault", 0), kListVaults);
  }
  VaultRow row;
  row.id = statement.getColumn(0).getInt64();
  row.uid = statement.getColumn(1).getString();
  row.name = statement.getColumn(2).getString();
  AV_TRY(row.unmatched, policy_of(statement.getColumn(3)));
  return row;
}

Expected<std::vector<VaultInfo>> SqliteStore::list_vaults() {
  return database_.read(kRead, [&]() -> Expected<std::vector<VaultInfo>> {
    std::vector<VaultInfo> vaults;
    auto statement = database_.prepare((std::string(kSelectVaults) + " ORDER BY name").c_str());
    while (statement.executeStep()) {
      AV_TRY(VaultInfo info, info_of(statement));
      vaults.push_back(std::move(info));
    }
    return vaults;
  });
}

Expected<VaultInfo> SqliteStore::get_vault(std::string_view name) {
  return database_.read(kRead, [&]() -> Expected<VaultInfo> {
    auto statement = database_.prepare((std::string(kSelectVaults) + " WHERE name = ?").c_str());
    put(statement, 1, name);
    if (!statement.executeStep()) {
      return not_found("vault", name, names("SELECT name FROM vault", 0), kListVaults);
    }
    return info_of(statement);
  });
}

Status insert_vault(Database& database, std::string_view name, std::int64_t now_ms) {
  auto statement =
      database.prepare("INSERT INTO vault (uid, name, unmatched, created_ms) VALUES (?, ?, ?, ?)");
  put(statement, 1, crypto::random_hex(16));
  put(statement, 2, name);
  put(statement, 3, vault::to_string(vault::UnmatchedPolicy::kPassthrough));
  put(statement, 4, now_ms);
  statement.exec();
  return {};
}

Status SqliteStore::create_vault(std::string_view name) {
  AV_CHECK(vault::check_slug("vault", name));
  return database_.write("cannot create the vault", [&]() -> Status {
    if (find_vault(name)) {
      return make_error(ErrorCode::kExists, "there is a vault named '" + std::string(name) + "'",
                        std::string(kListVaults));
    }
    return insert_vault(database_, name, clock_.wall_ms());
  });
}

Status SqliteStore::rename_vault(std::string_view from, std::string_view to) {
  AV_CHECK(refuse_default(from, "renamed"));
  AV_CHECK(vault::check_slug("vault", to));
  return database_.write("cannot rename the vault", [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(from));
    if (from == to) {
      return {};
    }
    if (find_vault(to)) {
      return make_error(ErrorCode::kExists, "there is a vault named '" + std::string(to) + "'",
                        std::string(kListVaults));
    }
    auto rename = database_.prepare("UPDATE vault SET name = ? WHERE id = ?");
    put(rename, 1, to);
    put(rename, 2, row.id);
    rename.exec();
    auto follow = database_.prepare("UPDATE setting SET value = ? WHERE name = ? AND value = ?");
    put(follow, 1, to);
    put(follow, 2, kCurrentVault);
    put(follow, 3, from);
    follow.exec();
    return rename_vault_in_agents(from, to);
  });
}

Status SqliteStore::delete_vault(std::string_view name) {
  AV_CHECK(refuse_default(name, "deleted"));
  return database_.write("cannot delete the vault", [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(name));
    auto forget = database_.prepare("DELETE FROM setting WHERE name = ? AND value = ?");
    put(forget, 1, kCurrentVault);
    put(forget, 2, name);
    forget.exec();
    AV_CHECK(remove_vault_from_agents(name));
    auto remove = database_.prepare("DELETE FROM vault WHERE id = ?");
    put(remove, 1, row.id);
    remove.exec();
    return {};
  });
}

Status SqliteStore::set_unmatched(std::string_view vault, vault::UnmatchedPolicy policy) {
  return database_.write("cannot change the vault", [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    auto statement = database_.prepare("UPDATE vault SET unmatched = ? WHERE id = ?");
    put(statement, 1, vault::to_string(policy));
    put(statement, 2, row.id);
    statement.exec();
    return {};
  });
}

Expected<std::string> SqliteStore::current_vault() {
  return database_.read(kRead, [&]() -> Expected<std::string> {
    auto statement = database_.prepare("SELECT value FROM setting WHERE name = ?");
    put(statement, 1, kCurrentVault);
    return statement.executeStep() ? statement.getColumn(0).getString() : std::string();
  });
}

Status SqliteStore::use_vault(std::string_view name) {
  return database_.write("cannot save the choice", [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(name));
    auto statement =
        database_.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)");
    put(statement, 1, kCurrentVault);
    put(statement, 2, row.name);
    statement.exec();
    return {};
  });
}

}  // namespace av::store
