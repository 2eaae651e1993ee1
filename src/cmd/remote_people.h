#pragma once
// RemotePeople: the part of People that commands use, done by the API of a `serve` elsewhere (see
// RemoteStore). A user's uid is not told over there: the address stands for it.

#include <memory>

#include "cmd/api_client.h"
#include "store/people.h"

namespace av::cmd {

class RemotePeople final : public store::People {
 public:
  explicit RemotePeople(std::shared_ptr<ApiClient> api) : api_(std::move(api)) {}

  // The link in an answer to an invite is made by the server.
  struct IssuedInvite {
    store::Invite invite;
    Secret link;
  };
  Expected<IssuedInvite> invite(const store::Invite& wanted);

  Expected<std::vector<vault::User>> list_users() override;
  Expected<vault::User> get_user(std::string_view email) override;
  Expected<vault::User> get_user_by_uid(std::string_view uid) override;
  Expected<bool> has_owner() override;
  Expected<std::optional<store::Account>> find_account(std::string_view email) override;
  Expected<vault::User> create_user(const store::NewUser& user) override;
  Expected<vault::User> create_first_owner(const store::NewUser& user) override;
  Status set_password(std::string_view email, const vault::PasswordHash& hash,
                      std::string_view keep_session) override;
  Status set_user_role(std::string_view email, vault::InstanceRole role) override;
  Status disable_user(std::string_view email) override;
  Status enable_user(std::string_view email) override;
  Status delete_user(std::string_view email) override;

  Expected<std::vector<store::Member>> list_members(std::string_view vault) override;
  Expected<std::vector<vault::Membership>> memberships_of(std::string_view uid) override;
  Expected<std::optional<vault::VaultRole>> role_in(std::string_view uid,
                                                    std::string_view vault) override;
  Status add_member(std::string_view vault, std::string_view email, vault::VaultRole role) override;
  Status set_member(std::string_view vault, std::string_view email, vault::VaultRole role) override;
  Status remove_member(std::string_view vault, std::string_view email) override;

  Expected<store::UserSession> create_user_session(std::string_view uid, store::UserSession session,
                                                   const crypto::Digest& token_hash) override;
  Expected<store::SignedIn> user_of_token(const crypto::Digest& token_hash, std::string_view ip,
                                          std::string_view user_agent) override;
  // One's own only.
  Expected<std::vector<store::UserSession>> list_user_sessions(std::string_view uid) override;
  Status end_user_session(std::string_view uid, std::string_view id) override;
  Status end_user_sessions(std::string_view uid, std::string_view but_id) override;
  Status mark_reauthenticated(std::string_view uid, std::string_view id) override;

  Expected<store::Invite> create_invite(const store::Invite& invite,
                                        const crypto::Digest& token_hash) override;
  Expected<std::vector<store::Invite>> list_invites(std::string_view created_by) override;
  Expected<store::Invite> invite_of_token(const crypto::Digest& token_hash) override;
  Status delete_invite(std::string_view id) override;
  Expected<vault::User> accept_invite(const crypto::Digest& token_hash, std::string_view uid,
                                      const std::optional<vault::PasswordHash>& password) override;

  Expected<vault::User> user_of_identity(const store::OutsideIdentity& identity,
                                         std::optional<vault::InstanceRole> create) override;
  Expected<bool> has_identity(std::string_view uid, std::string_view issuer,
                              std::string_view subject) override;

  Expected<store::InstanceSettings> instance_settings() override;
  Status set_instance_settings(const store::InstanceSettings& settings) override;

 private:
  Status change(std::string_view email, const char* what);
  std::shared_ptr<ApiClient> api_;
};

}  // namespace av::cmd
