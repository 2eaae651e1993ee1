#include "proxy/held_body.h"

namespace av::proxy {

Awaitable<HeldBody::Fill> HeldBody::fill(std::size_t limit, Patience patience, const Clock& clock) {
  const auto give_up = clock.steady() + patience.total;
  while (!whole_ && held_.size() <= limit) {
    if (clock.steady() >= give_up) {
      co_return Fill::kTimeout;
    }
    const Piece piece = co_await inner_.next(patience.stall);
    if (piece.state == State::kMalformed) {
      co_return Fill::kMalformed;
    }
    if (piece.state == State::kBroken) {
      co_return piece.io == Io::kTimeout ? Fill::kTimeout : Fill::kBroken;
    }
    held_.append(std::string_view(piece.data.data(), piece.data.size()));
    total_ += piece.data.size();
    whole_ = piece.state == State::kEnd;
    if (total_ > kMaxTotal) {
      co_return Fill::kTooMany;
    }
  }
  co_return whole_ ? Fill::kWhole : Fill::kMore;
}

BodySource::Piece HeldBody::replay() {
  replayed_ = true;
  Piece piece;
  piece.state = whole_ ? State::kEnd : State::kData;
  piece.data = std::span<char>(held_.data(), held_.size());
  return piece;
}

void HeldBody::release() {
  if (replayed_) {
    total_ -= held_.size();
    held_ = SecretBuffer();
  }
}

Awaitable<BodySource::Piece> HeldBody::next(Millis timeout) {
  if (!replayed_ && (whole_ || !held_.empty())) {
    co_return replay();
  }
  release();  // the piece before this one is done with
  co_return co_await inner_.next(timeout);
}

bool HeldBody::poll(Piece& piece) {
  if (!replayed_ && (whole_ || !held_.empty())) {
    piece = replay();
    return true;
  }
  return inner_.poll(piece);
}

bool HeldBody::buffered() const {
  return replayed_ || held_.empty() ? inner_.buffered() : whole_;
}

bool HeldBody::ended() const {
  return (replayed_ || !whole_) && inner_.ended();
}

bool HeldBody::trailers(std::vector<Field>& fields) const {
  return inner_.trailers(fields);
}

}  // namespace av::proxy
