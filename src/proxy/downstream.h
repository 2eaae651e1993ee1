#pragma once
// Downstream: the client's end of one exchange, whichever protocol it speaks. Exchange knows no
// other; Http1Downstream and H2Downstream are behind it.
//
// What is put may be kept back to go out in one write; flush() sends it. A write that fails says so
// once and every later one fails too.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/body_source.h"
#include "proxy/fault.h"
#include "proxy/head.h"
#include "proxy/held_body.h"
#include "proxy/io.h"
#include "proxy/local_reply.h"
#include "proxy/response_plan.h"

namespace av::proxy {

class Downstream {
 public:
  virtual ~Downstream() = default;

  // Parsed and checked; valid as long as the object.
  [[nodiscard]] virtual const RequestHead& head() const = 0;
  [[nodiscard]] BodySource& body() { return held_ ? *held_ : wire_body(); }
  // The same body, which can be looked at before it is read; made at the first call. `held_bytes`
  // must outlive this.
  [[nodiscard]] HeldBody& hold_body(std::size_t& held_bytes) {
    return held_ ? *held_ : held_.emplace(wire_body(), held_bytes);
  }
  [[nodiscard]] const HeldBody* held_body() const { return held_ ? &*held_ : nullptr; }
  void release_held_body() {
    if (held_) {
      held_->release();
    }
  }

  // A 1xx response (RFC 9110 section 15.2). Dropped for a client that does not know them.
  virtual Awaitable<Io> put_interim(const ResponsePlan& plan) = 0;
  // The head of the final response, or of the 101 that opens a WebSocket.
  virtual void put_head(const ResponsePlan& plan) = 0;
  virtual Awaitable<Io> put_body(std::string_view bytes) = 0;
  // The end of the body, with trailers where the protocol has them.
  virtual Awaitable<Io> put_end(const HeadText& trailers) = 0;
  virtual Awaitable<Io> flush() = 0;
  // A complete response of our own. True: the client can go on with another request on its
  // connection; `reusable` false rules that out.
  virtual Awaitable<bool> put_reply(const LocalReply& reply, bool reusable) = 0;

  // After a 101: what the client sends from now on, as bytes.
  [[nodiscard]] virtual BodySource& upgraded() = 0;
  // The response stays without its end, so that nobody takes it for complete.
  virtual void cut() = 0;
  // The client will not read an answer any more. Costs a system call.
  [[nodiscard]] virtual bool gone() = 0;
  // Calls once when the client gives the exchange up before the response is complete, where that
  // shows without asking. Must not wait. Empty: nobody wants to know any more.
  virtual void when_gone(std::function<void()> call) = 0;
  // Makes a read of the body that is under way in another coroutine end soon.
  virtual void hurry_body() = 0;
  // True when the exchange is over and the client's connection can carry another request.
  [[nodiscard]] virtual bool reusable() const = 0;
  // How long a client may go on sending its body after it has been answered: over HTTP/1 a close
  // under its hands could cost it the answer (RFC 9112 section 9.6).
  [[nodiscard]] virtual Millis linger() const = 0;
  [[nodiscard]] virtual std::uint64_t bytes_sent() const = 0;

 protected:
  [[nodiscard]] virtual BodySource& wire_body() = 0;

 private:
  std::optional<HeldBody> held_;
};

}  // namespace av::proxy
