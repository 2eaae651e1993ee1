#pragma once
// LoginCapture: the LoginKeeper of a run. A login at a provider of the catalogue, or of Codex and
// Claude Code, is asked about once (like a request that an `approve` rule holds), redeemed once,
// and kept as an OAuth credential before the program gets its stand-ins. What the program refreshes
// afterwards is answered here, in later runs too, whether these capture logins or not.
//
// The methods of LoginKeeper may be called from any thread; pump() and what it does with the store
// belong to the one that owns it.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cmd/child_env.h"
#include "cmd/command.h"
#include "cmd/login_plan.h"
#include "oauth/login.h"
#include "oauth/stand_in.h"
#include "proxy/local_login.h"
#include "proxy/login_keeper.h"
#include "vault/approval.h"
#include "vault/policy.h"

namespace av::cmd {

class LoginCapture final : public proxy::LoginKeeper {
 public:
  struct Options {
    bool capture = false;  // else only what was kept before is looked after
    std::string run;
    const Placeholders* placeholders = nullptr;  // of the child; copied
    std::vector<proxy::LocalLogin> local;        // stand-in logins that are answered as a whole
    std::shared_ptr<vault::ApprovalDesk> desk;
  };
  // At most so many logins of one run are asked about at a time, and remembered in all.
  static constexpr std::size_t kMostAsking = 4;
  static constexpr std::size_t kMostKnown = 64;
  // Requests of one login that wait for the answer; the program may have left behind most of them.
  static constexpr std::size_t kMostWaiting = 16;
  static constexpr std::int64_t kAskMs = 180'000;
  // What was said about a login holds for so long: a device code lives for a quarter of an hour.
  static constexpr std::int64_t kRememberMs = std::int64_t{30} * 60'000;

  // `clock` must outlive it.
  LoginCapture(Options options, const Clock& clock);

  // Before the proxy starts: the logins that runs before this one have captured.
  void take_kept(const std::vector<store::Store::OauthInfo>& credentials,
                 const Placeholders& placeholders);

  struct Around {
    Context& context;
    const std::string& vault;
    std::string agent;
    std::string agent_uid;
    const vault::Agent* principal;  // may be null
    // Loads and publishes the policy anew; false: it could not be.
    std::function<bool()> reload;
  };
  // Several times a second: asks, and keeps what has come.
  void pump(const Around& around);
  // The run ends: what came is kept, nobody need decide any more.
  void end(const Around& around);
  // The providers at which programs log in that nobody keeps; for a word at the end.
  [[nodiscard]] std::vector<std::string> uncaptured();

  bool concerns(const vault::RequestIdentity& identity) override;
  proxy::Outcome<proxy::LoginStep> look(const proxy::LoginText& text) override;
  void abandon(const std::string& login) override;
  void consent(const std::string& login, Consent done) override;
  void keep(const std::string& login, proxy::LoginAnswer answer, Kept done) override;

 private:
  enum class State : std::uint8_t {
    kNew,
    kAsking,
    kAllowed,
    kUnderWay,  // redeemed just now
    kAnswered,  // the provider's answer waits for pump()
    kKept,
    kRefused,
  };
  struct Login {
    State state = State::kNew;
    const oauth::LoginEndpoint* endpoint = nullptr;
    std::string url;  // of the token endpoint that was asked
    std::string method;
    oauth::LoginRequest request;
    LoginPlan plan;
    std::string approval;
    std::int64_t since_ms = 0;
    std::int64_t until_ms = 0;  // of the question
    std::vector<Consent> waiting;
    proxy::LoginAnswer answer;
    Kept done;
    proxy::LoginReply reply;  // kKept: for whoever sends the same again
    proxy::Fault refusal;     // kRefused
  };
  using Logins = std::map<std::string, Login>;
  // A login that is kept, as the program has it.
  struct Known {
    std::string group;
    std::vector<std::string> placeholders;
    std::string answer;  // to a refresh
  };

  proxy::Outcome<proxy::LoginStep> look_locked(const oauth::LoginEndpoint& endpoint,
                                               const proxy::LoginText& text);
  proxy::Outcome<proxy::LoginStep> step_of(const Login& login, const std::string& mark);
  proxy::LoginReply answer_refresh(const oauth::LoginEndpoint& endpoint,
                                   const oauth::LoginRequest& request) const;
  proxy::Outcome<proxy::LoginStep> begin(const oauth::LoginEndpoint& endpoint,
                                         const proxy::LoginText& text, oauth::LoginRequest request);
  void note_passed(const vault::RequestIdentity& identity);
  bool offer(const std::string& mark, const Consent& to);
  void ask(const Around& around, const std::string& mark);
  void decided(const std::string& mark, vault::ApprovalState state);
  void refuse(const std::string& mark, proxy::Fault fault);
  void expire();
  void forget();
  void take_answer(const Around& around, const std::string& mark);
  proxy::Outcome<proxy::LoginReply> store_login(const Around& around, Login& login,
                                                const oauth::HttpAnswer& answer,
                                                oauth::Tokens tokens);
  [[nodiscard]] std::vector<std::string> in_state(State state);

  Options options_;
  const Clock& clock_;
  // Without it the catalogue is not even read: most runs need none. Set before the proxy starts.
  bool watching_;
  std::mutex mutex_;
  Logins logins_;                                                  // guarded by mutex_
  std::vector<Known> known_;                                       // guarded by mutex_; newest last
  std::set<std::pair<std::string, std::string>> passed_;           // guarded by mutex_
  std::vector<std::pair<std::string, std::string>> placeholders_;  // of the owner's thread
};

}  // namespace av::cmd
