#pragma once
// NameResolver: a host name to addresses. An interface, so that tests can answer as a hostile name
// server does. Belongs to one worker.

#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "proxy/fault.h"
#include "proxy/io.h"
#include "proxy/net_guard.h"

namespace av::proxy {

class NameResolver {
 public:
  NameResolver() = default;
  virtual ~NameResolver() = default;
  NameResolver(const NameResolver&) = delete;
  NameResolver& operator=(const NameResolver&) = delete;

  // At least one address, in the order in which they should be tried (RFC 6724); or `dns_failed`,
  // `dns_timeout`. `host` must outlive the call.
  virtual Awaitable<Outcome<std::vector<IpAddress>>> resolve(const std::string& host,
                                                             Millis timeout) = 0;
  // Look-ups that have been given up on and that the C library is still busy with.
  [[nodiscard]] virtual int pending() const { return 0; }
};

// getaddrinfo(3), on a thread that Asio makes at the first look-up.
class SystemResolver final : public NameResolver {
 public:
  explicit SystemResolver(Executor executor) : executor_(executor) {}
  Awaitable<Outcome<std::vector<IpAddress>>> resolve(const std::string& host,
                                                     Millis timeout) override;
  [[nodiscard]] int pending() const override { return *pending_; }

 private:
  Executor executor_;
  std::shared_ptr<int> pending_ = std::make_shared<int>(0);
};

}  // namespace av::proxy
