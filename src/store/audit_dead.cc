#include "store/audit_dead.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>
#include <utility>

#include "store/audit_lines.h"

namespace av::store {
namespace {

constexpr int kMostLooks = 256;  // at locks
constexpr int kMostSigned = 8;
constexpr std::uint64_t kMostRead = std::uint64_t{16} << 20;  // of journals

// The bytes from `begin` to `end`, or as many of them as there are.
Expected<std::string> read_chain(const std::filesystem::path& path, std::uint64_t begin,
                                 std::optional<std::uint64_t> end) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
    return errno_error(errno, "cannot read " + path.string());
  }
  const std::uint64_t last = end.value_or(static_cast<std::uint64_t>(info.st_size));
  std::string text(last - std::min(last, begin), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got =
        ::pread(fd.get(), text.data() + have, text.size() - have, static_cast<off_t>(begin + have));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      break;
    }
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return text;
}

// take(line, where it begins) for each whole line.
template <typename Take>
void each_line(std::string_view text, const Take& take) {
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string_view::npos;
       begin = end + 1) {
    take(text.substr(begin, end - begin), begin);
  }
}

}  // namespace

void DeadJournals::Stretch::take(RootEntry&& entry) {
  const std::string before = std::exchange(adopted, {});
  const auto settle = [&](const std::string& file) {
    open.erase(file);
    settled.insert(file);
  };
  switch (entry.kind) {
    case RootKind::kKey:
    case RootKind::kGap:
      return;
    case RootKind::kAdopt:
      // Its writer, of an earlier version, may be alive and holds no lock.
      settle(entry.file);
      adopted = std::move(entry.file);
      return;
    case RootKind::kOpen:
      open[entry.file] = {0, 0, first_hash(entry.file)};
      return;
    case RootKind::kMark:
      if (entry.file != before) {
        open[entry.file] = {entry.lines, entry.bytes, entry.head};
      }
      return;
    case RootKind::kClose:
    case RootKind::kDead:
      settle(entry.file);
      return;
    case RootKind::kPrune:
      for (const std::string& file : entry.files) {
        settle(file);
      }
      return;
  }
}

Status DeadJournals::read_new() {
  AV_TRY(const std::string text, read_chain(directory_ / kRootFile, end_, std::nullopt));
  const std::uint64_t from = end_;
  each_line(text, [&](std::string_view line, std::size_t at) {
    if (auto entry = parse_root_line(line)) {
      seen_.take(std::move(*entry));
    }
    end_ = from + at + line.size() + 1;
  });
  return {};
}

Status DeadJournals::read_back(std::uint64_t window) {
  if (!begun_) {
    std::error_code ec;
    begin_ = end_ = std::filesystem::file_size(directory_ / kRootFile, ec);
    if (ec) {
      return errno_error(ec.value(), "cannot look at the audit chain");
    }
    begun_ = true;
  }
  // A line is never longer than this: less would not be sure to hold one.
  const std::uint64_t size = std::max<std::uint64_t>(window, 2 * kMaxRootLine);
  const std::uint64_t from = begin_ - std::min(begin_, size);
  AV_TRY(const std::string text, read_chain(directory_ / kRootFile, from, begin_));
  // Where the window begins within the file, its first line is not whole; and a mark that comes
  // first may belong to an `adopt` before it. Both are left to the next look.
  bool whole = from == 0;
  std::uint64_t first = from == 0 ? 0 : begin_;
  bool passing = from != 0;
  Stretch stretch;
  each_line(text, [&](std::string_view line, std::size_t at) {
    if (!std::exchange(whole, true)) {
      first = from + at + line.size() + 1;
      return;
    }
    auto entry = parse_root_line(line);
    passing = passing && entry && entry->kind == RootKind::kMark;
    if (passing) {
      first = from + at + line.size() + 1;
    } else if (entry) {
      stretch.take(std::move(*entry));
    }
  });
  begin_ = first < begin_ ? first : from;  // nothing but marks: they are passed over
  // What was seen before is newer.
  for (auto& [file, place] : stretch.open) {
    if (!seen_.settled.contains(file)) {
      seen_.open.try_emplace(file, place);
    }
  }
  for (const std::string& file : stretch.settled) {
    if (!seen_.open.contains(file)) {
      seen_.settled.insert(file);
    }
  }
  return {};
}

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

Status DeadJournals::look(RootChain& chain, std::uint64_t window) {
  AV_CHECK(read_back(window));
  AV_CHECK(read_new());
  const std::map<std::string, JournalPlace> candidates = seen_.open;
  std::uint64_t may_read = kMostRead;
  int looks = 0;
  int signed_ones = 0;
  RootPosition last;
  more_ = false;
  for (const auto& [file, seen] : candidates) {
    if (++looks > kMostLooks || signed_ones == kMostSigned || may_read == 0) {
      more_ = true;
      break;
    }
    const auto path = directory_ / file;
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.valid() && errno == ENOENT) {
      seen_.open.erase(file);  // there is nothing to sign for
      seen_.settled.insert(file);
      continue;
    }
    if (!fd.valid() || !hold_lock(fd.get())) {
      continue;
    }
    // Under its lock: it may have been closed, or found by another, since it was read of.
    AV_CHECK(read_new());
    const auto now = seen_.open.find(file);
    if (now == seen_.open.end()) {
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

Status sign_dead_journals(const std::filesystem::path& directory, RootChain& chain,
                          std::uint64_t window) {
  return DeadJournals(directory).look(chain, window);
}

}  // namespace av::store
