#include "store/audit_dead.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <map>
#include <utility>

#include "store/audit_lines.h"

namespace av::store {
namespace {

constexpr int kMostLooks = 256;  // at locks
constexpr int kMostSigned = 8;
constexpr std::uint64_t kMostRead = std::uint64_t{16} << 20;  // of journals

// What a part of the chain says of the journals that it leaves without an end.
class OpenJournals {
 public:
  explicit OpenJournals(const std::filesystem::path& directory) : path_(directory / kRootFile) {}
  // The last `window` bytes; called again, what has come since.
  Status read(std::uint64_t window);
  [[nodiscard]] const std::map<std::string, JournalPlace>& all() const { return open_; }

 private:
  void take(RootEntry&& entry);

  std::filesystem::path path_;
  bool begun_ = false;
  std::uint64_t offset_ = 0;
  std::string adopted_;  // named by the line before
  std::map<std::string, JournalPlace> open_;
};

Status OpenJournals::read(std::uint64_t window) {
  const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
    return errno_error(errno, "cannot read " + path_.string());
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  // Where the window begins within the file, the first line is not whole, and the mark behind an
  // `adopt` that is not seen looks like any other: both are passed over.
  int skip = !begun_ && size > window ? 2 : 0;
  offset_ = begun_ ? offset_ : size - std::min(size, window);
  begun_ = true;
  std::string text(size - std::min(size, offset_), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = ::pread(fd.get(), text.data() + have, text.size() - have,
                                static_cast<off_t>(offset_ + have));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      break;
    }
    have += static_cast<std::size_t>(got);
  }
  std::size_t begin = 0;
  for (std::size_t end = 0;
       (end = std::string_view(text).substr(0, have).find('\n', begin)) != std::string_view::npos;
       begin = end + 1) {
    auto entry = parse_root_line(std::string_view(text).substr(begin, end - begin));
    const bool passed_over = skip > 0 && (skip == 2 || (entry && entry->kind == RootKind::kMark));
    skip = std::max(0, skip - 1);
    if (entry && !passed_over) {
      take(std::move(*entry));
    }
  }
  offset_ += begin;
  return {};
}

void OpenJournals::take(RootEntry&& entry) {
  const std::string adopted = std::exchange(adopted_, {});
  switch (entry.kind) {
    case RootKind::kKey:
    case RootKind::kGap:
      return;
    case RootKind::kAdopt:
      // Its writer, of an earlier version, may be alive and holds no lock.
      adopted_ = std::move(entry.file);
      return;
    case RootKind::kOpen:
      open_[entry.file] = {0, 0, first_hash(entry.file)};
      return;
    case RootKind::kMark:
      if (entry.file != adopted) {
        open_[entry.file] = {entry.lines, entry.bytes, entry.head};
      }
      return;
    case RootKind::kClose:
    case RootKind::kDead:
      open_.erase(entry.file);
      return;
    case RootKind::kPrune:
      for (const std::string& file : entry.files) {
        open_.erase(file);
      }
      return;
  }
}

}  // namespace

std::vector<std::string> journals_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  std::error_code ec;
  std::filesystem::directory_iterator it(directory, ec);
  for (; !ec && it != std::filesystem::directory_iterator(); it.increment(ec)) {
    std::string name = it->path().filename().string();
    if (is_journal_name(name)) {
      names.push_back(std::move(name));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<RootEntry> entries_to_adopt(const std::filesystem::path& directory) {
  std::vector<RootEntry> entries;
  for (const std::string& name : journals_in(directory)) {
    RootEntry entry;
    entry.kind = RootKind::kAdopt;
    entry.file = name;
    entries.push_back(entry);
    bool whole = false;
    const auto place = place_of_journal(directory / name, {0, 0, first_hash(name)},
                                        std::numeric_limits<std::uint64_t>::max(), whole);
    if (place) {
      entry.kind = RootKind::kMark;
      entry.lines = place->lines;
      entry.bytes = place->bytes;
      entry.head = place->head;
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

Expected<JournalPlace> place_of_journal(const std::filesystem::path& path, const JournalPlace& from,
                                        std::uint64_t most_bytes, bool& whole) {
  AV_TRY(JournalLines lines, JournalLines::open(path, from.bytes));
  JournalPlace place = from;
  whole = false;
  while (place.bytes - from.bytes < most_bytes) {
    const auto line = lines.next();
    if (!line && line.error().code != ErrorCode::kCorrupt) {
      return line.error();
    }
    if (!line || !*line) {
      whole = true;
      break;
    }
    const auto split = split_line(**line);
    place.lines += 1;
    place.bytes = lines.offset();
    place.head = split ? split->hash : place.head;
  }
  return place;
}

Status sign_dead_journals(const std::filesystem::path& directory, RootChain& chain,
                          std::uint64_t window) {
  OpenJournals journals(directory);
  AV_CHECK(journals.read(window));
  const std::map<std::string, JournalPlace> candidates = journals.all();
  std::uint64_t may_read = kMostRead;
  int looks = 0;
  int signed_ones = 0;
  RootPosition last;
  for (const auto& [file, seen] : candidates) {
    if (++looks > kMostLooks || signed_ones == kMostSigned || may_read == 0) {
      break;
    }
    const auto path = directory / file;
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.valid() || !hold_lock(fd.get())) {
      continue;
    }
    // Under its lock: it may have been closed, or found by another, since it was read of.
    AV_CHECK(journals.read(0));
    const auto now = journals.all().find(file);
    if (now == journals.all().end()) {
      continue;
    }
    const JournalPlace from = now->second;
    bool whole = false;
    const auto place = place_of_journal(path, from, may_read, whole);
    if (!place || ::fdatasync(fd.get()) != 0) {
      continue;
    }
    may_read -= std::min(may_read, place->bytes - from.bytes);
    RootEntry entry;
    entry.kind = whole ? RootKind::kDead : RootKind::kMark;  // the next goes on behind a mark
    entry.file = file;
    entry.lines = place->lines;
    entry.bytes = place->bytes;
    entry.head = place->head;
    AV_TRY(last, chain.append(std::move(entry)));
    ++signed_ones;
  }
  return last.n == 0 ? Status() : chain.sync(last);
}

}  // namespace av::store
