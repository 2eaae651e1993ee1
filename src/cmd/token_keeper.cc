#include "cmd/token_keeper.h"

#include <utility>

namespace av::cmd {
namespace {

// More than anybody will look at, should nobody take them for long.
constexpr std::size_t kMostEvents = 1000;

}  // namespace

Status TokenKeeper::prepare(const vault::PolicySnapshot& snapshot, store::Store& store) {
  return snapshot.has_tokens() ? open(store) : Status();
}

Status TokenKeeper::open(store::Store& store) {
  if (refresher() != nullptr) {
    return {};
  }
  std::vector<std::unique_ptr<vault::TokenStore>> stores;
  for (int i = 0; i < threads_; ++i) {
    AV_TRY(std::unique_ptr<store::Store> another, store.another());
    stores.push_back(std::move(another));
  }
  oauth::Refresher::Options options;
  options.threads = threads_;
  options.open_store = [this]() -> Expected<std::unique_ptr<vault::TokenStore>> {
    const std::lock_guard lock(mutex_);
    if (stores_.empty()) {
      return make_error(ErrorCode::kInternal, "more threads than connections to the store");
    }
    std::unique_ptr<vault::TokenStore> out = std::move(stores_.back());
    stores_.pop_back();
    return out;
  };
  options.open_http = [this]() -> Expected<std::unique_ptr<oauth::HttpPort>> {
    return make_provider_http(reach_, clock_);
  };
  options.note = [this](const oauth::Refresher::Event& event) {
    const std::lock_guard lock(mutex_);
    if (events_.size() < kMostEvents) {
      events_.push_back(event);
    }
  };
  const std::lock_guard lock(mutex_);
  stores_ = std::move(stores);
  refresher_ = std::make_shared<oauth::Refresher>(std::move(options), clock_);
  return {};
}

std::vector<oauth::Refresher::Event> TokenKeeper::take_events() {
  const std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

std::shared_ptr<oauth::Refresher> TokenKeeper::refresher() {
  const std::lock_guard lock(mutex_);
  return refresher_;
}

void TokenKeeper::stop() {
  std::shared_ptr<oauth::Refresher> last;
  {
    const std::lock_guard lock(mutex_);
    last = std::move(refresher_);
    refresher_.reset();
  }
  last.reset();
}

void TokenKeeper::refresh(const vault::TokenName& name, std::uint64_t known,
                          vault::RefreshReason reason, Done done) {
  const std::shared_ptr<oauth::Refresher> keeper = refresher();
  if (keeper == nullptr) {
    done(
        unexpected(vault::RefreshRefusal{vault::RefreshRefusal::Why::kFailed, "the program ends"}));
    return;
  }
  keeper->refresh(name, known, reason, std::move(done));
}

void TokenKeeper::in_use(const vault::TokenName& name, std::uint64_t version,
                         const vault::TokenTimes& times) {
  if (const std::shared_ptr<oauth::Refresher> keeper = refresher()) {
    keeper->in_use(name, version, times);
  }
}

}  // namespace av::cmd
