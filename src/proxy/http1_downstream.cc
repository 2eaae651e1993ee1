#include "proxy/http1_downstream.h"

#include "proxy/local_reply.h"

namespace av::proxy {
namespace {

constexpr Millis kWriteStall{10 * 60'000};

}  // namespace

Http1Downstream::Http1Downstream(Stream& stream, ReadBuffer& buffer, const RequestHead& head,
                                 const bool& draining)
    : stream_(stream),
      head_(head),
      draining_(draining),
      body_(stream, buffer, head.body, head.content_length) {}

void Http1Downstream::append_start(const ResponsePlan& plan) {
  out_.reserve(out_.size() + plan.fields.text().size() + plan.reason.size() + 128);
  out_.append("HTTP/1.1 ");
  out_.append(std::to_string(plan.status));
  out_.push_back(' ');
  out_.append(plan.reason);
  out_.append("\r\n");
  out_.append(plan.fields.text());
}

Awaitable<Io> Http1Downstream::put_interim(const ResponsePlan& plan) {
  if (head_.minor_version == 0) {
    co_return Io::kOk;
  }
  append_start(plan);
  out_.append("\r\n");
  co_return co_await flush();
}

void Http1Downstream::put_head(const ResponsePlan& plan) {
  const bool unknown = plan.body == BodyKind::kChunked;
  chunked_ = unknown && head_.minor_version == 1;
  const bool until_close = plan.body == BodyKind::kUntilClose || (unknown && !chunked_);
  keep_alive_ = head_.keep_alive && !until_close && !draining_;
  append_start(plan);
  if (chunked_) {
    out_.append("Transfer-Encoding: chunked\r\n");
  }
  if (plan.status == 101) {
    out_.append("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  } else if (!keep_alive_) {
    out_.append("Connection: close\r\n");
  } else if (head_.minor_version == 0) {
    out_.append("Connection: keep-alive\r\n");
  }
  out_.append("\r\n");
}

Awaitable<Io> Http1Downstream::put_body(std::string_view bytes) {
  if (out_.empty() && !chunked_) {
    // Straight from the buffer that it was read into: nothing is copied.
    co_return co_await send(bytes);
  }
  if (chunked_) {
    append_chunk(out_, bytes, /*end=*/false);
  } else {
    out_.append(bytes);
  }
  if (out_.size() >= ReadBuffer::kSize) {
    co_return co_await flush();
  }
  co_return Io::kOk;
}

Awaitable<Io> Http1Downstream::put_end(const HeadText& trailers) {
  if (chunked_) {
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

Awaitable<bool> Http1Downstream::put_fault(const Fault& fault, bool reusable) {
  const LocalReply reply = fault_reply(fault);
  keep_alive_ = reusable && head_.keep_alive && !draining_;
  out_.append(to_http1(reply, /*close=*/!keep_alive_, head_.method == "HEAD"));
  const Io io = co_await flush();
  complete_ = io == Io::kOk;
  co_return this->reusable();
}

void Http1Downstream::cut() {
  broken_ = true;
  stream_.close_truncated();
}

}  // namespace av::proxy
