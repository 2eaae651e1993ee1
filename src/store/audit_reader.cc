#include "store/audit_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <nlohmann/json.hpp>

#include "core/fs.h"
#include "store/audit_lines.h"
#include "store/audit_root.h"

namespace av::store {
namespace {

// Older than this, a line without its end is a line that nobody will finish.
constexpr std::int64_t kTornAfterSeconds = 2;
constexpr std::size_t kChunk = std::size_t{64} << 10;

// What is behind a zero in a journal.
struct BehindZeros {
  bool text = false;     // not only zeros
  off_t next_line = -1;  // where the first whole line begins; -1: none does
};

BehindZeros look_behind_zeros(int fd, off_t offset) {
  BehindZeros found;
  std::string chunk(kChunk, '\0');
  for (;;) {
    const ssize_t got = ::pread(fd, chunk.data(), chunk.size(), offset);
    if (got <= 0) {
      return found;
    }
    const std::string_view bytes(chunk.data(), static_cast<std::size_t>(got));
    const std::size_t text = found.text ? 0 : bytes.find_first_not_of('\0');
    if (text != std::string_view::npos) {
      found.text = true;
      const std::size_t end = bytes.find('\n', text);
      if (end != std::string_view::npos) {
        found.next_line = offset + static_cast<off_t>(end) + 1;
        return found;
      }
    }
    offset += got;
  }
}

void sort_by_time(std::vector<AuditEntry>& entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const AuditEntry& a, const AuditEntry& b) {
    return a.record.time_ms < b.record.time_ms;
  });
}

std::int64_t mtime_ns(const struct stat& info) {
  return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

// Nothing has been written behind `offset`, as far as a look at one byte tells: it is the first of
// a line that is copied, or zero.
bool is_zero_at(int fd, std::uintmax_t offset) {
  char first = '\0';
  return ::pread(fd, &first, 1, static_cast<off_t>(offset)) == 1 && first == '\0';
}

}  // namespace

Expected<vault::AuditRecord> parse_record(std::string_view line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) {
    return make_error(ErrorCode::kCorrupt, "not a record");
  }
  try {
    vault::AuditRecord record;
    record.time_ms = parse_utc_exactly(json.value("time", "")).value_or(0);
    record.event = json.value("event", "");
    record.vault = json.value("vault", "");
    record.agent = json.value("agent", "");
    record.run = json.value("run", "");
    record.request = json.value("request", std::uint64_t{0});
    record.method = json.value("method", "");
    record.scheme = json.value("scheme", "");
    record.host = json.value("host", "");
    record.port = json.value("port", std::uint16_t{0});
    record.path = json.value("path", "");
    record.service = json.value("service", "");
    record.credentials = json.value("credentials", std::vector<std::string>{});
    record.rule = json.value("rule", "");
    record.decision = json.value("decision", "");
    record.status = json.value("status", 0);
    record.bytes_in = json.value("bytes_in", std::uint64_t{0});
    record.bytes_out = json.value("bytes_out", std::uint64_t{0});
    record.latency_us = json.value("latency_us", std::int64_t{0});
    record.upstream = json.value("upstream", "");
    record.error = json.value("error", "");
    record.detail = json.value("detail", "");
    return record;
  } catch (const nlohmann::json::exception&) {
    return make_error(ErrorCode::kCorrupt, "not a record");
  }
}

