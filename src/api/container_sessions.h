#pragma once
// ContainerSessions: the tokens of GET /v1/container-config, so that a client which asks again and
// again gets the same one again and does not leave a session behind at each call. Bounded; what
// does not fit is made anew. Belongs to the API's thread.

#include <cstdint>
#include <map>
#include <string>

#include "core/secret.h"

namespace av::api {

struct KeptSession {
  std::string id;
  Secret token;
  std::int64_t expires_ms = 0;
};

class ContainerSessions {
 public:
  static constexpr std::size_t kMost =
      128;  // tokens lie in locked memory, of which there is little

  // Null when none is kept. `key`: who asked, for which agent, in which vault.
  [[nodiscard]] const KeptSession* find(const std::string& key) const {
    const auto it = kept_.find(key);
    return it == kept_.end() ? nullptr : &it->second;
  }
  // In place of an older one, and, where there are too many, of the one that ends first.
  const KeptSession& keep(const std::string& key, KeptSession session);
  void forget(const std::string& key) { kept_.erase(key); }
  [[nodiscard]] std::size_t size() const { return kept_.size(); }

 private:
  std::map<std::string, KeptSession> kept_;
};

}  // namespace av::api
