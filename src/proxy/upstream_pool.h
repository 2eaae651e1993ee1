#pragma once
// UpstreamPool: idle connections per origin and credential identity, so that nothing scoped to a
// connection crosses from one credential to another. Belongs to one worker.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/clock.h"
#include "proxy/upstream.h"
#include "vault/canonical.h"

namespace av::proxy {

class UpstreamPool {
 public:
  static constexpr std::size_t kMaxIdlePerKey = 32;
  static constexpr std::size_t kMaxIdle = 256;   // of all keys together
  static constexpr Millis kMaxIdleTime{55'000};  // under the usual 60 s of load balancers

  // A healthy idle connection, or null.
  UpstreamPtr take(const std::string& key);
  void put(UpstreamPtr connection, std::int64_t now_ms);
  void sweep(std::int64_t now_ms);
  void clear() {
    idle_.clear();
    total_ = 0;
  }
  // `credential_identity`: empty when the request carries none.
  [[nodiscard]] static std::string key(vault::Scheme scheme, const vault::Authority& authority,
                                       std::string_view credential_identity);

 private:
  void drop_oldest();

  std::map<std::string, std::vector<UpstreamPtr>, std::less<>> idle_;
  std::size_t total_ = 0;
};

}  // namespace av::proxy
