#pragma once
// UpstreamExchange: the server's end of one exchange, whichever protocol it speaks. Exchange knows
// no other; Http1Upstream and H2Upstream are behind it, UpstreamPool makes them.
//
// Destroyed without release(), it takes the connection (HTTP/1) or the stream (HTTP/2) down with
// it.

#include <memory>
#include <string>
#include <string_view>

#include "proxy/body_source.h"
#include "proxy/head.h"
#include "proxy/head_text.h"
#include "proxy/injector.h"
#include "proxy/io.h"

namespace av::proxy {

class UpstreamExchange {
 public:
  virtual ~UpstreamExchange() = default;

  // The head and the body's first bytes in one write. `end`: there is no more, not even trailers.
  // `request` must outlive the object.
  virtual Awaitable<Io> send(const OutboundRequest& request, std::string_view body, bool end) = 0;
  // `trailers` are looked at with `end` only.
  virtual Awaitable<Io> send_body(std::string_view bytes, bool end, const HeadText& trailers) = 0;
  // The rest of the request is not coming: the server must not take what it has for all of it.
  virtual void abort() = 0;

  // One head, interim (1xx) or final. kTimeout: none yet, ask again.
  enum class Got : std::uint8_t { kHead, kTimeout, kMalformed, kClosed };
  struct HeadResult {
    Got got = Got::kHead;
    Io io = Io::kOk;        // with kClosed
    const char* what = "";  // with kMalformed
  };
  virtual Awaitable<HeadResult> next_head(ResponseHead& head, Millis timeout) = 0;
  // After the final head.
  [[nodiscard]] virtual BodySource& body() = 0;
  // After a 101: bytes.
  [[nodiscard]] virtual BodySource& upgraded() = 0;
  // The end of the body came without the proof that it was meant (no close_notify).
  [[nodiscard]] virtual bool truncated() const = 0;

  // Whether a request that failed before any answer may be sent once more on another connection.
  enum class Retry : std::uint8_t {
    kNo,
    kIfIdempotent,  // an idle connection may close just as it is used (RFC 9112 section 9.3.1)
    kYes,           // the server says that it has not looked at it (RFC 9113 section 8.7)
    kOverHttp1      // the server wants HTTP/1.1 for it (HTTP_1_1_REQUIRED)
  };
  [[nodiscard]] virtual Retry retry() const = 0;

  // Both messages are complete: the connection may serve others.
  virtual void release() = 0;
  [[nodiscard]] virtual const std::string& address() const = 0;
};
using UpstreamExchangePtr = std::unique_ptr<UpstreamExchange>;

}  // namespace av::proxy
