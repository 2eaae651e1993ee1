#pragma once
// Refresher: keeps access tokens fresh. Whoever needs one asks and is told; one attempt for each
// credential, however many ask, among the threads of this process by a table and among all
// processes by the lease of the store. An attempt goes on when those who asked are gone. Tokens in
// use are replaced before they end without being asked for.
//
// Threads are started at the first call; a program without OAuth credentials has none. All methods
// may be called from any thread and return at once, but for the destructor: an attempt that is
// under way is awaited (a provider's answer holds the only good refresh token), which takes no
// longer than the port takes.

#include <cstdint>
#include <functional>
#include <memory>

#include "core/clock.h"
#include "core/expected.h"
#include "oauth/http_port.h"
#include "vault/oauth_refresh.h"

namespace av::oauth {

class Refresher {
 public:
  // What was done, for the log. Called from the refresher's threads.
  struct Event {
    vault::TokenName name;
    bool refreshed = false;
    std::string code;     // when it was not: "invalid_grant", "not_stored"...
    std::string message;  // for people: may have the provider's own words
  };
  struct Options {
    // For each thread one, on its first use.
    std::function<Expected<std::unique_ptr<vault::TokenStore>>()> open_store;
    std::function<Expected<std::unique_ptr<HttpPort>>()> open_http;
    std::function<void(const Event&)> note;  // may be empty
    int threads = 4;
    Millis poll{50};            // between looks at a lease that somebody else has
    Millis store_again{1'000};  // between attempts to store what a provider gave
  };
  // `clock` must outlive it.
  Refresher(Options options, const Clock& clock);
  ~Refresher();
  Refresher(const Refresher&) = delete;
  Refresher& operator=(const Refresher&) = delete;

  using Done = std::function<void(vault::RefreshResult)>;
  // `done` is called once, from a thread of the refresher's or from this one.
  void refresh(const vault::TokenName& name, std::uint64_t known, vault::RefreshReason reason,
               Done done);
  // The token is in use now. Replaced without being asked as long as this was less than
  // kInUse ago.
  static constexpr std::int64_t kInUseMs = std::int64_t{30} * 60 * 1000;
  void in_use(const vault::TokenName& name, std::uint64_t version, const vault::TokenTimes& times);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace av::oauth
