#include "api/store_pool.h"

#include <iterator>

namespace av::api {

StorePool::StorePool()
    : threads_("av-store", {kThreads, kMaxQueued}, [] {
        return TaskThreads<StoreTask>::Work([](StoreTask& task) {
          if (task.begin()) {
            task.run();
            task.end();
          }
        });
      }) {}

StorePool::Answer StorePool::submit(const std::string& who,
                                    const std::shared_ptr<StoreTask>& task) {
  // A person of whom nothing is under way any more is forgotten.
  for (auto each = under_way_.begin(); each != under_way_.end();) {
    std::erase_if(each->second, [](const auto& one) { return one->is_over(); });
    each = each->second.empty() ? under_way_.erase(each) : std::next(each);
  }
  const auto own = under_way_.find(who);
  if (own != under_way_.end() && own->second.size() >= kMostEach) {
    return Answer::kTooMany;
  }
  if (!threads_.submit(task)) {
    return Answer::kBusy;
  }
  under_way_[who].push_back(task);
  return Answer::kTaken;
}

}  // namespace av::api
