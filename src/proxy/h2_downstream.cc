#include "proxy/h2_downstream.h"

#include "proxy/local_reply.h"

namespace av::proxy {
namespace {

constexpr Millis kWriteStall{10 * 60'000};

// RFC 8441 section 5: the handshake fields of HTTP/1.1 have no place here.
HeadText without_handshake(const HeadText& fields) {
  HeadText out;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const HeadText::Entry entry = fields.entry(i);
    if (!iequals(entry.name, "sec-websocket-accept")) {
      out.add(entry.name, entry.value, entry.kind);
    }
  }
  return out;
}

}  // namespace

Awaitable<Io> H2Downstream::put_interim(const ResponsePlan& plan) {
  co_return connection_.respond_interim(*stream_, plan.status, plan.fields) ? Io::kOk : Io::kClosed;
}

void H2Downstream::put_head(const ResponsePlan& plan) {
  if (plan.status == 101) {
    has_body_ = true;
    (void)connection_.respond(*stream_, 200, without_handshake(plan.fields), /*end=*/false);
    return;
  }
  has_body_ = plan.body != BodyKind::kNone;
  (void)connection_.respond(*stream_, plan.status, plan.fields, !has_body_);
}

Awaitable<Io> H2Downstream::send(std::string_view bytes, bool end, const HeadText& trailers) {
  const Io io = co_await stream_->write(bytes, end, trailers, kWriteStall);
  sent_ += io == Io::kOk ? bytes.size() : 0;
  co_return io;
}

Awaitable<Io> H2Downstream::put_body(std::string_view bytes) {
  if (out_.empty() && bytes.size() >= ReadBuffer::kSize) {
    co_return co_await send(bytes, /*end=*/false, kNoFields);
  }
  out_.append(bytes);
  if (out_.size() >= ReadBuffer::kSize) {
    co_return co_await flush();
  }
  co_return Io::kOk;
}

Awaitable<Io> H2Downstream::put_end(const HeadText& trailers) {
  if (!has_body_) {
    co_return Io::kOk;
  }
  const Io io = co_await send(out_.view(), /*end=*/true, trailers);
  out_.clear();
  co_return io;
}

Awaitable<Io> H2Downstream::flush() {
  if (out_.empty()) {
    co_return stream_->closed() ? Io::kClosed : Io::kOk;
  }
  const Io io = co_await send(out_.view(), /*end=*/false, kNoFields);
  out_.clear();
  co_return io;
}

Awaitable<bool> H2Downstream::put_reply(const LocalReply& reply, bool /*reusable*/) {
  const bool head_only = head_.method == "HEAD";
  if (connection_.respond(*stream_, reply.status, reply.fields, head_only) && !head_only) {
    (void)co_await send(reply.body.view(), /*end=*/true, kNoFields);
  }
  co_return true;
}

void H2Downstream::cut() {
  stream_->reset(NGHTTP2_INTERNAL_ERROR);
}

}  // namespace av::proxy
