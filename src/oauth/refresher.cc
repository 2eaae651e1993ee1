#include "oauth/refresher.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "oauth/refresh_attempt.h"

namespace av::oauth {
namespace {

using vault::RefreshReason;
using vault::RefreshRefusal;
using vault::TokenName;

// The clock may jump: what is due is looked at this often at least.
constexpr Millis kLook{15'000};
// After an attempt of our own that failed, on top of the store's back-off.
constexpr std::int64_t kAgainMs = 5'000;

}  // namespace

struct Refresher::Impl {
  struct Flight {
    std::uint64_t known = 0;
    RefreshReason reason = RefreshReason::kDue;
    std::vector<Done> waiting;
  };
  struct Use {
    std::uint64_t version = 0;
    vault::TokenTimes times;
    std::int64_t used_ms = 0;   // steady
    std::int64_t after_ms = 0;  // wall clock: not before
  };

  Impl(Options given, const Clock& wall_clock) : options(std::move(given)), clock(wall_clock) {}

  [[nodiscard]] std::int64_t steady_ms() const {
    return std::chrono::duration_cast<Millis>(clock.steady().time_since_epoch()).count();
  }
  void start_threads();
  void work();
  std::optional<TokenName> next_due();
  void begin(const TokenName& name, Flight flight);
  void finish(const TokenName& name, const AttemptOutcome& outcome);
  void tell_waiting(const TokenName& name, const vault::RefreshResult& result);
  bool pause(Millis time);

  Options options;
  const Clock& clock;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<TokenName> queue;          // guarded by mutex
  std::map<TokenName, Flight> flights;  // guarded by mutex; queued or under way
  std::map<TokenName, Use> uses;        // guarded by mutex
  std::vector<std::thread> threads;     // guarded by mutex until stopping
  bool stopping = false;                // guarded by mutex
};

namespace {

vault::RefreshResult copy_of(const vault::RefreshResult& result) {
  return result ? vault::RefreshResult(*result) : vault::RefreshResult(unexpected(result.error()));
}

}  // namespace

Refresher::Refresher(Options options, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}

Refresher::~Refresher() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    threads.swap(impl_->threads);
  }
  impl_->changed.notify_all();
  for (std::thread& thread : threads) {
    thread.join();
  }
  // Whoever was never begun.
  for (const TokenName& name : impl_->queue) {
    impl_->tell_waiting(
        name, unexpected(RefreshRefusal{RefreshRefusal::Why::kFailed, "the program ends"}));
  }
}

void Refresher::Impl::start_threads() {
  while (threads.size() < static_cast<std::size_t>(options.threads)) {
    threads.emplace_back([this] { work(); });
  }
}

void Refresher::refresh(const TokenName& name, std::uint64_t known, RefreshReason reason,
                        Done done) {
  Impl& impl = *impl_;
  {
    const std::lock_guard lock(impl.mutex);
    if (!impl.stopping) {
      impl.start_threads();
      const auto flying = impl.flights.find(name);
      if (flying != impl.flights.end()) {
        flying->second.waiting.push_back(std::move(done));
        return;
      }
      Impl::Flight flight{known, reason, {}};
      flight.waiting.push_back(std::move(done));
      impl.begin(name, std::move(flight));
      return;
    }
  }
  done(unexpected(RefreshRefusal{RefreshRefusal::Why::kFailed, "the program ends"}));
}

void Refresher::Impl::begin(const TokenName& name, Flight flight) {
  flights.emplace(name, std::move(flight));
  queue.push_back(name);
  changed.notify_all();
}

void Refresher::in_use(const TokenName& name, std::uint64_t version,
                       const vault::TokenTimes& times) {
  if (times.expires_ms == 0 || !times.refreshable) {
    return;
  }
  Impl& impl = *impl_;
  const std::lock_guard lock(impl.mutex);
  Impl::Use& use = impl.uses[name];
  use.used_ms = impl.steady_ms();
  if (version >= use.version) {
    use.version = version;
    use.times = times;
  }
  if (!impl.stopping && impl.threads.empty()) {
    impl.start_threads();
  }
}

