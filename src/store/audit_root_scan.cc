#include "store/audit_root_scan.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "core/encoding.h"
#include "store/audit_chain.h"

namespace av::store {
namespace {

constexpr std::size_t kMostCheckpoints = 64;
constexpr std::size_t kMostKeys = 16;
constexpr std::size_t kChunk = std::size_t{256} << 10;
constexpr const char* kRestore =
    "compare with a copy that you trust; what the chain signed cannot be made again";

}  // namespace

std::optional<RootPosition> parse_head(std::string_view text) {
  RootPosition position;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    const auto [end, ec] = std::from_chars(text.data(), text.data() + colon, position.n);
    if (ec != std::errc() || end != text.data() + colon || position.n == 0) {
      return std::nullopt;
    }
    text.remove_prefix(colon + 1);
  }
  const auto hash = digest_of_hex(text);
  if (!hash) {
    return std::nullopt;
  }
  position.hash = *hash;
  return position;
}

void RootScan::problem(std::uint64_t line, std::string what, std::string advice) {
  problems_.add({std::string(kRootFile), line, std::move(what), std::move(advice)});
}

void RootScan::doubt(std::uint64_t line, std::string what, std::string advice) {
  if (doubts_.size() < Findings::kMost) {
    doubts_.push_back({std::string(kRootFile), line, std::move(what), std::move(advice)});
  }
}

Status RootScan::catch_up() {
  const auto path = directory_ / kRootFile;
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    if (!exists_) {
      read_head_file();
    }
    return {};
  }
  std::uint64_t size = 0;
  UniqueFd fd;
  {
    // Under the lock the file ends where a line ends, and root.head fits it.
    AV_TRY(fd, lock_root(directory_, /*for_writing=*/false));
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) {
      return errno_error(errno, "cannot look at " + path.string());
    }
    size = static_cast<std::uint64_t>(info.st_size);
    if (!exists_) {
      read_head_file();
    }
    exists_ = true;
    UniqueFd unlocked(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!unlocked.valid()) {
      return errno_error(errno, "cannot open " + path.string());
    }
    fd = std::move(unlocked);
  }
  return read_lines(fd.get(), size);
}

void RootScan::read_head_file() {
  const auto path = directory_ / kHeadFile;
  const auto text = fs::read_file(path, 4096);
  head_there_ = text || text.error().code != ErrorCode::kNotFound;
  if (text) {
    head_text_ = *text;
    head_ = parse_head_line(head_text_);
  }
}

Status RootScan::read_lines(int fd, std::uint64_t size) {
  std::string pending;
  std::string chunk(kChunk, '\0');
  std::uint64_t at = offset_;
  while (at < size) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, size - at));
    const ssize_t got = ::pread(fd, chunk.data(), want, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return errno_error(got == 0 ? EIO : errno, "cannot read the audit chain");
    }
    at += static_cast<std::uint64_t>(got);
    pending.append(chunk, 0, static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = pending.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      take_line(std::string_view(pending).substr(begin, end - begin));
    }
    offset_ += begin;
    pending.erase(0, begin);
    if (pending.size() > kChunk) {
      problem(last_.n + 1, "the line does not end", kRestore);
      offset_ += pending.size();
      pending.clear();
    }
  }
  torn_ = !pending.empty();
  return {};
}

void RootScan::take_line(std::string_view line) {
  const std::uint64_t n = last_.n + 1;
  auto entry = parse_root_line(line);
  if (!entry) {
    problem(n, "the line is not one that agent-vault writes", kRestore);
    last_ = {n, crypto::sha256(line)};
    return;
  }
  const bool follows = entry->n == n && root_line_hash(last_.hash, line) == entry->hash;
  if (!follows) {
    problem(n,
            "the line does not follow from the one before: one of them was edited, or lines were "
            "removed, inserted or moved",
            kRestore);
  }
  if (n == 1 && entry->kind != RootKind::kKey) {
    problem(n, "the chain does not begin with its key: its beginning was removed", kRestore);
  }
  if (entry->kind == RootKind::kKey) {
    take_key(*entry);
  }
  // A broken line's signature was made over another one before it; that is told already.
  if (follows && checker_ && !root_line_signed(last_.hash, line, entry->signature, *checker_)) {
    problem(n, "the line is not signed by the key of the store: it is a forgery", kRestore);
  }
  last_ = {n, entry->hash};
  since_ms_ = since_ms_ == 0 ? entry->time_ms : since_ms_;
  take_entry(std::move(*entry));
  compare_heads();
}

void RootScan::take_key(const RootEntry& entry) {
  const bool expected = !expected_.key || *expected_.key == entry.public_key;
  if (!expected && !foreign_key_told_) {
    foreign_key_told_ = true;
    doubt(last_.n + 1,
          "the chain is signed by " + encoding::hex(entry.public_key) +
              ", which is not the key that is asked for",
          "when the store was made anew, lines before its key cannot be checked; otherwise the "
          "chain was replaced");
  } else if (key_ && *key_ != entry.public_key) {
    doubt(last_.n + 1, "the chain goes on under another key, for which the one before did not sign",
          "when the store was made anew at that time, keep the head from `agent-vault audit head` "
          "and give it with --head; otherwise the chain was forged from here on");
  }
  if (!key_ || *key_ != entry.public_key) {
    key_ = entry.public_key;
    if (keys_.size() < kMostKeys) {
      keys_.push_back(entry.public_key);
    }
    checker_.emplace(entry.public_key);
  }
}

