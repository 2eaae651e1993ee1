#include "store/sqlite_people.h"
#include "store/sqlite_store.h"
#include "vault/names.h"

namespace av::store {
namespace {

constexpr std::string_view kRead = "cannot read the users";
constexpr std::string_view kSave = "cannot save the user";
constexpr std::string_view kListUsers = "agent-vault user list";
constexpr const char* kInviteOnly = "instance.invite_only";
constexpr const char* kAllowedDomains = "instance.allowed_email_domains";

constexpr const char* kSelectUsers =
    "SELECT id, uid, email, role, created_ms, disabled_ms, waiting, length(password_hash) FROM "
    "user";

vault::User user_of(const SQLite::Statement& row) {
  vault::User user;
  user.uid = row.getColumn(1).getString();
  user.email = row.getColumn(2).getString();
  // What cannot be read is no owner.
  user.role = vault::instance_role_from_string(row.getColumn(3).getString())
                  .value_or(vault::InstanceRole::kMember);
  user.created_ms = row.getColumn(4).getInt64();
  user.disabled_ms = row.getColumn(5).getInt64();
  user.waiting = row.getColumn(6).getInt64() != 0;
  user.has_password = row.getColumn(7).getInt64() != 0;
  return user;
}

// People type addresses as they like; one that is none is nobody's.
std::string key_of(std::string_view email) {
  return vault::canonical_email(email).value_or(std::string());
}

void put_password(SQLite::Statement& statement, int first,
                  const std::optional<vault::PasswordHash>& password) {
  static const vault::PasswordHash kNone{{0, 0, 0}, {}, {}};
  const vault::PasswordHash& hash = password ? *password : kNone;
  put(statement, first, std::int64_t{hash.params.passes});
  put(statement, first + 1, std::int64_t{hash.params.memory_kib});
  put(statement, first + 2, std::int64_t{hash.params.lanes});
  put(statement, first + 3, hash.salt);
  put(statement, first + 4, hash.hash);
}

}  // namespace

std::int64_t SqlitePeople::count(const char* sql) {
  return database_.integer(sql);
}

Expected<SqlitePeople::UserRow> SqlitePeople::find_user(std::string_view email) {
  auto statement = database_.prepare((std::string(kSelectUsers) + " WHERE email = ?").c_str());
  put(statement, 1, key_of(email));
  if (!statement.executeStep()) {
    std::vector<std::string> known;
    auto all = database_.prepare("SELECT email FROM user");
    while (all.executeStep()) {
      known.push_back(all.getColumn(0).getString());
    }
    return not_found("user", email, known, kListUsers);
  }
  return UserRow{statement.getColumn(0).getInt64(), user_of(statement)};
}

Expected<SqlitePeople::UserRow> SqlitePeople::find_user_by_uid(std::string_view uid) {
  auto statement = database_.prepare((std::string(kSelectUsers) + " WHERE uid = ?").c_str());
  put(statement, 1, uid);
  if (!statement.executeStep()) {
    return make_error(ErrorCode::kNotFound, "there is no such user any more",
                      std::string(kListUsers));
  }
  return UserRow{statement.getColumn(0).getInt64(), user_of(statement)};
}

Expected<std::vector<vault::User>> SqlitePeople::list_users() {
  return database_.read(kRead, [&]() -> Expected<std::vector<vault::User>> {
    std::vector<vault::User> users;
    auto statement = database_.prepare((std::string(kSelectUsers) + " ORDER BY email").c_str());
    while (statement.executeStep()) {
      users.push_back(user_of(statement));
    }
    return users;
  });
}

Expected<vault::User> SqlitePeople::get_user(std::string_view email) {
  return database_.read(kRead, [&]() -> Expected<vault::User> {
    AV_TRY(UserRow row, find_user(email));
    return std::move(row.user);
  });
}

Expected<vault::User> SqlitePeople::get_user_by_uid(std::string_view uid) {
  return database_.read(kRead, [&]() -> Expected<vault::User> {
    AV_TRY(UserRow row, find_user_by_uid(uid));
    return std::move(row.user);
  });
}

Expected<bool> SqlitePeople::has_owner() {
  return database_.read(kRead, [&]() -> Expected<bool> {
    return count("SELECT count(*) FROM user WHERE role = 'owner'") != 0;
  });
}

Expected<std::optional<Account>> SqlitePeople::find_account(std::string_view email) {
  return database_.read(kRead, [&]() -> Expected<std::optional<Account>> {
    auto statement = database_.prepare(
        "SELECT id, uid, email, role, created_ms, disabled_ms, waiting, length(password_hash),"
        " kdf_passes, kdf_memory_kib, kdf_lanes, salt, password_hash FROM user WHERE email = ?");
    put(statement, 1, key_of(email));
    if (!statement.executeStep()) {
      return std::optional<Account>();
    }
    Account account;
    account.user = user_of(statement);
    if (account.user.has_password) {
      vault::PasswordHash hash;
      hash.params.passes = static_cast<std::uint32_t>(statement.getColumn(8).getInt64());
      hash.params.memory_kib = static_cast<std::uint32_t>(statement.getColumn(9).getInt64());
      hash.params.lanes = static_cast<std::uint32_t>(statement.getColumn(10).getInt64());
      hash.salt = blob(statement.getColumn(11));
      hash.hash = blob(statement.getColumn(12));
      account.password = std::move(hash);
    }
    return std::optional<Account>(std::move(account));
  });
}

Expected<SqlitePeople::UserRow> SqlitePeople::insert_user(const NewUser& user) {
  AV_TRY(const std::string email, vault::canonical_email(user.email));
  if (find_user(email)) {
    return make_error(ErrorCode::kExists, "there is a user " + email, std::string(kListUsers));
  }
  if (user.waiting &&
      count("SELECT count(*) FROM user WHERE waiting = 1") >= std::int64_t{kMostStrangers}) {
    return make_error(ErrorCode::kConflict, "too many people wait to be let in",
                      std::string(kListUsers));
  }
  const std::int64_t now = clock_.wall_ms();
  auto statement = database_.prepare(
      "INSERT INTO user (uid, email, role, kdf_passes, kdf_memory_kib, kdf_lanes, salt,"
      " password_hash, created_ms, disabled_ms, waiting) VALUES (?,?,?,?,?,?,?,?,?,?,?)");
  put(statement, 1, crypto::random_hex(16));
  put(statement, 2, email);
  put(statement, 3, vault::to_string(user.role));
  put_password(statement, 4, user.password);
  put(statement, 9, now);
  put(statement, 10, user.waiting ? now : 0);
  put(statement, 11, std::int64_t{user.waiting ? 1 : 0});
  statement.exec();
  AV_TRY(UserRow row, find_user(email));
  if (row.user.role == vault::InstanceRole::kOwner &&
      count("SELECT count(*) FROM user WHERE role = 'owner'") == 1) {
    AV_TRY(const std::int64_t vault, vault_id(vault::kDefaultVault));
    put_membership(row.id, vault, vault::VaultRole::kAdmin);
  }
  return row;
}

Expected<vault::User> SqlitePeople::create_user(const NewUser& user) {
  return database_.write(kSave, [&]() -> Expected<vault::User> {
    AV_TRY(UserRow row, insert_user(user));
    return std::move(row.user);
  });
}

Expected<vault::User> SqlitePeople::create_first_owner(const NewUser& user) {
  return database_.write(kSave, [&]() -> Expected<vault::User> {
    if (count("SELECT count(*) FROM user WHERE role = 'owner'") != 0) {
      return make_error(ErrorCode::kConflict, "there is an owner already",
                        "an owner can invite others");
    }
    NewUser owner = user;
    owner.role = vault::InstanceRole::kOwner;
    owner.waiting = false;
    AV_TRY(UserRow row, insert_user(owner));
    return std::move(row.user);
  });
}

Status SqlitePeople::set_password(std::string_view email, const vault::PasswordHash& hash,
                                  std::string_view keep_session) {
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const UserRow row, find_user(email));
    auto statement = database_.prepare(
        "UPDATE user SET kdf_passes = ?1, kdf_memory_kib = ?2, kdf_lanes = ?3, salt = ?4,"
        " password_hash = ?5 WHERE id = ?6");
    put_password(statement, 1, hash);
    put(statement, 6, row.id);
    statement.exec();
    auto end = database_.prepare("DELETE FROM user_session WHERE user_id = ? AND id != ?");
    put(end, 1, row.id);
    put(end, 2, keep_session);
    end.exec();
    return {};
  });
}

