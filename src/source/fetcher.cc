#include "source/fetcher.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "source/fetch_race.h"
#include "vault/host_reference.h"

namespace av::source {
namespace {

using Outcome = FetchRace::Outcome;

// The clock may jump, and stores may be forgotten: looked at this often at least.
constexpr Millis kLook{15'000};
// In front of the name of a host where an item would be: the store tells which item it is.
constexpr char kHostMark = '\n';

Failure ends() {
  return failure(Failure::Why::kUnreachable, "the program ends");
}

Failure no_thread() {
  return failure(Failure::Why::kUnreachable, "there is no thread to ask the store with",
                 "look at the limits of processes and threads: ulimit -u");
}

// What is asked for. Empty: the host is none that may stand in a reference.
std::string item_for(const std::string& item, const std::string& host) {
  if (item.empty()) {
    return kHostMark + host;
  }
  return vault::names_host(item) ? vault::fill_host(item, host) : item;
}

Failure no_name() {
  return failure(Failure::Why::kNotFound, "there is no item for a host that is no name");
}

Failure too_many() {
  Failure out = failure(Failure::Why::kBusy, "too many questions wait for this store already");
  out.retry_ms = 1'000;
  return out;
}

}  // namespace

struct Fetcher::Impl {
  struct Runner {
    std::shared_ptr<FetchRace> race;
    std::size_t choice = 0;
  };
  struct Task {
    std::string store_uid;
    std::function<void()> work;
    bool gives_back = false;  // done at the end, too
    // For what has had an answer before, one thread of each store is kept free: who asks for what
    // never comes must not keep the others from what works.
    bool proven = true;
  };
  using ProviderPtr = std::shared_ptr<Provider>;
  // A store as it was paired when somebody began to ask it.
  struct Opened {
    Result<ProviderPtr> provider;
    std::uint64_t revision = 0;
  };
  // What is to be told once the lock is not held any more.
  struct Telling {
    Done done;
    vault::FetchResult result;
  };

  Impl(Options given, const Clock& the_clock) : options(std::move(given)), clock(the_clock) {}

  [[nodiscard]] std::int64_t now_ms() const {
    return std::chrono::duration_cast<Millis>(clock.steady().time_since_epoch()).count();
  }

  bool enqueue(Task task);
  void work();
  bool start_keeper();
  void keep();
  std::deque<Task>::iterator next_task();
  [[nodiscard]] std::uint64_t revision_of(const std::string& uid) const;
  [[nodiscard]] bool is_full(const std::string& uid) const;
  Opened open(const std::string& uid);
  bool ask_soon(const ItemName& name);
  void ask(const ItemName& name);
  // `by`: null when it is the store as it is paired now.
  void give_back_soon(const FetchTable::Due& due, ProviderPtr by = nullptr);
  void give_back(const FetchTable::Due& due, const ProviderPtr& by, bool left = false);
  void renew(const FetchTable::Due& due);
  void finish(const ItemName& name, const Opened& from, Result<Record> result);
  bool finish_locked(const ItemName& name, const Opened& from, Result<Record> result, Event& event,
                     std::vector<Telling>& tellings);
  void note(Event event) const;
  void settle(const std::shared_ptr<FetchRace>& race, std::vector<Telling>& tellings);
  static void tell(std::vector<Telling>& tellings);

