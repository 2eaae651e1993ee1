#pragma once
// H2Upstream: the server's end of an exchange over HTTP/2: a stream on a connection that it shares
// with other exchanges of the same origin and credential.

#include <memory>
#include <string>

#include "proxy/h2_connection.h"
#include "proxy/upstream.h"
#include "proxy/upstream_exchange.h"

namespace av::proxy {

// A connection that several exchanges use at once; lives as long as one of them or the pool wants
// it.
struct SharedH2 {
  SharedH2(Executor executor, const DeadlineList& deadlines, UpstreamPtr made);
  UpstreamPtr connection;
  H2Connection http2;
  bool used = false;
  std::int64_t pinged_ms = 0;  // 0: nothing is owed
};
using SharedH2Ptr = std::shared_ptr<SharedH2>;

class H2Upstream final : public UpstreamExchange {
 public:
  H2Upstream(SharedH2Ptr shared, bool fresh)
      : shared_(std::move(shared)), address_(shared_->connection->address), fresh_(fresh) {}
  ~H2Upstream() override;

  Awaitable<Io> send(const OutboundRequest& request, std::string_view body, bool end) override;
  Awaitable<Io> send_body(std::string_view bytes, bool end, const HeadText& trailers) override;
  void abort() override;
  Awaitable<HeadResult> next_head(ResponseHead& head, Millis timeout) override;
  [[nodiscard]] BodySource& body() override { return *stream_; }
  [[nodiscard]] BodySource& upgraded() override { return *stream_; }
  [[nodiscard]] bool truncated() const override { return false; }  // a cut stream says so itself
  [[nodiscard]] Retry retry() const override;
  void release() override;
  [[nodiscard]] const std::string& address() const override { return address_; }

 private:
  SharedH2Ptr shared_;
  H2StreamPtr stream_;  // null until the request is sent
  std::string address_;
  std::string method_;
  bool fresh_;
  bool answered_ = false;
};

}  // namespace av::proxy
