#include "store/limit_table.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string_view>
#include <vector>

namespace av::store {
namespace {

constexpr std::string_view kMagic = "agent-vault limits 1\n";
constexpr std::size_t kHeader = 4096;
constexpr std::uint64_t kStaleAfterDays = 40;
constexpr std::int64_t kDayMs = 86'400'000;
// The one window of counters without windows.
constexpr std::uint64_t kOnlyWindow = 1;

std::uint64_t window_at(std::int64_t now_ms, std::int64_t window_ms) {
  return window_ms == 0 ? kOnlyWindow : static_cast<std::uint64_t>(now_ms / window_ms);
}

std::int64_t end_of(std::uint64_t window, std::int64_t window_ms) {
  return window_ms == 0 ? 0 : static_cast<std::int64_t>(window + 1) * window_ms;
}

// A window's number and its count in one word, so that one compare-and-swap changes both.
struct State {
  std::uint64_t window = 0;
  std::uint32_t count = 0;
  static State of(std::uint64_t word) { return {word >> 32U, static_cast<std::uint32_t>(word)}; }
  [[nodiscard]] std::uint64_t word() const { return window << 32U | count; }
  // What it means in `current`. The next window counts on: the clock was set back, or another
  // process looked at it a moment later. One that is further ahead says that the clock was wrong.
  [[nodiscard]] State in(std::uint64_t current) const {
    const bool holds = window == current || window == current + 1;
    return holds ? *this : State{current, 0};
  }
};

Error cannot_use(int error_number, const std::filesystem::path& path) {
  return errno_error(error_number, "cannot use the counters of the rate limits " + path.string());
}

}  // namespace

// Lock-free between processes: the atomics hold no address and no lock.
struct LimitTable::Slot {
  std::atomic<std::uint64_t> key{0};  // 0: free
  std::atomic<std::uint64_t> state{0};
  std::atomic<std::uint64_t> day{0};  // of the last use, since the epoch
  std::uint64_t unused = 0;
};

// Only while nobody else looks.
void LimitTable::tidy(Slot* table) {
  std::vector<std::array<std::uint64_t, 3>> kept;
  std::size_t used = 0;
  const auto today = static_cast<std::uint64_t>(std::int64_t{std::time(nullptr)} * 1000 / kDayMs);
  for (std::size_t i = 0; i < kSlots; ++i) {
    const Slot& slot = table[i];
    used += slot.key.load() != 0 ? 1 : 0;
    if (slot.key.load() != 0 && slot.day.load() + kStaleAfterDays >= today) {
      kept.push_back({slot.key.load(), slot.state.load(), slot.day.load()});
    }
  }
  if (used <= kSlots / 2 || kept.size() == used) {
    return;
  }
  for (std::size_t i = 0; i < kSlots; ++i) {
    table[i].key.store(0);
    table[i].state.store(0);
  }
  for (const auto& [key, state, day] : kept) {
    std::size_t at = key % kSlots;
    while (table[at].key.load() != 0) {
      at = (at + 1) % kSlots;
    }
    table[at].key.store(key);
    table[at].state.store(state);
    table[at].day.store(day);
  }
}

LimitTable::~LimitTable() {
  if (Slot* const mapped = slots_.load()) {
    ::munmap(reinterpret_cast<char*>(mapped) - kHeader, kHeader + kSlots * sizeof(Slot));
  }
}

Status LimitTable::open() {
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
  static_assert(sizeof(Slot) == 32);
  constexpr auto kSize = static_cast<off_t>(kHeader + kSlots * sizeof(Slot));
  UniqueFd fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat info {};
  // Whoever has it alone may set it up and tidy it.
  bool alone = fd.valid() && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
  if (!fd.valid() || (!alone && ::flock(fd.get(), LOCK_SH) != 0) || ::fstat(fd.get(), &info) != 0) {
    return cannot_use(errno, path_);
  }
  if (info.st_size == 0 && !alone) {
    // Its maker died before it had a size.
    if (::flock(fd.get(), LOCK_EX) != 0 || ::fstat(fd.get(), &info) != 0) {
      return cannot_use(errno, path_);
    }
    alone = true;
  }
  if (info.st_size == 0) {
    if (const int error = ::posix_fallocate(fd.get(), 0, kSize); error != 0) {
      static_cast<void>(::ftruncate(fd.get(), 0) == 0);
      return cannot_use(error, path_);
    }
    info.st_size = kSize;
  }
  std::array<char, kMagic.size()> magic{};
  if (::pread(fd.get(), magic.data(), magic.size(), 0) < 0) {
    return cannot_use(errno, path_);
  }
  if (alone && magic == decltype(magic){}) {  // new, or its maker died here
    if (::pwrite(fd.get(), kMagic.data(), kMagic.size(), 0) !=
        static_cast<ssize_t>(kMagic.size())) {
      return cannot_use(errno, path_);
    }
  } else if (info.st_size != kSize || std::memcmp(magic.data(), kMagic.data(), magic.size()) != 0) {
    return make_error(ErrorCode::kCorrupt,
                      "the counters of the rate limits " + path_.string() + " are damaged",
                      "end all runs and remove the file: the limits begin anew");
  }
  void* const mapped = ::mmap(nullptr, static_cast<std::size_t>(kSize), PROT_READ | PROT_WRITE,
                              MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) {
    return cannot_use(errno, path_);
  }
  auto* const table = reinterpret_cast<Slot*>(static_cast<char*>(mapped) + kHeader);
  if (alone) {
    tidy(table);
    if (::flock(fd.get(), LOCK_SH) != 0) {
      const int error = errno;
      ::munmap(mapped, static_cast<std::size_t>(kSize));
      return cannot_use(error, path_);
    }
  }
  file_ = std::move(fd);
  slots_.store(table);
  return {};
}

Expected<LimitTable::Slot*> LimitTable::slots() {
  if (Slot* const mapped = slots_.load()) {
    return mapped;
  }
  const std::lock_guard lock(opening_);
  if (slots_.load() == nullptr) {
    AV_CHECK(open());
  }
  return slots_.load();
}

// Null when there is none and it is not to be claimed.
Expected<LimitTable::Slot*> LimitTable::find(std::uint64_t key, bool claim) {
  AV_TRY(Slot* const table, slots());
  key = key == 0 ? 1 : key;
  for (std::size_t step = 0, at = key % kSlots; step < kSlots; ++step, at = (at + 1) % kSlots) {
    std::uint64_t there = table[at].key.load(std::memory_order_acquire);
    if (there == 0) {
      if (!claim) {
        return static_cast<Slot*>(nullptr);
      }
      if (table[at].key.compare_exchange_strong(there, key)) {
        return &table[at];
      }
    }
    if (there == key) {
      return &table[at];
    }
  }
  return make_error(ErrorCode::kNoSpace,
                    "the counters of the rate limits " + path_.string() + " are all in use",
                    "end all runs: those not used for forty days make room then");
}

Expected<LimitTable::Count> LimitTable::take(vault::LimitKey key, std::uint32_t limit,
                                             std::int64_t window_ms, std::int64_t now_ms) {
  AV_TRY(Slot* const slot, find(key.value, /*claim=*/true));
  const std::uint64_t current = window_at(now_ms, window_ms);
  std::uint64_t word = slot->state.load();
  for (;;) {
    State state = State::of(word).in(current);
    Count count;
    count.window_end_ms = end_of(state.window, window_ms);
    count.used = state.count;
    if (state.count >= limit) {
      return count;
    }
    ++state.count;
    if (slot->state.compare_exchange_weak(word, state.word())) {
      slot->day.store(static_cast<std::uint64_t>(now_ms / kDayMs), std::memory_order_relaxed);
      count.granted = true;
      count.used = state.count;
      return count;
    }
  }
}

void LimitTable::give_back(vault::LimitKey key, std::int64_t window_ms, const Count& taken) {
  const Expected<Slot*> slot = find(key.value, /*claim=*/false);
  if (!slot || *slot == nullptr) {
    return;
  }
  std::uint64_t word = (*slot)->state.load();
  for (;;) {
    State state = State::of(word);
    if (state.count == 0 || end_of(state.window, window_ms) != taken.window_end_ms) {
      return;  // of a window that is over
    }
    --state.count;
    if ((*slot)->state.compare_exchange_weak(word, state.word())) {
      return;
    }
  }
}

Expected<LimitTable::Count> LimitTable::look(vault::LimitKey key, std::uint32_t limit,
                                             std::int64_t window_ms, std::int64_t now_ms) {
  AV_TRY(const Slot* const slot, find(key.value, /*claim=*/false));
  const std::uint64_t current = window_at(now_ms, window_ms);
  const State state =
      slot == nullptr ? State{current, 0} : State::of(slot->state.load()).in(current);
  Count count;
  count.used = state.count;
  count.window_end_ms = end_of(state.window, window_ms);
  count.granted = state.count < limit;
  return count;
}

}  // namespace av::store
