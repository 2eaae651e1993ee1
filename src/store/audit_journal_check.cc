#include "store/audit_journal_check.h"

#include <algorithm>
#include <thread>

#include "store/audit_lines.h"

namespace av::store {
namespace {

// Of one file; more of the same kind tell nothing new.
constexpr std::uint64_t kMostBroken = 20;
constexpr int kTailLooks = 50;
constexpr std::chrono::milliseconds kTailPause{4};
constexpr const char* kCompare = "compare with a copy that you trust";

class Check {
 public:
  Check(std::string file, const JournalState& state, Findings& problems, Findings& notices)
      : file_(std::move(file)), state_(state), problems_(problems), notices_(notices) {
    result_.head = first_hash(file_);
  }

  Status run(JournalLines& lines);
  [[nodiscard]] const CheckedJournal& result() const { return result_; }

 private:
  Status take_all(JournalLines& lines);
  void take(std::string_view line);
  void compare();
  void look_at_end(JournalLines::Tail tail);
  void problem(std::uint64_t line, std::string what) {
    problems_.add({file_, line, std::move(what), kCompare});
  }

  std::string file_;
  const JournalState& state_;
  Findings& problems_;
  Findings& notices_;
  CheckedJournal result_;
  std::size_t next_ = 0;      // of state_.checkpoints
  std::uint64_t broken_ = 0;  // lines that do not follow
  bool differs_ = false;      // from what was signed; told
};

void Check::take(std::string_view line) {
  ++result_.lines;
  result_.bytes += line.size() + 1;
  const auto split = split_line(line);
  const bool follows = split && line_hash(result_.head, split->text) == split->hash;
  if (!follows && ++broken_ <= kMostBroken) {
    problem(result_.lines, !split ? "not a record"
                           : result_.lines == 1
                               ? "the first line is not the first of a file of this name: it was "
                                 "edited, lines before it were removed, or the file was renamed"
                               : "the line does not follow from the one before: one of them was "
                                 "edited, or lines were removed, inserted or moved");
  }
  // Go on from what the line says, so that one change is told once.
  if (split) {
    result_.head = split->hash;
  }
  result_.last_ms = std::max(result_.last_ms, time_of_line(line));
  compare();
}

void Check::compare() {
  const auto& all = state_.checkpoints;
  while (next_ < all.size() && all[next_].lines <= result_.lines) {
    const Checkpoint& place = all[next_];
    const bool same =
        place.lines == result_.lines && place.bytes == result_.bytes && place.head == result_.head;
    if (!same && !differs_ && place.lines == result_.lines) {
      differs_ = true;
      const std::uint64_t from = next_ == 0 ? 1 : all[next_ - 1].lines + 1;
      problem(from, "lines " + std::to_string(from) + " to " + std::to_string(place.lines) +
                        " are not those that line " + std::to_string(place.root_line) + " of " +
                        std::string(kRootFile) + " is signed for");
    }
    ++next_;
  }
}

void Check::look_at_end(JournalLines::Tail tail) {
  const auto& all = state_.checkpoints;
  const std::uint64_t signed_lines = all.empty() ? 0 : all.back().lines;
  const std::uint64_t signed_bytes = all.empty() ? 0 : all.back().bytes;
  if (result_.lines < signed_lines) {
    problem(result_.lines + 1, "the end was cut off: " + std::to_string(signed_lines) +
                                   " lines were signed for, " + std::to_string(result_.lines) +
                                   " are there");
  } else if (state_.closed && result_.lines > signed_lines) {
    problem(signed_lines + 1, "lines were added behind the end that was signed");
  } else if (state_.closed && result_.bytes != signed_bytes && !differs_ && broken_ == 0) {
    problem(0, "is not as long as was signed");
  }
  switch (tail) {
    case JournalLines::Tail::kNothing:
      break;
    case JournalLines::Tail::kZeros:  // room that was not used; closing gives it back
      if (state_.closed && !state_.found_dead) {
        problem(result_.lines + 1, "there are zeros behind the end that was signed");
      }
      break;
    case JournalLines::Tail::kTorn:
      if (state_.closed && !state_.found_dead) {
        problem(result_.lines + 1, "there is more behind the end that was signed");
      } else if (!result_.being_written && result_.lines >= signed_lines) {
        notices_.add(
            {file_, result_.lines + 1, "the last line is not whole, as after a power cut", ""});
      }
      break;
    case JournalLines::Tail::kOther:
      problem(result_.lines + 1, "what follows is not a record");
      break;
  }
}

Status Check::take_all(JournalLines& lines) {
  for (;;) {
    AV_TRY(const auto line, lines.next());
    if (!line) {
      return {};
    }
    take(*line);
  }
}

Status Check::run(JournalLines& lines) {
  if (const Status read = take_all(lines); !read) {
    if (read.error().code != ErrorCode::kCorrupt) {
      return read;
    }
    problem(result_.lines + 1, "the line does not end");
    return {};
  }
  result_.being_written = lines.being_written();
  AV_TRY(JournalLines::Tail tail, lines.tail());
  // A line that is being copied at this moment is whole in the next.
  for (int look = 0;
       tail == JournalLines::Tail::kOther && result_.being_written && look < kTailLooks; ++look) {
    std::this_thread::sleep_for(kTailPause);
    AV_CHECK(take_all(lines));
    AV_TRY(tail, lines.tail());
  }
  look_at_end(tail);
  return {};
}

}  // namespace

Expected<CheckedJournal> check_journal(const std::filesystem::path& path, const JournalState& state,
                                       Findings& problems, Findings& notices) {
  AV_TRY(JournalLines lines, JournalLines::open(path));
  Check check(path.filename().string(), state, problems, notices);
  AV_CHECK(check.run(lines));
  return check.result();
}

}  // namespace av::store
