#pragma once
// UserDirectory: what the API has to know about people. One object belongs to the API's thread.

#include <optional>
#include <string>
#include <string_view>

#include "api/actor.h"
#include "core/crypto.h"
#include "core/expected.h"

namespace av::api {

class Accounts;

struct SignedInUser {
  std::string uid;
  std::string email;
  std::string session;  // its id
  bool owner = false;   // of the instance
};

class UserDirectory {
 public:
  virtual ~UserDirectory() = default;
  // Whose web session this is; empty when nobody's, or not any more. Its time tells nothing about
  // tokens.
  [[nodiscard]] virtual Expected<std::optional<SignedInUser>> user_of_session(
      const crypto::Digest& token_hash) = 0;
  // The same by user and id of the session, for what the browser's cookie did not come along with.
  [[nodiscard]] virtual Expected<std::optional<SignedInUser>> user_of_session_id(
      std::string_view /*user_uid*/, std::string_view /*session*/) {
    return std::optional<SignedInUser>();
  }
  // kNone when the user is no member, or there is no such vault.
  [[nodiscard]] virtual Expected<Role> role_in(std::string_view user_uid,
                                               std::string_view vault) = 0;
  // Makes the user a member with that role, or with kNone no member any more.
  [[nodiscard]] virtual Status set_role(std::string_view user_uid, std::string_view vault,
                                        Role role) = 0;
  [[nodiscard]] virtual Expected<bool> has_owner() = 0;
  // Where the next user_of_session() comes from: for the list that users have of their sessions.
  virtual void note_peer(std::string_view /*address*/, std::string_view /*user_agent*/) {}
  // Whether the user has given the password in this session within the last minutes.
  [[nodiscard]] virtual Expected<bool> reauthenticated(std::string_view /*user_uid*/,
                                                       std::string_view /*session*/) {
    return true;
  }
  // What routes about accounts work with; null where there are none.
  [[nodiscard]] virtual Accounts* accounts() { return nullptr; }
};

// Where there are no people yet.
class NoUsers final : public UserDirectory {
 public:
  Expected<std::optional<SignedInUser>> user_of_session(const crypto::Digest& /*hash*/) override {
    return std::optional<SignedInUser>();
  }
  Expected<Role> role_in(std::string_view /*user_uid*/, std::string_view /*vault*/) override {
    return Role::kNone;
  }
  Status set_role(std::string_view /*user_uid*/, std::string_view /*vault*/,
                  Role /*role*/) override {
    return make_error(ErrorCode::kUnsupported, "there are no users here");
  }
  Expected<bool> has_owner() override { return false; }
};

}  // namespace av::api
