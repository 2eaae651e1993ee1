#pragma once
// StoreKeeper: what the proxy asks for values of external stores, and what it costs a program that
// has none: nothing. Its own connection to the store is opened by the thread that owns the store,
// at the first snapshot that needs it; `serve`, whose API asks for stores as well, opens it at
// once.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/store_port.h"
#include "cmd/command.h"
#include "cmd/lease_book.h"
#include "cmd/paired_store.h"
#include "cmd/store_meter.h"
#include "proxy/value_source.h"
#include "source/fetcher.h"
#include "store/store.h"
#include "vault/policy.h"

namespace av::cmd {

class StoreKeeper final : public proxy::ValueSource, public api::StorePort {
 public:
  // `clock` must outlive it.
  StoreKeeper(proxy::NetOptions net, fs::Paths paths, const Clock& clock)
      : net_(std::move(net)),
        paths_(std::move(paths)),
        clock_(clock),
        meter_(clock),
        leases_(paths_, clock, [this](const auto& use) { with_store(use); }) {}
  ~StoreKeeper() override { stop(); }
  StoreKeeper(const StoreKeeper&) = delete;
  StoreKeeper& operator=(const StoreKeeper&) = delete;
  // For a run without isolation, before anything else: see StoreReach::uncovered.
  void allow_uncovered() { uncovered_ = true; }

  // By the thread that owns the store: its own connection, before anybody has asked.
  [[nodiscard]] Status open_store(store::Store& store);

  // By the thread that owns the store, with each snapshot before it is published.
  [[nodiscard]] Status prepare(const vault::PolicySnapshot& snapshot, store::Store& store);
  // Notes in the store and on the log what has happened since the last call. By the same thread.
  void note_events(Context& context);
  // Gives leases back and waits for what is under way; nothing is fetched from then on.
  void stop();
  [[nodiscard]] source::Fetcher::Counts counts();
  // Prometheus' text form. From any thread.
  [[nodiscard]] std::string metrics();

  // From any thread.
  void fetch(const vault::SourceQuery& query, Done done) override;
  Opened make(const vault::ExternalStore& store, vault::StoreSecrets secrets, Keep keep) override;
  Opened open(const std::string& uid) override;
  api::StoreHealth health(const std::string& uid) override;

 private:
  [[nodiscard]] std::shared_ptr<source::Fetcher> fetcher();
  void with_store(const std::function<void(store::Store&)>& use);
  // What killed processes have left, at most once a minute.
  void give_back_left();
  // Of every vault, by uid, with how often it was paired.
  [[nodiscard]] std::map<std::string, std::uint64_t, std::less<>> all_stores() const;

  proxy::NetOptions net_;
  fs::Paths paths_;
  bool uncovered_ = false;
  const Clock& clock_;
  std::mutex mutex_;
  std::shared_ptr<source::Fetcher> fetcher_;    // guarded by mutex_
  std::vector<source::Fetcher::Event> events_;  // guarded by mutex_
  // The stores of each vault: its uid -> uid of the store -> how often it was paired.
  std::map<std::string, std::map<std::string, std::uint64_t, std::less<>>> stores_;
  std::mutex store_mutex_;
  std::unique_ptr<store::Store> store_;  // guarded by store_mutex_
  // Those that somebody has open, with when they were paired: guarded by store_mutex_.
  struct Live {
    std::int64_t paired_ms = 0;
    std::weak_ptr<source::Provider> provider;
  };
  std::map<std::string, Live, std::less<>> live_;
  StoreMeter meter_;
  LeaseBook leases_;
  std::int64_t next_look_ms_ = 0;             // of the steady clock
  std::map<std::string, std::string> noted_;  // by store: what was noted last
};

}  // namespace av::cmd
