#include "proxy/upload.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace av::proxy {
namespace {

// Bytes may stop for this long in the middle of a body.
constexpr Millis kBodyStall{30 * 60'000};

}  // namespace

void Upload::start(UpstreamExchange& upstream) {
  upstream_ = &upstream;
  running_ = true;
  complete_ = false;
  asio::co_spawn(executor_, copy(upstream), asio::detached);
}

// Ends quietly when either side is gone: whoever waits for the response reports it.
Awaitable<void> Upload::copy(UpstreamExchange& upstream) {
  BodySource& body = client_.body();
  for (bool end = false; !end;) {
    const BodySource::Piece piece = co_await body.next(kBodyStall);
    std::vector<Field> fields;
    end = piece.state == BodySource::State::kEnd;
    const bool broken =
        piece.state == BodySource::State::kBroken || piece.state == BodySource::State::kMalformed;
    if (broken || (end && !body.trailers(fields))) {
      if (!stopping_) {
        malformed_ = piece.state != BodySource::State::kBroken;
        client_broke_ = !malformed_;
      }
      upstream.abort();
      break;
    }
    bytes_ += piece.data.size();
    HeadText trailers;
    for (const Field& field : fields) {
      trailers.add(field.name, field.value);
    }
    const std::string_view bytes(piece.data.data(), piece.data.size());
    const Io io = co_await upstream.send_body(bytes, end, trailers);
    if (io != Io::kOk) {
      break;
    }
    complete_ = end;
  }
  if (complete_) {
    // The last piece's bytes go back to the window now, not when the answer has come.
    BodySource::Piece none;
    (void)body.poll(none);
  }
  running_ = false;
  done_.notify();
}

Awaitable<void> Upload::stop(Millis patience) {
  if (!running_) {
    co_return;
  }
  upstream_->abort();
  const auto end = clock_.steady() + patience;
  while (running_) {
    if (clock_.steady() >= end) {
      // From here on a read that gives up is our doing. Every round anew: a client that dribbles
      // bytes makes the copying wait again.
      stopping_ = true;
      client_.hurry_body();
    }
    (void)co_await done_.wait(DeadlineList::kTick);
  }
}

}  // namespace av::proxy
