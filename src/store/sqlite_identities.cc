// Who users are elsewhere: an issuer and the subject that it never gives to another. An address
// only finds the user the first time.

#include <algorithm>

#include "store/sqlite_people.h"
#include "store/sqlite_store.h"

namespace av::store {
namespace {

constexpr std::size_t kMostIssuer = 2048;
constexpr std::size_t kMostSubject = 255;  // OpenID Connect Core section 2

Error unknown(std::string why) {
  return make_error(ErrorCode::kNotPermitted, std::move(why));
}

}  // namespace

Expected<SqlitePeople::UserRow> SqlitePeople::user_for_address(
    const OutsideIdentity& identity, std::optional<vault::InstanceRole> create) {
  if (identity.email.empty()) {
    return unknown("the issuer has not verified an address");
  }
  std::vector<Invite> invites = live_invites("", {});
  std::erase_if(invites, [&](const Invite& one) { return one.email != identity.email; });
  auto found = find_user(identity.email);
  if (found && found->user.waiting && create) {
    // Whoever took the address without being asked, and with a password of their own, does not
    // stand in the way of whoever has it.
    auto squatter = database_.prepare("DELETE FROM user WHERE id = ?");
    put(squatter, 1, found->id);
    squatter.exec();
    found = find_user(identity.email);
  }
  if (found) {
    if (!found->user.active()) {
      return unknown("the user of this address is disabled");
    }
    auto other =
        database_.prepare("SELECT count(*) FROM user_identity WHERE user_id = ? AND issuer = ?");
    put(other, 1, found->id);
    put(other, 2, identity.issuer);
    other.executeStep();
    // An address that its provider has given to somebody else is not its user.
    if (other.getColumn(0).getInt64() != 0) {
      return unknown("the user of this address is somebody else at this issuer");
    }
    return std::move(*found);
  }
  if (found.error().code != ErrorCode::kNotFound) {
    return found.error();
  }
  if (invites.empty() && !create) {
    return unknown("nobody has this address, and no invite waits for it");
  }
  NewUser user;
  user.email = identity.email;
  user.role = invites.empty() ? *create : invites.front().role;
  AV_TRY(UserRow row, insert_user(user));
  if (!invites.empty()) {
    AV_CHECK(take_invite(invites.front(), row));
  }
  return row;
}

Expected<vault::User> SqlitePeople::user_of_identity(const OutsideIdentity& identity,
                                                     std::optional<vault::InstanceRole> create) {
  if (identity.issuer.empty() || identity.issuer.size() > kMostIssuer || identity.subject.empty() ||
      identity.subject.size() > kMostSubject) {
    return make_error(ErrorCode::kInvalid, "an identity has an issuer and a subject");
  }
  return database_.write("cannot save the identity", [&]() -> Expected<vault::User> {
    auto known = database_.prepare(
        "SELECT u.uid FROM user_identity i JOIN user u ON u.id = i.user_id"
        " WHERE i.issuer = ? AND i.subject = ?");
    put(known, 1, identity.issuer);
    put(known, 2, identity.subject);
    if (known.executeStep()) {
      AV_TRY(UserRow row, find_user_by_uid(known.getColumn(0).getString()));
      if (!row.user.active()) {
        return unknown("the user of this identity is disabled");
      }
      return std::move(row.user);
    }
    AV_TRY(UserRow row, user_for_address(identity, create));
    auto bind = database_.prepare(
        "INSERT INTO user_identity (issuer, subject, user_id, email, created_ms)"
        " VALUES (?, ?, ?, ?, ?)");
    put(bind, 1, identity.issuer);
    put(bind, 2, identity.subject);
    put(bind, 3, row.id);
    put(bind, 4, identity.email);
    put(bind, 5, clock_.wall_ms());
    bind.exec();
    return std::move(row.user);
  });
}

Expected<bool> SqlitePeople::has_identity(std::string_view uid, std::string_view issuer,
                                          std::string_view subject) {
  return database_.read("cannot read the identities", [&]() -> Expected<bool> {
    auto statement = database_.prepare(
        "SELECT count(*) FROM user_identity i JOIN user u ON u.id = i.user_id"
        " WHERE u.uid = ? AND i.issuer = ? AND i.subject = ? AND u.disabled_ms = 0");
    put(statement, 1, uid);
    put(statement, 2, issuer);
    put(statement, 3, subject);
    statement.executeStep();
    return statement.getColumn(0).getInt64() != 0;
  });
}

}  // namespace av::store
