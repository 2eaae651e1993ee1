#pragma once
// FlowTable: the ways through a browser that have been begun and not come back: connecting a
// credential, signing in, showing again who one is. In memory only, for ten minutes, each good for
// one answer. Of a flow's state and of the browser's cookie only hashes are kept.
//
// A flow belongs to the browser that began it (a cookie of its own, because the session's cookie is
// SameSite=Strict and does not come along from a provider) and, but for signing in, to the person
// and session: so nobody can have another's browser finish what they began, or the other way round
// (RFC 6749 section 10.12). Belongs to the API's thread.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/crypto.h"
#include "core/expected.h"
#include "oauth/authorization.h"
#include "store/store.h"
#include "vault/oauth.h"

namespace av::api {

// Whose flow it is.
struct FlowOwner {
  std::string uid;      // of the user; empty: somebody who signs in
  std::string email;    // for the log
  std::string session;  // id
};

// What a credential is connected for, when that is a proposal.
struct ForProposal {
  std::uint64_t number = 0;  // 0: the credential is stored when it is connected
  std::string uid;           // a number comes back with the name of a vault
};

struct Flow {
  enum class Kind : std::uint8_t { kConnect, kSignIn, kReauthenticate };
  Kind kind = Kind::kConnect;
  std::string id;  // public: 20 hex digits
  crypto::Digest browser{};
  FlowOwner owner;
  std::string vault;
  std::string key;
  ForProposal proposal;
  oauth::CodeAttempt attempt;   // without its state
  vault::OauthClient client;    // as it was when the flow began
  vault::OauthSecrets secrets;  // client's
  std::string jwks_url;         // of a sign-in
  std::string next;             // a path of ours
};

// How one has ended; for whoever began it.
struct FlowOutcome {
  enum class State : std::uint8_t { kPending, kDone, kFailed };
  State state = State::kPending;
  std::string vault;
  std::string key;
  std::uint64_t proposal = 0;
  std::string message;  // why it failed; for people
};

class FlowTable {
 public:
  static constexpr std::size_t kMost = 512;
  static constexpr std::size_t kMostEach = 16;  // of one session; one more ends the oldest
  // Of people who sign in, whom nobody knows yet; one more ends the oldest. As fast as one peer may
  // ask (see RateLimiter), these last for three minutes.
  static constexpr std::size_t kMostStrangers = 2048;

  explicit FlowTable(const Clock& clock) : clock_(clock) {}

  // kBusy when there are too many.
  [[nodiscard]] Status add(const crypto::Digest& state, Flow flow);
  // Ends those of somebody who signs in that this browser has begun: it has one cookie.
  void drop(const crypto::Digest& browser);
  // Takes the flow out, whatever comes of it; none when there is none, or it is too old.
  [[nodiscard]] std::optional<Flow> take(const crypto::Digest& state);
  void finish(const Flow& flow, bool done, std::string message = {});
  // Null when this user began none of this id.
  [[nodiscard]] const FlowOutcome* outcome(std::string_view id, std::string_view uid);
  // The cookie's hash is that of a flow of this session.
  [[nodiscard]] bool knows(const crypto::Digest& browser, std::string_view session);

 private:
  struct Waiting {
    crypto::Digest state{};
    std::chrono::steady_clock::time_point until;
    Flow flow;
  };
  struct Past {
    std::string id;
    std::string uid;
    std::chrono::steady_clock::time_point until;
    FlowOutcome outcome;
  };
  void tidy();
  [[nodiscard]] static bool is_stranger(const Waiting& one);
  void remove(std::deque<Waiting>::iterator one);

  const Clock& clock_;
  std::deque<Waiting> waiting_;  // oldest first
  std::size_t strangers_ = 0;    // of them
  std::deque<Past> outcomes_;
};

// What was connected for a proposal and waits for "Allow" by the same person. In memory only, for
// half an hour.
class ConnectionShelf {
 public:
  static constexpr std::size_t kMost = 64;
  struct Place {
    std::string proposal;  // its uid
    std::string user;      // uid
    auto operator<=>(const Place&) const = default;
  };

  explicit ConnectionShelf(const Clock& clock) : clock_(clock) {}
  // kBusy when too many wait.
  [[nodiscard]] Status put(const Place& place, std::string key,
                           store::Store::OauthConnection connection);
  [[nodiscard]] std::vector<std::string> keys(const Place& place);
  // Takes all of the place out; put_back() when they could not be used.
  [[nodiscard]] std::vector<store::Store::NewConnection> take(const Place& place);
  void put_back(const Place& place, std::vector<store::Store::NewConnection> connections);

 private:
  struct Item {
    Place place;
    std::chrono::steady_clock::time_point until;
    store::Store::NewConnection connection;
  };
  void tidy();

  const Clock& clock_;
  std::deque<Item> items_;
};

}  // namespace av::api
