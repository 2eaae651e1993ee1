#include "cmd/audit_export.h"

#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <thread>
#include "cmd/option_set.h"

#include "cmd/audit_filter.h"
#include "cmd/cli.h"
#include "cmd/export_cursor.h"
#include "cmd/otlp_sink.h"
#include "cmd/output.h"
#include "cmd/term.h"
#include "core/encoding.h"
#include "store/audit_dead.h"
#include "store/audit_lines.h"
#include "store/audit_reader.h"

namespace av::cmd {
namespace {

constexpr const char* kFromEnvironment = "$OTEL_EXPORTER_OTLP_ENDPOINT";
constexpr std::chrono::milliseconds kPollEvery{500};

struct ExportWords {
  AuditFilterWords filter;
  std::string otlp;
  std::string header;
  std::string header_file;
  std::uint64_t retry_for = 300;
  bool follow = false;
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class LineSink final : public ExportSink {
 public:
  explicit LineSink(std::FILE* out) : out_(out) {}
  Status add(vault::AuditRecord, std::string_view line) override {
    print(out_, line);
    print(out_, "\n");
    return {};
  }
  [[nodiscard]] bool full() const override { return false; }
  Status deliver() override {
    if (std::fflush(out_) != 0 || std::ferror(out_) != 0) {
      return errno_error(errno, "cannot write the output");
    }
    return {};
  }

 private:
  std::FILE* out_;
};

// -- reading

// File by file, each in its order; what was passed on is delivered before the cursor says so.
class Exporter {
 public:
  // What is passed by reference must outlive it.
  Exporter(std::filesystem::path directory, const AuditFilter& filter, ExportSink& sink,
           ExportCursor& cursor)
      : directory_(std::move(directory)), filter_(filter), sink_(sink), cursor_(cursor) {}
  Status pass();

 private:
  Status pass_file(const std::string& name);
  Status commit();