  Options options;
  const Clock& clock;
  mutable std::mutex mutex;
  std::condition_variable changed;       // there is a task, or the end
  std::condition_variable keeper_wakes;  // there is something to wait for, or the end
  std::condition_variable less_to_do;    // a task was finished
  FetchTable table;                      // guarded by mutex, as is all that follows
  std::map<ItemName, std::vector<Runner>> flights;
  std::vector<std::shared_ptr<FetchRace>> waiting;  // races with decide_ms
  std::map<std::string, std::shared_ptr<Provider>, std::less<>> providers;
  std::map<std::string, std::uint64_t, std::less<>> revisions;
  std::deque<Task> tasks;
  std::map<std::string, std::size_t, std::less<>> queued;  // of those, by store
  struct Load {
    std::size_t all = 0;
    std::size_t unproven = 0;
  };
  std::map<std::string, Load, std::less<>> running;  // tasks under way, by store
  std::vector<std::thread> threads;
  std::thread keeper;
  std::size_t idle = 0;
  Counts counts;
  std::int64_t sweep_ms = 0;
  bool farewell = false;  // nothing new is fetched
  bool stopping = false;
};

void Fetcher::Impl::note(Event event) const {
  if (options.note) {
    options.note(event);
  }
}

// -- threads

// False: nobody will ever do it. Under a limit of threads those that there are do everything.
bool Fetcher::Impl::enqueue(Task task) {
  if (stopping) {
    return false;  // whoever joins the threads has counted them
  }
  if (idle <= tasks.size() && threads.size() < options.most_threads) {
    try {
      threads.emplace_back([this] { work(); });
      ::pthread_setname_np(threads.back().native_handle(), "av-fetch");
    } catch (const std::system_error&) {
      // An agent may have used up what this user may have.
    }
  }
  if (threads.empty()) {
    return false;
  }
  ++queued[task.store_uid];
  tasks.push_back(std::move(task));
  changed.notify_one();
  return true;
}

bool Fetcher::Impl::is_full(const std::string& uid) const {
  const auto found = queued.find(uid);
  return found != queued.end() && found->second >= options.most_waiting;
}

// The first whose store is not busy enough already.
std::deque<Fetcher::Impl::Task>::iterator Fetcher::Impl::next_task() {
  return std::find_if(tasks.begin(), tasks.end(), [&](const Task& task) {
    const auto now = running.find(task.store_uid);
    return now == running.end() ||
           (now->second.all < options.threads_of_store &&
            (task.proven || now->second.unproven + 1 < options.threads_of_store));
  });
}

void Fetcher::Impl::work() {
  std::unique_lock lock(mutex);
  for (;;) {
    auto next = next_task();
    while (!stopping && next == tasks.end()) {
      ++idle;
      changed.wait(lock);
      --idle;
      next = next_task();
    }
    if (stopping) {
      return;
    }
    Task task = std::move(*next);
    tasks.erase(next);
    if (--queued[task.store_uid] == 0) {
      queued.erase(task.store_uid);
    }
    Load& load = running[task.store_uid];  // it stays where it is: the others have their own
    ++load.all;
    load.unproven += task.proven ? 0 : 1;
    lock.unlock();
    task.work();
    task.work = nullptr;
    lock.lock();
    load.unproven -= task.proven ? 0 : 1;
    if (--load.all == 0) {
      running.erase(task.store_uid);
    }
    less_to_do.notify_all();
    changed.notify_one();  // a task of this store may go on
  }
}

bool Fetcher::Impl::start_keeper() {
  if (keeper.joinable()) {
    return true;
  }
  try {
    keeper = std::thread([this] { keep(); });
  } catch (const std::system_error&) {
    return false;
  }
  ::pthread_setname_np(keeper.native_handle(), "av-fetch-time");
  return true;
}

// Waits for what has a time.
void Fetcher::Impl::keep() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    const std::int64_t now = now_ms();
    std::int64_t next = sweep_ms;
    for (const auto& race : waiting) {
      next = std::min(next, race->decide_ms);
    }
    if (const auto due = table.next_due()) {
      next = std::min(next, *due);
    }
    if (next > now) {
      keeper_wakes.wait_for(lock, std::min(Millis(next - now), kLook));
      continue;
    }
    std::vector<Telling> tellings;
    const auto races = waiting;
    for (const auto& race : races) {
      settle(race, tellings);
    }
    for (const FetchTable::Due& due : table.due(now)) {
      (void)enqueue({due.name.store_uid, [this, due] { renew(due); }});
    }
    for (const FetchTable::Due& due : table.sweep(now)) {
      give_back_soon(due);
    }
    sweep_ms = now + kLook.count();
    lock.unlock();
    tell(tellings);
    lock.lock();
  }
}

// -- asking

std::uint64_t Fetcher::Impl::revision_of(const std::string& uid) const {
  const auto found = revisions.find(uid);
  return found == revisions.end() ? 0 : found->second;
}

Fetcher::Impl::Opened Fetcher::Impl::open(const std::string& uid) {
  std::uint64_t revision = 0;
  {
    const std::lock_guard lock(mutex);
    revision = revision_of(uid);
    const auto found = providers.find(uid);
    if (found != providers.end()) {
      return {found->second, revision};
    }
  }
  auto opened = options.open(uid);
  if (!opened) {
    return {opened.error(), revision};
  }
  const std::lock_guard lock(mutex);
  if (revision_of(uid) != revision) {
    return {std::move(*opened), revision};  // it may be what was paired before: for this once
  }
  return {providers.try_emplace(uid, std::move(*opened)).first->second, revision};
}

bool Fetcher::Impl::ask_soon(const ItemName& name) {
  return enqueue({name.store_uid, [this, name] { ask(name); }, /*gives_back=*/false,
                  table.has_answered(name)});
}

void Fetcher::Impl::ask(const ItemName& name) {
  const Opened from = open(name.store_uid);
  const auto fetched = [&]() -> Result<Record> {
    if (!from.provider) {
      return from.provider.error();
    }
    Provider& provider = **from.provider;
    if (name.item.front() != kHostMark) {
      return provider.fetch(name.item);
    }
    const std::string item = provider.item_of_host(std::string_view(name.item).substr(1));
    if (item.empty()) {
      return failure(Failure::Why::kNotFound, "the store has nothing for this host");
    }
    return provider.fetch(item);
  };
  finish(name, from, fetched());
}

