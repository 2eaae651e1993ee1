#pragma once
// LeaseBook: notes on disk which leases of external stores this process has, before anybody uses
// them. What a process that was killed has left is taken over and given back by another. From any
// thread.
//
// Between the moment in which a store makes a lease and the one in which its answer is here nothing
// can be noted: who is killed in between leaves a lease that ends by itself.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/fs.h"
#include "source/provider.h"
#include "store/lease_owner.h"
#include "store/store.h"

namespace av::cmd {

class LeaseBook {
 public:
  // Calls what it is given with the store, which nobody else uses meanwhile; or not at all.
  using WithStore = std::function<void(const std::function<void(store::Store&)>&)>;
  // `clock` must outlive it.
  LeaseBook(fs::Paths paths, const Clock& clock, WithStore with_store)
      : paths_(std::move(paths)), clock_(clock), with_store_(std::move(with_store)) {}

  // `provider`, whose leases are noted when they are made and forgotten when they were given back.
  // A lease that cannot be noted is given back, and is a failure. The book must outlive it.
  [[nodiscard]] std::shared_ptr<source::Provider> noted(std::shared_ptr<source::Provider> provider,
                                                        std::string store_uid);

  struct Left {
    std::string store_uid;
    source::Lease lease;
  };
  // Leases that processes left which are gone: of stores for which `wanted` is true. They are this
  // process's from here on, and not in the answer again for some minutes.
  [[nodiscard]] std::vector<Left> take_left(
      const std::function<bool(const std::string& store_uid)>& wanted);

 private:
  friend class NotedLeases;
  [[nodiscard]] Status add(const std::string& store_uid, const source::Lease& lease);
  void extend(const std::string& store_uid, const source::Lease& lease);
  void remove(const std::string& store_uid, const std::string& id);
  using LeaseInfo = store::Store::LeaseInfo;
  [[nodiscard]] bool adopt(store::Store& store, const LeaseInfo& info, std::int64_t ours,
                           std::int64_t retry_ms);
  void open_left(store::Store& store, const LeaseInfo& info, std::vector<Left>& out);
  [[nodiscard]] std::string uid_of(const std::string& store_uid, const std::string& id);
  // This process, as it stands beside leases.
  [[nodiscard]] Expected<std::int64_t> self();

  const fs::Paths paths_;
  const Clock& clock_;
  const WithStore with_store_;
  std::mutex mutex_;
  std::unique_ptr<store::LeaseOwner> self_;                          // guarded by mutex_
  std::map<std::pair<std::string, std::string>, std::string> uids_;  // guarded by mutex_
};

// For a command: gives back what killed processes have left of one store; how many.
std::size_t give_back_left(store::Store& store, const fs::Paths& paths, const Clock& clock,
                           const std::string& store_uid,
                           const std::shared_ptr<source::Provider>& provider);
// How many there are.
[[nodiscard]] Expected<std::size_t> count_left(store::Store& store, const fs::Paths& paths,
                                               const std::string& store_uid);

}  // namespace av::cmd
