#include "cmd/store_keeper.h"

#include <chrono>
#include <utility>

#include "cmd/output.h"
#include "vault/host_reference.h"

namespace av::cmd {
namespace {

// More than anybody will look at, should nobody take them for long.
constexpr std::size_t kMostEvents = 1000;
constexpr Millis kLookForLeft{60'000};

}  // namespace

Status StoreKeeper::prepare(const vault::PolicySnapshot& snapshot, store::Store& store) {
  if (snapshot.stores.empty() && stores_.find(snapshot.vault_uid) == stores_.end()) {
    return {};
  }
  stores_[snapshot.vault_uid] = snapshot.stores;
  AV_CHECK(open_store(store));
  const auto all = all_stores();
  std::shared_ptr<source::Fetcher> fetcher;
  {
    const std::lock_guard lock(mutex_);
    if (fetcher_ == nullptr) {
      source::Fetcher::Options options;
      options.open = [this](const std::string& uid) -> Opened {
        AV_TRY(auto provider, open(uid));
        return leases_.noted(std::move(provider), uid);
      };
      options.note = [this](const source::Fetcher::Event& event) {
        const std::lock_guard events_lock(mutex_);
        if (events_.size() < kMostEvents) {
          events_.push_back(event);
        }
      };
      fetcher_ = std::make_shared<source::Fetcher>(std::move(options), clock_);
    }
    fetcher = fetcher_;
  }
  fetcher->set_stores(all);
  meter_.keep_only(all);
  give_back_left();
  return {};
}

std::map<std::string, std::uint64_t, std::less<>> StoreKeeper::all_stores() const {
  std::map<std::string, std::uint64_t, std::less<>> out;
  for (const auto& [vault, stores] : stores_) {
    out.insert(stores.begin(), stores.end());
  }
  return out;
}

void StoreKeeper::with_store(const std::function<void(store::Store&)>& use) {
  const std::lock_guard lock(store_mutex_);
  if (store_ != nullptr) {
    use(*store_);
  }
}

void StoreKeeper::give_back_left() {
  const std::int64_t now =
      std::chrono::duration_cast<Millis>(clock_.steady().time_since_epoch()).count();
  const std::shared_ptr<source::Fetcher> by = fetcher();
  if (by == nullptr || now < next_look_ms_) {
    return;
  }
  next_look_ms_ = now + kLookForLeft.count();
  const auto ours = all_stores();
  for (const LeaseBook::Left& left :
       leases_.take_left([&](const std::string& uid) { return ours.contains(uid); })) {
    by->give_back(left.store_uid, left.lease);
  }
}

Status StoreKeeper::open_store(store::Store& store) {
  const std::lock_guard lock(store_mutex_);
  if (store_ == nullptr) {
    AV_TRY(store_, store.another());
  }
  return {};
}

// What asks at the same time shares one, for some stores know one channel at a time; what was
// opened before the store was paired anew goes on without the others.
StoreKeeper::Opened StoreKeeper::open(const std::string& uid) {
  const std::lock_guard lock(store_mutex_);
  if (store_ == nullptr) {
    return source::failure(source::Failure::Why::kUnreachable, "the program is not ready");
  }
  auto opened = store_->open_store(uid);
  if (!opened) {
    return failure_of(opened.error());
  }
  std::erase_if(live_, [](const auto& one) { return one.second.provider.expired(); });
  const std::int64_t paired_ms = opened->store.paired_ms;
  if (const auto live = live_.find(uid);
      live != live_.end() && live->second.paired_ms == paired_ms) {
    if (auto provider = live->second.provider.lock()) {
      return provider;
    }
  }
  StoreReach reach;
  reach.net = net_;
  reach.clock = &clock_;
  reach.paths = paths_;
  reach.uncovered = uncovered_;
  reach.keep = [this](const std::string& of, const vault::StoreSecrets& secrets) {
    const std::lock_guard keep_lock(store_mutex_);
    return store_->keep_store(of, secrets);
  };
  AV_TRY(auto provider, make_provider(opened->store, std::move(opened->secrets), reach));
  auto metered = meter_.metered(std::move(provider), uid, opened->store.kind);
  live_.insert_or_assign(uid, Live{paired_ms, metered});
  return metered;
}

StoreKeeper::Opened StoreKeeper::make(const vault::ExternalStore& store,
                                      vault::StoreSecrets secrets, Keep keep) {
  StoreReach reach;
  reach.net = net_;
  reach.clock = &clock_;
  reach.paths = paths_;
  reach.uncovered = uncovered_;
  reach.keep = [keep = std::move(keep)](const std::string& /*uid*/,
                                        const vault::StoreSecrets& kept) { return keep(kept); };
  return make_provider(store, std::move(secrets), reach);
}

api::StoreHealth StoreKeeper::health(const std::string& uid) {
  api::StoreHealth out = meter_.health(uid);
  if (const std::shared_ptr<source::Fetcher> keeper = fetcher()) {
    const source::Fetcher::State state = keeper->state_of(uid);
    out.leases = state.leases;
    out.rests_ms = state.rests_ms;
  }
  return out;
}

std::string StoreKeeper::metrics() {
  return meter_.text(counts());
}

void StoreKeeper::note_events(Context& context) {
  give_back_left();
  std::vector<source::Fetcher::Event> events;
  {
    const std::lock_guard lock(mutex_);
    events = std::exchange(events_, {});
  }
  using Why = source::Failure::Why;
  // The last word on each: a mapping that covers many hosts is found and not found in turn, as
  // often as an agent likes, and each change is a write to a disk.
  std::map<std::string, std::string> errors;
  std::map<std::pair<vault::SourceRef, std::string>, bool> missing;  // with the host
  for (const source::Fetcher::Event& event : events) {
    const bool answered = !event.failure || event.failure->why == Why::kNotFound;
    const std::string error = answered ? std::string() : event.failure->message;
    errors[event.store_uid] = error;
    for (const vault::SourceQuery::Choice& choice : event.query.choices) {
      if (answered && choice.store_uid == event.store_uid) {
        for (const std::string& field : choice.fields) {
          missing[{vault::SourceRef{choice.store_uid, choice.item, field},
                   vault::depends_on_host(choice.item) ? event.query.host : std::string()}] =
              event.failure.has_value();
        }
      }
    }
    // On the log when it begins to fail, when it fails otherwise, and when it works again; leases
    // always.
    std::string& before = noted_[event.store_uid];
    if (event.what == "fetch" && before == error) {
      continue;
    }
    before = event.what == "fetch" ? error : before;
    vault::AuditRecord record;
    record.time_ms = context.clock->wall_ms();
    record.event = "store." + event.what;
    record.decision = event.failure ? "error" : "allow";
    record.detail = event.failure ? event.failure->message
                    : event.left  ? "left by a process that is gone"
                                  : "";
    record.error = event.failure ? std::string(vault::to_string(event.failure->why)) : "";
    record.credentials = event.query.keys;
    if (const auto stores = context.store->list_stores({})) {
      for (const auto& info : *stores) {
        if (info.store.uid == event.store_uid) {
          record.vault = info.vault;
          record.service = info.store.name;
        }
      }
    }
    if (const Status written = context.audit(record); !written) {
      warn(context,
           "what an external store did is not in the audit log: " + written.error().message);
    }
  }
  for (const auto& [uid, error] : errors) {
    (void)context.store->note_store(uid, error);
  }
  for (const auto& [what, is_missing] : missing) {
    (void)context.store->note_missing(what.first, what.second, is_missing);
  }
}

std::shared_ptr<source::Fetcher> StoreKeeper::fetcher() {
  const std::lock_guard lock(mutex_);
  return fetcher_;
}

void StoreKeeper::stop() {
  std::shared_ptr<source::Fetcher> last;
  {
    const std::lock_guard lock(mutex_);
    last = std::move(fetcher_);
    fetcher_.reset();
  }
  last.reset();
}

source::Fetcher::Counts StoreKeeper::counts() {
  const std::shared_ptr<source::Fetcher> keeper = fetcher();
  return keeper == nullptr ? source::Fetcher::Counts{} : keeper->counts();
}

void StoreKeeper::fetch(const vault::SourceQuery& query, Done done) {
  const std::shared_ptr<source::Fetcher> keeper = fetcher();
  if (keeper == nullptr) {
    done(source::failure(source::Failure::Why::kUnreachable, "the program ends"));
    return;
  }
  keeper->fetch(query, std::move(done));
}

}  // namespace av::cmd
