#pragma once
// Route: one row of the API's table: where, who may, what is done, and the shapes of what comes in
// and goes out, from which /v1/openapi.json is made (schema.h).

#include <cstdint>
#include <span>
#include <string_view>

#include "api/actor.h"
#include "api/reply.h"

namespace av::api {

// Who may use a route. The router checks it before the handler is called; handlers never do. There
// is no default: a row without one does not compile.
class Who {
 public:
  enum class Kind : std::uint8_t {
    kAnybody,
    kSignedIn,      // any actor
    kUser,          // a person
    kOwner,         // of the instance
    kVault,         // a role in the vault that is meant
    kVaultOrOwner,  // or the instance's owner, member or not
  };
  [[nodiscard]] static constexpr Who anybody() { return {Kind::kAnybody, Role::kNone}; }
  [[nodiscard]] static constexpr Who signed_in() { return {Kind::kSignedIn, Role::kNone}; }
  [[nodiscard]] static constexpr Who user() { return {Kind::kUser, Role::kNone}; }
  [[nodiscard]] static constexpr Who owner() { return {Kind::kOwner, Role::kNone}; }
  [[nodiscard]] static constexpr Who vault(Role least) { return {Kind::kVault, least}; }
  [[nodiscard]] static constexpr Who vault_or_owner(Role least) {
    return {Kind::kVaultOrOwner, least};
  }

  [[nodiscard]] constexpr Kind kind() const { return kind_; }
  [[nodiscard]] constexpr Role role() const { return role_; }
  // Call::vault() is set.
  [[nodiscard]] constexpr bool in_vault() const {
    return kind_ == Kind::kVault || kind_ == Kind::kVaultOrOwner;
  }
  // Nobody but a person can ever do it.
  [[nodiscard]] constexpr bool needs_user() const {
    return kind_ == Kind::kUser || kind_ == Kind::kOwner || (in_vault() && role_ >= Role::kMember);
  }

 private:
  constexpr Who(Kind kind, Role role) : kind_(kind), role_(role) {}
  Kind kind_;
  Role role_;
};

// Where a route exists, and where a request came in; each place has what the ones behind it have.
enum class Where : std::uint8_t {
  kServe,       // the API's port of `serve`
  kRuns,        // also the port of a run
  kEverywhere,  // also the proxy's port of `serve`, which agents reach and which has no TLS: no
                // pages there, and nowhere to type a password
};

using Handler = Reply (*)(Call&);

struct Route {
  std::string_view method;
  // "/v1/vaults/{v}/services"; "{v}" is a vault. A last segment "{*}" takes all the rest.
  std::string_view path;
  std::string_view summary;
  Who who;
  Where where;
  Handler handler;
  // Schema of the body; empty: none is read. What it does not name is refused (400 unknown_field):
  // a misspelt member would mean something wider than was meant. What other people's clients send
  // and nothing is done with stands in it too, so that it can be seen here.
  std::string_view request = {};
  std::string_view response =
      {};                       // schema of the reply; "@text/plain": its type when it is no JSON
  std::string_view query = {};  // names of parameters, with blanks between
};

// Every route. Each subject has its rows in a file of its own.
std::span<const Route> route_table();
std::span<const Route> general_routes();      // general_routes.cc
std::span<const Route> auth_routes();         // auth_routes.cc
std::span<const Route> user_routes();         // user_routes.cc
std::span<const Route> vault_routes();        // vault_routes.cc
std::span<const Route> credential_routes();   // credential_routes.cc
std::span<const Route> oauth_routes();        // oauth_routes.cc
std::span<const Route> oauth_token_routes();  // oauth_token_routes.cc
std::span<const Route> oidc_routes();         // oidc_routes.cc
std::span<const Route> store_routes();        // store_routes.cc
std::span<const Route> store_ask_routes();    // store_ask_routes.cc
std::span<const Route> reference_routes();    // reference_routes.cc
std::span<const Route> service_routes();      // service_routes.cc
std::span<const Route> rule_routes();         // rule_routes.cc
std::span<const Route> approval_routes();     // approval_routes.cc
std::span<const Route> agent_routes();        // agent_routes.cc
std::span<const Route> session_routes();      // session_routes.cc
std::span<const Route> log_routes();          // log_routes.cc
std::span<const Route> proposal_routes();     // proposal_routes.cc
std::span<const Route> page_routes();         // page_routes.cc
std::span<const Route> meta_routes();         // meta_routes.cc

}  // namespace av::api
