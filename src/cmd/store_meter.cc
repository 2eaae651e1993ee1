#include "cmd/store_meter.h"

#include <array>
#include <chrono>
#include <string_view>
#include <utility>

namespace av::cmd {
namespace {

using Why = source::Failure::Why;
using source::Result;

constexpr std::array kAllWhys = {Why::kNotFound,    Why::kDenied,  Why::kLocked,
                                 Why::kUnreachable, Why::kTimeout, Why::kBusy,
                                 Why::kMalformed,   Why::kRefused, Why::kInvalid};

// Passes on, and counts what is fetched.
class Metered final : public source::Provider {
 public:
  Metered(StoreMeter& meter, std::shared_ptr<source::Provider> of, std::string uid,
          std::string kind)
      : meter_(meter), of_(std::move(of)), uid_(std::move(uid)), kind_(std::move(kind)) {}

  Result<source::About> pair() override { return of_->pair(); }
  Result<source::About> test() override { return of_->test(); }
  Result<source::Record> fetch(const std::string& item) override {
    const auto began = meter_.clock().steady();
    auto record = of_->fetch(item);
    const auto took =
        std::chrono::duration_cast<std::chrono::microseconds>(meter_.clock().steady() - began);
    meter_.note(uid_, kind_, record ? nullptr : &record.error(), took.count());
    return record;
  }
  [[nodiscard]] std::string item_of_host(std::string_view host) const override {
    return of_->item_of_host(host);
  }
  Result<source::Lease> renew(const source::Lease& lease) override { return of_->renew(lease); }
  Result<void> revoke(const source::Lease& lease) override { return of_->revoke(lease); }
  Result<std::vector<source::Listed>> list(const std::string& reference) override {
    return of_->list(reference);
  }
  Result<void> disconnect() override { return of_->disconnect(); }

 private:
  StoreMeter& meter_;
  std::shared_ptr<source::Provider> of_;
  std::string uid_;
  std::string kind_;
};

class Text {
 public:
  void head(std::string_view name, std::string_view type, std::string_view help) {
    out_.append("# HELP agent_vault_").append(name).append(" ").append(help);
    out_.append("\n# TYPE agent_vault_").append(name).append(" ").append(type).append("\n");
  }
  void sample(std::string_view name, const std::string& labels, const std::string& value) {
    out_.append("agent_vault_").append(name).append(labels).append(" ").append(value).append("\n");
  }
  void single(std::string_view name, std::string_view type, std::string_view help,
              std::uint64_t value) {
    head(name, type, help);
    sample(name, "", std::to_string(value));
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

std::string label(std::string_view kind) {
  return "{kind=\"" + std::string(kind) + "\"}";
}

std::string seconds(std::int64_t us) {
  const std::string fraction = std::to_string(us % 1'000'000);
  return std::to_string(us / 1'000'000) + "." + std::string(6 - fraction.size(), '0') + fraction;
}

}  // namespace

std::shared_ptr<source::Provider> StoreMeter::metered(std::shared_ptr<source::Provider> provider,
                                                      std::string uid, std::string kind) {
  return std::make_shared<Metered>(*this, std::move(provider), std::move(uid), std::move(kind));
}

void StoreMeter::keep_only(const std::map<std::string, std::uint64_t, std::less<>>& stores) {
  const std::lock_guard lock(mutex_);
  std::erase_if(stores_, [&](const auto& one) { return !stores.contains(one.first); });
}

void StoreMeter::note(const std::string& uid, const std::string& kind,
                      const source::Failure* failure, std::int64_t took_us) {
  const std::lock_guard lock(mutex_);
  OfKind& of_kind = kinds_[kind];
  api::StoreHealth& store = stores_[uid];
  ++of_kind.asked;
  ++store.asked;
  of_kind.took_us += took_us;
  store.answer_us += took_us;
  store.last_failure.clear();
  if (failure == nullptr) {
    return;
  }
  ++of_kind.failed[static_cast<std::size_t>(failure->why)];
  if (failure->why == Why::kNotFound) {
    ++store.missing;
    return;
  }
  ++store.failed;
  store.last_failure = vault::to_string(failure->why);
}

api::StoreHealth StoreMeter::health(const std::string& uid) const {
  const std::lock_guard lock(mutex_);
  const auto found = stores_.find(uid);
  return found == stores_.end() ? api::StoreHealth() : found->second;
}

std::string StoreMeter::text(const source::Fetcher::Counts& fetcher) const {
  const std::lock_guard lock(mutex_);
  Text out;
  out.single("store_cache_hits_total", "counter",
             "Values of external stores that were had from memory.", fetcher.hits);
  out.single("store_cache_misses_total", "counter",
             "Values of external stores for which a store had to be asked.", fetcher.misses);
  out.single("store_leases", "gauge", "Leases of external stores that are open.", fetcher.leases);
  out.single("store_cooldowns_total", "counter",
             "Failures after which an external store was left alone for a while.",
             fetcher.cooldowns);
  out.head("store_fetch_seconds", "summary", "Questions to external stores, by their kind.");
  for (const auto& [kind, counts] : kinds_) {
    out.sample("store_fetch_seconds_sum", label(kind), seconds(counts.took_us));
    out.sample("store_fetch_seconds_count", label(kind), std::to_string(counts.asked));
  }
  out.head("store_fetch_failures_total", "counter",
           "Questions to external stores without a value, by why.");
  for (const auto& [kind, counts] : kinds_) {
    for (const Why why : kAllWhys) {
      out.sample("store_fetch_failures_total",
                 "{kind=\"" + kind + "\",why=\"" + std::string(vault::to_string(why)) + "\"}",
                 std::to_string(counts.failed[static_cast<std::size_t>(why)]));
    }
  }
  return out.take();
}

}  // namespace av::cmd
