#include "api/flow_table.h"

#include <algorithm>
#include <utility>

namespace av::api {
namespace {

constexpr std::chrono::milliseconds kFlowTime{oauth::CodeAttempt::kAttemptMs};
// The page that was sent away asks how it went until well after the answer.
constexpr std::chrono::minutes kOutcomeTime{20};
constexpr std::chrono::minutes kShelfTime{30};

Error too_many() {
  return make_error(ErrorCode::kBusy, "too many sign-ins with providers are under way",
                    "try again in a few minutes");
}

bool same(const crypto::Digest& a, const crypto::Digest& b) {
  const auto text = [](const crypto::Digest& digest) {
    return std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size());
  };
  return crypto::constant_time_equal(text(a), text(b));
}

}  // namespace

void FlowTable::tidy() {
  const auto now = clock_.steady();
  while (!waiting_.empty() && waiting_.front().until <= now) {
    remove(waiting_.begin());
  }
  while (!outcomes_.empty() && outcomes_.front().until <= now) {
    outcomes_.pop_front();
  }
}

Status FlowTable::add(const crypto::Digest& state, Flow flow) {
  tidy();
  if (!flow.owner.session.empty()) {
    const auto mine = [&](const Waiting& one) {
      return one.flow.owner.session == flow.owner.session;
    };
    if (static_cast<std::size_t>(std::count_if(waiting_.begin(), waiting_.end(), mine)) >=
        kMostEach) {
      remove(std::find_if(waiting_.begin(), waiting_.end(), mine));
    }
    if (waiting_.size() - strangers_ >= kMost) {
      return too_many();
    }
  } else if (strangers_ >= kMostStrangers) {
    // A stranger's makes room for another's, and for nobody else's: to refuse would let anybody
    // keep all people from signing in.
    remove(std::find_if(waiting_.begin(), waiting_.end(), is_stranger));
  }
  const auto now = clock_.steady();
  if (!flow.owner.uid.empty()) {  // nobody may ask for a stranger's
    if (outcomes_.size() >= 2 * kMost) {
      outcomes_.pop_front();
    }
    Past past;
    past.id = flow.id;
    past.uid = flow.owner.uid;
    past.until = now + kOutcomeTime;
    past.outcome.vault = flow.vault;
    past.outcome.key = flow.key;
    past.outcome.proposal = flow.proposal.number;
    outcomes_.push_back(std::move(past));
  }
  Waiting waiting;
  waiting.state = state;
  waiting.until = now + kFlowTime;
  waiting.flow = std::move(flow);
  strangers_ += is_stranger(waiting) ? 1 : 0;
  waiting_.push_back(std::move(waiting));
  return {};
}

void FlowTable::drop(const crypto::Digest& browser) {
  tidy();
  const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& one) {
    return is_stranger(one) && same(one.flow.browser, browser);
  });
  if (found != waiting_.end()) {
    remove(found);
  }
}

bool FlowTable::is_stranger(const Waiting& one) {
  return one.flow.owner.session.empty();
}

void FlowTable::remove(std::deque<Waiting>::iterator one) {
  strangers_ -= is_stranger(*one) ? 1 : 0;
  waiting_.erase(one);
}

std::optional<Flow> FlowTable::take(const crypto::Digest& state) {
  tidy();
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    if (same(it->state, state)) {
      strangers_ -= is_stranger(*it) ? 1 : 0;
      std::optional<Flow> out = std::move(it->flow);
      waiting_.erase(it);
      return out;
    }
  }
  return std::nullopt;
}

void FlowTable::finish(const Flow& flow, bool done, std::string message) {
  for (Past& past : outcomes_) {
    if (past.id == flow.id) {
      past.outcome.state = done ? FlowOutcome::State::kDone : FlowOutcome::State::kFailed;
      past.outcome.message = std::move(message);
      return;
    }
  }
}

const FlowOutcome* FlowTable::outcome(std::string_view id, std::string_view uid) {
  tidy();
  for (const Past& past : outcomes_) {
    if (past.id == id && !uid.empty() && past.uid == uid) {
      return &past.outcome;
    }
  }
  return nullptr;
}

bool FlowTable::knows(const crypto::Digest& browser, std::string_view session) {
  tidy();
  return !session.empty() && std::any_of(waiting_.begin(), waiting_.end(), [&](const Waiting& one) {
    return one.flow.owner.session == session && same(one.flow.browser, browser);
  });
}

void ConnectionShelf::tidy() {
  const auto now = clock_.steady();
  std::erase_if(items_, [&](const Item& item) { return item.until <= now; });
}

Status ConnectionShelf::put(const Place& place, std::string key,
                            store::Store::OauthConnection connection) {
  tidy();
  std::erase_if(
      items_, [&](const Item& item) { return item.place == place && item.connection.key == key; });
  if (items_.size() >= kMost) {
    return too_many();
  }
  items_.push_back({place, clock_.steady() + kShelfTime, {std::move(key), std::move(connection)}});
  return {};
}

std::vector<std::string> ConnectionShelf::keys(const Place& place) {
  tidy();
  std::vector<std::string> out;
  for (const Item& item : items_) {
    if (item.place == place) {
      out.push_back(item.connection.key);
    }
  }
  return out;
}

std::vector<store::Store::NewConnection> ConnectionShelf::take(const Place& place) {
  tidy();
  std::vector<store::Store::NewConnection> out;
  for (Item& item : items_) {
    if (item.place == place) {
      out.push_back(std::move(item.connection));
    }
  }
  std::erase_if(items_, [&](const Item& item) { return item.place == place; });
  return out;
}

void ConnectionShelf::put_back(const Place& place,
                               std::vector<store::Store::NewConnection> connections) {
  for (auto& connection : connections) {
    items_.push_back({place, clock_.steady() + kShelfTime, std::move(connection)});
  }
}

}  // namespace av::api
