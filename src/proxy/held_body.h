#pragma once
// HeldBody: a request's body of which the beginning, or all of it, has been read before it is sent,
// because policy looks at it. Whoever reads the body afterwards notices nothing.

#include <cstddef>
#include <string_view>

#include "core/clock.h"
#include "core/secret.h"
#include "proxy/body_source.h"

namespace av::proxy {

class HeldBody final : public BodySource {
 public:
  // `inner` must outlive it. `held_bytes`: what all of them hold together, of a worker.
  HeldBody(BodySource& inner, std::size_t& held_bytes) : inner_(inner), total_(held_bytes) {}
  ~HeldBody() override { total_ -= held_.size(); }

  // The most that all held bodies of a worker take.
  static constexpr std::size_t kMaxTotal = std::size_t{64} << 20;

  enum class Fill : std::uint8_t {
    kWhole,
    kMore,  // there is more than was asked for
    kTimeout,
    kTooMany,    // kMaxTotal is reached
    kMalformed,  // the framing is wrong
    kBroken,     // the client has left
  };
  struct Patience {
    Millis stall{};  // between two pieces
    Millis total{};
  };
  // Reads until the end of the body or until more than `limit` bytes are held. May be called again
  // with a higher limit, before anybody else reads.
  Awaitable<Fill> fill(std::size_t limit, Patience patience, const Clock& clock);
  [[nodiscard]] std::string_view view() const { return held_.view(); }
  // All of the body is held.
  [[nodiscard]] bool whole() const { return whole_; }
  // Gives back what has been read again. What it viewed is gone.
  void release();

  Awaitable<Piece> next(Millis timeout) override;
  bool poll(Piece& piece) override;
  [[nodiscard]] bool buffered() const override;
  [[nodiscard]] bool ended() const override;
  [[nodiscard]] bool trailers(std::vector<Field>& fields) const override;

 private:
  Piece replay();

  BodySource& inner_;
  std::size_t& total_;
  SecretBuffer held_;
  bool whole_ = false;
  bool replayed_ = false;
};

}  // namespace av::proxy
