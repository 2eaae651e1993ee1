#include "store/audit_journal.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "core/clock.h"
#include "core/crypto.h"
#include "core/encoding.h"
#include "core/fs.h"
#include "store/audit_dead.h"
#include "store/mapped_window.h"

namespace av::store {
namespace {

constexpr std::chrono::milliseconds kFlushAfter{80};
constexpr std::chrono::seconds kMarkEvery{1};
constexpr std::size_t kMostWaiting = std::size_t{256} << 10;
// A journal that has come to this many bytes by write() is mapped from then on: short runs and
// commands leave no blocks to give back.
constexpr off_t kMapFrom = 64 << 10;

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// 20260131T080910.123Z: sorts by time and needs no escaping anywhere.
std::string compact_utc(std::int64_t wall_ms) {
  std::string text = format_utc(wall_ms);
  text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == '-' || c == ':'; }),
             text.end());
  return text;
}

Error cannot_write(int error_number, const std::filesystem::path& path) {
  Error error = errno_error(error_number, "cannot write the audit log " + path.string());
  if (error.hint.empty()) {
    error.hint = "what is not on the log is not done: make the log writable and try again";
  }
  return error;
}

}  // namespace

struct AuditJournal::Impl {
  std::filesystem::path path;
  std::shared_ptr<RootChain> chain;
  RootPosition opened;  // the line that names this file
  UniqueFd fd;
  MappedWindow window;
  bool mappable = false;  // as far as is known
  UniqueFd parent;        // the directory, until its entry for the file is durable; the flusher's
  off_t size = 0;         // of the whole lines
  bool torn = false;      // the file may hold a part of a line after `size`
  crypto::Digest last{};
  std::string lines;          // not written yet: those of append_later(), and the one of append()
  std::uint64_t waiting = 0;  // how many those are

  std::mutex mutex;
  std::condition_variable wake;
  std::mutex written_mutex;
  JournalPlace written;  // guarded by written_mutex
  std::atomic<bool> dirty{false};
  std::atomic<bool> longer{false};  // the file goes on behind `size`, with zeros, and is mapped
  bool stop = false;                // guarded by mutex
  std::atomic<int> flush_error{0};  // errno of the last fdatasync that failed
  std::thread flusher;

  void flush_loop();
  JournalPlace make_durable();
  bool anchor(RootKind kind, const JournalPlace& place);
  void mark_dirty();
  void note_written();
  crypto::Digest add_line(const vault::AuditRecord& record);
  bool room_in_window();
  Status put_lines();
  Status write_lines();
};

JournalPlace AuditJournal::Impl::make_durable() {
  JournalPlace place;
  {
    const std::lock_guard lock(written_mutex);
    place = written;
  }
  if (longer.load()) {
    // A store into a mapping need not change the time, by which readers choose.
    (void)::futimens(fd.get(), nullptr);
  }
  if (::fdatasync(fd.get()) != 0) {
    // For good: Linux reports a failed write-back once, and a later success says nothing about
    // the pages that were lost.
    flush_error.store(errno);
  }
  return place;
}

// Signs that so much of the file is on the disk. False when that could not be written: what is in
// the file is there all the same, and the next mark covers it.
bool AuditJournal::Impl::anchor(RootKind kind, const JournalPlace& place) {
  if (flush_error.load() != 0) {
    return true;
  }
  RootEntry entry;
  entry.kind = kind;
  entry.file = path.filename().string();
  entry.lines = place.lines;
  entry.bytes = place.bytes;
  entry.head = place.head;
  const auto position = chain->append(std::move(entry));
  return position && chain->sync(*position);
}

