#pragma once
// ValueSource: the port through which the proxy asks for values that external stores keep. Behind
// it are a cache, which answers at once, and the stores, which are slow.

#include <functional>

#include "vault/external.h"

namespace av::proxy {

class ValueSource {
 public:
  virtual ~ValueSource() = default;
  using Done = std::function<void(vault::FetchResult)>;
  // Never blocks. `done` is called once, from any thread, perhaps before this returns. What was
  // begun goes on when nobody waits for it any more.
  virtual void fetch(const vault::SourceQuery& query, Done done) = 0;
};

}  // namespace av::proxy
