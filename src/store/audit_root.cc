#include "store/audit_root.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "core/clock.h"
#include "core/encoding.h"

namespace av::store {
namespace {

constexpr std::string_view kRootContext = "agent-vault audit root\n";
constexpr std::string_view kHeadContext = "agent-vault audit head\n";
constexpr std::size_t kHashTail = 9 + 64 + 2;  // ,"hash":"<64>"}
constexpr std::size_t kSignatureTail = 8 + 128 + 1 + kHashTail;
constexpr std::array kKinds = {RootKind::kKey,   RootKind::kAdopt, RootKind::kOpen,
                               RootKind::kMark,  RootKind::kClose, RootKind::kDead,
                               RootKind::kPrune, RootKind::kGap};
constexpr std::array<std::string_view, 5> kGaps = {"missing", "cut", "damaged", "no head",
                                                   "bad head"};

std::string_view text_of(const crypto::Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

void add_text(std::string& out, std::string_view key, std::string_view value) {
  out.append(",\"").append(key).append("\":\"").append(value).append("\"");
}
void add_number(std::string& out, std::string_view key, std::uint64_t value) {
  out.append(",\"").append(key).append("\":").append(std::to_string(value));
}

// Everything but the signature and the hash, without the closing brace.
std::string body_of(const RootEntry& entry) {
  std::string out = "{\"n\":" + std::to_string(entry.n);
  add_text(out, "time", format_utc(entry.time_ms));
  add_text(out, "type", to_string(entry.kind));
  switch (entry.kind) {
    case RootKind::kKey:
      add_text(out, "public", encoding::hex(entry.public_key));
      break;
    case RootKind::kAdopt:
    case RootKind::kOpen:
      add_text(out, "file", entry.file);
      break;
    case RootKind::kMark:
    case RootKind::kClose:
    case RootKind::kDead:
      add_text(out, "file", entry.file);
      add_number(out, "lines", entry.lines);
      add_number(out, "bytes", entry.bytes);
      add_text(out, "head", encoding::hex(entry.head));
      break;
    case RootKind::kPrune:
      add_text(out, "before", format_utc(entry.before_ms));
      add_number(out, "records", entry.lines);
      add_text(out, "digest", encoding::hex(entry.digest));
      out.append(",\"files\":[");
      for (const std::string& file : entry.files) {
        out.append(out.back() == '[' ? "\"" : ",\"").append(file).push_back('"');
      }
      out.push_back(']');
      break;
    case RootKind::kGap:
      add_text(out, "what", entry.what);
      add_number(out, "count", entry.count);
      add_text(out, "head", encoding::hex(entry.head));
      break;
  }
  return out;
}

std::string signed_text(const crypto::Digest& previous, std::string_view body) {
  std::string message(kRootContext);
  message.append(text_of(previous)).append(body);
  return message;
}

// Takes a line apart from its beginning; once something is not as written, everything fails.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}
  bool literal(std::string_view text) {
    ok_ = ok_ && rest_.starts_with(text);
    rest_.remove_prefix(ok_ ? text.size() : 0);
    return ok_;
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    const auto used = static_cast<std::size_t>(end - rest_.data());
    ok_ = ok_ && ec == std::errc() && (used == 1 || rest_[0] != '0');
    rest_.remove_prefix(ok_ ? used : 0);
    return value;
  }
  // Up to the next quotation mark, which is taken too. What is written has nothing to escape.
  std::string_view text() {
    const std::size_t end = rest_.find('"');
    ok_ = ok_ && end != std::string_view::npos;
    if (!ok_) {
      return {};
    }
    const std::string_view value = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return value;
  }
  void hex(std::span<std::uint8_t> out) { ok_ = read_hex(text(), out) && ok_; }
  std::string file() {
    const std::string_view name = text();
    ok_ = ok_ && is_journal_name(name);
    return std::string(ok_ ? name : std::string_view());
  }
  std::int64_t time() {
    const auto value = parse_utc_exactly(text());
    ok_ = ok_ && value.has_value();
    return value.value_or(0);
  }
  void fail_unless(bool condition) { ok_ = ok_ && condition; }
  [[nodiscard]] bool at(char c) const { return ok_ && !rest_.empty() && rest_[0] == c; }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

void read_members(Cursor& in, RootEntry& entry) {
  const auto count = [&](std::string_view key) {
    in.literal(key);
    return in.number();
  };
  switch (entry.kind) {
    case RootKind::kKey:
      in.literal(R"(,"public":")");
      in.hex(entry.public_key);
      break;
    case RootKind::kAdopt:
    case RootKind::kOpen:
      in.literal(R"(,"file":")");
      entry.file = in.file();
      break;
    case RootKind::kMark:
    case RootKind::kClose:
    case RootKind::kDead:
      in.literal(R"(,"file":")");
      entry.file = in.file();
      entry.lines = count(R"(,"lines":)");
      entry.bytes = count(R"(,"bytes":)");
      in.literal(R"(,"head":")");
      in.hex(entry.head);
      break;
    case RootKind::kPrune:
      in.literal(R"(,"before":")");
      entry.before_ms = in.time();
      entry.lines = count(R"(,"records":)");
      in.literal(R"(,"digest":")");
      in.hex(entry.digest);
      in.literal(R"(,"files":[)");
      do {
        in.literal(entry.files.empty() ? "\"" : ",\"");
        entry.files.push_back(in.file());
      } while (in.at(','));
      in.fail_unless(entry.files.size() <= kMaxPrunedPerEntry);
      in.literal("]");
      break;
    case RootKind::kGap:
      in.literal(R"(,"what":")");
      entry.what = in.text();
      in.fail_unless(std::find(kGaps.begin(), kGaps.end(), entry.what) != kGaps.end());
      entry.count = count(R"(,"count":)");
      in.literal(R"(,"head":")");
      in.hex(entry.head);
      break;
  }
}

}  // namespace

std::string_view to_string(RootKind kind) {
  switch (kind) {
    case RootKind::kKey:
      return "key";
    case RootKind::kAdopt:
      return "adopt";
    case RootKind::kOpen:
      return "open";
    case RootKind::kMark:
      return "mark";
    case RootKind::kClose:
      return "close";
    case RootKind::kDead:
      return "dead";
    case RootKind::kPrune:
      return "prune";
    case RootKind::kGap:
      return "gap";
  }
  return {};
}

RootPosition root_beginning() {
  return {0, crypto::sha256(kRootFile)};
}

std::string to_text(const RootPosition& position) {
  return std::to_string(position.n) + ":" + encoding::hex(position.hash);
}

Status append_root_line(std::string& out, RootEntry& entry, RootPosition& position,
                        const AuditKey& key) {
  entry.n = position.n + 1;
  std::string line = body_of(entry);
  AV_TRY(entry.signature, key.sign(signed_text(position.hash, line)));
  add_text(line, "sig", encoding::hex(entry.signature));
  entry.hash = crypto::sha256(text_of(position.hash), line);
  add_text(line, "hash", encoding::hex(entry.hash));
  line.append("}\n");
  if (line.size() > kMaxRootLine) {
    return make_error(ErrorCode::kInternal, "a line of the audit chain is too long");
  }
  out.append(line);
  position = {entry.n, entry.hash};
  return {};
}

std::optional<RootEntry> parse_root_line(std::string_view line) {
  if (line.size() >= kMaxRootLine) {
    return std::nullopt;
  }
  RootEntry entry;
  Cursor in(line);
  in.literal("{\"n\":");
  entry.n = in.number();
  in.literal(R"(,"time":")");
  entry.time_ms = in.time();
  in.literal(R"(,"type":")");
  const std::string_view type = in.text();
  const auto kind = std::find_if(kKinds.begin(), kKinds.end(),
                                 [&](RootKind one) { return to_string(one) == type; });
  if (!in.ok() || kind == kKinds.end()) {
    return std::nullopt;
  }
  entry.kind = *kind;
  read_members(in, entry);
  in.literal(R"(,"sig":")");
  in.hex(entry.signature);
  in.literal(R"(,"hash":")");
  in.hex(entry.hash);
  in.literal("}");
  return in.done() ? std::optional(std::move(entry)) : std::nullopt;
}

crypto::Digest root_line_hash(const crypto::Digest& previous, std::string_view line) {
  return crypto::sha256(text_of(previous), line.substr(0, line.size() - kHashTail));
}

bool root_line_signed(const crypto::Digest& previous, std::string_view line,
                      const Signature& signature, const SignatureChecker& checker) {
  return checker.check(signed_text(previous, line.substr(0, line.size() - kSignatureTail)),
                       signature);
}

namespace {

std::string head_body(const RootPosition& position) {
  std::string body = "{\"n\":" + std::to_string(position.n);
  add_text(body, "hash", encoding::hex(position.hash));
  return body;
}

}  // namespace

Expected<std::string> head_line(const RootPosition& position, const AuditKey& key) {
  std::string line = head_body(position);
  AV_TRY(const Signature signature, key.sign(std::string(kHeadContext) + line));
  add_text(line, "sig", encoding::hex(signature));
  // One length for all, so that writing over the last one leaves nothing of it.
  line.push_back('}');
  line.append(20 - std::to_string(position.n).size(), ' ');
  line.push_back('\n');
  return line;
}

std::optional<ParsedHead> parse_head_line(std::string_view text) {
  ParsedHead head;
  Cursor in(text);
  in.literal("{\"n\":");
  head.position.n = in.number();
  in.literal(R"(,"hash":")");
  in.hex(head.position.hash);
  in.literal(R"(,"sig":")");
  in.hex(head.signature);
  in.literal("}");
  in.literal(std::string(20 - std::to_string(head.position.n).size(), ' '));
  in.literal("\n");
  return in.done() ? std::optional(head) : std::nullopt;
}

bool head_signed(std::string_view text, const Signature& signature,
                 const SignatureChecker& checker) {
  return checker.check(std::string(kHeadContext) + std::string(text.substr(0, text.find(",\"sig"))),
                       signature);
}

bool is_journal_name(std::string_view name) {
  return name.size() > kJournalSuffix.size() && name.size() <= 160 &&
         name.ends_with(kJournalSuffix) && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

std::optional<std::int64_t> parse_utc_exactly(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00.000Z";
  if (text.size() != kShape.size()) {
    return std::nullopt;
  }
  const auto field = [&](std::size_t at, std::size_t size) {
    int value = -1;
    std::from_chars(text.data() + at, text.data() + at + size, value);
    return value;
  };
  std::tm tm{};
  tm.tm_year = field(0, 4) - 1900;
  tm.tm_mon = field(5, 2) - 1;
  tm.tm_mday = field(8, 2);
  tm.tm_hour = field(11, 2);
  tm.tm_min = field(14, 2);
  tm.tm_sec = field(17, 2);
  const std::int64_t seconds = ::timegm(&tm);
  const std::int64_t wall_ms = seconds * 1000 + field(20, 3);
  // What does not print as it was read (the 31st of June, a sign, a 60th second) was not printed.
  return seconds >= 0 && format_utc(wall_ms) == text ? std::optional(wall_ms) : std::nullopt;
}

}  // namespace av::store
