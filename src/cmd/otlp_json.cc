#include "cmd/otlp_json.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "cmd/audit_filter.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

class Attributes {
 public:
  void text(const char* key, const std::string& value) {
    if (!value.empty()) {
      add(key, {{"stringValue", value}});
    }
  }
  template <typename Integer>
  void number(const char* key, Integer value) {
    if (value != 0) {
      add(key, {{"intValue", std::to_string(value)}});
    }
  }
  void texts(const char* key, const std::vector<std::string>& values) {
    if (values.empty()) {
      return;
    }
    Json list = Json::array();
    for (const std::string& value : values) {
      list.push_back({{"stringValue", value}});
    }
    add(key, {{"arrayValue", {{"values", std::move(list)}}}});
  }
  Json take() { return std::move(list_); }

 private:
  void add(const char* key, Json value) {
    list_.push_back({{"key", key}, {"value", std::move(value)}});
  }
  Json list_ = Json::array();
};

// "192.0.2.1:443", "[2001:db8::1]:443 (proxy)"
void add_peer(Attributes& attributes, const std::string& upstream) {
  const std::string address = upstream.substr(0, upstream.find(' '));
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    attributes.text("network.peer.address", address);
    return;
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  int port = 0;
  std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  attributes.text("network.peer.address", host);
  attributes.number("network.peer.port", port);
}

// The names of the semantic conventions where they have one, ours where not.
Json attributes_of(const ExportedRecord& exported) {
  const vault::AuditRecord& r = exported.record;
  Attributes attributes;
  attributes.text("log.record.uid", exported.hash);
  attributes.text("http.request.method", r.method);
  attributes.text("url.scheme", r.scheme);
  attributes.text("server.address", r.host);
  attributes.number("server.port", r.port);
  attributes.text("url.path", r.path);
  attributes.number("http.response.status_code", r.status);
  attributes.text("error.type", r.error);
  if (!r.upstream.empty()) {
    add_peer(attributes, r.upstream);
  }
  attributes.text("agent_vault.vault", r.vault);
  attributes.text("agent_vault.agent", r.agent);
  attributes.text("agent_vault.run", r.run);
  attributes.number("agent_vault.request", r.request);
  attributes.text("agent_vault.service", r.service);
  attributes.texts("agent_vault.credentials", r.credentials);
  attributes.text("agent_vault.rule", r.rule);
  attributes.text("agent_vault.decision", r.decision);
  attributes.number("agent_vault.bytes_in", r.bytes_in);
  attributes.number("agent_vault.bytes_out", r.bytes_out);
  attributes.number("agent_vault.latency_us", r.latency_us);
  attributes.text("agent_vault.detail", r.detail);
  return attributes.take();
}

std::string body_of(const vault::AuditRecord& r) {
  if (r.host.empty()) {
    return r.event + (r.decision.empty() ? "" : " " + r.decision) +
           (r.detail.empty() ? "" : ": " + r.detail);
  }
  return (r.decision.empty() ? r.event : r.decision) + " " + r.method + " " + r.host + r.path +
         (r.status == 0 ? "" : " " + std::to_string(r.status));
}

struct Severity {
  int number;
  const char* text;
};
// SeverityNumber of the logs data model.
Severity severity_of(const vault::AuditRecord& r) {
  if (is_alarm(r) || r.decision == "error") {
    return {17, "ERROR"};
  }
  return r.decision == "deny" ? Severity{13, "WARN"} : Severity{9, "INFO"};
}

Json log_record(const ExportedRecord& exported, const std::string& observed) {
  const vault::AuditRecord& r = exported.record;
  const Severity severity = severity_of(r);
  return {{"timeUnixNano", std::to_string(r.time_ms) + "000000"},
          {"observedTimeUnixNano", observed},
          {"severityNumber", severity.number},
          {"severityText", severity.text},
          {"eventName", "agent_vault." + r.event},
          {"body", {{"stringValue", body_of(r)}}},
          {"attributes", attributes_of(exported)}};
}

}  // namespace

std::string otlp_logs(const std::vector<ExportedRecord>& records, std::int64_t observed_ms) {
  const std::string observed = std::to_string(observed_ms) + "000000";
  Json list = Json::array();
  for (const ExportedRecord& exported : records) {
    list.push_back(log_record(exported, observed));
  }
  Attributes resource;
  resource.text("service.name", "agent-vault");
  resource.text("service.version", AV_VERSION);
  Json scope_logs = Json::object();
  scope_logs["scope"] = {{"name", "agent-vault.audit"}, {"version", AV_VERSION}};
  scope_logs["logRecords"] = std::move(list);
  Json resource_logs = Json::object();
  resource_logs["resource"] = {{"attributes", resource.take()}};
  resource_logs["scopeLogs"] = Json::array({std::move(scope_logs)});
  Json request = Json::object();
  request["resourceLogs"] = Json::array({std::move(resource_logs)});
  return request.dump(-1, ' ', false, Json::error_handler_t::replace);
}

OtlpAnswer parse_otlp_answer(std::string_view body) {
  OtlpAnswer answer;
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("partialSuccess") ||
      !json["partialSuccess"].is_object()) {
    return answer;
  }
  const auto& partial = json["partialSuccess"];
  if (const auto rejected = partial.find("rejectedLogRecords"); rejected != partial.end()) {
    // A string, as the encoding wants it, or a number, as many write it.
    const std::string text =
        rejected->is_string() ? rejected->get<std::string>() : rejected->dump();
    std::from_chars(text.data(), text.data() + text.size(), answer.rejected);
  }
  if (const auto message = partial.find("errorMessage");
      message != partial.end() && message->is_string()) {
    answer.message = message->get<std::string>();
  }
  return answer;
}

}  // namespace av::cmd
