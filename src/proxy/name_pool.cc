#include "proxy/name_pool.h"

namespace av::proxy {
namespace {

constexpr NamePool::Address kBase = 198U << 24 | 18U << 16;
constexpr std::uint64_t kRange = std::uint64_t{1} << 17;
// Neither the first nor the last, which look like a network's own.
constexpr std::uint64_t kUsable = kRange - 2;

}  // namespace

bool NamePool::is_ours(Address address) {
  return address >= kBase && address - kBase < kRange;
}

NamePool::Address NamePool::address_of(std::string_view name) {
  const auto [at, fresh] = numbers_.try_emplace(std::string(name), next_);
  if (fresh) {
    const std::size_t slot = next_ % kMost;
    if (slot < names_.size()) {
      numbers_.erase(names_[slot]);
      names_[slot] = at->first;
    } else {
      names_.push_back(at->first);
    }
    ++next_;
    return kBase + 1 + static_cast<Address>((next_ - 1) % kUsable);
  }
  return kBase + 1 + static_cast<Address>(at->second % kUsable);
}

const std::string* NamePool::name_of(Address address) const {
  if (!is_ours(address) || address == kBase || next_ == 0) {
    return nullptr;
  }
  // The newest number with this address, if it is one of those that are still known.
  const std::uint64_t residue = address - kBase - 1;
  if (residue >= kUsable || residue > next_ - 1) {
    return nullptr;
  }
  const std::uint64_t number = (next_ - 1) - ((next_ - 1 - residue) % kUsable);
  if (next_ - number > names_.size()) {
    return nullptr;
  }
  return &names_[number % kMost];
}

}  // namespace av::proxy
