#pragma once
// TokenKeeper: what the proxy asks for fresh access tokens, and what it costs a program that has no
// OAuth credentials: nothing. The connections to the store that it needs are opened by the thread
// that owns the store, at the first snapshot that has such credentials.

#include <memory>
#include <mutex>
#include <vector>

#include "cmd/provider_http.h"
#include "core/clock.h"
#include "oauth/refresher.h"
#include "proxy/token_source.h"
#include "store/store.h"
#include "vault/policy.h"

namespace av::cmd {

class TokenKeeper final : public proxy::TokenSource {
 public:
  // `clock` must outlive it.
  TokenKeeper(Reach reach, int threads, const Clock& clock)
      : reach_(std::move(reach)), threads_(threads), clock_(clock) {}

  // By the thread that owns the store, before a snapshot with OAuth credentials is published; at
  // other times it does nothing.
  [[nodiscard]] Status prepare(const vault::PolicySnapshot& snapshot, store::Store& store);
  // The same, whatever a snapshot has: somebody may ask for the tokens of a vault that no agent
  // uses.
  [[nodiscard]] Status open(store::Store& store);
  // What has been done since the last call, for the log.
  [[nodiscard]] std::vector<oauth::Refresher::Event> take_events();
  // Waits for what is under way; nothing is done from then on.
  void stop();

  // From any thread.
  void refresh(const vault::TokenName& name, std::uint64_t known, vault::RefreshReason reason,
               Done done) override;
  void in_use(const vault::TokenName& name, std::uint64_t version,
              const vault::TokenTimes& times) override;

 private:
  [[nodiscard]] std::shared_ptr<oauth::Refresher> refresher();

  Reach reach_;
  int threads_;
  const Clock& clock_;
  std::mutex mutex_;
  std::shared_ptr<oauth::Refresher> refresher_;             // guarded by mutex_
  std::vector<std::unique_ptr<vault::TokenStore>> stores_;  // guarded by mutex_
  std::vector<oauth::Refresher::Event> events_;             // guarded by mutex_
};

}  // namespace av::cmd
