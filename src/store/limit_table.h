#pragma once
// LimitTable: the LimitLedger of all processes on one store, as a file that each of them maps into
// memory: <data>/limits. Counting is one compare-and-swap, and what was counted is the kernel's at
// once: it survives the death of any process. After a power loss the last seconds may be missing.
//
// Opened at the first use; until it can be, every take() is an error. On a file system that copies
// on write, a full disk can end the process at a count (SIGBUS): refused, as it were.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>

#include "core/fs.h"
#include "vault/limits.h"

namespace av::store {

class LimitTable final : public vault::LimitLedger {
 public:
  // How many counters there can be; those not used for forty days make room.
  static constexpr std::size_t kSlots = std::size_t{1} << 16;

  explicit LimitTable(std::filesystem::path path) : path_(std::move(path)) {}
  ~LimitTable() override;
  LimitTable(const LimitTable&) = delete;
  LimitTable& operator=(const LimitTable&) = delete;

  [[nodiscard]] Expected<Count> take(vault::LimitKey key, std::uint32_t limit,
                                     std::int64_t window_ms, std::int64_t now_ms) override;
  void give_back(vault::LimitKey key, std::int64_t window_ms, const Count& taken) override;
  [[nodiscard]] Expected<Count> look(vault::LimitKey key, std::uint32_t limit,
                                     std::int64_t window_ms, std::int64_t now_ms) override;

 private:
  struct Slot;
  static void tidy(Slot* table);
  [[nodiscard]] Expected<Slot*> slots();
  [[nodiscard]] Status open();
  [[nodiscard]] Expected<Slot*> find(std::uint64_t key, bool claim);

  const std::filesystem::path path_;
  std::mutex opening_;
  std::atomic<Slot*> slots_{nullptr};
  UniqueFd file_;  // holds a shared lock as long as the table is mapped
};

}  // namespace av::store
