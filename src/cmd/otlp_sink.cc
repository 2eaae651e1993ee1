#include "cmd/otlp_sink.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <thread>

#include "cmd/output.h"
#include "core/encoding.h"
#include "store/audit_lines.h"

namespace av::cmd {
namespace {

constexpr std::size_t kBatchRecords = 512;
constexpr std::size_t kBatchBytes = std::size_t{1} << 20;
constexpr std::chrono::milliseconds kFirstPause{500};
constexpr std::chrono::seconds kLongestPause{30};
constexpr std::chrono::seconds kLongestRetryAfter{3600};

// Seconds, or a date (RFC 9110 section 10.2.3).
std::optional<std::chrono::milliseconds> parse_retry_after(const std::string& text,
                                                           std::int64_t now_ms) {
  std::int64_t seconds = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (ec == std::errc() && end == text.data() + text.size() && seconds >= 0) {
    return std::min<std::chrono::milliseconds>(
        std::chrono::seconds(std::min<std::int64_t>(seconds, 86'400)), kLongestRetryAfter);
  }
  std::tm tm{};
  const char* const rest = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &tm);
  if (rest == nullptr || *rest != '\0') {
    return std::nullopt;
  }
  const std::chrono::milliseconds wait(std::int64_t{::timegm(&tm)} * 1000 - now_ms);
  return std::clamp<std::chrono::milliseconds>(wait, std::chrono::milliseconds(0),
                                               kLongestRetryAfter);
}

// The answers that the protocol calls worth another try (OTLP/HTTP, "Retryable Response Codes").
bool is_passing(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

Status OtlpSink::add(vault::AuditRecord record, std::string_view line) {
  const auto split = store::split_line(line);
  batch_.push_back({std::move(record), split ? encoding::hex(split->hash) : ""});
  bytes_ += line.size();
  return {};
}

bool OtlpSink::full() const {
  return batch_.size() >= kBatchRecords || bytes_ >= kBatchBytes;
}

Status OtlpSink::deliver() {
  if (!batch_.empty()) {
    AV_CHECK(send(batch_));
    sent_ += batch_.size();
  }
  batch_.clear();
  bytes_ = 0;
  return {};
}

Expected<CollectorReply> OtlpSink::post_until_answered(const std::string& body) {
  const auto begin = std::chrono::steady_clock::now();
  std::chrono::milliseconds pause = kFirstPause;
  for (bool told = false;; told = true) {
    auto reply = client_.post(body);
    const bool passing =
        reply ? is_passing(reply->status) : reply.error().code == ErrorCode::kNetwork;
    if (!passing) {
      return reply;
    }
    const auto asked = reply ? parse_retry_after(std::string(reply->field("Retry-After")),
                                                 context_.clock->wall_ms())
                             : std::optional<std::chrono::milliseconds>();
    const Error why =
        reply ? make_error(ErrorCode::kNetwork, "the collector at " + client_.url().text() +
                                                    " answered " + std::to_string(reply->status))
              : reply.error();
    const auto wait = asked.value_or(pause);
    if (retry_for_ && std::chrono::steady_clock::now() + wait > begin + *retry_for_) {
      Error error = why;
      error.hint = "nothing is lost: run it again when the collector is back";
      return error;
    }
    if (!told) {
      notice(context_, why.message + "; trying again");
    }
    std::this_thread::sleep_for(wait);
    pause = std::min<std::chrono::milliseconds>(pause * 2, kLongestPause);
  }
}

Status OtlpSink::send_halves(const Batch& batch) {
  const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
  AV_CHECK(send(Batch(batch.begin(), middle)));
  return send(Batch(middle, batch.end()));
}

Status OtlpSink::send(const Batch& batch) {
  AV_TRY(const CollectorReply reply,
         post_until_answered(otlp_logs(batch, context_.clock->wall_ms())));
  if (reply.status == 413 && batch.size() > 1) {
    return send_halves(batch);
  }
  if (reply.status / 100 != 2) {
    return make_error(ErrorCode::kInvalid,
                      "the collector at " + client_.url().text() +
                          " refuses the records: " + std::to_string(reply.status),
                      reply.status == 401 || reply.status == 403
                          ? "give its key with --header-file, --header or "
                            "OTEL_EXPORTER_OTLP_HEADERS"
                          : "check that the URL is one for OTLP over HTTP; nothing was skipped");
  }
  const OtlpAnswer answer = parse_otlp_answer(reply.body.view());
  rejected_ += answer.rejected;
  if (answer.rejected != 0 || !answer.message.empty()) {
    // The protocol forbids to send them again.
    warn(context_, "the collector rejected " + std::to_string(answer.rejected) + " of " +
                       std::to_string(batch.size()) +
                       " records: " + encoding::printable(answer.message.substr(0, 300)));
  }
  return {};
}

}  // namespace av::cmd