void Fetcher::Impl::finish(const ItemName& name, const Opened& from, Result<Record> result) {
  std::vector<Telling> tellings;
  Event event;
  event.store_uid = name.store_uid;
  event.what = "fetch";
  bool counts_for_it = false;
  {
    const std::lock_guard lock(mutex);
    counts_for_it = finish_locked(name, from, std::move(result), event, tellings);
    keeper_wakes.notify_one();
  }
  tell(tellings);
  if (counts_for_it) {
    note(std::move(event));
  }
}

// False: the store was paired anew meanwhile. What it said before says nothing of it now.
bool Fetcher::Impl::finish_locked(const ItemName& name, const Opened& from, Result<Record> result,
                                  Event& event, std::vector<Telling>& tellings) {
  const std::int64_t now = now_ms();
  ++counts.asked;
  // At the end nobody will use it; and a lease must be given back by whoever got it.
  const bool outdated = revision_of(name.store_uid) != from.revision;
  if (result && result->lease && (outdated || farewell)) {
    give_back_soon({name, *result->lease}, *from.provider);
  }
  if (outdated && flights.contains(name) && ask_soon(name)) {
    return false;
  }
  std::optional<Outcome> outcome;
  if (!result) {
    ++counts.failed;
    event.failure = result.error();
    outcome = Outcome(result.error());
    if (!outdated) {
      table.failed(name, result.error(), now);
      counts.cooldowns += table.rests_ms(name.store_uid, now) > 0 ? 1 : 0;
    }
  } else if (outdated || farewell) {
    outcome = Outcome(ends());
  } else {
    if (const auto replaced = table.found(name, std::move(*result), now)) {
      give_back_soon({name, *replaced});
    }
    outcome = Outcome(table.record_of(name));
  }
  std::vector<Runner> runners;
  if (const auto flight = flights.find(name); flight != flights.end()) {
    runners = std::move(flight->second);
    flights.erase(flight);
  }
  if (!runners.empty()) {
    event.query = runners.front().race->query;
  }
  for (const Runner& runner : runners) {
    runner.race->outcomes[runner.choice] = *outcome;
    settle(runner.race, tellings);
  }
  return !outdated;
}

void Fetcher::Impl::renew(const FetchTable::Due& due) {
  const auto from = open(due.name.store_uid).provider;
  Result<Lease> renewed = from ? (*from)->renew(due.lease) : Result<Lease>(from.error());
  Event event;
  event.store_uid = due.name.store_uid;
  event.what = "renew";
  {
    const std::lock_guard lock(mutex);
    if (renewed) {
      table.renewed(due.name, *renewed, now_ms());
    } else {
      table.not_renewed(due.name);
      event.failure = renewed.error();
    }
    keeper_wakes.notify_one();
  }
  note(std::move(event));
}

void Fetcher::Impl::give_back_soon(const FetchTable::Due& due, ProviderPtr by) {
  (void)enqueue({due.name.store_uid, [this, due, by = std::move(by)] { give_back(due, by); },
                 /*gives_back=*/true});
}

void Fetcher::Impl::give_back(const FetchTable::Due& due, const ProviderPtr& by, bool left) {
  const auto from = by != nullptr ? Result<ProviderPtr>(by) : open(due.name.store_uid).provider;
  const Result<void> revoked = from ? (*from)->revoke(due.lease) : Result<void>(from.error());
  Event event;
  event.store_uid = due.name.store_uid;
  event.what = "revoke";
  event.left = left;
  if (!revoked) {
    event.failure = revoked.error();
  }
  note(std::move(event));
}

// -- deciding

void Fetcher::Impl::settle(const std::shared_ptr<FetchRace>& race, std::vector<Telling>& tellings) {
  if (race->over) {
    return;
  }
  const std::int64_t now = now_ms();
  FetchRace::Decision decision = race->decide(now);
  if (decision.result) {
    race->over = true;
    std::erase(waiting, race);
    tellings.push_back({std::move(race->done), std::move(*decision.result)});
    return;
  }
  // From an answer on that could be used: an item without the field that is wanted is none.
  if (decision.in_grace && race->decide_ms == 0) {
    race->decide_ms = now + options.grace.count();
    waiting.push_back(race);
    keeper_wakes.notify_one();
  }
}

void Fetcher::Impl::tell(std::vector<Telling>& tellings) {
  for (Telling& telling : tellings) {
    telling.done(std::move(telling.result));
  }
}

// -- Fetcher

