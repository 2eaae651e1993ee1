#include "source/aac_link.h"

#include <utility>

namespace av::source {
namespace {

// A relay waits for 5 s; and closes what has been silent for 120 s.
constexpr Millis kAuthentication{5'000};
constexpr Millis kIdle{100'000};
constexpr Millis kResolution{10'000};

std::int64_t left(const Clock& clock, std::chrono::steady_clock::time_point until) {
  return std::chrono::duration_cast<Millis>(until - clock.steady()).count();
}

}  // namespace

Result<std::unique_ptr<AacLink>> AacLink::open(WebSockets& sockets, const std::string& url,
                                               const RelayIdentity& identity, const Clock& clock) {
  AV_TRY(std::unique_ptr<WebSocket> socket, sockets.open(url));
  std::unique_ptr<AacLink> link(new AacLink(std::move(socket), identity, clock));
  const auto until = clock.steady() + kAuthentication;
  for (;;) {
    const std::int64_t ms = left(clock, until);
    if (ms <= 0) {
      return failure(Failure::Why::kTimeout, "the relay did not send a challenge in time");
    }
    AV_TRY(const std::optional<RelayFrame> frame, link->next(ms));
    if (frame && frame->kind == RelayFrame::Kind::kChallenge) {
      AV_TRY(const std::string answer, auth_response_frame(identity, frame->bytes));
      AV_CHECK(link->send_frame_text(answer));
      // It says nothing when it is content, and closes when it is not.
      return link;
    }
  }
}

Result<void> AacLink::send_frame_text(const std::string& frame) {
  sent_ = clock_.steady();
  return socket_->send(frame);
}

Result<std::optional<RelayFrame>> AacLink::next(std::int64_t timeout_ms) {
  const auto text = socket_->receive(timeout_ms);
  if (!text) {
    if (text.error().why == Failure::Why::kTimeout) {
      return std::optional<RelayFrame>();
    }
    return text.error();
  }
  auto frame = read_relay_frame(text->view());
  if (!frame) {
    return std::move(frame.error());
  }
  return std::optional<RelayFrame>(std::move(*frame));
}

Result<void> AacLink::send(const Fingerprint& to, std::string_view payload) {
  AV_CHECK(send_frame_text(send_frame(to, payload)));
  used_ = true;
  return {};
}

Result<Fingerprint> AacLink::resolve(std::string_view code) {
  AV_CHECK(send_frame_text(get_identity_frame(code)));
  const auto until = clock_.steady() + kResolution;
  for (;;) {
    const std::int64_t ms = left(clock_, until);
    if (ms <= 0) {
      return failure(Failure::Why::kNotFound, "the relay does not know this code",
                     "a code works once, for five minutes, while the other device waits: make a "
                     "new one there");
    }
    AV_TRY(const std::optional<RelayFrame> frame, next(ms));
    if (frame && frame->kind == RelayFrame::Kind::kIdentity) {
      return frame->from;
    }
  }
}

Result<std::optional<AacMessage>> AacLink::receive(const Fingerprint& peer,
                                                   std::int64_t timeout_ms) {
  AV_TRY(const std::optional<RelayFrame> frame, next(timeout_ms));
  if (!frame || frame->kind != RelayFrame::Kind::kMessage || frame->from != peer ||
      frame->to != identity_.fingerprint()) {
    return std::optional<AacMessage>();
  }
  return read_aac_message(
      {reinterpret_cast<const char*>(frame->bytes.data()), frame->bytes.size()});
}

bool AacLink::stale() const {
  return clock_.steady() - sent_ > kIdle;
}

}  // namespace av::source
