#include "cmd/remote_log.h"

#include <algorithm>

#include "cmd/remote_json.h"
#include "store/audit_journal.h"

namespace av::cmd {
namespace {

using remote_json::Json;
using remote_json::text;

constexpr int kPage = 200;  // the most that the API gives

store::AuditEntry entry_of(const Json& json, const std::string& vault) {
  store::AuditEntry entry;
  vault::AuditRecord& record = entry.record;
  record.time_ms = remote_json::time(json, "created_at");
  record.event = "request";
  record.vault = vault;
  record.agent = text(json, "agent");
  record.run = text(json, "run");
  record.method = text(json, "method");
  record.host = text(json, "host");
  record.port = static_cast<std::uint16_t>(remote_json::number(json, "port"));
  record.path = text(json, "path");
  record.service = text(json, "matched_service");
  record.credentials = remote_json::texts(json, "credential_keys");
  record.rule = text(json, "rule");
  record.decision = text(json, "decision");
  record.status = static_cast<int>(remote_json::number(json, "status"));
  record.bytes_in = static_cast<std::uint64_t>(remote_json::number(json, "bytes_in"));
  record.bytes_out = static_cast<std::uint64_t>(remote_json::number(json, "bytes_out"));
  record.latency_us = remote_json::number(json, "latency_ms") * 1000;
  record.error = text(json, "error");
  store::append_json(entry.line, record);
  return entry;
}

}  // namespace

Expected<std::vector<store::AuditEntry>> RemoteLog::read(std::size_t limit, std::int64_t since_ms,
                                                         const Keep& keep) {
  std::vector<store::AuditEntry> found;  // the newest first
  const std::string target = remote_json::path({"vaults", vault_, "logs"});
  for (std::int64_t before = 0;;) {
    std::string page = target + "?limit=" + std::to_string(kPage);
    page += before == 0 ? "" : "&before=" + std::to_string(before);
    AV_TRY(const Json json, remote_json::ask(api_, "GET", page));
    latest_ = std::max(latest_, remote_json::number(json, "latest_id"));
    bool older = false;
    for (const Json& item : remote_json::list(json, "logs")) {
      store::AuditEntry entry = entry_of(item, vault_);
      older = older || entry.record.time_ms < since_ms;
      if (!older && keep(entry.record) && (limit == 0 || found.size() < limit)) {
        found.push_back(std::move(entry));
      }
    }
    const std::int64_t next = remote_json::number(json, "next_cursor");
    if (older || next == 0 || next == before || (limit != 0 && found.size() >= limit)) {
      break;
    }
    before = next;
  }
  std::reverse(found.begin(), found.end());
  return found;
}

Expected<std::vector<store::AuditEntry>> RemoteLog::poll(const Keep& keep) {
  std::string target = remote_json::path({"vaults", vault_, "logs"});
  target += "?limit=" + std::to_string(kPage) +
            "&after=" + std::to_string(std::max<std::int64_t>(latest_, 1));
  AV_TRY(const Json json, remote_json::ask(api_, "GET", target));
  std::vector<store::AuditEntry> found;
  for (const Json& item : remote_json::list(json, "logs")) {
    store::AuditEntry entry = entry_of(item, vault_);
    if (keep(entry.record)) {
      found.push_back(std::move(entry));
    }
  }
  latest_ = std::max(latest_, remote_json::number(json, "latest_id"));
  std::reverse(found.begin(), found.end());
  return found;
}

}  // namespace av::cmd