Fetcher::Fetcher(Options options, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {
  impl_->sweep_ms = impl_->now_ms() + kLook.count();
}

Fetcher::~Fetcher() {
  Impl& impl = *impl_;
  std::vector<Impl::Telling> tellings;
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(impl.mutex);
    impl.farewell = true;
    for (auto& [name, runners] : impl.flights) {
      for (const Impl::Runner& runner : runners) {
        if (!std::exchange(runner.race->over, true)) {
          tellings.push_back({std::move(runner.race->done), ends()});
        }
      }
    }
    impl.flights.clear();
    impl.waiting.clear();
    std::erase_if(impl.tasks, [](const Impl::Task& task) { return !task.gives_back; });
  }
  Impl::tell(tellings);
  {
    std::unique_lock lock(impl.mutex);
    for (const FetchTable::Due& due : impl.table.leases()) {
      impl.give_back_soon(due);
    }
    // Of the real clock: nobody moves another one now.
    impl.less_to_do.wait_for(lock, impl.options.farewell,
                             [&] { return impl.tasks.empty() && impl.running.empty(); });
    impl.stopping = true;
    threads.swap(impl.threads);
  }
  impl.changed.notify_all();
  impl.keeper_wakes.notify_all();
  for (std::thread& thread : threads) {
    thread.join();
  }
  if (impl.keeper.joinable()) {
    impl.keeper.join();
  }
}

void Fetcher::fetch(const vault::SourceQuery& query, Done done) {
  Impl& impl = *impl_;
  std::vector<Impl::Telling> tellings;
  {
    const std::lock_guard lock(impl.mutex);
    auto race = std::make_shared<FetchRace>();
    race->query = query;
    race->done = std::move(done);
    race->outcomes.resize(query.choices.size());
    if (impl.farewell || query.choices.empty()) {
      race->over = true;
      tellings.push_back({std::move(race->done), ends()});
    } else if (!impl.start_keeper()) {
      race->over = true;
      tellings.push_back({std::move(race->done), no_thread()});
    }
    bool asks = false;
    for (std::size_t i = 0; i < query.choices.size() && !race->over; ++i) {
      const vault::SourceQuery::Choice& choice = query.choices[i];
      const ItemName name{choice.store_uid, item_for(choice.item, query.host)};
      if (name.item.empty()) {
        race->outcomes[i] = Outcome(no_name());
        continue;
      }
      const FetchTable::Look look = impl.table.look(name, impl.now_ms());
      if (const auto* const record = std::get_if<std::shared_ptr<const KeptRecord>>(&look)) {
        race->outcomes[i] = Outcome(*record);
      } else if (const auto* const failed = std::get_if<Failure>(&look)) {
        race->outcomes[i] = Outcome(*failed);
      } else if (const auto flight = impl.flights.find(name); flight != impl.flights.end()) {
        asks = true;
        flight->second.push_back({race, i});
      } else if (impl.is_full(name.store_uid)) {
        race->outcomes[i] = Outcome(too_many());
      } else if (!impl.ask_soon(name)) {
        race->outcomes[i] = Outcome(no_thread());
      } else {
        asks = true;
        impl.flights[name].push_back({race, i});
      }
    }
    ++(asks ? impl.counts.misses : impl.counts.hits);
    impl.settle(race, tellings);
  }
  Impl::tell(tellings);
}

void Fetcher::set_stores(const std::map<std::string, std::uint64_t, std::less<>>& revisions) {
  Impl& impl = *impl_;
  const std::lock_guard lock(impl.mutex);
  for (const auto& [uid, revision] : impl.revisions) {
    const auto now = revisions.find(uid);
    if (now != revisions.end() && now->second == revision) {
      continue;
    }
    if (const auto provider = impl.providers.find(uid); provider != impl.providers.end()) {
      for (const FetchTable::Due& due : impl.table.leases(uid)) {
        impl.give_back_soon(due, provider->second);
      }
      impl.providers.erase(provider);
    }
    impl.table.forget_store(uid);
  }
  impl.revisions = revisions;
}

void Fetcher::give_back(const std::string& store_uid, const Lease& lease) {
  Impl& impl = *impl_;
  const std::lock_guard lock(impl.mutex);
  if (!impl.farewell) {
    const FetchTable::Due due{{store_uid, {}}, lease};
    (void)impl.enqueue({store_uid, [&impl, due] { impl.give_back(due, nullptr, /*left=*/true); },
                        /*gives_back=*/false, /*proven=*/false});
  }
}

void Fetcher::look() {
  const std::lock_guard lock(impl_->mutex);  // or the keeper may be about to wait
  impl_->keeper_wakes.notify_all();
}

Fetcher::State Fetcher::state_of(const std::string& store_uid) const {
  const std::lock_guard lock(impl_->mutex);
  return {impl_->table.leases(store_uid).size(), impl_->table.rests_ms(store_uid, impl_->now_ms())};
}

Fetcher::Counts Fetcher::counts() const {
  const std::lock_guard lock(impl_->mutex);
  Counts out = impl_->counts;
  out.leases = impl_->table.leases().size();
  return out;
}

}  // namespace av::source
