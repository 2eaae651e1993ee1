#pragma once
// Http1Upstream: the server's end of an exchange over HTTP/1.1 (RFC 9112), on a connection of its
// own for as long as it lasts.

#include "proxy/upstream.h"
#include "proxy/upstream_exchange.h"

namespace av::proxy {

class UpstreamPool;

class Http1Upstream final : public UpstreamExchange {
 public:
  Http1Upstream(UpstreamPool& pool, UpstreamPtr connection);

  Awaitable<Io> send(const OutboundRequest& request, std::string_view body, bool end) override;
  Awaitable<Io> send_body(std::string_view bytes, bool end, const HeadText& trailers) override;
  void abort() override { connection_->stream.close(); }
  Awaitable<HeadResult> next_head(ResponseHead& head, Millis timeout) override;
  [[nodiscard]] BodySource& body() override { return body_; }
  [[nodiscard]] BodySource& upgraded() override {
    body_.start(BodyKind::kUntilClose, 0);
    return body_;
  }
  [[nodiscard]] bool truncated() const override { return connection_->stream.truncated(); }
  [[nodiscard]] Retry retry() const override {
    return connection_->reused && !answered_ ? Retry::kIfIdempotent : Retry::kNo;
  }
  void release() override;
  [[nodiscard]] const std::string& address() const override { return connection_->address; }

 private:
  UpstreamPool& pool_;
  UpstreamPtr connection_;
  HeadScanner scanner_;
  BodyReader body_;
  std::string method_;
  bool chunked_ = false;
  bool sent_all_ = false;
  bool answered_ = false;
  bool keep_alive_ = false;
};

}  // namespace av::proxy
