#include "proxy/upload.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace av::proxy {
namespace {

// Bytes may stop for this long in the middle of a body.
constexpr Millis kBodyStall{30 * 60'000};

}  // namespace

void Upload::start(UpstreamExchange& upstream, RequestBodyFilter& filter, const HeadText& head) {
  upstream_ = &upstream;
  head_ = &head;
  running_ = true;
  complete_ = false;
  asio::co_spawn(executor_, copy(upstream, filter), asio::detached);
}

// Ends quietly when either side is gone: whoever waits for the response reports it.
Awaitable<void> Upload::copy(UpstreamExchange& upstream, RequestBodyFilter& filter) {
  BodySource& body = client_.body();
  if (taken_) {
    const std::span<const Field> none;
    complete_ = co_await send(upstream, filter, *taken_, /*end=*/true, none);
  }
  Turns turns(executor_);
  for (bool end = taken_.has_value(); !end;) {
    co_await turns.take();
    const BodySource::Piece piece = co_await body.next(kBodyStall);
    if (piece.io == Io::kTimeout && !stopping_) {
      continue;  // how long to wait is decided by whoever waits for the response
    }
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
    const std::string_view bytes(piece.data.data(), piece.data.size());
    const bool sent = co_await send(upstream, filter, bytes, end, fields);
    if (!sent) {
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

bool Upload::in_head(std::string_view name) const {
  for (std::size_t i = 0; i < head_->size(); ++i) {
    const std::string_view there = head_->entry(i).name;
    if (same_variable(name, there) || same_variable(there, name)) {
      return true;
    }
  }
  return false;
}

// False: the upstream does not take it, or the filter does not let it pass.
Awaitable<bool> Upload::send(UpstreamExchange& upstream, RequestBodyFilter& filter,
                             std::string_view bytes, bool end, std::span<const Field> fields) {
  HeadText trailers;
  for (const Field& field : fields) {
    if (!in_head(field.name)) {
      trailers.add(field.name, field.value);
    }
  }
  if (filter.active()) {
    filter.supply(bytes, end);
    for (std::string_view piece = filter.next(); !piece.empty(); piece = filter.next()) {
      const Io io = co_await upstream.send_body(piece, /*end=*/false, kNoFields);
      if (io != Io::kOk) {
        co_return false;
      }
    }
    bytes = {};
  }
  filter.check(fields);
  if (filter.status() != RequestBodyFilter::Status::kOk) {
    upstream.abort();
    co_return false;
  }
  if (bytes.empty() && !end) {
    co_return true;
  }
  const Io io = co_await upstream.send_body(bytes, end, trailers);
  if (io == Io::kTimeout) {
    upstream.abort();  // never to be taken for the whole of it
  }
  co_return io == Io::kOk;
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
