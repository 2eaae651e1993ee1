#pragma once
// AacLink: a connection to a relay of Agent Access that has taken our identity. For one thread at
// a time.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "source/aac_messages.h"
#include "source/aac_relay.h"
#include "source/ports.h"

namespace av::source {

class AacLink {
 public:
  // `identity` and `clock` must outlive it.
  static Result<std::unique_ptr<AacLink>> open(WebSockets& sockets, const std::string& url,
                                               const RelayIdentity& identity, const Clock& clock);

  [[nodiscard]] Result<void> send(const Fingerprint& to, std::string_view payload);
  // Asks whose a rendezvous code is; the relay is silent about codes that it does not know.
  [[nodiscard]] Result<Fingerprint> resolve(std::string_view code);
  // The next message to us from `peer`; nothing when none came in time. Others are passed over:
  // anybody may send to us, and the relay may send what it likes.
  [[nodiscard]] Result<std::optional<AacMessage>> receive(const Fingerprint& peer,
                                                          std::int64_t timeout_ms);

  // The relay will have closed it, or is about to.
  [[nodiscard]] bool stale() const;
  [[nodiscard]] bool used() const { return used_; }

 private:
  AacLink(std::unique_ptr<WebSocket> socket, const RelayIdentity& identity, const Clock& clock)
      : socket_(std::move(socket)), identity_(identity), clock_(clock) {}
  Result<void> send_frame_text(const std::string& frame);
  Result<std::optional<RelayFrame>> next(std::int64_t timeout_ms);

  std::unique_ptr<WebSocket> socket_;
  const RelayIdentity& identity_;
  const Clock& clock_;
  std::chrono::steady_clock::time_point sent_{};
  bool used_ = false;  // a message of ours has gone through it before
};

}  // namespace av::source