Status SqlitePeople::check_owner_remains() {
  if (count("SELECT count(*) FROM user WHERE role = 'owner' AND disabled_ms = 0") == 0) {
    return make_error(ErrorCode::kConflict, "this is the last owner",
                      "make somebody else an owner first: agent-vault user set-role EMAIL owner");
  }
  return {};
}

Status SqlitePeople::set_user_role(std::string_view email, vault::InstanceRole role) {
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const UserRow row, find_user(email));
    if (row.user.role == role) {
      return {};
    }
    auto statement = database_.prepare("UPDATE user SET role = ? WHERE id = ?");
    put(statement, 1, vault::to_string(role));
    put(statement, 2, row.id);
    statement.exec();
    if (role == vault::InstanceRole::kOwner) {
      return {};
    }
    void_invites_of(row.id);
    return check_owner_remains();
  });
}

void SqlitePeople::end_all_of(const UserRow& row) {
  auto sessions = database_.prepare("DELETE FROM user_session WHERE user_id = ?");
  put(sessions, 1, row.id);
  sessions.exec();
  auto scoped =
      database_.prepare("UPDATE session SET ended_ms = ? WHERE minted_by = ? AND ended_ms = 0");
  put(scoped, 1, clock_.wall_ms());
  put(scoped, 2, row.user.uid);
  scoped.exec();
  void_invites_of(row.id);
}