  std::filesystem::path directory_;
  const AuditFilter& filter_;
  ExportSink& sink_;
  ExportCursor& cursor_;
  std::map<std::string, std::uint64_t> passed_;  // and not committed
};

Status Exporter::commit() {
  AV_CHECK(sink_.deliver());
  for (const auto& [name, offset] : passed_) {
    cursor_.set(name, offset);
  }
  passed_.clear();
  return cursor_.save();
}

Status Exporter::pass_file(const std::string& name) {
  const auto path = directory_ / name;
  const std::uint64_t offset = cursor_.offset_of(name);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || static_cast<std::uint64_t>(info.st_size) <= offset) {
    return {};
  }
  auto lines = store::JournalLines::open(path, offset);
  if (!lines) {
    return lines.error().code == ErrorCode::kNotFound ? Status() : Status(lines.error());
  }
  for (;;) {
    AV_TRY(const auto line, lines->next());
    if (!line) {
      return {};
    }
    // What is no record is for `audit verify` to tell.
    auto record = store::parse_record(*line);
    if (record && filter_.matches(*record)) {
      AV_CHECK(sink_.add(std::move(*record), *line));
    }
    passed_[name] = lines->offset();
    if (sink_.full()) {
      AV_CHECK(commit());
    }
  }
}

Status Exporter::pass() {
  const auto names = store::journals_in(directory_);
  for (const std::string& name : names) {
    AV_CHECK(pass_file(name));
  }
  cursor_.keep_only({names.begin(), names.end()});
  return commit();
}

// -- options

// "k1=v1,k2=v2", percent-encoded (OpenTelemetry, "Specifying headers via environment variables").
Status append_environment_headers(SecretBuffer& out) {
  const char* const text = std::getenv("OTEL_EXPORTER_OTLP_HEADERS");
  std::string_view rest = text == nullptr ? "" : text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    pair.remove_prefix(std::min(pair.find_first_not_of(' '), pair.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    SecretBuffer line;
    line.append(pair.substr(0, equals));
    line.append(": ");
    for (std::size_t i = equals + 1; i < pair.size(); ++i) {
      std::uint8_t byte = 0;
      if (pair[i] == '%' && i + 2 < pair.size() &&
          std::from_chars(pair.data() + i + 1, pair.data() + i + 3, byte, 16).ptr ==
              pair.data() + i + 3) {
        line.push_back(static_cast<char>(byte));
        i += 2;
      } else {
        line.push_back(pair[i]);
      }
    }
    AV_CHECK(append_headers(out, line.view()));
  }
  return {};
}

Expected<SecretBuffer> headers_of(const ExportWords& words) {
  SecretBuffer headers;
  AV_CHECK(append_environment_headers(headers));
  if (!words.header_file.empty()) {
    AV_TRY(const Secret file, fs::read_secret_file(words.header_file, std::size_t{64} << 10));
    AV_CHECK(file.reveal([&](std::string_view lines) { return append_headers(headers, lines); }));
  }
  if (!words.header.empty()) {
    if (words.header.find(':') != std::string::npos ||
        words.header.find('=') != std::string::npos) {
      return usage_error("--header takes the name alone: other users see the command line",
                         "the value is asked for; or put 'Name: value' into a file for "
                         "--header-file");
    }
    AV_TRY(const Secret value, read_hidden("value of " + words.header + ": "));
    SecretBuffer line;
    line.append(words.header);
    line.append(": ");
    line.append(value);
    AV_CHECK(append_headers(headers, line.view()));
  }
  return headers;
}

Expected<CollectorUrl> collector_of(const std::string& word) {
  if (word != kFromEnvironment) {
    return parse_collector_url(word, /*add_path=*/true);
  }
  const std::string logs = environment("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT");
  const std::string base = environment("OTEL_EXPORTER_OTLP_ENDPOINT");
  if (logs.empty() && base.empty()) {
    return usage_error("--otlp without a URL, and OTEL_EXPORTER_OTLP_ENDPOINT is not set");
  }
  return parse_collector_url(logs.empty() ? base : logs, logs.empty());
}

Expected<int> export_otlp(Context& context, const ExportWords& words, const AuditFilter& filter) {
  AV_TRY(CollectorUrl url, collector_of(words.otlp));
  AV_TRY(SecretBuffer headers, headers_of(words));
  if (!url.tls && !headers.empty() && !url.is_loopback()) {
    return usage_error("headers would go to " + url.text() + " in clear", "use https://");
  }
  AV_TRY(ExportCursor cursor, ExportCursor::open(context.paths.data / "export", url.text()));
  AV_TRY(OtlpClient client, OtlpClient::create(std::move(url), std::move(headers),
                                               environment("OTEL_EXPORTER_OTLP_CERTIFICATE")));
  std::signal(SIGPIPE, SIG_IGN);  // a collector that hangs up is an error of that connection
  const auto retry_for =
      words.follow ? std::nullopt : std::optional(std::chrono::seconds(words.retry_for));
  OtlpSink sink(context, std::move(client), retry_for);
  Exporter exporter(context.paths.audit(), filter, sink, cursor);
  AV_CHECK(exporter.pass());
  while (words.follow) {
    std::this_thread::sleep_for(kPollEvery);
    AV_CHECK(exporter.pass());
  }
  notice(context, "sent " + count_of(sink.sent(), "record"));
  return sink.rejected() == 0 ? 0 : 1;
}

Expected<int> export_lines(Context& context, const ExportWords& words, const AuditFilter& filter) {
  if (!words.header.empty() || !words.header_file.empty()) {
    return usage_error("--header and --header-file belong to --otlp");
  }
  ExportCursor cursor = ExportCursor::in_memory();
  LineSink sink(context.out);
  Exporter exporter(context.paths.audit(), filter, sink, cursor);
  AV_CHECK(exporter.pass());
  while (words.follow) {
    std::this_thread::sleep_for(kPollEvery);
    AV_CHECK(exporter.pass());
  }
  return 0;
}

}  // namespace

Run setup_audit_export(OptionSet& app) {
  const auto words = std::make_shared<ExportWords>();
  app.add_option("--otlp", words->otlp, "send to this OpenTelemetry collector, over HTTP")
      ->type_name("URL")
      ->value_may_be_missing(kFromEnvironment);
  app.add_option("--header", words->header, "send this header; its value is asked for")
      ->type_name("NAME");
  app.add_option("--header-file", words->header_file, "send the headers in this file")
      ->type_name("FILE");
  app.add_option("--retry-for", words->retry_for,
                 "without --follow: give up on a collector after this long")
      ->type_name("SECONDS")
      ->show_default();
  app.add_flag("-f,--follow", words->follow, "go on with what is added");
  add_filter_options(app, words->filter);
  return [words](Context& context) -> Expected<int> {
    AV_CHECK(context.check_log_is_visible());
    AV_TRY(const AuditFilter filter,
           AuditFilter::make(words->filter, context.vault.value_or(""), context.clock->wall_ms()));
    return words->otlp.empty() ? export_lines(context, *words, filter)
                               : export_otlp(context, *words, filter);
  };
}

}  // namespace av::cmd
