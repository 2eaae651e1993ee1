#include "store/sqlite_people.h"
#include "store/sqlite_store.h"

namespace av::store {
namespace {

constexpr std::string_view kRead = "cannot read the invites";
constexpr std::string_view kSave = "cannot save the invite";
constexpr std::size_t kMostVaults = 50;  // of one invite

Error unknown_invite() {
  return make_error(ErrorCode::kNotFound, "this invite is unknown, was used, or is too old",
                    "ask whoever sent it for a new one");
}

}  // namespace

std::vector<vault::Membership> SqlitePeople::vaults_of_invite(const std::string& id) {
  std::vector<vault::Membership> vaults;
  auto statement = database_.prepare(
      "SELECT v.name, i.role FROM user_invite_vault i JOIN vault v ON v.id = i.vault_id"
      " WHERE i.invite_id = ? ORDER BY v.name");
  put(statement, 1, id);
  while (statement.executeStep()) {
    vaults.push_back({statement.getColumn(0).getString(),
                      vault::vault_role_from_string(statement.getColumn(1).getString())
                          .value_or(vault::VaultRole::kProxy)});
  }
  return vaults;
}

std::vector<Invite> SqlitePeople::live_invites(const char* condition,
                                               const crypto::Bytes& token_hash) {
  auto statement = database_.prepare(
      (std::string("SELECT i.id, i.email, i.role, u.uid, u.email, i.created_ms, i.expires_ms,"
                   " NOT EXISTS (SELECT 1 FROM user x WHERE x.email = i.email), i.token_hash"
                   " FROM user_invite i LEFT JOIN user u ON u.id = i.created_by"
                   " WHERE i.expires_ms > ?1 ") +
       condition + " ORDER BY i.created_ms, i.id")
          .c_str());
  put(statement, 1, clock_.wall_ms());
  if (!token_hash.empty()) {
    put(statement, 2, token_hash);
  }
  std::vector<Invite> invites;
  while (statement.executeStep()) {
    Invite invite;
    invite.id = statement.getColumn(0).getString();
    invite.email = statement.getColumn(1).getString();
    invite.role = vault::instance_role_from_string(statement.getColumn(2).getString())
                      .value_or(vault::InstanceRole::kMember);
    invite.created_by = statement.getColumn(3).getString();
    invite.created_by_email = statement.getColumn(4).getString();
    invite.created_ms = statement.getColumn(5).getInt64();
    invite.expires_ms = statement.getColumn(6).getInt64();
    invite.needs_account = statement.getColumn(7).getInt64() != 0;
    invite.vaults = vaults_of_invite(invite.id);
    invites.push_back(std::move(invite));
  }
  return invites;
}

void SqlitePeople::void_invites_of(std::int64_t user_id) {
  auto statement = database_.prepare("DELETE FROM user_invite WHERE created_by = ?");
  put(statement, 1, user_id);
  statement.exec();
}

Expected<Invite> SqlitePeople::create_invite(const Invite& invite,
                                             const crypto::Digest& token_hash) {
  AV_TRY(const std::string email, vault::canonical_email(invite.email));
  if (invite.vaults.size() > kMostVaults) {
    return make_error(ErrorCode::kInvalid, "an invite is for at most 50 vaults");
  }
  return database_.write(kSave, [&]() -> Expected<Invite> {
    const std::int64_t now = clock_.wall_ms();
    auto prune = database_.prepare("DELETE FROM user_invite WHERE expires_ms <= ? OR email = ?");
    put(prune, 1, now);
    put(prune, 2, email);
    prune.exec();
    if (count("SELECT count(*) FROM user_invite") >= std::int64_t{kMostUserInvites}) {
      return make_error(ErrorCode::kConflict,
                        std::to_string(kMostUserInvites) + " invites wait to be accepted already",
                        "withdraw some, or wait until they are too old");
    }
    Invite made = invite;
    made.id = crypto::random_hex(10);
    made.email = email;
    made.created_ms = now;
    made.expires_ms = now + kInviteLifeMs;
    std::optional<UserRow> inviter;
    if (!invite.created_by.empty()) {
      AV_TRY(inviter, find_user_by_uid(invite.created_by));
      if (!inviter->user.active()) {
        return make_error(ErrorCode::kNotPermitted, "this user is disabled");
      }
      made.created_by_email = inviter->user.email;
    }
    // Whoever took the address without being asked does not stand in the way of who is.
    auto squatter = database_.prepare("DELETE FROM user WHERE email = ? AND waiting = 1");
    put(squatter, 1, email);
    squatter.exec();
    auto insert = database_.prepare(
        "INSERT INTO user_invite (id, token_hash, email, role, created_by, created_ms, expires_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)");
    put(insert, 1, made.id);
    put(insert, 2, bytes_of(token_hash));
    put(insert, 3, email);
    put(insert, 4, vault::to_string(invite.role));
    if (inviter) {
      put(insert, 5, inviter->id);
    }
    put(insert, 6, now);
    put(insert, 7, made.expires_ms);
    insert.exec();
    for (const vault::Membership& grant : invite.vaults) {
      AV_TRY(const std::int64_t vault, vault_id(grant.vault));
      auto add = database_.prepare(
          "INSERT OR REPLACE INTO user_invite_vault (invite_id, vault_id, role) VALUES (?, ?, ?)");
      put(add, 1, made.id);
      put(add, 2, vault);
      put(add, 3, vault::to_string(grant.role));
      add.exec();
    }
    made.needs_account = !find_user(email).has_value();
    return made;
  });
}

Expected<std::vector<Invite>> SqlitePeople::list_invites(std::string_view created_by) {
  return database_.read(kRead, [&]() -> Expected<std::vector<Invite>> {
    std::vector<Invite> all = live_invites("", {});
    if (!created_by.empty()) {
      std::erase_if(all, [&](const Invite& invite) { return invite.created_by != created_by; });
    }
    return all;
  });
}

Expected<Invite> SqlitePeople::invite_of_token(const crypto::Digest& token_hash) {
  return database_.read(kRead, [&]() -> Expected<Invite> {
    std::vector<Invite> found = live_invites("AND i.token_hash = ?2", bytes_of(token_hash));
    if (found.empty()) {
      return unknown_invite();
    }
    return std::move(found.front());
  });
}

Status SqlitePeople::delete_invite(std::string_view id) {
  return database_.write("cannot withdraw the invite", [&]() -> Status {
    auto statement = database_.prepare("DELETE FROM user_invite WHERE id = ?");
    put(statement, 1, id);
    return statement.exec() == 0 ? Status(unknown_invite()) : Status{};
  });
}

Status SqlitePeople::take_invite(const Invite& invite, UserRow& row) {
  if (invite.role > row.user.role) {
    auto raise = database_.prepare("UPDATE user SET role = ? WHERE id = ?");
    put(raise, 1, vault::to_string(invite.role));
    put(raise, 2, row.id);
    raise.exec();
    row.user.role = invite.role;
  }
  for (const vault::Membership& grant : invite.vaults) {
    AV_TRY(const std::int64_t vault, vault_id(grant.vault));
    const auto has = role_of(row.id, vault);
    if (!has || *has < grant.role) {
      put_membership(row.id, vault, grant.role);
    }
  }
  auto used = database_.prepare("DELETE FROM user_invite WHERE id = ?");
  put(used, 1, invite.id);
  used.exec();
  return {};
}

Expected<vault::User> SqlitePeople::accept_invite(
    const crypto::Digest& token_hash, std::string_view uid,
    const std::optional<vault::PasswordHash>& password) {
  return database_.write("cannot accept the invite", [&]() -> Expected<vault::User> {
    const std::vector<Invite> found = live_invites("AND i.token_hash = ?2", bytes_of(token_hash));
    if (found.empty()) {
      return unknown_invite();
    }
    const Invite& invite = found.front();
    UserRow row;
    if (!uid.empty()) {
      AV_TRY(row, find_user_by_uid(uid));
      if (row.user.email != invite.email || !row.user.active()) {
        return make_error(ErrorCode::kNotPermitted, "this invite is for somebody else",
                          "sign in as whoever it is for");
      }
    } else if (!invite.needs_account) {
      // The link alone must not act for an account that somebody holds.
      return make_error(ErrorCode::kNotPermitted, "this invite is for an account that exists",
                        "sign in to it first");
    } else {
      NewUser user;
      user.email = invite.email;
      user.role = invite.role;
      user.password = password;
      AV_TRY(row, insert_user(user));
    }
    AV_CHECK(take_invite(invite, row));
    return std::move(row.user);
  });
}

}  // namespace av::store
