#pragma once
// People: users, who of them is a member of which vault, their sessions, invites, and who may come
// in at all. Part of a Store (Store::people()) and bound to its thread. Each call that changes
// something is one transaction; in the same one it is made sure that an owner who can sign in
// remains.
//
// Nothing here computes a password hash or shows a token: both come in as hashes.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/crypto.h"
#include "core/expected.h"
#include "vault/password.h"
#include "vault/user.h"

namespace av::store {

struct Member {
  std::string email;
  std::string uid;
  vault::VaultRole role = vault::VaultRole::kProxy;
  std::int64_t created_ms = 0;
};

// A user and what signing in takes.
struct Account {
  vault::User user;
  std::optional<vault::PasswordHash> password;
};

struct NewUser {
  std::string email;  // canonical
  vault::InstanceRole role = vault::InstanceRole::kMember;
  std::optional<vault::PasswordHash> password;
  bool waiting = false;  // disabled until an owner enables it
};

inline constexpr std::int64_t kSessionIdleMs = std::int64_t{30} * 24 * 3600 * 1000;
inline constexpr std::int64_t kSessionLifeMs = std::int64_t{365} * 24 * 3600 * 1000;
inline constexpr std::int64_t kSessionTouchMs = 60'000;  // how exact last_used_ms is
inline constexpr std::int64_t kReauthMs = std::int64_t{5} * 60 * 1000;
inline constexpr std::int64_t kInviteLifeMs = std::int64_t{48} * 3600 * 1000;
inline constexpr std::uint64_t kMostUserSessions = 50;  // of one user; one more ends the stalest
inline constexpr std::uint64_t kMostUserInvites = 50;   // that wait
inline constexpr std::uint64_t kMostStrangers = 20;     // users that wait to be let in

struct UserSession {
  std::string id;  // public: 20 hex digits
  std::string label;
  std::string ip;
  std::string user_agent;
  std::int64_t created_ms = 0;
  std::int64_t used_ms = 0;
  std::int64_t expires_ms = 0;  // the earlier of its two ends
  std::int64_t reauth_ms = 0;   // when the password was given last
};

struct SignedIn {
  vault::User user;
  UserSession session;
};

struct Invite {
  std::string id;  // public: 20 hex digits
  std::string email;
  vault::InstanceRole role = vault::InstanceRole::kMember;
  std::vector<vault::Membership> vaults;
  std::string created_by;  // uid of a user; empty: the command line
  std::string created_by_email;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
  bool needs_account = true;  // nobody has this address yet
};

// Who somebody is elsewhere, as an issuer has signed it just now. The pair of issuer and subject
// never changes and is never given to another; the address may be both.
struct OutsideIdentity {
  std::string issuer;
  std::string subject;
  std::string email;  // canonical, and verified by the issuer; empty: not
};

struct InstanceSettings {
  bool invite_only = true;
  // Who may come in uninvited; empty: any domain. Canonical.
  std::vector<std::string> allowed_email_domains;
};

class People {
 public:
  virtual ~People() = default;

  // -- users; addresses are taken in any case. kNotFound with did-you-mean
  virtual Expected<std::vector<vault::User>> list_users() = 0;
  virtual Expected<vault::User> get_user(std::string_view email) = 0;
  virtual Expected<vault::User> get_user_by_uid(std::string_view uid) = 0;
  virtual Expected<bool> has_owner() = 0;
  // None when nobody has the address: for signing in, where that is no error.
  virtual Expected<std::optional<Account>> find_account(std::string_view email) = 0;
  // kExists; kConflict when too many wait. The first owner becomes admin of `default`.
  virtual Expected<vault::User> create_user(const NewUser& user) = 0;
  // An owner, and only as long as there is none: kConflict.
  virtual Expected<vault::User> create_first_owner(const NewUser& user) = 0;
  // Ends the user's sessions but `keep_session` (id; empty: all).
  virtual Status set_password(std::string_view email, const vault::PasswordHash& hash,
                              std::string_view keep_session) = 0;
  // These four: kConflict when no owner who can sign in would remain.
  virtual Status set_user_role(std::string_view email, vault::InstanceRole role) = 0;
  // A disabled user keeps roles and loses what was minted: sessions, scoped sessions, invites.
  virtual Status disable_user(std::string_view email) = 0;
  virtual Status enable_user(std::string_view email) = 0;
  virtual Status delete_user(std::string_view email) = 0;

