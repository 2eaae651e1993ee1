#include "store/sqlite_people.h"
#include "store/sqlite_store.h"

namespace av::store {
namespace {

constexpr std::string_view kRead = "cannot read the members";
constexpr std::string_view kSave = "cannot save the member";

// What cannot be read gives the least.
vault::VaultRole role_from(const SQLite::Column& column) {
  return vault::vault_role_from_string(column.getString()).value_or(vault::VaultRole::kProxy);
}

Error no_member(std::string_view vault, std::string_view email) {
  return make_error(ErrorCode::kNotFound,
                    std::string(email) + " is no member of '" + std::string(vault) + "'",
                    "agent-vault vault member list --vault " + std::string(vault));
}

}  // namespace

Expected<std::int64_t> SqlitePeople::vault_id(std::string_view name) {
  auto statement = database_.prepare("SELECT id FROM vault WHERE name = ?");
  put(statement, 1, name);
  if (!statement.executeStep()) {
    std::vector<std::string> known;
    auto all = database_.prepare("SELECT name FROM vault");
    while (all.executeStep()) {
      known.push_back(all.getColumn(0).getString());
    }
    return not_found("vault", name, known, "agent-vault vault list");
  }
  return statement.getColumn(0).getInt64();
}

Expected<std::vector<Member>> SqlitePeople::list_members(std::string_view vault) {
  return database_.read(kRead, [&]() -> Expected<std::vector<Member>> {
    AV_TRY(const std::int64_t id, vault_id(vault));
    std::vector<Member> members;
    auto statement = database_.prepare(
        "SELECT u.email, u.uid, m.role, m.created_ms FROM membership m"
        " JOIN user u ON u.id = m.user_id WHERE m.vault_id = ? ORDER BY u.email");
    put(statement, 1, id);
    while (statement.executeStep()) {
      Member member;
      member.email = statement.getColumn(0).getString();
      member.uid = statement.getColumn(1).getString();
      member.role = role_from(statement.getColumn(2));
      member.created_ms = statement.getColumn(3).getInt64();
      members.push_back(std::move(member));
    }
    return members;
  });
}

Expected<std::vector<vault::Membership>> SqlitePeople::memberships_of(std::string_view uid) {
  return database_.read(kRead, [&]() -> Expected<std::vector<vault::Membership>> {
    std::vector<vault::Membership> all;
    auto statement = database_.prepare(
        "SELECT v.name, m.role FROM membership m JOIN user u ON u.id = m.user_id"
        " JOIN vault v ON v.id = m.vault_id WHERE u.uid = ? ORDER BY v.name");
    put(statement, 1, uid);
    while (statement.executeStep()) {
      all.push_back({statement.getColumn(0).getString(), role_from(statement.getColumn(1))});
    }
    return all;
  });
}

Expected<std::optional<vault::VaultRole>> SqlitePeople::role_in(std::string_view uid,
                                                                std::string_view vault) {
  return database_.read(kRead, [&]() -> Expected<std::optional<vault::VaultRole>> {
    auto statement = database_.prepare(
        "SELECT m.role FROM membership m JOIN user u ON u.id = m.user_id"
        " JOIN vault v ON v.id = m.vault_id"
        " WHERE u.uid = ? AND u.disabled_ms = 0 AND v.name = ?");
    put(statement, 1, uid);
    put(statement, 2, vault);
    return statement.executeStep() ? std::optional(role_from(statement.getColumn(0)))
                                   : std::nullopt;
  });
}

std::optional<vault::VaultRole> SqlitePeople::role_of(std::int64_t user_id, std::int64_t vault_id) {
  auto statement =
      database_.prepare("SELECT role FROM membership WHERE user_id = ? AND vault_id = ?");
  put(statement, 1, user_id);
  put(statement, 2, vault_id);
  return statement.executeStep() ? std::optional(role_from(statement.getColumn(0))) : std::nullopt;
}

void SqlitePeople::put_membership(std::int64_t user_id, std::int64_t vault_id,
                                  vault::VaultRole role) {
  auto statement = database_.prepare(
      "INSERT INTO membership (user_id, vault_id, role, created_ms) VALUES (?, ?, ?, ?)"
      " ON CONFLICT (user_id, vault_id) DO UPDATE SET role = excluded.role");
  put(statement, 1, user_id);
  put(statement, 2, vault_id);
  put(statement, 3, vault::to_string(role));
  put(statement, 4, clock_.wall_ms());
  statement.exec();
}

Status SqlitePeople::add_member(std::string_view vault, std::string_view email,
                                vault::VaultRole role) {
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const std::int64_t id, vault_id(vault));
    AV_TRY(const UserRow row, find_user(email));
    if (role_of(row.id, id)) {
      return make_error(ErrorCode::kExists,
                        row.user.email + " is a member of '" + std::string(vault) + "'",
                        "agent-vault vault member set changes the role");
    }
    put_membership(row.id, id, role);
    return {};
  });
}

// Who may no longer make a token for a vault must not keep one.
void SqlitePeople::end_scoped_of(const UserRow& row, std::int64_t vault_id) {
  auto scoped = database_.prepare(
      "UPDATE session SET ended_ms = ? WHERE minted_by = ? AND vault_id = ? AND ended_ms = 0");
  put(scoped, 1, clock_.wall_ms());
  put(scoped, 2, row.user.uid);
  put(scoped, 3, vault_id);
  scoped.exec();
}

Status SqlitePeople::set_member(std::string_view vault, std::string_view email,
                                vault::VaultRole role) {
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const std::int64_t id, vault_id(vault));
    AV_TRY(const UserRow row, find_user(email));
    const auto before = role_of(row.id, id);
    if (!before) {
      return no_member(vault, email);
    }
    put_membership(row.id, id, role);
    if (role < *before) {
      void_invites_of(row.id);
    }
    if (role < vault::VaultRole::kMember) {
      end_scoped_of(row, id);
    }
    return {};
  });
}

Status SqlitePeople::remove_member(std::string_view vault, std::string_view email) {
  return database_.write("cannot remove the member", [&]() -> Status {
    AV_TRY(const std::int64_t id, vault_id(vault));
    AV_TRY(const UserRow row, find_user(email));
    if (!role_of(row.id, id)) {
      return no_member(vault, email);
    }
    auto statement = database_.prepare("DELETE FROM membership WHERE user_id = ? AND vault_id = ?");
    put(statement, 1, row.id);
    put(statement, 2, id);
    statement.exec();
    end_scoped_of(row, id);
    void_invites_of(row.id);
    return {};
  });
}

}  // namespace av::store
