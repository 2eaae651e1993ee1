#pragma once
// Fetcher: has values of external stores for whoever asks, from memory when they are there. One
// question to a store for each item, however many ask; stores are asked side by side, so that a
// slow one holds up nobody but those who need it. Leases of what is in use are renewed, and given
// back at the end.
//
// Threads are started when there is something to ask. All methods may be called from any thread and
// return at once, but for the destructor, which gives leases back and waits for what is under way.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "source/fetch_table.h"
#include "source/provider.h"
#include "vault/external.h"

namespace av::source {

class Fetcher {
 public:
  // How a question to a store went. Called from the fetcher's threads.
  struct Event {
    std::string store_uid;
    vault::SourceQuery query;        // whose answer it was; empty for a renewal
    std::optional<Failure> failure;  // none: it went well
    std::string what;                // "fetch", "renew", "revoke"
    bool left = false;               // of a lease of somebody else, who is gone
  };
  struct Options {
    // The store as it is paired now. On a thread of the fetcher's.
    std::function<Result<std::shared_ptr<Provider>>(const std::string& store_uid)> open;
    std::function<void(const Event&)> note;  // may be empty
    // How long an answer waits for that of a store that is preferred to it.
    Millis grace{500};
    std::size_t threads_of_store = 4;
    std::size_t most_threads = 32;
    // Questions to one store that may wait for a thread; more are refused as kBusy.
    std::size_t most_waiting = 256;
    // For giving leases back at the end.
    Millis farewell{5'000};
  };
  // `clock` must outlive it.
  Fetcher(Options options, const Clock& clock);
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  using Done = std::function<void(vault::FetchResult)>;
  // `done` is called once, from a thread of the fetcher's or from this one.
  void fetch(const vault::SourceQuery& query, Done done);
  // What is paired now, with how often: what was paired anew or not at all any more is forgotten,
  // its leases are given back, and what is being asked of it is asked again.
  void set_stores(const std::map<std::string, std::uint64_t, std::less<>>& revisions);
  // Gives back a lease that another process has left. Not at the end: it is noted, and somebody
  // else will.
  void give_back(const std::string& store_uid, const Lease& lease);
  // Does what has become due. Its own thread calls it; whoever moves the clock may as well.
  void look();

  struct Counts {
    std::uint64_t hits = 0;       // answered from memory
    std::uint64_t misses = 0;     // not: a store had to be asked
    std::uint64_t asked = 0;      // questions to stores
    std::uint64_t failed = 0;     // of those
    std::uint64_t cooldowns = 0;  // failures after which a store is left alone
    std::uint64_t leases = 0;     // open now
  };
  [[nodiscard]] Counts counts() const;
  // Of one store.
  struct State {
    std::size_t leases = 0;     // open
    std::int64_t rests_ms = 0;  // it has failed and is not asked for this long
  };
  [[nodiscard]] State state_of(const std::string& store_uid) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace av::source
