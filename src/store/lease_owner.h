#pragma once
// LeaseOwner: a process that has leases of external stores, as other processes see it. It has a
// random number, which stands beside each lease, and a lock at that byte (byte_lock.h): whoever can
// take the lock knows that the process is gone, and alone gives back what it left.

#include <cstdint>
#include <optional>

#include "core/expected.h"
#include "core/fs.h"

namespace av::store {

class LeaseOwner {
 public:
  // A new one, for as long as it is kept.
  [[nodiscard]] static Expected<LeaseOwner> make(const fs::Paths& paths);
  // In the place of one that is gone; nothing when it is alive, or somebody else has taken it over.
  [[nodiscard]] static Expected<std::optional<LeaseOwner>> take_over(const fs::Paths& paths,
                                                                     std::int64_t number);
  [[nodiscard]] std::int64_t number() const { return number_; }

 private:
  LeaseOwner(std::int64_t number, UniqueFd lock) : number_(number), lock_(std::move(lock)) {}
  std::int64_t number_ = 0;
  UniqueFd lock_;
};

}  // namespace av::store