Status SqlitePeople::disable_user(std::string_view email) {
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const UserRow row, find_user(email));
    if (!row.user.active()) {
      return {};
    }
    auto statement = database_.prepare("UPDATE user SET disabled_ms = ? WHERE id = ?");
    put(statement, 1, clock_.wall_ms());
    put(statement, 2, row.id);
    statement.exec();
    end_all_of(row);
    return row.user.role == vault::InstanceRole::kOwner ? check_owner_remains() : Status{};
  });
}

Status SqlitePeople::enable_user(std::string_view email) {
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const UserRow row, find_user(email));
    auto statement = database_.prepare("UPDATE user SET disabled_ms = 0, waiting = 0 WHERE id = ?");
    put(statement, 1, row.id);
    statement.exec();
    return {};
  });
}

Status SqlitePeople::delete_user(std::string_view email) {
  return database_.write("cannot remove the user", [&]() -> Status {
    AV_TRY(const UserRow row, find_user(email));
    end_all_of(row);
    auto statement = database_.prepare("DELETE FROM user WHERE id = ?");
    put(statement, 1, row.id);
    statement.exec();
    return row.user.role == vault::InstanceRole::kOwner ? check_owner_remains() : Status{};
  });
}

Expected<InstanceSettings> SqlitePeople::instance_settings() {
  return database_.read(kRead, [&]() -> Expected<InstanceSettings> {
    InstanceSettings settings;
    auto statement = database_.prepare("SELECT name, value FROM setting WHERE name IN (?, ?)");
    put(statement, 1, kInviteOnly);
    put(statement, 2, kAllowedDomains);
    while (statement.executeStep()) {
      std::string value = statement.getColumn(1).getString();
      if (statement.getColumn(0).getString() == kInviteOnly) {
        settings.invite_only = value != "no";
        continue;
      }
      for (std::size_t start = 0; start < value.size();) {
        const std::size_t comma = std::min(value.find(',', start), value.size());
        settings.allowed_email_domains.push_back(value.substr(start, comma - start));
        start = comma + 1;
      }
    }
    return settings;
  });
}

Status SqlitePeople::set_instance_settings(const InstanceSettings& settings) {
  std::string domains;
  for (const std::string& domain : settings.allowed_email_domains) {
    AV_TRY(const std::string canonical, vault::canonical_email_domain(domain));
    domains += (domains.empty() ? "" : ",") + canonical;
  }
  return database_.write("cannot save the settings", [&]() -> Status {
    const auto save = [&](const char* name, std::string_view value) {
      auto statement =
          database_.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)");
      put(statement, 1, name);
      put(statement, 2, value);
      statement.exec();
    };
    save(kInviteOnly, settings.invite_only ? "yes" : "no");
    save(kAllowedDomains, domains);
    return {};
  });
}

}  // namespace av::store