  // -- members of vaults
  virtual Expected<std::vector<Member>> list_members(std::string_view vault) = 0;
  virtual Expected<std::vector<vault::Membership>> memberships_of(std::string_view uid) = 0;
  // None for strangers, and for users who are disabled.
  virtual Expected<std::optional<vault::VaultRole>> role_in(std::string_view uid,
                                                            std::string_view vault) = 0;
  virtual Status add_member(std::string_view vault, std::string_view email,
                            vault::VaultRole role) = 0;  // kExists
  // kNotFound. Invites by one who has less now are void.
  virtual Status set_member(std::string_view vault, std::string_view email,
                            vault::VaultRole role) = 0;
  virtual Status remove_member(std::string_view vault, std::string_view email) = 0;

  // -- sessions. `session`: label, ip and user_agent; the rest is made here
  virtual Expected<UserSession> create_user_session(std::string_view uid, UserSession session,
                                                    const crypto::Digest& token_hash) = 0;
  // kNotPermitted when nobody has this token, or the session or the user is over. Notes at most
  // every kSessionTouchMs that it was used, and from where.
  virtual Expected<SignedIn> user_of_token(const crypto::Digest& token_hash,
                                           std::string_view ip = {},
                                           std::string_view user_agent = {}) = 0;
  virtual Expected<std::vector<UserSession>> list_user_sessions(std::string_view uid) = 0;
  // kNotFound also for a session of somebody else.
  virtual Status end_user_session(std::string_view uid, std::string_view id) = 0;
  virtual Status end_user_sessions(std::string_view uid, std::string_view but_id) = 0;
  // The password was given just now.
  virtual Status mark_reauthenticated(std::string_view uid, std::string_view id) = 0;

  // -- invites
  // `invite`: email, role, vaults, created_by. Voids an older one for the same address. kConflict
  // when kMostUserInvites wait.
  virtual Expected<Invite> create_invite(const Invite& invite,
                                         const crypto::Digest& token_hash) = 0;
  // Those that can be accepted; by one user when `created_by` names one.
  virtual Expected<std::vector<Invite>> list_invites(std::string_view created_by) = 0;
  // kNotFound: unknown, used, withdrawn, or too old; which of these is not told.
  virtual Expected<Invite> invite_of_token(const crypto::Digest& token_hash) = 0;
  virtual Status delete_invite(std::string_view id) = 0;
  // Once. With `uid` (of whoever is signed in) the invite must be for that user's address; without,
  // `password` makes the account, which must not exist: kNotPermitted. What is refused uses nothing
  // up. A role is never lowered by it.
  virtual Expected<vault::User> accept_invite(
      const crypto::Digest& token_hash, std::string_view uid,
      const std::optional<vault::PasswordHash>& password) = 0;

  // -- identities elsewhere
  // The user whom this identity belongs to. When it belongs to nobody yet, its address decides, and
  // it belongs from then on to: the user of that address, if no other identity of this issuer does;
  // a new user by an invite that waits for it; or, with `create`, a new one of that role. In each
  // case kNotPermitted, saying why for the log, when there is none, or the user is disabled.
  virtual Expected<vault::User> user_of_identity(const OutsideIdentity& identity,
                                                 std::optional<vault::InstanceRole> create) = 0;
  // The same, for somebody who is signed in: nothing is made or bound.
  virtual Expected<bool> has_identity(std::string_view uid, std::string_view issuer,
                                      std::string_view subject) = 0;

  // -- settings
  virtual Expected<InstanceSettings> instance_settings() = 0;
  virtual Status set_instance_settings(const InstanceSettings& settings) = 0;
};

}  // namespace av::store
