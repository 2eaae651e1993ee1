#pragma once
// H2Downstream: the client's end of an exchange over HTTP/2. One object per stream.

#include "proxy/downstream.h"
#include "proxy/h2_connection.h"
#include "proxy/h2_stream.h"

namespace av::proxy {

class H2Downstream final : public Downstream {
 public:
  // `connection` and `head` must outlive it.
  H2Downstream(H2Connection& connection, H2StreamPtr stream, const RequestHead& head)
      : connection_(connection), stream_(std::move(stream)), head_(head) {}

  [[nodiscard]] const RequestHead& head() const override { return head_; }
  Awaitable<Io> put_interim(const ResponsePlan& plan) override;
  void put_head(const ResponsePlan& plan) override;
  Awaitable<Io> put_body(std::string_view bytes) override;
  Awaitable<Io> put_end(const HeadText& trailers) override;
  Awaitable<Io> flush() override;
  Awaitable<bool> put_reply(const LocalReply& reply, bool reusable) override;
  void cut() override;
  [[nodiscard]] bool gone() override { return stream_->closed(); }
  void when_gone(std::function<void()> call) override { stream_->when_gone(std::move(call)); }
  void hurry_body() override { stream_->hurry(); }
  [[nodiscard]] BodySource& upgraded() override { return *stream_; }
  [[nodiscard]] bool reusable() const override { return true; }
  [[nodiscard]] Millis linger() const override { return Millis{0}; }
  [[nodiscard]] std::uint64_t bytes_sent() const override { return sent_; }

 protected:
  [[nodiscard]] BodySource& wire_body() override { return *stream_; }

 private:
  Awaitable<Io> send(std::string_view bytes, bool end, const HeadText& trailers);

  H2Connection& connection_;
  H2StreamPtr stream_;
  const RequestHead& head_;
  SecretBuffer out_;  // small pieces, to go out together
  std::uint64_t sent_ = 0;
  bool has_body_ = false;
};

}  // namespace av::proxy
