#include "cmd/source_dialer.h"

#include <string>
#include <utility>

#include "cmd/source_http.h"
#include "proxy/broker_stream.h"

namespace av::cmd {
namespace {

using source::Failure;

constexpr Millis kWrite{10'000};

Failure failure_of(const proxy::Fault& fault) {
  const std::string_view code = fault.code;
  Failure::Why why = Failure::Why::kUnreachable;
  std::string hint = fault.help;
  if (fault.status == 403) {
    why = Failure::Why::kRefused;
    hint = kAllowNetHint;
  } else if (code.starts_with("upstream_certificate")) {
    hint = kCaHint;
  } else if (code.ends_with("timeout")) {
    why = Failure::Why::kTimeout;
  } else if (code == "bad_request") {
    why = Failure::Why::kInvalid;
  }
  return source::failure(why, fault.message, std::move(hint));
}

class DialedStream final : public source::ByteStream {
 public:
  explicit DialedStream(std::unique_ptr<proxy::BrokerStream> stream) : stream_(std::move(stream)) {}

  source::Result<std::size_t> read(std::span<char> into, std::int64_t timeout_ms) override {
    const auto got = stream_->read(into, Millis(timeout_ms));
    if (!got) {
      return failure_of(got.error());
    }
    if (!*got) {
      return source::failure(Failure::Why::kTimeout, "nothing came in time");
    }
    return **got;
  }
  source::Result<void> write(std::string_view bytes) override {
    const auto done = stream_->write(bytes, kWrite);
    if (!done) {
      return failure_of(done.error());
    }
    return {};
  }
  void close() override { stream_->close(); }

 private:
  std::unique_ptr<proxy::BrokerStream> stream_;
};

class SourceDialer final : public source::Dialer {
 public:
  SourceDialer(proxy::ConnectorOptions options, std::string ca_pem, const Clock& clock)
      : options_(std::move(options)), ca_pem_(std::move(ca_pem)), clock_(clock) {}

  source::Result<std::unique_ptr<source::ByteStream>> connect(const std::string& url) override {
    auto stream = proxy::BrokerStream::connect(options_, url, clock_, ca_pem_);
    if (!stream) {
      return failure_of(stream.error());
    }
    return std::unique_ptr<source::ByteStream>(std::make_unique<DialedStream>(std::move(*stream)));
  }

 private:
  const proxy::ConnectorOptions options_;
  const std::string ca_pem_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<source::Dialer> make_source_dialer(proxy::ConnectorOptions options,
                                                   std::string ca_pem, const Clock& clock) {
  return std::make_unique<SourceDialer>(std::move(options), std::move(ca_pem), clock);
}

}  // namespace av::cmd
