#include "cmd/lease_book.h"

#include <optional>

namespace av::cmd {

using source::Failure;
using source::Lease;
using source::Record;
using source::Result;

namespace {

// What could not be given back is tried again after this long, by whoever is there.
constexpr std::int64_t kAgainMs = 5 * 60'000;
// A start is not held up by more; the next look takes the next ones.
constexpr std::size_t kMostAtOnce = 64;

}  // namespace

class NotedLeases final : public source::Provider {
 public:
  NotedLeases(LeaseBook& book, std::shared_ptr<source::Provider> provider, std::string store_uid)
      : book_(book), provider_(std::move(provider)), store_uid_(std::move(store_uid)) {}

  Result<source::About> pair() override { return provider_->pair(); }
  Result<source::About> test() override { return provider_->test(); }
  [[nodiscard]] std::string item_of_host(std::string_view host) const override {
    return provider_->item_of_host(host);
  }
  Result<std::vector<source::Listed>> list(const std::string& reference) override {
    return provider_->list(reference);
  }
  Result<void> disconnect() override { return provider_->disconnect(); }

  Result<Record> fetch(const std::string& item) override {
    auto record = provider_->fetch(item);
    if (!record || !record->lease) {
      return record;
    }
    if (const Status added = book_.add(store_uid_, *record->lease); !added) {
      (void)provider_->revoke(*record->lease);
      return source::failure(Failure::Why::kUnreachable,
                             "a lease could not be noted: " + added.error().message,
                             added.error().hint);
    }
    return record;
  }
  Result<Lease> renew(const Lease& lease) override {
    auto renewed = provider_->renew(lease);
    if (renewed) {
      book_.extend(store_uid_, *renewed);
    }
    return renewed;
  }
  Result<void> revoke(const Lease& lease) override {
    auto revoked = provider_->revoke(lease);
    // What the store does not know has ended.
    if (revoked || revoked.error().why == Failure::Why::kNotFound ||
        revoked.error().why == Failure::Why::kInvalid) {
      book_.remove(store_uid_, lease.id);
    }
    return revoked;
  }

 private:
  LeaseBook& book_;
  const std::shared_ptr<source::Provider> provider_;
  const std::string store_uid_;
};

std::shared_ptr<source::Provider> LeaseBook::noted(std::shared_ptr<source::Provider> provider,
                                                   std::string store_uid) {
  return std::make_shared<NotedLeases>(*this, std::move(provider), std::move(store_uid));
}

Expected<std::int64_t> LeaseBook::self() {
  const std::lock_guard lock(mutex_);
  if (self_ == nullptr) {
    AV_TRY(store::LeaseOwner made, store::LeaseOwner::make(paths_));
    self_ = std::make_unique<store::LeaseOwner>(std::move(made));
  }
  return self_->number();
}

Status LeaseBook::add(const std::string& store_uid, const Lease& lease) {
  AV_TRY(const std::int64_t owner, self());
  Expected<std::string> uid = make_error(ErrorCode::kInternal, "the program is not ready");
  with_store_([&](store::Store& store) {
    uid = store.add_lease(store_uid, lease.id, owner, clock_.wall_ms() + lease.life_ms);
  });
  if (!uid) {
    return uid.error();
  }
  const std::lock_guard lock(mutex_);
  uids_[{store_uid, lease.id}] = std::move(*uid);
  return {};
}

std::string LeaseBook::uid_of(const std::string& store_uid, const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = uids_.find({store_uid, id});
  return found == uids_.end() ? std::string() : found->second;
}

void LeaseBook::extend(const std::string& store_uid, const Lease& lease) {
  if (const std::string uid = uid_of(store_uid, lease.id); !uid.empty()) {
    with_store_([&](store::Store& store) {
      (void)store.extend_lease(uid, clock_.wall_ms() + lease.life_ms);
    });
  }
}

void LeaseBook::remove(const std::string& store_uid, const std::string& id) {
  const std::string uid = uid_of(store_uid, id);
  if (uid.empty()) {
    return;
  }
  // What stays there by an error is given back once more, which does no harm.
  with_store_([&](store::Store& store) { (void)store.remove_lease(uid); });
  const std::lock_guard lock(mutex_);
  uids_.erase({store_uid, id});
}

std::vector<LeaseBook::Left> LeaseBook::take_left(
    const std::function<bool(const std::string& store_uid)>& wanted) {
  std::vector<Left> out;
  with_store_([&](store::Store& store) {
    const auto all = store.list_leases({});
    if (!all || all->empty()) {
      return;
    }
    const auto ours = self();
    if (!ours) {
      return;
    }
    const std::int64_t now = clock_.wall_ms();
    for (const auto& info : *all) {
      if (out.size() == kMostAtOnce) {
        return;
      }
      // A time that is further away than any that is written was written by another clock.
      const bool rests = now < info.retry_ms && info.retry_ms <= now + kAgainMs;
      if (rests || !wanted(info.store_uid)) {
        continue;
      }
      if (adopt(store, info, *ours, now + kAgainMs)) {
        open_left(store, info, out);
      }
    }
  });
  return out;
}

bool LeaseBook::adopt(store::Store& store, const LeaseInfo& info, std::int64_t ours,
                      std::int64_t retry_ms) {
  if (info.owner == ours) {
    // Our own is not left; one that was, and could not be given back, is tried again.
    return info.retry_ms != 0 && store.adopt_lease(info.uid, ours, ours, retry_ms).value_or(false);
  }
  // Held until it is written down whose it is now.
  const auto gone = store::LeaseOwner::take_over(paths_, info.owner);
  return gone && *gone && store.adopt_lease(info.uid, info.owner, ours, retry_ms).value_or(false);
}

void LeaseBook::open_left(store::Store& store, const LeaseInfo& info, std::vector<Left>& out) {
  auto id = store.open_lease(info.uid);
  if (!id) {
    if (id.error().code == ErrorCode::kCorrupt) {
      (void)store.remove_lease(info.uid);
    }
    return;
  }
  const std::lock_guard lock(mutex_);
  uids_[{info.store_uid, *id}] = info.uid;
  out.push_back({info.store_uid, Lease{std::move(*id), 0, false}});
}

std::size_t give_back_left(store::Store& store, const fs::Paths& paths, const Clock& clock,
                           const std::string& store_uid,
                           const std::shared_ptr<source::Provider>& provider) {
  LeaseBook book(paths, clock, [&](const auto& use) { use(store); });
  const auto noted = book.noted(provider, store_uid);
  std::size_t done = 0;
  for (const LeaseBook::Left& left :
       book.take_left([&](const std::string& uid) { return uid == store_uid; })) {
    done += noted->revoke(left.lease) ? 1 : 0;
  }
  return done;
}

Expected<std::size_t> count_left(store::Store& store, const fs::Paths& paths,
                                 const std::string& store_uid) {
  AV_TRY(const auto all, store.list_leases(store_uid));
  std::size_t out = 0;
  for (const auto& lease : all) {
    AV_TRY(const auto gone, store::LeaseOwner::take_over(paths, lease.owner));
    out += gone || lease.retry_ms != 0 ? 1 : 0;
  }
  return out;
}

}  // namespace av::cmd
