#include "proxy/upload.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace av::proxy {
namespace {

// Bytes may stop for this long in the middle of a body.
constexpr Millis kBodyStall{30 * 60'000};

}  // namespace

void Upload::start(UpstreamExchange& upstream, RequestBodyFilter& filter,
                   const PlaceholderGuard& guard) {
  upstream_ = &upstream;
  running_ = true;
  complete_ = false;
  asio::co_spawn(executor_, copy(upstream, filter, guard), asio::detached);
}

// What the filter lets through of what it has.
Awaitable<Io> Upload::send_filtered(UpstreamExchange& upstream, RequestBodyFilter& filter) {
  static const HeadText kNone;
  for (std::string_view bytes = filter.next(); !bytes.empty(); bytes = filter.next()) {
    const Io io = co_await upstream.send_body(bytes, /*end=*/false, kNone);
    if (io != Io::kOk) {
      co_return io;
    }
  }
  if (filter.status() != RequestBodyFilter::Status::kOk) {
    fault_ = filter.fault();
    co_return Io::kClosed;
  }
  co_return Io::kOk;
}

// Ends quietly when either side is gone: whoever waits for the response reports it.
Awaitable<void> Upload::copy(UpstreamExchange& upstream, RequestBodyFilter& filter,
                             const PlaceholderGuard& guard) {
  BodySource& body = client_.body();
  Io io = Io::kOk;
  if (filter.active()) {
    io = co_await send_filtered(upstream, filter);  // what came with the head
  }
  for (bool end = false; !end && io == Io::kOk;) {
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
      io = Io::kClosed;
      break;
    }
    bytes_ += piece.data.size();
    std::string_view bytes(piece.data.data(), piece.data.size());
    if (filter.active()) {
      filter.supply(bytes, end);
      io = co_await send_filtered(upstream, filter);
      bytes = {};
    }
    if (const auto allowed = guard.check_trailers(fields); !allowed) {
      fault_ = allowed.error();
      io = Io::kClosed;
    }
    if (io == Io::kOk) {
      HeadText trailers;
      for (const Field& field : fields) {
        trailers.add(field.name, field.value);
      }
      io = co_await upstream.send_body(bytes, end, trailers);
      complete_ = end && io == Io::kOk;
    }
  }
  if (fault_ || malformed_ || client_broke_ || stopping_) {
    upstream.abort();  // never to be taken for the whole of it
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
