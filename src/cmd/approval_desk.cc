#include "cmd/approval_desk.h"

#include <utility>

namespace av::cmd {

Status StoreDesk::ask(vault::ApprovalRequest request, Answer answer) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMostWaiting) {
    return make_error(ErrorCode::kConflict, "64 requests of this run wait for approval already");
  }
  std::string id = request.id;
  waiting_.emplace(std::move(id), Waiting{std::move(request), std::move(answer)});
  return {};
}

void StoreDesk::withdraw(const std::string& id, vault::ApprovalState why) {
  const std::lock_guard lock(mutex_);
  const auto it = waiting_.find(id);
  if (it == waiting_.end()) {
    return;
  }
  if (it->second.written) {
    withdrawn_.emplace_back(id, why);
  }
  waiting_.erase(it);
}

void StoreDesk::pump(store::Store& store) {
  write_new(store);
  write_withdrawn(store);
  collect(store);
}

void StoreDesk::deliver() {
  for (const auto& [id, state] : decided_) {
    finish(id, state);
  }
  decided_.clear();
}

void StoreDesk::finish(const std::string& id, vault::ApprovalState state) {
  const std::lock_guard lock(mutex_);
  const auto it = waiting_.find(id);
  if (it != waiting_.end()) {
    it->second.answer(state);  // only posts
    waiting_.erase(it);
  }
}

// The store is not used under the lock: a worker must not wait for a disk.
void StoreDesk::write_new(store::Store& store) {
  std::vector<vault::ApprovalRequest> fresh;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, waiting] : waiting_) {
      if (!waiting.written) {
        fresh.push_back(waiting.request);
      }
    }
  }
  for (const vault::ApprovalRequest& request : fresh) {
    const Status added = store.add_approval(request);
    if (!added && added.error().code == ErrorCode::kBusy) {
      continue;  // the next round will do; meanwhile its time runs out
    }
    if (!added) {
      finish(request.id, vault::ApprovalState::kCancelled);
      continue;
    }
    const std::lock_guard lock(mutex_);
    const auto it = waiting_.find(request.id);
    if (it != waiting_.end()) {
      it->second.written = true;
    } else {
      withdrawn_.emplace_back(request.id, vault::ApprovalState::kCancelled);
    }
  }
}

void StoreDesk::write_withdrawn(store::Store& store) {
  std::vector<std::pair<std::string, vault::ApprovalState>> gone;
  {
    const std::lock_guard lock(mutex_);
    gone.swap(withdrawn_);
  }
  for (const auto& [id, why] : gone) {
    // A human may have been faster: then it stays as decided. What cannot be written expires.
    (void)store.decide_approval(id, why, {});
  }
}

void StoreDesk::collect(store::Store& store) {
  decided_.clear();
  std::vector<std::string> asked;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, waiting] : waiting_) {
      if (waiting.written) {
        asked.push_back(id);
      }
    }
  }
  for (const std::string& id : asked) {
    const auto approval = store.get_approval(id);
    if (approval && approval->state != vault::ApprovalState::kPending) {
      decided_.emplace_back(id, approval->state);
    } else if (!approval && approval.error().code == ErrorCode::kNotFound) {
      decided_.emplace_back(id, vault::ApprovalState::kDenied);  // gone with its vault
    }
  }
}

}  // namespace av::cmd
