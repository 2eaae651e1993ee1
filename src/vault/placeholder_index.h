#pragma once
// PlaceholderIndex: the placeholders that mean something, compiled so that text is searched for all
// of them at once. Two exist for a run: what its child was given, and what the services of a
// snapshot declare as substitutions (disabled services too).
//
// Search: Wu and Manber's shift table ("A fast algorithm for multi-pattern searching", 1994) over
// blocks of four bytes. What a block lets through is looked up in the sorted list, whose entries
// know their longest proper prefix in it: the cost of a candidate grows with the logarithm of the
// list, whatever its entries have in common.
//
// Immutable once built, safe to read from any thread. Placeholders are no secrets.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vault/service.h"

namespace av::vault {

class PlaceholderIndex {
 public:
  // Shorter ones are left out; check_service and make_placeholder make none.
  static constexpr std::size_t kMinSize = 4;

  struct Entry {
    std::string text;
    std::vector<std::string> keys;  // the credentials that it stands for, at least one
   private:
    friend class PlaceholderIndex;
    std::uint32_t prefix = 0;  // index + 1 of the longest entry that this one begins with
  };
  struct Match {
    std::size_t at = 0;
    const Entry* entry = nullptr;
  };

  PlaceholderIndex() = default;
  // Pairs of placeholder and credential key, in any order.
  explicit PlaceholderIndex(std::vector<std::pair<std::string, std::string>> placeholders);
  // What these services declare as substitutions.
  [[nodiscard]] static PlaceholderIndex declared_by(std::span<const Service> services);

  // The first one in `text`; the longest when several begin there.
  [[nodiscard]] std::optional<Match> find(std::string_view text) const;

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t longest() const { return longest_; }

 private:
  [[nodiscard]] const Entry* longest_prefix_of(std::string_view text) const;
  void compile();
  [[nodiscard]] std::size_t block_hash(const char* block) const;

  std::vector<Entry> entries_;  // sorted by text
  std::vector<std::uint8_t> shift_;
  unsigned table_bits_ = 0;
  std::size_t window_ = 0;  // of each entry, this much of its beginning is in the table
  std::size_t longest_ = 0;
};

}  // namespace av::vault
