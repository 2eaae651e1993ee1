// The audit log of a vault: requests, how many there were over time, and hosts that no service
// covers.

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/route.h"
#include "store/audit_reader.h"

namespace av::api {
namespace {

using Entries = std::vector<store::AuditEntry>;

constexpr std::int64_t kHourMs = 3'600'000;
// An id is the time and a count of those of the same millisecond: it grows with time, and stays
// below 2^53 until the year 2039, for JavaScript.
constexpr std::int64_t kIdsPerMs = 4096;

Expected<Entries> read(Call& call, std::size_t limit, std::int64_t since_ms,
                       const store::AuditReader::Keep& keep) {
  store::AuditReader reader(call.options().paths.audit());
  const std::string vault = call.vault();
  return reader.read(limit, since_ms, [&](const vault::AuditRecord& record) {
    return record.event == "request" && record.vault == vault && record.time_ms >= since_ms &&
           keep(record);
  });
}

bool in_bucket(const std::string& bucket, const vault::AuditRecord& record) {
  if (bucket.empty()) {
    return true;
  }
  if (bucket == "err") {
    return !record.error.empty();
  }
  return record.status / 100 == bucket[0] - '0';
}

struct Numbered {
  std::int64_t id;
  const vault::AuditRecord* record;
};

std::vector<Numbered> numbered(const Entries& entries) {
  std::vector<Numbered> out;
  std::int64_t last = 0;
  for (const store::AuditEntry& entry : entries) {
    last = std::max(last + 1, entry.record.time_ms * kIdsPerMs);
    out.push_back({last, &entry.record});
  }
  return out;
}

Json record_json(const Numbered& item) {
  const vault::AuditRecord& record = *item.record;
  return {{"id", item.id},
          {"ingress", "mitm"},
          {"method", record.method},
          {"host", record.host},
          {"port", record.port},
          {"path", record.path},
          {"matched_service", record.service},
          {"credential_keys", record.credentials},
          {"status", record.status},
          {"latency_ms", record.latency_us / 1000},
          {"error_code", record.error},
          {"actor_type", "agent"},
          {"actor_id", record.agent.empty() ? record.run : record.agent},
          {"agent", record.agent},
          {"run", record.run},
          {"rule", record.rule},
          {"decision", record.decision},
          {"error", record.error},
          {"bytes_in", record.bytes_in},
          {"bytes_out", record.bytes_out},
          {"created_at", format_utc(record.time_ms)}};
}

Reply logs(Call& call) {
  const Query& query = call.query;
  AV_TRY(const std::int64_t limit, query.number("limit", 1, 200, 50));
  AV_TRY(const std::int64_t before, query.number("before", 0, INT64_MAX, 0));
  AV_TRY(const std::int64_t after, query.number("after", 0, INT64_MAX, 0));
  const std::string bucket(query.get("status_bucket"));
  if (before != 0 && after != 0) {
    return bad_request("\"before\" and \"after\" exclude each other");
  }
  if (!bucket.empty() && bucket != "err" &&
      !(bucket.size() == 3 && bucket[0] >= '1' && bucket[0] <= '5' && bucket.ends_with("xx"))) {
    return bad_request("\"status_bucket\" must be 2xx, 3xx, 4xx, 5xx or err");
  }
  const auto fits = [](std::string_view wanted, const std::string& value) {
    return wanted.empty() || wanted == value;
  };
  const auto keep = [&](const vault::AuditRecord& record) {
    return in_bucket(bucket, record) && fits(query.get("service"), record.service) &&
           fits(query.get("agent"), record.agent) && fits(query.get("host"), record.host) &&
           fits(query.get("decision"), record.decision) && fits(query.get("rule"), record.rule) &&
           (before == 0 || record.time_ms <= before / kIdsPerMs);
  };
  const auto most = static_cast<std::size_t>(limit);
  Entries entries;
  if (after != 0) {
    AV_TRY(entries, read(call, 0, after / kIdsPerMs, keep));
  } else {
    // The newest are wanted: the further back, the more there is to read.
    const std::int64_t end = before != 0 ? before / kIdsPerMs : call.now_ms();
    for (const std::int64_t hours : {1, 24, 24 * 30, 0}) {
      AV_TRY(entries, read(call, most + 1, hours == 0 ? 0 : end - hours * kHourMs, keep));
      if (entries.size() > most) {
        break;
      }
    }
  }
  auto items = numbered(entries);
  std::erase_if(items, [&](const Numbered& item) {
    return (before != 0 && item.id >= before) || (after != 0 && item.id <= after);
  });
  const bool more = items.size() > most;
  if (more) {
    // Of what is new the oldest first, so that a follower misses nothing; else the newest.
    after != 0 ? items.erase(items.begin() + limit, items.end())
               : items.erase(items.begin(), items.end() - limit);
  }
  Json list = Json::array();
  for (auto it = items.rbegin(); it != items.rend(); ++it) {
    list.push_back(record_json(*it));
  }
  Json next = nullptr;
  if (after == 0 && more) {
    next = items.front().id;
  }
  return json_reply({{"logs", list},
                     {"next_cursor", next},
                     {"latest_id", items.empty() ? after : items.back().id}});
}

Reply activity(Call& call) {
  AV_TRY(const std::int64_t minutes, call.query.number("minutes", 1, 7 * 24 * 60, 60));
  constexpr std::int64_t kMinuteMs = 60'000;
  const std::int64_t step = std::max<std::int64_t>(1, (minutes + 59) / 60) * kMinuteMs;
  const std::int64_t end = (call.now_ms() / step + 1) * step;
  const std::int64_t count = std::max<std::int64_t>(1, minutes * kMinuteMs / step);
  const std::int64_t begin = end - count * step;
  struct Bucket {
    std::uint64_t requests = 0, allowed = 0, denied = 0, errors = 0;
  };
  std::vector<Bucket> buckets(static_cast<std::size_t>(count));
  // Counted as they are read: nothing is kept.
  AV_TRY(const Entries none, read(call, 1, begin, [&](const vault::AuditRecord& record) {
           if (record.time_ms < end) {
             Bucket& bucket = buckets[static_cast<std::size_t>((record.time_ms - begin) / step)];
             ++bucket.requests;
             bucket.allowed += record.decision == "allow" ? 1 : 0;
             bucket.denied += record.decision == "deny" ? 1 : 0;
             bucket.errors += record.decision == "error" || record.status >= 500 ? 1 : 0;
           }
           return false;
         }));
  (void)none;
  Json list = Json::array();
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    list.push_back({{"at", format_utc(begin + static_cast<std::int64_t>(i) * step)},
                    {"requests", buckets[i].requests},
                    {"allowed", buckets[i].allowed},
                    {"denied", buckets[i].denied},
                    {"errors", buckets[i].errors}});
  }
  return json_reply({{"vault", call.vault()}, {"step_seconds", step / 1000}, {"buckets", list}});
}

Reply discovered_hosts(Call& call) {
  AV_TRY(const std::int64_t limit, call.query.number("limit", 0, 100, 5));
  constexpr std::size_t kMaxHosts = 10'000;
  struct Seen {
    std::uint64_t requests = 0;
    std::int64_t last_ms = 0;
  };
  std::map<std::string, Seen> hosts;
  const std::int64_t since = call.now_ms() - 7 * 24 * kHourMs;
  AV_TRY(const Entries none, read(call, 1, since, [&](const vault::AuditRecord& record) {
           if (record.service.empty() && !record.host.empty() &&
               (hosts.size() < kMaxHosts || hosts.contains(record.host))) {
             Seen& seen = hosts[record.host];
             ++seen.requests;
             seen.last_ms = std::max(seen.last_ms, record.time_ms);
           }
           return false;
         }));
  (void)none;
  // Services may have been added since.
  AV_TRY(const auto services, call.store().list_services(call.vault()));
  for (const vault::Service& service : services) {
    hosts.erase(service.host);
  }
  std::vector<std::pair<std::string, Seen>> order(hosts.begin(), hosts.end());
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.second.last_ms > b.second.last_ms;
  });
  Json list = Json::array();
  for (std::size_t i = 0; i < order.size() && i < static_cast<std::size_t>(limit); ++i) {
    list.push_back({{"host", order[i].first},
                    {"request_count", order[i].second.requests},
                    {"last_seen", format_utc(order[i].second.last_ms)}});
  }
  return json_reply({{"hosts", list}, {"total", order.size()}});
}

}  // namespace

std::span<const Route> log_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/v1/vaults/{v}/logs", "requests through the proxy, the newest first",
            Who::vault(Role::kMember), Where::kServe, logs, "",
            "{logs:[{id:integer, method:string, host:string, path:string, status:integer, "
            "decision:string, created_at:time, ...}], next_cursor:integer|null, "
            "latest_id:integer}",
            "before after limit service status_bucket agent host decision rule"},
      Route{"GET", "/v1/vaults/{v}/activity", "how many requests there were over time",
            Who::vault(Role::kMember), Where::kServe, activity, "",
            "{vault:string, step_seconds:integer, buckets:[{at:time, requests:integer, "
            "allowed:integer, denied:integer, errors:integer}]}",
            "minutes"},
      Route{"GET", "/v1/vaults/{v}/discovered-hosts",
            "hosts that were asked for and that no service covers", Who::vault(Role::kMember),
            Where::kServe, discovered_hosts, "",
            "{hosts:[{host:string, request_count:integer, last_seen:time}], total:integer}",
            "limit"},
  };
  return kRoutes;
}

}  // namespace av::api
