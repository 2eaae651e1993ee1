#pragma once
// SqlitePeople: People over the database of a SqliteStore, which owns both. The methods are in
// sqlite_users.cc (users, settings), sqlite_members.cc, sqlite_user_sessions.cc and
// sqlite_invites.cc.

#include "core/clock.h"
#include "store/database.h"
#include "store/people.h"

namespace av::store {

class SqlitePeople final : public People {
 public:
  SqlitePeople(Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  Expected<std::vector<vault::User>> list_users() override;
  Expected<vault::User> get_user(std::string_view email) override;
  Expected<vault::User> get_user_by_uid(std::string_view uid) override;
  Expected<bool> has_owner() override;
  Expected<std::optional<Account>> find_account(std::string_view email) override;
  Expected<vault::User> create_user(const NewUser& user) override;
  Expected<vault::User> create_first_owner(const NewUser& user) override;
  Status set_password(std::string_view email, const vault::PasswordHash& hash,
                      std::string_view keep_session) override;
  Status set_user_role(std::string_view email, vault::InstanceRole role) override;
  Status disable_user(std::string_view email) override;
  Status enable_user(std::string_view email) override;
  Status delete_user(std::string_view email) override;

  Expected<std::vector<Member>> list_members(std::string_view vault) override;
  Expected<std::vector<vault::Membership>> memberships_of(std::string_view uid) override;
  Expected<std::optional<vault::VaultRole>> role_in(std::string_view uid,
                                                    std::string_view vault) override;
  Status add_member(std::string_view vault, std::string_view email, vault::VaultRole role) override;
  Status set_member(std::string_view vault, std::string_view email, vault::VaultRole role) override;
  Status remove_member(std::string_view vault, std::string_view email) override;

  Expected<UserSession> create_user_session(std::string_view uid, UserSession session,
                                            const crypto::Digest& token_hash) override;
  Expected<SignedIn> user_of_token(const crypto::Digest& token_hash, std::string_view ip,
                                   std::string_view user_agent) override;
  Expected<std::vector<UserSession>> list_user_sessions(std::string_view uid) override;
  Status end_user_session(std::string_view uid, std::string_view id) override;
  Status end_user_sessions(std::string_view uid, std::string_view but_id) override;
  Status mark_reauthenticated(std::string_view uid, std::string_view id) override;

  Expected<Invite> create_invite(const Invite& invite, const crypto::Digest& token_hash) override;
  Expected<std::vector<Invite>> list_invites(std::string_view created_by) override;
  Expected<Invite> invite_of_token(const crypto::Digest& token_hash) override;
  Status delete_invite(std::string_view id) override;
  Expected<vault::User> accept_invite(const crypto::Digest& token_hash, std::string_view uid,
                                      const std::optional<vault::PasswordHash>& password) override;

  Expected<vault::User> user_of_identity(const OutsideIdentity& identity,
                                         std::optional<vault::InstanceRole> create) override;
  Expected<bool> has_identity(std::string_view uid, std::string_view issuer,
                              std::string_view subject) override;

  Expected<InstanceSettings> instance_settings() override;
  Status set_instance_settings(const InstanceSettings& settings) override;

 private:
  struct UserRow {
    std::int64_t id = 0;
    vault::User user;
  };

  // Inside a transaction only: these let SQLite::Exception pass.
  [[nodiscard]] Expected<UserRow> find_user(std::string_view email);
  [[nodiscard]] Expected<UserRow> find_user_by_uid(std::string_view uid);
  [[nodiscard]] Expected<std::int64_t> vault_id(std::string_view name);
  [[nodiscard]] std::int64_t count(const char* sql);
  [[nodiscard]] Expected<UserRow> insert_user(const NewUser& user);
  // Called last in what may take an owner away: the transaction is undone when none remains.
  [[nodiscard]] Status check_owner_remains();
  // Sessions, scoped sessions and invites.
  void end_all_of(const UserRow& row);
  void end_scoped_of(const UserRow& row, std::int64_t vault_id);
  void void_invites_of(std::int64_t user_id);
  // Role and vaults of an invite, which is used up.
  [[nodiscard]] Status take_invite(const Invite& invite, UserRow& row);
  [[nodiscard]] Expected<UserRow> user_for_address(const OutsideIdentity& identity,
                                                   std::optional<vault::InstanceRole> create);
  void put_membership(std::int64_t user_id, std::int64_t vault_id, vault::VaultRole role);
  [[nodiscard]] std::optional<vault::VaultRole> role_of(std::int64_t user_id,
                                                        std::int64_t vault_id);
  [[nodiscard]] std::vector<vault::Membership> vaults_of_invite(const std::string& id);
  [[nodiscard]] std::vector<Invite> live_invites(const char* condition,
                                                 const crypto::Bytes& token_hash);

  Database& database_;
  const Clock& clock_;
};

}  // namespace av::store
