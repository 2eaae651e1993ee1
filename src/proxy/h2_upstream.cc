#include "proxy/h2_upstream.h"

namespace av::proxy {
namespace {

constexpr Millis kWriteStall{10 * 60'000};

H2Limits upstream_limits() {
  H2Limits limits;
  limits.concurrent_streams = 250;
  limits.grown_window = 512 << 10;  // a server may be far away
  limits.connection_window = 16 * (1024 << 10);
  return limits;
}

}  // namespace

SharedH2::SharedH2(Executor executor, const DeadlineList& deadlines, UpstreamPtr made)
    : connection(std::move(made)),
      http2(H2Connection::Role::kClient, executor, connection->stream, connection->buffer,
            deadlines, upstream_limits(), nullptr) {}

H2Upstream::~H2Upstream() {
  abort();
}

Awaitable<Io> H2Upstream::send(const OutboundRequest& request, std::string_view body, bool end) {
  method_ = request.method();
  const vault::RequestIdentity& identity = request.identity();
  const std::string authority = vault::to_string(identity.authority, identity.scheme);
  H2Connection::RequestLine line;
  line.method = request.method();
  line.scheme = vault::to_string(identity.scheme);
  line.authority = authority;
  line.target = request.target();
  const bool headers_only = end && body.empty();
  stream_ = shared_->http2.open(line, request.fields(), headers_only);
  if (stream_ == nullptr) {
    co_return Io::kClosed;
  }
  shared_->used = true;
  if (headers_only) {
    co_return Io::kOk;
  }
  co_return co_await stream_->write_until_head(body, end, kWriteStall);
}

Awaitable<Io> H2Upstream::send_body(std::string_view bytes, bool end, const HeadText& trailers) {
  return stream_->write(bytes, end, trailers, kWriteStall);
}

void H2Upstream::abort() {
  if (stream_ != nullptr) {
    stream_->reset(NGHTTP2_CANCEL);
  }
}

Awaitable<UpstreamExchange::HeadResult> H2Upstream::next_head(ResponseHead& head, Millis timeout) {
  HeadResult result;
  const Io io = co_await stream_->wait_head(timeout);
  if (io != Io::kOk) {
    result.got = io == Io::kTimeout ? Got::kTimeout : Got::kClosed;
    result.io = io;
    co_return result;
  }
  answered_ = true;
  H2Stream::Block block = stream_->take_head();
  if (const auto error = block.head.to_response(head, block.end, method_)) {
    result.got = Got::kMalformed;
    result.what = error->message;
  }
  co_return result;
}

UpstreamExchange::Retry H2Upstream::retry() const {
  const bool untouched = stream_ == nullptr || stream_->error_code() == NGHTTP2_REFUSED_STREAM;
  if (!answered_ && ((untouched && shared_->http2.http1_required()) ||
                     (stream_ != nullptr && stream_->error_code() == NGHTTP2_HTTP_1_1_REQUIRED))) {
    return Retry::kOverHttp1;
  }
  if (untouched) {
    return Retry::kYes;
  }
  // A server that resets a stream has looked at it; a connection that goes may not have.
  const bool connection_went = stream_->error_code() == NGHTTP2_NO_ERROR;
  return !answered_ && !fresh_ && connection_went ? Retry::kIfIdempotent : Retry::kNo;
}

void H2Upstream::release() {
  if (stream_ != nullptr) {
    stream_->finish();
  }
  stream_ = nullptr;
}

}  // namespace av::proxy
