#include "proxy/upstream_pool.h"

namespace av::proxy {

std::string UpstreamPool::key(vault::Scheme scheme, const vault::Authority& authority,
                              std::string_view credential_identity) {
  std::string key(scheme == vault::Scheme::kHttps ? "s|" : "c|");
  key += authority.host;
  key += ':';
  key += std::to_string(authority.port);
  key += '|';
  key += credential_identity;
  return key;
}

UpstreamPtr UpstreamPool::take(const std::string& key) {
  const auto found = idle_.find(key);
  if (found == idle_.end()) {
    return nullptr;
  }
  auto& list = found->second;
  while (!list.empty()) {
    // The youngest: the least likely to be closing at the other end.
    UpstreamPtr connection = std::move(list.back());
    list.pop_back();
    --total_;
    if (connection->stream.idle_and_healthy()) {
      connection->reused = true;
      return connection;
    }
  }
  return nullptr;
}

void UpstreamPool::put(UpstreamPtr connection, std::int64_t now_ms) {
  auto& list = idle_[connection->key];
  connection->buffer.release();
  connection->idle_since_ms = now_ms;
  if (list.size() == kMaxIdlePerKey) {
    list.erase(list.begin());
    --total_;
  }
  list.push_back(std::move(connection));
  if (++total_ > kMaxIdle) {
    drop_oldest();
  }
}

void UpstreamPool::drop_oldest() {
  auto oldest = idle_.end();
  for (auto entry = idle_.begin(); entry != idle_.end(); ++entry) {
    const bool older = !entry->second.empty() &&
                       (oldest == idle_.end() || entry->second.front()->idle_since_ms <
                                                     oldest->second.front()->idle_since_ms);
    oldest = older ? entry : oldest;
  }
  if (oldest != idle_.end()) {
    oldest->second.erase(oldest->second.begin());
    --total_;
  }
}

void UpstreamPool::sweep(std::int64_t now_ms) {
  for (auto entry = idle_.begin(); entry != idle_.end();) {
    total_ -= std::erase_if(entry->second, [&](const UpstreamPtr& c) {
      return now_ms - c->idle_since_ms >= kMaxIdleTime.count() || c->stream.closed();
    });
    entry = entry->second.empty() ? idle_.erase(entry) : std::next(entry);
  }
}

}  // namespace av::proxy
