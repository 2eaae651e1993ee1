#include "proxy/http1_upstream.h"

#include "proxy/upstream_pool.h"

namespace av::proxy {
namespace {

constexpr Millis kWriteStall{10 * 60'000};

}  // namespace

Http1Upstream::Http1Upstream(UpstreamPool& pool, UpstreamPtr connection)
    : pool_(pool),
      connection_(std::move(connection)),
      body_(connection_->stream, connection_->buffer, BodyKind::kNone, 0) {}

Awaitable<Io> Http1Upstream::send(const OutboundRequest& request, std::string_view body, bool end) {
  method_ = request.method();
  chunked_ = request.body() == BodyKind::kChunked;
  SecretBuffer message;
  message.reserve(method_.size() + request.target().size() + request.fields().text().size() +
                  body.size() + 64);
  append_http1_head(message, request);
  if (chunked_) {
    append_chunk(message, body, end);
  } else {
    message.append(body);
  }
  const Io io = co_await connection_->stream.write_all(message.view(), kWriteStall);
  sent_all_ = end && io == Io::kOk;
  co_return io;
}

Awaitable<Io> Http1Upstream::send_body(std::string_view bytes, bool end, const HeadText& trailers) {
  Io io = Io::kOk;
  if (chunked_) {
    SecretBuffer framed;
    framed.reserve(bytes.size() + trailers.text().size() + 32);
    append_chunk(framed, bytes, end, trailers.text());
    io = co_await connection_->stream.write_all(framed.view(), kWriteStall);
  } else {
    io = co_await connection_->stream.write_all(bytes, kWriteStall);
  }
  sent_all_ = end && io == Io::kOk;
  co_return io;
}

Awaitable<UpstreamExchange::HeadResult> Http1Upstream::next_head(ResponseHead& head,
                                                                 Millis timeout) {
  HeadResult result;
  HeadScanner::State state = scanner_.scan(connection_->buffer.view());
  if (state == HeadScanner::State::kMore && connection_->buffer.empty() &&
      !connection_->stream.has_pending()) {
    // The request has just gone out: an attempt to read would only find nothing.
    const Io waited = co_await connection_->stream.wait_readable(timeout);
    if (waited != Io::kOk) {
      result.got = waited == Io::kTimeout ? Got::kTimeout : Got::kClosed;
      result.io = waited;
      co_return result;
    }
  }
  while (state == HeadScanner::State::kMore) {
    const Io io = co_await fill(connection_->stream, connection_->buffer, timeout);
    if (io != Io::kOk) {
      result.got = io == Io::kTimeout ? Got::kTimeout : Got::kClosed;
      result.io = io;
      co_return result;
    }
    answered_ = true;
    state = scanner_.scan(connection_->buffer.view());
  }
  answered_ = true;
  std::optional<HeadError> error;
  if (state == HeadScanner::State::kComplete) {
    error = parse_response_head(connection_->buffer.view().substr(0, scanner_.size()), head);
    if (!error) {
      error = check_response_head(head, method_);
    }
  } else {
    error = HeadError{502, "upstream_protocol", "malformed or endless response head"};
  }
  if (error) {
    result.got = Got::kMalformed;
    result.what = error->message;
    co_return result;
  }
  connection_->buffer.consume(scanner_.size());
  scanner_.reset();
  keep_alive_ = head.keep_alive;
  body_.start(head.body, head.content_length);
  co_return result;
}

void Http1Upstream::release() {
  // Bytes behind the response belong to nobody.
  const bool clean = keep_alive_ && sent_all_ && body_.ended() && connection_->buffer.empty() &&
                     !connection_->stream.truncated() && !connection_->stream.closed();
  if (clean) {
    pool_.put(std::move(connection_));
  }
}

}  // namespace av::proxy
