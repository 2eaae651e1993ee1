#pragma once
// Accounts: the people of the store towards the API, and what signing in needs: the limit on tries,
// the threads that hash, the code for the first owner. Belongs to the API's thread.

#include <functional>
#include <memory>
#include <string>

#include "api/call.h"
#include "api/password_pool.h"
#include "api/setup_code.h"
#include "api/sign_in_limiter.h"
#include "api/user_directory.h"

namespace av::api {

struct AccountsOptions {
  const Clock* clock = nullptr;  // must outlive the accounts
  // Shows the code for the first owner; null: the first owner is made on the command line.
  SetupCode::Announce announce;
  crypto::Argon2Params password = vault::PasswordHasher::kParams;
};

class Accounts final : public UserDirectory {
 public:
  // Shows a code at once where nobody owns the instance. `store` must outlive it.
  Accounts(store::Store& store, AccountsOptions options);

  Expected<std::optional<SignedInUser>> user_of_session(const crypto::Digest& token_hash) override;
  Expected<std::optional<SignedInUser>> user_of_session_id(std::string_view user_uid,
                                                           std::string_view session) override;
  void note_peer(std::string_view address, std::string_view user_agent) override;
  Expected<Role> role_in(std::string_view user_uid, std::string_view vault) override;
  Status set_role(std::string_view user_uid, std::string_view vault, Role role) override;
  Expected<bool> has_owner() override { return people_.has_owner(); }
  Expected<bool> reauthenticated(std::string_view user_uid, std::string_view session) override;
  Accounts* accounts() override { return this; }

  [[nodiscard]] store::People& people() { return people_; }
  [[nodiscard]] SignInLimiter& limiter() { return limiter_; }
  [[nodiscard]] PasswordPool& passwords() { return passwords_; }
  [[nodiscard]] SetupCode& setup_code() { return setup_code_; }

 private:
  store::People& people_;
  const Clock& clock_;
  std::string peer_;
  std::string user_agent_;
  SignInLimiter limiter_;
  SetupCode setup_code_;
  PasswordPool passwords_;
};

// The accounts of the call's API, or why there are none: a broker without people.
[[nodiscard]] Expected<Accounts*> accounts_of(Call& call);

// For what a stolen or borrowed browser must not do: whoever comes with a cookie has given the
// password within the last five minutes. 403 "reauthentication_required".
[[nodiscard]] proxy::Outcome<void> check_reauthenticated(Call& call);

// One more try, or 429; and that it worked. `account`: whose password.
using Try = SignInLimiter::What;
[[nodiscard]] proxy::Outcome<void> count_try(Call& call, Try what, std::string_view account = {});
void try_worked(Call& call, Try what, std::string_view account = {});

// Submits; what comes of it is asked with `finish` once it is there. 503 when too many wait.
using FinishTask = std::function<Reply(Call&, const PasswordTask&)>;
[[nodiscard]] Reply after(Call& call, const std::shared_ptr<PasswordTask>& task, FinishTask finish);
// The same for a new password alone: done.made() is its hash.
[[nodiscard]] Reply after_hashing(Call& call, Secret password, FinishTask finish);

// A new session for a user who has shown who they are. A page of ours (X-Agent-Vault: 1) gets it as
// a cookie and does not see the token, a program gets the token and no cookie; neither does for the
// other. Never an old token again (session fixation); a session that the cookie had is over.
[[nodiscard]] Reply sign_in(Call& call, const vault::User& user, int status, Json body);
struct NewSession {
  Secret token;
  store::UserSession session;
};
// The session alone; of a `page`, the token is good as a cookie only.
[[nodiscard]] Expected<NewSession> new_session(Call& call, const vault::User& user, bool page,
                                               const std::string& label);
void add_session_cookie(proxy::LocalReply& reply, const Secret& token, bool secure);
// Forgets the cookie.
void clear_cookie(proxy::LocalReply& reply, bool secure);

// A refusal of somebody who has not shown who they are, on the log.
void note_refusal(Call& call, std::string_view event, std::string_view detail);
// "user:alice@example.com from 10.0.0.1"; an address that is none is not repeated.
[[nodiscard]] std::string words_for(Call& call, std::string_view email);

// A member of the body that is a secret; kInvalid when it is not there; empty when it is longer
// than any password.
[[nodiscard]] Expected<Secret> secret_member(Call& call, std::string_view name);

[[nodiscard]] Json user_json(const vault::User& user);

}  // namespace av::api
