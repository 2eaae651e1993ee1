#include "store/audit_chain.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <thread>

#include "core/encoding.h"
#include "store/audit_dead.h"

namespace av::store {
namespace {

constexpr std::string_view kKeyItem = "audit-key";
constexpr std::chrono::seconds kLockWait{10};
// Behind the seed while the chain is being made, so that one who finds the key and no chain knows
// whether there ever was one.
constexpr char kUnused = 'n';

Error cannot(std::string_view what, int error_number, const std::filesystem::path& path) {
  return errno_error(error_number, "cannot " + std::string(what) + " " + path.string());
}

// Of the whole file. The lock belongs to the open file, not to the process (F_OFD_*).
int set_lock(int fd, int command, short type, struct flock& lock) {
  lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return ::fcntl(fd, command, &lock);
}

Expected<std::string> read_at(int fd, off_t offset, std::size_t size,
                              const std::filesystem::path& path) {
  std::string text(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got =
        ::pread(fd, text.data() + have, size - have, offset + static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return cannot("read", errno, path);
    }
    if (got == 0) {
      break;
    }
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return text;
}

Expected<std::uint64_t> count_lines(int fd, const std::filesystem::path& path) {
  std::uint64_t lines = 0;
  for (off_t offset = 0;;) {
    AV_TRY(const std::string chunk, read_at(fd, offset, std::size_t{64} << 10, path));
    if (chunk.empty()) {
      return lines;
    }
    lines += static_cast<std::uint64_t>(std::count(chunk.begin(), chunk.end(), '\n'));
    offset += static_cast<off_t>(chunk.size());
  }
}

struct StoredKey {
  AuditKey key;
  bool unused = false;
};

Expected<std::optional<StoredKey>> load_key(Store& store) {
  AV_TRY(auto item, store.get_item(kKeyItem));
  if (!item) {
    return std::optional<StoredKey>();
  }
  Secret& seed = item->secret_part;
  const bool unused = seed.size() == AuditKey::kSeedSize + 1;
  if (unused) {
    seed.truncate(AuditKey::kSeedSize);
  }
  AV_TRY(AuditKey key, AuditKey::from_seed(seed));
  return std::optional(StoredKey{std::move(key), unused});
}

// The public half lies beside it in clear for those who look into the database; what counts is made
// from the sealed one.
Status save_key(Store& store, const Secret& seed, bool unused) {
  AV_TRY(const AuditKey key, AuditKey::from_seed(seed));
  AV_TRY(Secret sealed, Secret::with_size(AuditKey::kSeedSize + (unused ? 1 : 0)));
  seed.reveal([&](std::string_view bytes) {
    std::copy(bytes.begin(), bytes.end(), sealed.writable().begin());
  });
  if (unused) {
    sealed.writable().back() = static_cast<std::uint8_t>(kUnused);
  }
  return store.put_item(kKeyItem, {encoding::hex(key.public_key()), std::move(sealed)});
}

}  // namespace

// What is at the end of the chain, under the lock.
struct RootChain::Tail {
  RootPosition last = root_beginning();
  off_t size = 0;        // up to the end of the last whole line
  bool torn = false;     // there is something behind it
  bool damaged = false;  // the last line cannot be read
  std::optional<ParsedHead> head;
  bool head_there = false;
  bool gap = false;  // it is not what root.head says, which is on record now
};

bool hold_lock(int fd) {
  struct flock lock {};
  return set_lock(fd, F_OFD_SETLK, F_WRLCK, lock) == 0;
}

bool is_locked(int fd) {
  struct flock lock {};
  return set_lock(fd, F_OFD_GETLK, F_WRLCK, lock) == 0 && lock.l_type != F_UNLCK;
}

Expected<UniqueFd> lock_root(const std::filesystem::path& directory, bool for_writing) {
  const auto path = directory / kRootFile;
  const int flags = for_writing ? O_RDWR | O_CREAT : O_RDONLY;
  const auto deadline = std::chrono::steady_clock::now() + kLockWait;
  std::chrono::microseconds pause{20};
  for (;;) {
    // A pipe in its place must not be waited for.
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!fd.valid()) {
      return cannot("open", errno, path);
    }
    struct stat kind {};
    if (::fstat(fd.get(), &kind) != 0 || !S_ISREG(kind.st_mode)) {
      return make_error(ErrorCode::kCorrupt, path.string() + " is not a file",
                        "somebody has replaced the chain of the audit log: restore it");
    }
    struct flock lock {};
    if (set_lock(fd.get(), F_OFD_SETLK, for_writing ? F_WRLCK : F_RDLCK, lock) == 0) {
      struct stat mine {};
      struct stat there {};
      if (::fstat(fd.get(), &mine) == 0 && ::stat(path.c_str(), &there) == 0 &&
          mine.st_ino == there.st_ino && mine.st_dev == there.st_dev) {
        return fd;
      }
      // It was moved away in between.
    } else if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
      return cannot("lock", errno, path);
    }
    if (std::chrono::steady_clock::now() > deadline) {
      return make_error(ErrorCode::kBusy, path.string() + " stays locked by another process",
                        "try again; `fuser " + path.string() + "` says which process it is");
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(2000));
  }
}