void AuditJournal::Impl::flush_loop() {
  // The file's entry in its directory, at once: this waits while the run is being set up.
  if (::fsync(parent.get()) != 0) {
    flush_error.store(errno);
  }
  parent.reset();
  // Of others. What cannot be signed now is left to the next process.
  DeadJournals dead(path.parent_path());
  (void)dead.look(*chain, kLook);
  auto next_look = std::chrono::steady_clock::now() + kMarkEvery;
  JournalPlace place;
  bool named = false;  // the line that names this file is on the disk
  bool unmarked = false;
  auto next_mark = std::chrono::steady_clock::now() + kMarkEvery;
  std::unique_lock lock(mutex);
  const auto awaited = [&] { return stop || dirty.load(); };
  while (!stop || dirty.load()) {
    if (unmarked) {
      wake.wait_until(lock, next_mark, awaited);
    } else {
      wake.wait(lock, awaited);
    }
    if (!stop && dirty.load()) {
      // Lets more records join the one flush.
      wake.wait_for(lock, kFlushAfter, [&] { return stop; });
    }
    const bool stopping = stop;
    const bool flush = dirty.exchange(false);
    lock.unlock();
    if (!named && !stopping) {
      named = chain->sync(opened).has_value();
    }
    if (flush) {
      place = make_durable();
      unmarked = true;
    }
    // Whoever stays goes on through the chain, a window at a time.
    if (!dead.done() && !stopping && std::chrono::steady_clock::now() >= next_look) {
      (void)dead.look(*chain, kLookFar);
      next_look = std::chrono::steady_clock::now() + kMarkEvery;
    }
    if (unmarked && !stopping && std::chrono::steady_clock::now() >= next_mark) {
      unmarked = !anchor(RootKind::kMark, place);
      next_mark = std::chrono::steady_clock::now() + kMarkEvery;
    }
    lock.lock();
  }
  lock.unlock();
  {
    const std::lock_guard last_look(written_mutex);
    place = written;
  }
  (void)anchor(RootKind::kClose, place);
}

// `lines` is in the file.
void AuditJournal::Impl::note_written() {
  const std::lock_guard lock(written_mutex);
  written.lines += waiting;
  written.bytes = static_cast<std::uint64_t>(size);
  written.head = last;
  waiting = 0;
  lines.clear();
}

void AuditJournal::Impl::mark_dirty() {
  if (!dirty.exchange(true)) {
    const std::lock_guard lock(mutex);
    wake.notify_one();
  }
}

// Returns the hash that the next line builds on.
crypto::Digest AuditJournal::Impl::add_line(const vault::AuditRecord& record) {
  const std::size_t begin = lines.size();
  append_json(lines, record);
  lines.pop_back();  // the brace
  const std::string_view previous(reinterpret_cast<const char*>(last.data()), last.size());
  const crypto::Digest hash = crypto::sha256(previous, std::string_view(lines).substr(begin));
  lines += R"(,"hash":")";
  encoding::append_hex(lines, hash);
  lines += "\"}\n";
  ++waiting;
  return hash;
}

bool AuditJournal::Impl::room_in_window() {
  if (window.holds(size, lines.size())) {
    return true;
  }
  if (size < kMapFrom || !mappable || torn || lines.size() > MappedWindow::kMostFits) {
    return false;
  }
  longer.store(true);
  const int error_number = window.open(fd.get(), size);
  // A disk that is full now need not stay so; a file system that cannot do it never will.
  mappable = error_number == 0 || error_number == ENOSPC || error_number == EDQUOT ||
             error_number == EFBIG;
  return error_number == 0;
}

Status AuditJournal::Impl::put_lines() {
  if (!room_in_window()) {
    return write_lines();
  }
  window.put(size, lines);
  size += static_cast<off_t>(lines.size());
  note_written();
  return {};
}

Status AuditJournal::Impl::write_lines() {
  if (torn) {
    window.close();
    if (::ftruncate(fd.get(), size) != 0) {
      return cannot_write(errno, path);
    }
    torn = false;
  }
  ssize_t put = -1;
  do {
    put = ::pwrite(fd.get(), lines.data(), lines.size(), size);
  } while (put < 0 && errno == EINTR);
  if (put == static_cast<ssize_t>(lines.size())) {
    size += put;
    note_written();
    return {};
  }
  // A part may be there. It must not stay: the next record would be glued to it.
  const int error_number = put < 0 ? errno : ENOSPC;
  if (put > 0) {
    window.close();
  }
  torn = put > 0 && ::ftruncate(fd.get(), size) != 0;
  return cannot_write(error_number, path);
}

