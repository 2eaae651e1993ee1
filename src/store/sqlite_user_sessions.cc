#include <algorithm>

#include "store/sqlite_people.h"
#include "store/sqlite_store.h"

namespace av::store {
namespace {

constexpr std::string_view kRead = "cannot read the sessions";
constexpr std::string_view kSave = "cannot save the session";
constexpr std::size_t kMaxLabel = 100;
constexpr std::size_t kMaxUserAgent = 200;
constexpr std::size_t kMaxAddress = 64;

// ?1: now. A session that is over by either clock is not there.
const std::string& alive() {
  static const std::string text = " s.used_ms > ?1 - " + std::to_string(kSessionIdleMs) +
                                  " AND s.created_ms > ?1 - " + std::to_string(kSessionLifeMs) +
                                  " AND u.disabled_ms = 0";
  return text;
}

std::string select_sessions() {
  return "SELECT s.id, s.label, s.ip, s.user_agent, s.created_ms, s.used_ms, s.reauth_ms,"
         " s.token_hash, u.uid, u.email, u.role, u.created_ms, length(u.password_hash)"
         " FROM user_session s JOIN user u ON u.id = s.user_id WHERE" +
         alive();
}

UserSession session_of(const SQLite::Statement& row) {
  UserSession session;
  session.id = row.getColumn(0).getString();
  session.label = row.getColumn(1).getString();
  session.ip = row.getColumn(2).getString();
  session.user_agent = row.getColumn(3).getString();
  session.created_ms = row.getColumn(4).getInt64();
  session.used_ms = row.getColumn(5).getInt64();
  session.reauth_ms = row.getColumn(6).getInt64();
  session.expires_ms =
      std::min(session.used_ms + kSessionIdleMs, session.created_ms + kSessionLifeMs);
  return session;
}

Error not_signed_in() {
  return make_error(ErrorCode::kNotPermitted, "this session is not there, or not any more",
                    "sign in again");
}

}  // namespace

Expected<UserSession> SqlitePeople::create_user_session(std::string_view uid, UserSession session,
                                                        const crypto::Digest& token_hash) {
  return database_.write(kSave, [&]() -> Expected<UserSession> {
    AV_TRY(const UserRow row, find_user_by_uid(uid));
    if (!row.user.active()) {
      return not_signed_in();
    }
    const std::int64_t now = clock_.wall_ms();
    auto prune =
        database_.prepare("DELETE FROM user_session WHERE used_ms <= ? OR created_ms <= ?");
    put(prune, 1, now - kSessionIdleMs);
    put(prune, 2, now - kSessionLifeMs);
    prune.exec();
    // Signing in always works; what was not used for longest makes room.
    auto crowd = database_.prepare(
        "DELETE FROM user_session WHERE user_id = ?1 AND id NOT IN (SELECT id FROM user_session"
        " WHERE user_id = ?1 ORDER BY used_ms DESC, id LIMIT ?2)");
    put(crowd, 1, row.id);
    put(crowd, 2, kMostUserSessions - 1);
    crowd.exec();
    session.id = crypto::random_hex(10);
    session.label = vault::shown_label(session.label, kMaxLabel);
    session.ip = vault::shown_label(session.ip, kMaxAddress);
    session.user_agent = vault::shown_label(session.user_agent, kMaxUserAgent);
    session.created_ms = now;
    session.used_ms = now;
    session.reauth_ms = 0;
    session.expires_ms = now + kSessionIdleMs;
    auto insert = database_.prepare(
        "INSERT INTO user_session (id, user_id, token_hash, label, ip, user_agent, created_ms,"
        " used_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    put(insert, 1, session.id);
    put(insert, 2, row.id);
    put(insert, 3, bytes_of(token_hash));
    put(insert, 4, session.label);
    put(insert, 5, session.ip);
    put(insert, 6, session.user_agent);
    put(insert, 7, now);
    put(insert, 8, now);
    insert.exec();
    return std::move(session);
  });
}

Expected<SignedIn> SqlitePeople::user_of_token(const crypto::Digest& token_hash,
                                               std::string_view ip, std::string_view user_agent) {
  const std::int64_t now = clock_.wall_ms();
  auto found = database_.read(kRead, [&]() -> Expected<SignedIn> {
    static const std::string sql = select_sessions() + " AND s.token_hash = ?2";
    auto statement = database_.prepare(sql.c_str());
    put(statement, 1, now);
    put(statement, 2, bytes_of(token_hash));
    if (!statement.executeStep() || !is_hash(statement.getColumn(7), token_hash)) {
      return not_signed_in();
    }
    SignedIn signed_in;
    signed_in.session = session_of(statement);
    signed_in.user.uid = statement.getColumn(8).getString();
    signed_in.user.email = statement.getColumn(9).getString();
    signed_in.user.role = vault::instance_role_from_string(statement.getColumn(10).getString())
                              .value_or(vault::InstanceRole::kMember);
    signed_in.user.created_ms = statement.getColumn(11).getInt64();
    signed_in.user.has_password = statement.getColumn(12).getInt64() != 0;
    return signed_in;
  });
  if (found && now - found->session.used_ms >= kSessionTouchMs) {
    // Whoever is signed in goes on when this cannot be written: it is for the list, and the next
    // request tries again.
    const Status touched = database_.write(kSave, [&]() -> Status {
      auto touch = database_.prepare(
          "UPDATE user_session SET used_ms = ?1, ip = ?2, user_agent = ?3 WHERE id = ?4");
      put(touch, 1, now);
      put(touch, 2, ip.empty() ? found->session.ip : vault::shown_label(ip, kMaxAddress));
      put(touch, 3,
          user_agent.empty() ? found->session.user_agent
                             : vault::shown_label(user_agent, kMaxUserAgent));
      put(touch, 4, found->session.id);
      touch.exec();
      return {};
    });
    static_cast<void>(touched.has_value());
  }
  return found;
}

Expected<std::vector<UserSession>> SqlitePeople::list_user_sessions(std::string_view uid) {
  return database_.read(kRead, [&]() -> Expected<std::vector<UserSession>> {
    std::vector<UserSession> sessions;
    static const std::string sql =
        select_sessions() + " AND u.uid = ?2 ORDER BY s.created_ms DESC, s.id";
    auto statement = database_.prepare(sql.c_str());
    put(statement, 1, clock_.wall_ms());
    put(statement, 2, uid);
    while (statement.executeStep()) {
      sessions.push_back(session_of(statement));
    }
    return sessions;
  });
}

Status SqlitePeople::end_user_session(std::string_view uid, std::string_view id) {
  return database_.write("cannot end the session", [&]() -> Status {
    auto statement = database_.prepare(
        "DELETE FROM user_session WHERE id = ? AND user_id = (SELECT id FROM user WHERE uid = ?)");
    put(statement, 1, id);
    put(statement, 2, uid);
    if (statement.exec() == 0) {
      return make_error(ErrorCode::kNotFound, "there is no such session",
                        "agent-vault user sessions EMAIL");
    }
    return {};
  });
}

Status SqlitePeople::end_user_sessions(std::string_view uid, std::string_view but_id) {
  return database_.write("cannot end the sessions", [&]() -> Status {
    auto statement = database_.prepare(
        "DELETE FROM user_session WHERE id != ? AND user_id = (SELECT id FROM user WHERE uid = ?)");
    put(statement, 1, but_id);
    put(statement, 2, uid);
    statement.exec();
    return {};
  });
}

Status SqlitePeople::mark_reauthenticated(std::string_view uid, std::string_view id) {
  return database_.write(kSave, [&]() -> Status {
    auto statement = database_.prepare(
        "UPDATE user_session SET reauth_ms = ? WHERE id = ?"
        " AND user_id = (SELECT id FROM user WHERE uid = ? AND disabled_ms = 0)");
    put(statement, 1, clock_.wall_ms());
    put(statement, 2, id);
    put(statement, 3, uid);
    return statement.exec() == 0 ? Status(not_signed_in()) : Status{};
  });
}

}  // namespace av::store
