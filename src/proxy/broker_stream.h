#pragma once
// BrokerStream: a connection of the broker's own, as a stream of bytes, to an endpoint that a
// person has named: what a WebSocket to a relay stands on. Blocking; one thread at a time. It takes
// the way of every request: checked addresses, verified TLS, the user's own proxy.

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "core/clock.h"
#include "proxy/connector.h"
#include "proxy/fault.h"

namespace av::proxy {

class BrokerStream {
 public:
  // `url`: ws://, wss://, http:// or https://; what stands behind its authority is not looked at.
  // `ca_pem`: roots beside the system's. `clock` must outlive it. Faults: those of the Connector,
  // `bad_request`.
  static Outcome<std::unique_ptr<BrokerStream>> connect(const ConnectorOptions& options,
                                                        std::string_view url, const Clock& clock,
                                                        std::string_view ca_pem = {});
  ~BrokerStream();
  BrokerStream(const BrokerStream&) = delete;
  BrokerStream& operator=(const BrokerStream&) = delete;

  // At least one byte; 0: the stream has ended; nothing: none came in time, one may try again.
  // Faults: `upstream_closed`, `upstream_protocol` (TLS).
  [[nodiscard]] Outcome<std::optional<std::size_t>> read(std::span<char> into, Millis timeout);
  // All of it. Faults: as above, `upstream_timeout`.
  [[nodiscard]] Outcome<bool> write(std::string_view bytes, Millis timeout);
  void close();

 private:
  struct Impl;
  explicit BrokerStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace av::proxy