Expected<std::optional<PublicKey>> stored_public_key(Store& store) {
  AV_TRY(const auto stored, load_key(store));
  return stored ? std::optional(stored->key.public_key()) : std::nullopt;
}

Expected<bool> is_chain_unmade(Store& store) {
  AV_TRY(const auto stored, load_key(store));
  return !stored || stored->unused;
}

Expected<std::shared_ptr<RootChain>> RootChain::open(const std::filesystem::path& directory,
                                                     Store& store, const Clock& clock) {
  AV_CHECK(fs::make_private_directory(directory));
  AV_TRY(auto stored, load_key(store));
  if (stored && !stored->unused) {
    return std::shared_ptr<RootChain>(new RootChain(directory, std::move(stored->key), clock));
  }
  // Under a lock of its own: of several processes one makes the key.
  const auto guard_path = directory / "root.new";
  const UniqueFd guard(::open(guard_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct flock lock {};
  if (!guard.valid() || set_lock(guard.get(), F_OFD_SETLKW, F_WRLCK, lock) != 0) {
    return cannot("lock", errno, guard_path);
  }
  AV_TRY(stored, load_key(store));
  if (!stored) {
    AV_TRY(const Secret seed, crypto::random_secret(AuditKey::kSeedSize));
    AV_CHECK(save_key(store, seed, /*unused=*/true));
    AV_TRY(stored, load_key(store));
  }
  if (!stored->unused) {
    return std::shared_ptr<RootChain>(new RootChain(directory, std::move(stored->key), clock));
  }
  std::shared_ptr<RootChain> chain(new RootChain(directory, std::move(stored->key), clock));
  AV_CHECK(chain->begin(/*fresh=*/true));
  AV_TRY(auto item, store.get_item(kKeyItem));
  if (item && item->secret_part.size() > AuditKey::kSeedSize) {
    item->secret_part.truncate(AuditKey::kSeedSize);
    AV_CHECK(save_key(store, item->secret_part, /*unused=*/false));
  }
  ::unlink(guard_path.c_str());
  return chain;
}

Expected<std::shared_ptr<RootChain>> RootChain::with_key(const std::filesystem::path& directory,
                                                         AuditKey key, const Clock& clock,
                                                         bool fresh) {
  AV_CHECK(fs::make_private_directory(directory));
  std::shared_ptr<RootChain> chain(new RootChain(directory, std::move(key), clock));
  if (fresh) {
    AV_CHECK(chain->begin(fresh));
  }
  return chain;
}

Status RootChain::add_line(std::string& lines, RootPosition& position, RootEntry entry) const {
  if (entry.time_ms == 0) {
    entry.time_ms = clock_.wall_ms();
  }
  return append_root_line(lines, entry, position, key_);
}

// The first lines under this key.
Status RootChain::begin(bool fresh) {
  // Before the lock, for which others wait: they are read to their end.
  const std::vector<RootEntry> adopted =
      fresh ? entries_to_adopt(directory_) : std::vector<RootEntry>();
  AV_TRY(const UniqueFd fd, lock_root(directory_, true));
  AV_TRY(Tail tail, look_at_tail(fd.get()));
  RootPosition position = tail.last;
  std::string lines;
  RootEntry key_line;
  key_line.kind = RootKind::kKey;
  key_line.public_key = key_.public_key();
  // Killed in the middle of this, an earlier process may have left the head of nothing.
  if (fresh && tail.size == 0 && (!tail.head || tail.head->position.n == 0)) {
    AV_CHECK(write_head(position));
    AV_CHECK(add_line(lines, position, key_line));
    for (const RootEntry& one : adopted) {
      AV_CHECK(add_line(lines, position, one));
    }
  } else {
    // A chain of a store that this one has taken the place of. Which journals it names is there to
    // see; nothing is adopted.
    AV_CHECK(add_line(lines, position, key_line));
    AV_CHECK(add_gap(lines, position, tail));
  }
  AV_CHECK(write_lines(fd.get(), tail, lines));
  return write_synced_head(fd.get(), position);
}

Expected<RootChain::Tail> RootChain::look_at_tail(int fd) const {
  const auto path = directory_ / kRootFile;
  Tail tail;
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    return cannot("look at", errno, path);
  }
  const UniqueFd head(
      ::open((directory_ / kHeadFile).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  tail.head_there = head.valid();
  if (head.valid()) {
    AV_TRY(const std::string text, read_at(head.get(), 0, 1024, directory_ / kHeadFile));
    tail.head = parse_head_line(text);
  }
  const off_t begin = std::max<off_t>(0, info.st_size - static_cast<off_t>(2 * kMaxRootLine));
  AV_TRY(const std::string text,
         read_at(fd, begin, static_cast<std::size_t>(info.st_size - begin), path));
  const std::size_t end = text.rfind('\n');
  tail.torn = end == std::string::npos ? !text.empty() : end + 1 != text.size();
  if (end == std::string::npos) {
    tail.damaged = begin != 0;
    tail.size = begin == 0 ? 0 : info.st_size;
    return tail;
  }
  tail.size = begin + static_cast<off_t>(end) + 1;
  const std::size_t before = end == 0 ? std::string::npos : text.rfind('\n', end - 1);
  const std::size_t start = before == std::string::npos ? 0 : before + 1;
  const std::string_view line = std::string_view(text).substr(start, end - start);
  if (const auto entry = parse_root_line(line)) {
    tail.last = {entry->n, entry->hash};
    return tail;
  }
  // What follows builds on the bytes that are there (audit_verify.cc does the same).
  tail.damaged = true;
  AV_TRY(const std::uint64_t lines, count_lines(fd, path));
  tail.last = {lines, crypto::sha256(line)};
  return tail;
}

// What is less than there had been stays on record: the next root.head would hide it.
Status RootChain::add_gap(std::string& lines, RootPosition& position, Tail& tail) const {
  RootEntry gap;
  gap.kind = RootKind::kGap;
  if (tail.head) {
    gap.count = tail.head->position.n;
    gap.head = tail.head->position.hash;
  }
  if (tail.size == 0) {
    gap.what = "missing";
  } else if (tail.damaged) {
    gap.what = "damaged";
  } else if (!tail.head) {
    gap.what = tail.head_there ? "bad head" : "no head";
  } else if (gap.count > tail.last.n || (gap.count == tail.last.n && gap.head != tail.last.hash)) {
    gap.what = "cut";
  } else {
    return {};
  }
  tail.gap = true;
  return add_line(lines, position, std::move(gap));
}

Status RootChain::write_lines(int fd, const Tail& tail, std::string_view lines) const {
  const auto path = directory_ / kRootFile;
  // A part of a line was never acknowledged; if it was, root.head knows.
  if (tail.torn && ::ftruncate(fd, tail.size) != 0) {
    return cannot("write", errno, path);
  }
  ssize_t put = -1;
  do {
    put = ::pwrite(fd, lines.data(), lines.size(), tail.size);
  } while (put < 0 && errno == EINTR);
  if (put == static_cast<ssize_t>(lines.size())) {
    return {};
  }
  const int error_number = put < 0 ? errno : ENOSPC;
  if (put > 0) {
    static_cast<void>(::ftruncate(fd, tail.size) == 0);
  }
  return cannot("write", error_number, path);
}

Status RootChain::write_synced_head(int fd, const RootPosition& position) const {
  if (::fdatasync(fd) != 0) {
    return cannot("flush", errno, directory_ / kRootFile);
  }
  return write_head(position);
}

Status RootChain::write_head(const RootPosition& position) const {
  const auto path = directory_ / kHeadFile;
  AV_TRY(const std::string line, head_line(position, key_));
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  // One write within the file's first sector: there is no half of it after a power cut.
  if (!fd.valid() ||
      ::pwrite(fd.get(), line.data(), line.size(), 0) != static_cast<ssize_t>(line.size()) ||
      ::ftruncate(fd.get(), static_cast<off_t>(line.size())) != 0) {
    return cannot("write", errno, path);
  }
  return {};
}

Expected<RootPosition> RootChain::append(RootEntry entry) {
  AV_TRY(const UniqueFd fd, lock_root(directory_, true));
  AV_TRY(Tail tail, look_at_tail(fd.get()));
  RootPosition position = tail.last;
  std::string lines;
  if (tail.size == 0) {
    RootEntry key_line;
    key_line.kind = RootKind::kKey;
    key_line.public_key = key_.public_key();
    AV_CHECK(add_line(lines, position, std::move(key_line)));
  }
  AV_CHECK(add_gap(lines, position, tail));
  AV_CHECK(add_line(lines, position, std::move(entry)));
  AV_CHECK(write_lines(fd.get(), tail, lines));
  if (tail.gap) {
    // At once, or the next line would tell of the same gap again.
    AV_CHECK(write_synced_head(fd.get(), position));
  }
  return position;
}

Status RootChain::sync(const RootPosition& position) {
  const auto path = directory_ / kRootFile;
  {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd.valid() || ::fdatasync(fd.get()) != 0) {
      return cannot("flush", errno, path);
    }
  }
  AV_TRY(const UniqueFd fd, lock_root(directory_, true));
  AV_TRY(const Tail tail, look_at_tail(fd.get()));
  // A head that is gone, or ahead of the chain, is for append() to tell of.
  if (!tail.head || tail.head->position.n >= position.n || tail.last.n < position.n) {
    return {};
  }
  return write_head(position);
}

}  // namespace av::store
