// Session: how the head of a request, or the beginning of HTTP/2, comes off the connection.
#include <array>

#include "proxy/http1_parser.h"
#include "proxy/refusals.h"
#include "proxy/session.h"

namespace av::proxy {
namespace {

constexpr Millis kHeadTimeout{30'000};
constexpr Millis kFirstHeadTimeout{10'000};
constexpr Millis kPeekAgain{10};

}  // namespace

// More of a head, without waiting: size 0 and kOk when nothing is there.
IoResult Session::try_fill_head() {
  const std::span<char> space = buffer_.space();
  if (in_tunnel_) {
    const IoResult read = stream_.try_read(space.data(), space.size());
    buffer_.filled(read.size);
    return read;
  }
  // Before TLS, bytes behind the head stay in the socket: they may be the beginning of a TLS
  // handshake, and OpenSSL reads from the socket itself.
  const std::size_t had = buffer_.size();
  const IoResult peeked = stream_.peek(space.data(), space.size());
  if (peeked.status != Io::kOk || peeked.size == 0) {
    return peeked;
  }
  HeadScanner scanner;
  const std::string_view all(buffer_.view().data(), had + peeked.size);
  const bool complete = scanner.scan(all) == HeadScanner::State::kComplete;
  const std::size_t take = complete ? scanner.size() - had : peeked.size;
  const IoResult taken = stream_.try_read(space.data(), take);
  buffer_.filled(taken.size);
  return taken;
}

// Until more of a head may be there.
Awaitable<Io> Session::wait_for_head() {
  if (!buffer_.empty() || stream_.has_pending()) {
    return stream_.wait_readable(kHeadTimeout);
  }
  // Between requests: hold no buffer while there is nothing to hold.
  buffer_.release();
  return wait_idle(newcomer_ ? kFirstHeadTimeout : worker_->options.idle_timeout);
}

Awaitable<Session::Next> Session::read_head() {
  HeadScanner scanner;
  HeadScanner::State state = scanner.scan(buffer_.view());
  // Where nothing is known to be there, the first attempt would only find that out.
  bool wait = buffer_.empty() && !stream_.has_pending();
  while (state == HeadScanner::State::kMore) {
    IoResult got;
    if (wait) {
      got.status = co_await wait_for_head();
    }
    const bool idle_is_over = got.status == Io::kTimeout && buffer_.empty();
    if (got.status == Io::kOk || idle_is_over) {
      got = try_fill_head();  // it may have come in the same moment
    }
    if (idle_is_over && got.status == Io::kOk && got.size == 0) {
      co_return Next::kClosed;
    }
    if (got.status == Io::kTimeout && !buffer_.empty()) {
      Fault fault = bad_request("the request head did not arrive in time");
      fault.status = 408;
      fault.code = "request_timeout";
      (void)co_await refuse(std::move(fault));
      co_return Next::kRefused;
    }
    if (got.status != Io::kOk) {
      co_return Next::kClosed;
    }
    wait = got.size == 0;
    state = scanner.scan(buffer_.view());
  }
  std::optional<HeadError> error;
  if (state == HeadScanner::State::kComplete) {
    error = parse_request_head(buffer_.view().substr(0, scanner.size()), head_);
    buffer_.consume(scanner.size());
    if (!error) {
      error = check_request_head(head_);
    }
  } else {
    head_.reset();
    error = state == HeadScanner::State::kTooLong
                ? HeadError{431, "head_too_large", "the request head is larger than 64 KiB"}
                : HeadError{400, "bad_request", "line ending other than CR LF"};
  }
  if (error) {
    (void)co_await refuse(head_fault(*error));
    co_return Next::kRefused;
  }
  co_return Next::kHead;
}

// HTTP/2 with prior knowledge begins with a request of a method that nobody else uses (RFC 9113
// section 3.4).
Awaitable<bool> Session::begins_with_http2() {
  static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  std::array<char, kPreface.size()> seen{};
  Timer pause(worker_->io.get_executor());
  const auto give_up = worker_->clock.steady() + kFirstHeadTimeout;
  for (;;) {
    const IoResult peeked = stream_.peek(seen.data(), seen.size());
    const std::string_view bytes(seen.data(), peeked.size);
    if (peeked.status != Io::kOk || !kPreface.starts_with(bytes) ||
        worker_->clock.steady() >= give_up) {
      co_return false;
    }
    if (bytes.size() == kPreface.size()) {
      co_return true;
    }
    co_await sleep_for(pause, kPeekAgain);  // the socket stays readable: waiting for it would spin
  }
}

}  // namespace av::proxy