AuditJournal::AuditJournal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Expected<std::unique_ptr<AuditJournal>> AuditJournal::create(const std::filesystem::path& directory,
                                                             const std::string& name,
                                                             std::shared_ptr<RootChain> chain) {
  if (!is_plain_name(name)) {
    return make_error(ErrorCode::kInternal, "audit journal with an unusable name");
  }
  AV_CHECK(fs::make_private_directory(directory));
  auto impl = std::make_unique<Impl>();
  const std::string stem = compact_utc(SystemClock().wall_ms()) + "-" + name;
  for (int attempt = 0; attempt < 3 && !impl->fd.valid(); ++attempt) {
    const std::string suffix = attempt == 0 ? "" : "-" + crypto::random_hex(4);
    impl->path = directory / (stem + suffix + ".jsonl");
    impl->fd = UniqueFd(
        ::open(impl->path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!impl->fd.valid() && errno != EEXIST) {
      return cannot_write(errno, impl->path);
    }
  }
  if (!impl->fd.valid()) {
    return cannot_write(EEXIST, impl->path);
  }
  if (::fchmod(impl->fd.get(), 0600) != 0) {
    return cannot_write(errno, impl->path);
  }
  impl->mappable = keeps_its_blocks(impl->fd.get());
  impl->parent = UniqueFd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!impl->parent.valid()) {
    return cannot_write(errno, directory);
  }
  // Where the file system has no locks, nobody takes it for dead either.
  (void)hold_lock(impl->fd.get());
  const std::string file = impl->path.filename().string();
  impl->last = crypto::sha256(file);
  impl->written.head = impl->last;
  impl->chain = std::move(chain);
  RootEntry entry;
  entry.kind = RootKind::kOpen;
  entry.file = file;
  auto opened = impl->chain->append(std::move(entry));
  if (!opened) {
    ::unlink(impl->path.c_str());
    return opened.error();
  }
  impl->opened = *opened;
  Impl* const shared = impl.get();
  std::unique_ptr<AuditJournal> journal(new AuditJournal(std::move(impl)));
  shared->flusher = std::thread([shared] {
    ::pthread_setname_np(::pthread_self(), "av-audit");
    shared->flush_loop();
  });
  return journal;
}

AuditJournal::~AuditJournal() {
  flush();
  impl_->window.close();
  if (impl_->longer.load() || impl_->torn) {
    // Where that fails nothing is wrong: readers end at the first zero.
    static_cast<void>(::ftruncate(impl_->fd.get(), impl_->size) == 0);
  }
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
    impl_->wake.notify_one();
  }
  if (impl_->flusher.joinable()) {
    impl_->flusher.join();
  }
}

Status AuditJournal::append(const vault::AuditRecord& record) {
  if (const int error_number = impl_->flush_error.load(); error_number != 0) {
    return cannot_write(error_number, impl_->path);
  }
  const std::size_t size_before = impl_->lines.size();
  const crypto::Digest last_before = impl_->last;
  impl_->last = impl_->add_line(record);
  if (const Status written = impl_->put_lines(); !written) {
    // The caller is told; what waited goes on waiting.
    impl_->lines.resize(size_before);
    impl_->last = last_before;
    --impl_->waiting;
    return written;
  }
  impl_->mark_dirty();
  return {};
}

void AuditJournal::append_later(const vault::AuditRecord& record) {
  if (impl_->lines.size() > kMostWaiting) {
    (void)append(record);  // a log that cannot be written refuses the next use of a credential
    return;
  }
  impl_->last = impl_->add_line(record);
  if (impl_->room_in_window()) {
    flush();  // it costs nothing
  }
}

void AuditJournal::flush() {
  if (!impl_->lines.empty() && impl_->put_lines()) {
    impl_->mark_dirty();
  }
}

}  // namespace av::store
