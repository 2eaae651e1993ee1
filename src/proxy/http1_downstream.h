#pragma once
// Http1Downstream: the client's end of an exchange over HTTP/1 (RFC 9112). One object per exchange,
// on the session's stream.

#include <string>

#include "proxy/body.h"
#include "proxy/downstream.h"
#include "proxy/stream.h"

namespace av::proxy {

// How a response is framed towards this client (RFC 9112 section 6.3).
struct Http1Framing {
  bool chunked = false;
  bool keep_alive = false;
};
[[nodiscard]] Http1Framing frame_response(const ResponsePlan& plan, const RequestHead& request,
                                          bool draining);
// The complete head, the empty line included.
void append_http1_head(SecretBuffer& out, const ResponsePlan& plan, const RequestHead& request,
                       const Http1Framing& framing);

class Http1Downstream final : public Downstream {
 public:
  // All references must outlive it. `draining`: the worker is stopping, so the connection is closed
  // after this response.
  Http1Downstream(Stream& stream, ReadBuffer& buffer, const RequestHead& head,
                  const bool& draining);

  [[nodiscard]] const RequestHead& head() const override { return head_; }
  Awaitable<Io> put_interim(const ResponsePlan& plan) override;
  void put_head(const ResponsePlan& plan) override;
  Awaitable<Io> put_body(std::string_view bytes) override;
  Awaitable<Io> put_end(const HeadText& trailers) override;
  Awaitable<Io> flush() override;
  Awaitable<bool> put_reply(const LocalReply& reply, bool reusable) override;
  void cut() override;
  [[nodiscard]] bool gone() override { return broken_ || stream_.peer_gone(); }
  void when_gone(std::function<void()> /*call*/) override {}  // gone() tells
  void hurry_body() override { stream_.hurry_read(); }
  [[nodiscard]] BodySource& upgraded() override {
    body_.start(BodyKind::kUntilClose, 0);
    return body_;
  }
  [[nodiscard]] bool reusable() const override {
    return complete_ && framing_.keep_alive && !broken_ && body_.ended();
  }
  [[nodiscard]] Millis linger() const override { return Millis{2'000}; }
  [[nodiscard]] std::uint64_t bytes_sent() const override { return sent_; }

 protected:
  [[nodiscard]] BodySource& wire_body() override { return body_; }

 private:
  Awaitable<Io> send(std::string_view bytes);

  Stream& stream_;
  const RequestHead& head_;
  const bool& draining_;
  BodyReader body_;
  SecretBuffer out_;  // goes out with the next write
  std::uint64_t sent_ = 0;
  Http1Framing framing_;
  bool complete_ = false;
  bool broken_ = false;
};

}  // namespace av::proxy
