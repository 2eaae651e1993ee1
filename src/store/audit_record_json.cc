#include <algorithm>
#include <array>
#include <charconv>

#include "core/clock.h"
#include "core/encoding.h"
#include "store/audit_journal.h"

namespace av::store {
namespace {

// Written by hand because a record is written before each use of a credential: this costs under a
// microsecond. Absent means empty or zero.
class LineWriter {
 public:
  explicit LineWriter(std::string& out) : out_(out) { out_.push_back('{'); }

  void text(std::string_view key, std::string_view value) {
    if (!value.empty()) {
      begin(key);
      quoted(value);
    }
  }
  template <typename Integer>
  void number(std::string_view key, Integer value) {
    if (value == 0) {
      return;
    }
    begin(key);
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out_.append(digits.data(), end);
  }
  void list(std::string_view key, const std::vector<std::string>& values) {
    if (values.empty()) {
      return;
    }
    begin(key);
    char separator = '[';
    for (const std::string& value : values) {
      out_.push_back(separator);
      quoted(value);
      separator = ',';
    }
    out_.push_back(']');
  }
  void end() { out_.push_back('}'); }

 private:
  void begin(std::string_view key) {
    if (out_.back() != '{') {
      out_.push_back(',');
    }
    out_.push_back('"');
    out_.append(key);
    out_.append("\":");
  }
  void quoted(std::string_view value) {
    out_.push_back('"');
    const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
      return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
    });
    if (plain) {
      out_.append(value);
    } else {
      out_.append(encoding::json_escaped(value));
    }
    out_.push_back('"');
  }
  std::string& out_;
};

}  // namespace

void append_json(std::string& line, const vault::AuditRecord& record) {
  LineWriter writer(line);
  writer.text("time", format_utc(record.time_ms));
  writer.text("event", record.event);
  writer.text("vault", record.vault);
  writer.text("agent", record.agent);
  writer.text("run", record.run);
  writer.number("request", record.request);
  writer.text("method", record.method);
  writer.text("scheme", record.scheme);
  writer.text("host", record.host);
  writer.number("port", record.port);
  writer.text("path", record.path);
  writer.text("service", record.service);
  writer.list("credentials", record.credentials);
  writer.text("rule", record.rule);
  writer.text("decision", record.decision);
  writer.number("status", record.status);
  writer.number("bytes_in", record.bytes_in);
  writer.number("bytes_out", record.bytes_out);
  writer.number("latency_us", record.latency_us);
  writer.text("upstream", record.upstream);
  writer.text("error", record.error);
  writer.text("detail", record.detail);
  writer.end();
}

}  // namespace av::store
