#pragma once
// StorePort: external stores as this process reaches them: with sockets, programs and the network
// guard of `serve`. All may be called from any thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "source/provider.h"
#include "vault/external.h"

namespace av::api {

// How the running broker does with one store since it was started.
struct StoreHealth {
  std::uint64_t asked = 0;     // questions to the store
  std::uint64_t missing = 0;   // answered: it is not there
  std::uint64_t failed = 0;    // no answer
  std::int64_t answer_us = 0;  // all of them together
  std::string last_failure;    // "denied"...; empty: the last one went well
  std::size_t leases = 0;      // open
  std::int64_t rests_ms = 0;   // it is not asked again for this long
};

class StorePort {
 public:
  using Opened = source::Result<std::shared_ptr<source::Provider>>;
  using Keep = std::function<Status(const vault::StoreSecrets&)>;

  virtual ~StorePort() = default;
  // One that is not paired yet; what it wants kept goes to `keep`.
  [[nodiscard]] virtual Opened make(const vault::ExternalStore& store, vault::StoreSecrets secrets,
                                    Keep keep) = 0;
  // One that is paired: the same that the proxy asks, where that one is open, for some stores know
  // one channel at a time.
  [[nodiscard]] virtual Opened open(const std::string& uid) = 0;
  [[nodiscard]] virtual StoreHealth health(const std::string& uid) = 0;
};

}  // namespace av::api
