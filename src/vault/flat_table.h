#pragma once
// FlatTable: a hash table from texts to small numbers, in one array. It keeps hashes only; whoever
// looks something up says whether what was found is it. Built once, then read from any thread.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace av::vault {

// Eight bytes at a step, as wyhash does. Not for texts that somebody would make collide: what is in
// the tables is the user's own, and a request only looks.
[[nodiscard]] std::uint64_t flat_hash(std::string_view text, std::uint64_t seed);

class FlatTable {
 public:
  // Open addressing; at least half of the slots stay empty.
  void reserve(std::size_t count) {
    slots_.assign(count == 0 ? 0 : std::bit_ceil(count * 2), Slot{});
  }
  // At most as many as were reserved. `value` is not 0.
  void add(std::uint64_t hash, std::uint32_t value) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash & mask;
    while (slots_[at].value != 0) {
      at = (at + 1) & mask;
    }
    slots_[at] = {static_cast<std::uint32_t>(hash >> 32U), value};
  }
  // The first value with this hash for which is(value), or 0.
  template <typename Is>
  [[nodiscard]] std::uint32_t find(std::uint64_t hash, const Is& is) const {
    if (slots_.empty()) {
      return 0;
    }
    const std::size_t mask = slots_.size() - 1;
    const auto tag = static_cast<std::uint32_t>(hash >> 32U);
    for (std::size_t at = hash & mask; slots_[at].value != 0; at = (at + 1) & mask) {
      if (slots_[at].tag == tag && is(slots_[at].value)) {
        return slots_[at].value;
      }
    }
    return 0;
  }

 private:
  struct Slot {
    std::uint32_t tag = 0;    // another part of the hash than the one that chose the slot
    std::uint32_t value = 0;  // 0: empty
  };
  std::vector<Slot> slots_;  // a power of two, or none
};

}  // namespace av::vault
