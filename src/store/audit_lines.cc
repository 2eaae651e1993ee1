#include "store/audit_lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "store/audit_chain.h"

namespace av::store {
namespace {

constexpr std::size_t kChunk = std::size_t{64} << 10;
constexpr std::string_view kHashKey = R"(,"hash":")";
constexpr std::size_t kHashTail = 9 + 64 + 2;
constexpr std::string_view kTimeKey = R"({"time":")";

}  // namespace

std::optional<HashedLine> split_line(std::string_view line) {
  if (line.size() < kHashTail || !line.ends_with("\"}")) {
    return std::nullopt;
  }
  const std::string_view tail = line.substr(line.size() - kHashTail);
  const auto hash = digest_of_hex(tail.substr(kHashKey.size(), 64));
  if (!hash || !tail.starts_with(kHashKey)) {
    return std::nullopt;
  }
  return HashedLine{line.substr(0, line.size() - kHashTail), *hash};
}

crypto::Digest line_hash(const crypto::Digest& previous, std::string_view text) {
  return crypto::sha256({reinterpret_cast<const char*>(previous.data()), previous.size()}, text);
}

crypto::Digest first_hash(std::string_view file) {
  return crypto::sha256(file);
}

std::int64_t time_of_line(std::string_view line) {
  return line.starts_with(kTimeKey)
             ? parse_utc_exactly(line.substr(kTimeKey.size(), 24)).value_or(0)
             : 0;
}

Expected<JournalLines> JournalLines::open(const std::filesystem::path& path, std::uint64_t offset) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) {
    return errno_error(errno, "cannot read the audit log " + path.string());
  }
  return JournalLines(std::move(fd), path.string(), offset);
}

Expected<std::size_t> JournalLines::read_at(std::uint64_t offset, char* out,
                                            std::size_t size) const {
  for (;;) {
    const ssize_t got = ::pread(fd_.get(), out, size, static_cast<off_t>(offset));
    if (got >= 0) {
      return static_cast<std::size_t>(got);
    }
    if (errno != EINTR) {
      return errno_error(errno, "cannot read the audit log " + path_);
    }
  }
}

Expected<std::optional<std::string_view>> JournalLines::next() {
  for (;;) {
    const std::size_t end = pending_.find('\n', searched_);
    if (end != std::string::npos) {
      const std::string_view line = std::string_view(pending_).substr(begin_, end - begin_);
      offset_ += line.size() + 1;
      begin_ = end + 1;
      searched_ = begin_;
      return std::optional(line);
    }
    pending_.erase(0, begin_);
    begin_ = 0;
    searched_ = pending_.size();
    if (searched_ > kMaxRecord) {
      return make_error(ErrorCode::kCorrupt, "not a record");
    }
    pending_.resize(searched_ + kChunk);
    AV_TRY(const std::size_t got, read_at(read_to_, pending_.data() + searched_, kChunk));
    // Zeros: room for lines that have not been written yet, or not completely.
    const std::size_t size =
        std::min(got, std::string_view(pending_).substr(searched_, got).find('\0'));
    pending_.resize(searched_ + size);
    read_to_ += size;
    if (size == 0) {
      return std::optional<std::string_view>();
    }
  }
}

Expected<JournalLines::Tail> JournalLines::tail() {
  constexpr std::string_view kBegin = kTimeKey;
  std::string chunk(kChunk, '\0');
  Tail found = Tail::kNothing;
  std::uint64_t text = 0;  // bytes before the first zero
  for (std::uint64_t at = offset_;;) {
    AV_TRY(const std::size_t got, read_at(at, chunk.data(), chunk.size()));
    if (got == 0) {
      return found;
    }
    for (std::size_t i = 0; i < got; ++i) {
      const char c = chunk[i];
      if (c == '\0') {
        found = found == Tail::kNothing ? Tail::kZeros : found;
        text = text == 0 ? 0 : kMaxRecord;  // nothing may follow
        continue;
      }
      const bool goes_on = text < kBegin.size() ? c == kBegin[static_cast<std::size_t>(text)]
                                                : text < kMaxRecord && c != '\n';
      if (found == Tail::kZeros || !goes_on) {
        return Tail::kOther;
      }
      found = Tail::kTorn;
      ++text;
    }
    at += got;
  }
}

bool JournalLines::being_written() const {
  return is_locked(fd_.get());
}

}  // namespace av::store
