#pragma once
// RequestBodyFilter: what happens to a request's body between the client's framing and the
// upstream's: declared placeholders become values, others end the request. It only sees bytes,
// whatever the protocol's version, and the trailers behind them.
//
// The form of the values follows Content-Type: JSON (application/json, +json and its line formats),
// form (application/x-www-form-urlencoded), XML (+xml, text/xml, text/html), else as they are;
// multipart is not taken apart. A body with a content coding, or one whose messages carry their own
// lengths (gRPC), cannot be rewritten: if the service declares a substitution for bodies, such a
// request is refused (415 body_uninspectable). Where bodies are only searched, a coded one passes
// unsearched.
//
// How a caller uses it:
// 1. Made after the credential is opened, before the head is rendered. status() other than kOk:
//    refuse with fault().
// 2. changes_length() and the whole body is here and no larger than kWholeLimit: render_whole().
//    kDone: it goes out with its new Content-Length. Else the body goes out chunked (HTTP/1.1) or
//    without Content-Length (HTTP/2). Injector::inject() is told by InjectOptions.
// 3. Otherwise supply() and next() for each piece. What is here before the head is sent should go
//    through it before the head does, so that nothing of a refused request is sent.
// 4. status() other than kOk on the way: the upstream request is broken off (the connection closed,
//    the stream reset), never ended in order; fault() is for the client if it has no answer yet.

#include <cstddef>
#include <span>
#include <string_view>

#include "core/secret.h"
#include "proxy/placeholder_stream.h"

namespace av::proxy {

class RequestBodyFilter {
 public:
  // Small bodies are rewritten before they are sent, so that they keep a Content-Length: some
  // servers refuse others (RFC 9112 section 6.3, 411).
  static constexpr std::size_t kWholeLimit = std::size_t{64} << 10;
  // What that may grow to.
  static constexpr std::size_t kMaxRendered = std::size_t{4} << 20;

  enum class Status : std::uint8_t { kOk, kMisuse, kTooMany, kUncodable };

  // `guard` and `values` (null: nothing was opened) must outlive the filter; `head` need not.
  RequestBodyFilter(PlaceholderGuard& guard, const ResolvedCredential* values,
                    const RequestHead& head);

  // False: bytes pass as they are, and need not be passed through.
  [[nodiscard]] bool active() const { return active_; }
  // Content-Length and digests of the client's do not hold for what goes upstream.
  [[nodiscard]] bool changes_length() const { return active_ && stream_.substitutes(); }

  enum class Whole : std::uint8_t {
    kDone,    // `out` is the body
    kStream,  // it grows too large: supply() it
    kFailed,  // see status()
  };
  [[nodiscard]] Whole render_whole(std::string_view body, SecretBuffer& out);

  // As of PlaceholderStream. Views lead into what was supplied where nothing was changed.
  void supply(std::string_view data, bool end);
  [[nodiscard]] std::string_view next();

  // At the end: the trailers go upstream too (see status()).
  void check(std::span<const Field> trailers);

  [[nodiscard]] Status status() const;
  [[nodiscard]] const Fault& fault() const;

 private:
  PlaceholderGuard& guard_;
  PlaceholderStream stream_;
  ValueForm form_;
  bool active_;
  bool uncodable_ = false;
  bool bad_trailers_ = false;
  Fault fault_;
};

}  // namespace av::proxy