// Of those in use, one that should be replaced now.
std::optional<TokenName> Refresher::Impl::next_due() {
  const std::int64_t wall = clock.wall_ms();
  const std::int64_t steady = steady_ms();
  std::erase_if(uses, [&](const auto& use) { return steady - use.second.used_ms >= kInUseMs; });
  for (const auto& [name, use] : uses) {
    const bool wanted = use.times.due(wall) && use.times.refreshable && !use.times.reconnect &&
                        wall >= std::max(use.times.retry_ms, use.after_ms);
    if (wanted && flights.find(name) == flights.end()) {
      return name;
    }
  }
  return std::nullopt;
}

bool Refresher::Impl::pause(Millis time) {
  std::unique_lock lock(mutex);
  return !changed.wait_for(lock, time, [this] { return stopping; });
}

void Refresher::Impl::tell_waiting(const TokenName& name, const vault::RefreshResult& result) {
  std::vector<Done> waiting;
  {
    const std::lock_guard lock(mutex);
    const auto flight = flights.find(name);
    if (flight != flights.end()) {
      waiting.swap(flight->second.waiting);
    }
  }
  for (const Done& done : waiting) {
    done(copy_of(result));
  }
}

void Refresher::Impl::finish(const TokenName& name, const AttemptOutcome& outcome) {
  std::vector<Done> waiting;
  {
    const std::lock_guard lock(mutex);
    const auto flight = flights.find(name);
    waiting.swap(flight->second.waiting);
    flights.erase(flight);
    const auto use = uses.find(name);
    if (use != uses.end()) {
      if (outcome.result) {
        use->second.version = outcome.result->version;
        use->second.times.expires_ms = outcome.result->expires_ms;
        use->second.times.issued_ms = outcome.result->issued_ms;
        use->second.after_ms = 0;
      } else {
        using Why = RefreshRefusal::Why;
        const Why why = outcome.result.error().why;
        use->second.times.reconnect = why == Why::kReconnect || why == Why::kGone;
        use->second.after_ms = clock.wall_ms() + kAgainMs;
      }
    }
  }
  if (options.note && outcome.attempted) {
    Event event{name, outcome.result.has_value(), outcome.code, {}};
    if (!outcome.result) {
      event.message = outcome.words.empty() ? outcome.result.error().message : outcome.words;
    }
    options.note(event);
  }
  for (const Done& done : waiting) {
    done(copy_of(outcome.result));
  }
}

void Refresher::Impl::work() {
  std::unique_ptr<vault::TokenStore> store;
  std::unique_ptr<HttpPort> http;
  for (;;) {
    TokenName name;
    std::uint64_t known = 0;
    RefreshReason reason = RefreshReason::kDue;
    {
      std::unique_lock lock(mutex);
      while (!stopping && queue.empty()) {
        if (const std::optional<TokenName> due = next_due()) {
          begin(*due, Flight{uses.at(*due).version, RefreshReason::kDue, {}});
          break;
        }
        changed.wait_for(lock, kLook);
      }
      if (stopping) {
        return;
      }
      name = std::move(queue.front());
      queue.pop_front();
      const Flight& flight = flights.at(name);
      known = flight.known;
      reason = flight.reason;
    }
    const auto impossible = [&](const Error& why) {
      finish(name,
             AttemptOutcome{unexpected(RefreshRefusal{RefreshRefusal::Why::kFailed, why.message}),
                            "unavailable",
                            {},
                            false});
    };
    if (store == nullptr) {
      auto opened = options.open_store();
      if (!opened) {
        impossible(opened.error());
        continue;
      }
      store = std::move(*opened);
    }
    if (http == nullptr) {
      auto opened = options.open_http();
      if (!opened) {
        impossible(opened.error());
        continue;
      }
      http = std::move(*opened);
    }
    const RefreshTools tools{
        *store,
        *http,
        clock,
        [this](Millis time) { return pause(time); },
        options.poll,
        options.store_again,
        [&](const RefreshRefusal& refusal) { tell_waiting(name, unexpected(refusal)); }};
    finish(name, attempt_refresh(tools, name, known, reason));
  }
}

}  // namespace av::oauth
