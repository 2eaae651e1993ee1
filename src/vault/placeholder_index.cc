#include "vault/placeholder_index.h"

#include <algorithm>
#include <cstring>

namespace av::vault {
namespace {

constexpr std::size_t kBlock = 4;
// A longer window would shift no faster than memory is read.
constexpr std::size_t kMaxWindow = 64;
// Blocks in the table: more would not stay in the cache, and shifts would not get longer.
constexpr std::size_t kMaxBlocks = std::size_t{1} << 19;
constexpr unsigned kMinTableBits = 10;
constexpr unsigned kMaxTableBits = 22;

}  // namespace

PlaceholderIndex::PlaceholderIndex(std::vector<std::pair<std::string, std::string>> placeholders) {
  std::sort(placeholders.begin(), placeholders.end());
  placeholders.erase(std::unique(placeholders.begin(), placeholders.end()), placeholders.end());
  for (auto& [text, key] : placeholders) {
    if (text.size() < kMinSize) {
      continue;
    }
    if (entries_.empty() || entries_.back().text != text) {
      entries_.emplace_back().text = std::move(text);
    }
    entries_.back().keys.push_back(std::move(key));
  }
  if (!entries_.empty()) {
    compile();
  }
}

PlaceholderIndex PlaceholderIndex::declared_by(std::span<const Service> services) {
  std::vector<std::pair<std::string, std::string>> placeholders;
  for (const Service& service : services) {
    for (const Substitution& substitution : service.substitutions) {
      placeholders.emplace_back(substitution.placeholder, substitution.credential_key);
    }
  }
  return PlaceholderIndex(std::move(placeholders));
}

std::size_t PlaceholderIndex::block_hash(const char* block) const {
  std::uint32_t bytes = 0;
  std::memcpy(&bytes, block, sizeof bytes);
  return (bytes * 0x9e3779b1U) >> (32U - table_bits_);
}

void PlaceholderIndex::compile() {
  std::size_t shortest = entries_.front().text.size();
  for (const Entry& entry : entries_) {
    shortest = std::min(shortest, entry.text.size());
    longest_ = std::max(longest_, entry.text.size());
  }
  window_ = std::clamp(kMaxBlocks / entries_.size() + kBlock - 1, kBlock, kMaxWindow);
  window_ = std::min(window_, shortest);
  const std::size_t blocks = entries_.size() * (window_ - kBlock + 1);
  table_bits_ = kMinTableBits;
  while (table_bits_ < kMaxTableBits && (std::size_t{1} << table_bits_) < 8 * blocks) {
    ++table_bits_;
  }
  shift_.assign(std::size_t{1} << table_bits_, static_cast<std::uint8_t>(window_ - kBlock + 1));
  // Sorted, an entry's prefixes come before it, and the nearest of them is the entry before it or
  // one of that entry's prefixes.
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    for (std::size_t at = 0; at + kBlock <= window_; ++at) {
      std::uint8_t& shift = shift_[block_hash(entry.text.data() + at)];
      shift = std::min(shift, static_cast<std::uint8_t>(window_ - kBlock - at));
    }
    auto candidate = static_cast<std::uint32_t>(i);
    while (candidate != 0 && !entry.text.starts_with(entries_[candidate - 1].text)) {
      candidate = entries_[candidate - 1].prefix;
    }
    entry.prefix = candidate;
  }
}

const PlaceholderIndex::Entry* PlaceholderIndex::longest_prefix_of(std::string_view text) const {
  // Whatever `text` begins with sorts between its longest prefix and itself, so the greatest entry
  // that is not greater than `text` begins with it too.
  const auto after = std::upper_bound(
      entries_.begin(), entries_.end(), text,
      [](std::string_view wanted, const Entry& entry) { return wanted < entry.text; });
  auto candidate = static_cast<std::size_t>(after - entries_.begin());
  while (candidate != 0) {
    const Entry& entry = entries_[candidate - 1];
    if (text.starts_with(entry.text)) {
      return &entry;
    }
    candidate = entry.prefix;
  }
  return nullptr;
}

std::optional<PlaceholderIndex::Match> PlaceholderIndex::find(std::string_view text) const {
  if (entries_.empty()) {
    return std::nullopt;
  }
  const std::size_t last_block = window_ - kBlock;
  const std::size_t whole = last_block + 1;
  for (std::size_t at = 0; at + window_ <= text.size();) {
    const char* const block = text.data() + at + last_block;
    // Ordinary text moves on by the whole window nearly always: four guesses that it does so do not
    // wait for one another.
    if (at + 3 * whole + window_ <= text.size() && shift_[block_hash(block)] == whole &&
        static_cast<unsigned>(shift_[block_hash(block + whole)] == whole) +
                static_cast<unsigned>(shift_[block_hash(block + 2 * whole)] == whole) +
                static_cast<unsigned>(shift_[block_hash(block + 3 * whole)] == whole) ==
            3) {
      at += 4 * whole;
      continue;
    }
    const std::uint8_t shift = shift_[block_hash(block)];
    if (shift != 0) {
      at += shift;
      continue;
    }
    if (const Entry* const entry = longest_prefix_of(text.substr(at, longest_))) {
      return Match{at, entry};
    }
    ++at;
  }
  return std::nullopt;
}

}  // namespace av::vault
