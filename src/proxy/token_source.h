#pragma once
// TokenSource: the port through which the proxy asks for a newer access token. Behind it are the
// store and the provider, both slow: it is asked from the server's thread and answers from another.

#include <cstdint>
#include <functional>

#include "vault/oauth_refresh.h"

namespace av::proxy {

class TokenSource {
 public:
  virtual ~TokenSource() = default;
  using Done = std::function<void(vault::RefreshResult)>;
  // Never blocks. `done` is called once, from any thread, perhaps before this returns. What was
  // begun goes on when nobody waits for it any more. `known`: the version that is too old.
  virtual void refresh(const vault::TokenName& name, std::uint64_t known,
                       vault::RefreshReason reason, Done done) = 0;
  // The token is in use now; whoever refreshes without being asked goes by it. Never blocks.
  virtual void in_use(const vault::TokenName& name, std::uint64_t version,
                      const vault::TokenTimes& times) = 0;
};

}  // namespace av::proxy
