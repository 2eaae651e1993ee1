#include "proxy/http1_downstream.h"

#include <cstring>

#include "proxy/local_reply.h"

namespace av::proxy {
namespace {

constexpr Millis kWriteStall{10 * 60'000};
constexpr std::size_t kRecord = std::size_t{16} << 10;  // the most in one of TLS (RFC 8446, 5.1)

void append_start(SecretBuffer& out, const ResponsePlan& plan) {
  out.reserve(out.size() + plan.fields.text().size() + plan.reason.size() + 128);
  out.append("HTTP/1.1 ");
  out.append(std::to_string(plan.status));
  out.push_back(' ');
  out.append(plan.reason);
  out.append("\r\n");
  out.append(plan.fields.text());
}

}  // namespace

Http1Framing frame_response(const ResponsePlan& plan, const RequestHead& request, bool draining) {
  const bool unknown = plan.body == BodyKind::kChunked;
  Http1Framing framing;
  framing.chunked = unknown && request.minor_version == 1;
  const bool until_close = plan.body == BodyKind::kUntilClose || (unknown && !framing.chunked);
  framing.keep_alive = request.keep_alive && !until_close && !draining;
  return framing;
}

void append_http1_head(SecretBuffer& out, const ResponsePlan& plan, const RequestHead& request,
                       const Http1Framing& framing) {
  append_start(out, plan);
  if (framing.chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  }
  if (plan.status == 101) {
    out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  } else if (!framing.keep_alive) {
    out.append("Connection: close\r\n");
  } else if (request.minor_version == 0) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
}

Http1Downstream::Http1Downstream(Stream& stream, ReadBuffer& buffer, const RequestHead& head,
                                 const bool& draining)
    : stream_(stream),
      head_(head),
      draining_(draining),
      body_(stream, buffer, head.body, head.content_length) {}

Awaitable<Io> Http1Downstream::put_interim(const ResponsePlan& plan) {
  if (head_.minor_version == 0) {
    co_return Io::kOk;
  }
  append_start(out_, plan);
  out_.append("\r\n");
  co_return co_await flush();
}

void Http1Downstream::put_head(const ResponsePlan& plan) {
  framing_ = frame_response(plan, head_, draining_);
  append_http1_head(out_, plan, head_, framing_);
}

Awaitable<Io> Http1Downstream::put_body(std::string_view bytes) {
  if (out_.empty() && !framing_.chunked && bytes.size() <= kRecord) {
    // Straight from the buffer that it was read into: nothing is copied.
    co_return co_await send(bytes);
  }
  if (framing_.chunked) {
    append_chunk(out_, bytes, /*end=*/false);
  } else {
    out_.append(bytes);
  }
  if (out_.size() < kRecord) {
    co_return Io::kOk;
  }
  // What the search held back makes the next piece longer than a record; a second record for the
  // odd bytes, and a system call with it, would cost more than to keep them for the next one.
  const std::size_t whole = out_.size() - out_.size() % kRecord;
  const std::string_view records = out_.view().substr(0, whole);
  const Io io = co_await send(records);
  std::memmove(out_.data(), out_.data() + whole, out_.size() - whole);
  out_.truncate(out_.size() - whole);
  co_return io;
}

Awaitable<Io> Http1Downstream::put_end(const HeadText& trailers) {
  if (framing_.chunked) {
    append_chunk(out_, {}, /*end=*/true, trailers.text());
  }
  const Io io = co_await flush();
  complete_ = io == Io::kOk;
  co_return io;
}

Awaitable<Io> Http1Downstream::flush() {
  if (out_.empty()) {
    co_return broken_ ? Io::kClosed : Io::kOk;
  }
  const Io io = co_await send(out_.view());
  out_.clear();
  co_return io;
}

Awaitable<Io> Http1Downstream::send(std::string_view bytes) {
  if (broken_) {
    co_return Io::kClosed;
  }
  const Io io = co_await stream_.write_all(bytes, kWriteStall);
  broken_ = io != Io::kOk;
  sent_ += broken_ ? 0 : bytes.size();
  co_return io;
}

Awaitable<bool> Http1Downstream::put_reply(const LocalReply& reply, bool reusable) {
  framing_.keep_alive = reusable && head_.keep_alive && !draining_;
  out_.append(to_http1(reply, /*close=*/!framing_.keep_alive, head_.method == "HEAD"));
  const Io io = co_await flush();
  complete_ = io == Io::kOk;
  co_return this->reusable();
}

void Http1Downstream::cut() {
  broken_ = true;
  stream_.close_truncated();
}

}  // namespace av::proxy
