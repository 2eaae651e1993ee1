#include "proxy/metrics.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace av::proxy {
namespace {

void head(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  out.append("# HELP agent_vault_").append(name).append(" ").append(help);
  out.append("\n# TYPE agent_vault_").append(name).append(" ").append(type).append("\n");
}

void sample(std::string& out, std::string_view name, std::string_view labels,
            const std::string& value) {
  out.append("agent_vault_").append(name).append(labels).append(" ").append(value).append("\n");
}

void counter(std::string& out, std::string_view name, std::string_view help, std::uint64_t value,
             std::string_view type = "counter") {
  head(out, name, type, help);
  sample(out, name, {}, std::to_string(value));
}

// Microseconds as seconds, in full: "0.0025".
std::string seconds(std::int64_t us) {
  char text[40];
  std::snprintf(text, sizeof text, "%lld.%06lld", static_cast<long long>(us / 1'000'000),
                static_cast<long long>(us % 1'000'000));
  std::string out(text);
  while (out.ends_with('0')) {
    out.pop_back();
  }
  if (out.ends_with('.')) {
    out.push_back('0');
  }
  return out;
}

}  // namespace

void Metrics::note(const vault::AuditRecord& record) {
  const int status = record.status / 100;
  add(by_status_[status >= 1 && status <= 5 ? static_cast<std::size_t>(status) : 0]);
  add(by_decision_[record.decision == "allow" ? 0U : record.decision == "deny" ? 1U : 2U]);
  const auto place = std::lower_bound(kBounds.begin(), kBounds.end(), record.latency_us);
  add(latency_[static_cast<std::size_t>(place - kBounds.begin())]);
  add(latency_sum_us_, static_cast<std::uint64_t>(std::max<std::int64_t>(0, record.latency_us)));
  add(bytes_in_, record.bytes_in);
  add(bytes_out_, record.bytes_out);
}

std::string Metrics::text() const {
  static constexpr std::array<std::string_view, 6> kStatuses{
      R"({status="none"})", R"({status="1xx"})", R"({status="2xx"})",
      R"({status="3xx"})",  R"({status="4xx"})", R"({status="5xx"})"};
  static constexpr std::array<std::string_view, 3> kDecisions{
      R"({decision="allow"})", R"({decision="deny"})", R"({decision="error"})"};
  std::string out;
  head(out, "requests_total", "counter", "Requests that are over, by the status of the answer.");
  for (std::size_t i = 0; i < kStatuses.size(); ++i) {
    sample(out, "requests_total", kStatuses[i], std::to_string(by_status_[i].load()));
  }
  head(out, "decisions_total", "counter", "Requests that are over, by what policy said.");
  for (std::size_t i = 0; i < kDecisions.size(); ++i) {
    sample(out, "decisions_total", kDecisions[i], std::to_string(by_decision_[i].load()));
  }
  head(out, "request_seconds", "histogram", "From a request's head to the end of its answer.");
  std::uint64_t below = 0;
  for (std::size_t i = 0; i <= kBounds.size(); ++i) {
    below += latency_[i].load();
    const std::string bound = i < kBounds.size() ? seconds(kBounds[i]) : "+Inf";
    sample(out, "request_seconds_bucket", "{le=\"" + bound + "\"}", std::to_string(below));
  }
  sample(out, "request_seconds_sum", {},
         seconds(static_cast<std::int64_t>(latency_sum_us_.load())));
  sample(out, "request_seconds_count", {}, std::to_string(below));
  counter(out, "request_bytes_total", "Bytes of bodies from clients.", bytes_in_.load());
  counter(out, "response_bytes_total", "Bytes to clients.", bytes_out_.load());
  counter(out, "tunnels_total", "Tunnels that were opened.", tunnels_.load());
  counter(out, "auth_failures_total", "Requests without a token that holds.",
          auth_failures_.load());
  counter(out, "masked_values_total", "Values that an upstream sent back and that were masked.",
          masked_.load());
  head(out, "upstream_connections_total", "counter", "Where requests got their connection from.");
  sample(out, "upstream_connections_total", R"({from="pool"})",
         std::to_string(upstream_reused_.load()));
  sample(out, "upstream_connections_total", R"({from="dial"})",
         std::to_string(upstream_dialled_.load()));
  head(out, "credentials_total", "counter", "Where requests got their opened credentials from.");
  sample(out, "credentials_total", R"({from="cache"})", std::to_string(credential_cached_.load()));
  sample(out, "credentials_total", R"({from="store"})", std::to_string(credential_opened_.load()));
  counter(out, "connections", "Connections of clients that are open.", sessions_.load(), "gauge");
  counter(out, "workers", "Grants with connections, or with any a moment ago.", workers_.load(),
          "gauge");
  return out;
}

}  // namespace av::proxy