Expected<std::vector<std::filesystem::path>> AuditReader::files() const {
  std::vector<std::filesystem::path> found;
  std::error_code ec;
  std::filesystem::directory_iterator it(directory_, ec);
  if (ec == std::errc::no_such_file_or_directory) {
    return found;
  }
  for (; !ec && it != std::filesystem::directory_iterator(); it.increment(ec)) {
    if (it->path().extension() == ".jsonl") {
      found.push_back(it->path());
    }
  }
  if (ec) {
    return errno_error(ec.value(), "cannot read the audit log " + directory_.string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

void AuditReader::take_line(const std::string& file, FileState& state, std::string_view line,
                            const Keep& keep, std::vector<AuditEntry>& out) {
  ++state.lines;
  const auto split = split_line(line);
  if (!split) {
    defects_.push_back({file, state.lines, "not a record"});
    return;
  }
  if (line_hash(state.last, split->text) != split->hash) {
    defects_.push_back({file, state.lines, "hash chain broken"});
  }
  // Go on from what the line says, so that one defect is reported once.
  state.last = split->hash;
  const Expected<vault::AuditRecord> record = parse_record(line);
  if (!record) {
    defects_.push_back({file, state.lines, "not a record"});
    return;
  }
  if (!keep || keep(*record)) {
    out.push_back({*record, file, std::string(line)});
  }
}

Status AuditReader::read_new(const std::filesystem::path& path, const Keep& keep,
                             std::vector<AuditEntry>& out) {
  const std::string file = path.filename().string();
  const auto [it, fresh] = states_.try_emplace(file);
  FileState& state = it->second;
  if (fresh) {
    state.last = first_hash(file);
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 &&
      static_cast<std::uintmax_t>(info.st_size) == state.offset) {
    return {};
  }
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) {
    return errno_error(errno, "cannot read the audit log " + path.string());
  }
  if (::fstat(fd.get(), &info) == 0 && mtime_ns(info) == state.looked_mtime_ns &&
      static_cast<std::uintmax_t>(info.st_size) == state.looked_size &&
      is_zero_at(fd.get(), state.offset)) {
    return {};
  }
  std::string pending;
  std::string chunk(kChunk, '\0');
  off_t offset = static_cast<off_t>(state.offset);
  for (;;) {
    const ssize_t got = ::pread(fd.get(), chunk.data(), chunk.size(), offset);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return errno_error(errno, "cannot read the audit log " + path.string());
    }
    if (got == 0) {
      break;
    }
    offset += got;
    // Zeros: room for lines that have not been written yet, or not completely.
    const std::size_t size = std::min(chunk.find('\0'), static_cast<std::size_t>(got));
    pending.append(chunk, 0, size);
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = pending.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      take_line(file, state, std::string_view(pending).substr(begin, end - begin), keep, out);
    }
    state.offset += begin;
    pending.erase(0, begin);
    if (size == static_cast<std::size_t>(got)) {
      continue;
    }
    // Room at the end; unless it is old, and lines follow that nobody would see otherwise.
    const bool settled =
        ::fstat(fd.get(), &info) == 0 && info.st_mtime + kTornAfterSeconds < std::time(nullptr);
    const off_t zeros = offset - got + static_cast<off_t>(size);
    const BehindZeros behind = settled ? look_behind_zeros(fd.get(), zeros) : BehindZeros();
    if (behind.text && (fresh || behind.next_line >= 0)) {
      defects_.push_back({file, ++state.lines, "zeros in the middle"});
    }
    if (behind.next_line < 0) {
      if (settled && pending.empty()) {
        state.looked_size = static_cast<std::uintmax_t>(info.st_size);
        state.looked_mtime_ns = mtime_ns(info);
      }
      break;
    }
    pending.clear();
    offset = behind.next_line;
    state.offset = static_cast<std::uintmax_t>(offset);
  }
  if (!pending.empty() && fresh && ::fstat(fd.get(), &info) == 0 &&
      info.st_mtime + kTornAfterSeconds < std::time(nullptr)) {
    defects_.push_back({file, state.lines + 1, "torn last line"});
  }
  return {};
}

Expected<std::vector<AuditEntry>> AuditReader::read(std::size_t limit, std::int64_t since_ms,
                                                    const Keep& keep) {
  AV_TRY(const auto paths, files());
  std::vector<AuditEntry> entries;
  const Keep wanted = [&](const vault::AuditRecord& record) {
    return record.time_ms >= since_ms && (!keep || keep(record));
  };
  for (const auto& path : paths) {
    struct stat info {};
    if (since_ms > 0 && ::stat(path.c_str(), &info) == 0 &&
        std::int64_t{info.st_mtime} * 1000 + 1000 < since_ms) {
      continue;
    }
    AV_CHECK(read_new(path, wanted, entries));
    // Each file is in order, so what is beyond the limit within one can go at once.
    if (limit != 0 && entries.size() > 4 * limit + 1024) {
      sort_by_time(entries);
      entries.erase(entries.begin(), entries.end() - static_cast<std::ptrdiff_t>(limit));
    }
  }
  sort_by_time(entries);
  if (limit != 0 && entries.size() > limit) {
    entries.erase(entries.begin(), entries.end() - static_cast<std::ptrdiff_t>(limit));
  }
  return entries;
}

Expected<std::vector<AuditEntry>> AuditReader::poll(const Keep& keep) {
  AV_TRY(const auto paths, files());
  std::vector<AuditEntry> entries;
  for (const auto& path : paths) {
    AV_CHECK(read_new(path, keep, entries));
  }
  sort_by_time(entries);
  return entries;
}

}  // namespace av::store