void RootScan::take_gap(const RootEntry& entry) {
  const std::string when = " when this line was written";
  std::string what =
      entry.what == "missing"   ? "there was no chain any more" + when
      : entry.what == "damaged" ? "the line before could not be read" + when
      : entry.what == "cut"
          ? "the chain had been cut: it ended before line " + std::to_string(entry.count) + when
          : std::string(kHeadFile) + " was gone or could not be read" + when;
  doubt(entry.n, std::move(what),
        "find out who changed the files; then keep the head from `agent-vault audit head` and give "
        "it with --head, which settles what lies before it");
}

void RootScan::take_entry(RootEntry&& entry) {
  switch (entry.kind) {
    case RootKind::kKey:
      return;
    case RootKind::kGap:
      take_gap(entry);
      return;
    case RootKind::kPrune:
      pruned_records_ += entry.lines;
      for (const std::string& file : entry.files) {
        journals_[file].pruned = true;
      }
      return;
    case RootKind::kAdopt:
    case RootKind::kOpen: {
      const auto [it, fresh] = journals_.try_emplace(std::move(entry.file));
      if (!fresh) {
        problem(last_.n, "names " + it->first + " a second time", kRestore);
      }
      it->second.root_line = last_.n;
      it->second.adopted = entry.kind == RootKind::kAdopt;
      it->second.opened = true;
      return;
    }
    case RootKind::kMark:
    case RootKind::kClose:
    case RootKind::kDead:
      take_place(std::move(entry));
      return;
  }
}

void RootScan::take_place(RootEntry&& entry) {
  JournalState& state = journals_[entry.file];
  const Checkpoint place{last_.n, entry.lines, entry.bytes, entry.head};
  auto& all = state.checkpoints;
  if (!state.opened || state.closed ||
      (!all.empty() && (place.lines < all.back().lines || place.bytes < all.back().bytes))) {
    problem(last_.n, "does not fit what the chain said before of " + entry.file, kRestore);
  }
  state.opened = true;
  state.closed = entry.kind != RootKind::kMark;
  state.found_dead = entry.kind == RootKind::kDead;
  all.push_back(place);
  if (all.size() > kMostCheckpoints) {
    // Every other one goes; the hash of a later one covers it.
    std::size_t kept = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i % 2 == 0 || i + 1 == all.size()) {
        all[kept++] = all[i];
      }
    }
    all.resize(kept);
  }
}

void RootScan::compare_heads() {
  if (head_ && !head_met_ && head_->position.n == last_.n) {
    head_met_ = true;
    if (head_->position.hash != last_.hash) {
      problem(last_.n, "is not the line that " + std::string(kHeadFile) + " is signed for",
              kRestore);
    }
  }
  if (!expected_.head || expected_met_) {
    return;
  }
  const RootPosition& want = *expected_.head;
  if (want.n == 0 ? want.hash == last_.hash : want.n == last_.n) {
    expected_met_ = true;
    if (want.hash != last_.hash) {
      problem(last_.n, "is not the line whose head was kept: the log was replaced", kRestore);
    } else {
      // Whoever kept the head knew what was before it.
      for (Finding& known : doubts_) {
        notices_.add(std::move(known));
      }
      doubts_.clear();
    }
  }
}

// The head of nothing is signed before there is a line, and replaced before the key counts as used.
void RootScan::judge_beginning() {
  const bool begins = head_ && head_->position.n == 0;
  if (!exists_ || (last_.n != 0 && !begins)) {
    return;
  }
  if (expected_.unmade) {
    if (last_.n == 0) {
      notices_.add({std::string(kRootFile), 0, "is empty: its making was interrupted", ""});
    }
  } else if (last_.n == 0) {
    problem(0, "is empty: what it said is gone", kRestore);
  } else {
    problems_.add(
        {std::string(kHeadFile), 1, "is the one from before the first line, put back", kRestore});
  }
}

void RootScan::finish() {
  for (Finding& open : doubts_) {
    problems_.add(std::move(open));
  }
  doubts_.clear();
  if (expected_.head && !expected_met_) {
    problem(0,
            "the chain does not reach the head that was kept: the log is an older copy, or its end "
            "was cut off",
            "restore the newer copy");
  }
  const std::string head_file(kHeadFile);
  if (head_there_ && !exists_) {
    problem(0, "is gone", kRestore);
  } else if (exists_ && !head_there_ && !(expected_.unmade && last_.n == 0)) {
    problems_.add({head_file, 0, "is gone", "without it a chain that was cut off looks whole"});
  } else if (head_there_ &&
             (!head_ || (!keys_.empty() &&
                         std::none_of(keys_.begin(), keys_.end(), [&](const PublicKey& key) {
                           return head_signed(head_text_, head_->signature, SignatureChecker(key));
                         })))) {
    problems_.add({head_file, 1, "is not what agent-vault wrote there", kRestore});
  } else if (head_ && head_->position.n > last_.n) {
    problem(last_.n + 1,
            "the end of the chain was cut off: it went on to line " +
                std::to_string(head_->position.n) + " at least",
            kRestore);
  }
  if (torn_ && !(head_ && head_->position.n > last_.n)) {
    notices_.add({std::string(kRootFile), last_.n + 1,
                  "the last line is not whole, as after a power cut", ""});
  }
  judge_beginning();
}

}  // namespace av::store
