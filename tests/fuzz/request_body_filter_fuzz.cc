// Request bodies: what goes upstream does not depend on how the bytes arrive, agrees with a search
// of the whole text, and never holds a placeholder that does not belong there.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "fuzz/guard_input.h"
#include "proxy/http1_parser.h"
#include "proxy/request_body_filter.h"

using namespace av;

namespace {

const proxy::RequestHead& head() {
  static proxy::RequestHead parsed;
  if (parsed.method.empty() &&
      (proxy::parse_request_head("POST / HTTP/1.1\r\nHost: h.test\r\nContent-Type: "
                                 "application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
                                 parsed) ||
       proxy::check_request_head(parsed))) {
    std::abort();
  }
  return parsed;
}

struct Sent {
  std::string text;
  bool failed = false;
};

Sent through(const std::string& body, std::size_t step) {
  auto guard = fuzz::guard();
  proxy::RequestBodyFilter filter(guard, fuzz::values().get(), head());
  Sent sent;
  std::size_t at = 0;
  do {
    const std::string piece = body.substr(at, step);
    at += step;
    filter.supply(piece, at >= body.size());
    for (auto some = filter.next(); !some.empty(); some = filter.next()) {
      sent.text += some;
    }
  } while (at < body.size());
  sent.failed = filter.status() != proxy::RequestBodyFilter::Status::kOk;
  return sent;
}

// The same, slowly, over the whole text.
Sent reference(const std::string& body) {
  SecretBuffer value;
  proxy::append_value(value, fuzz::kValue, proxy::ValueForm::kJson);
  Sent sent;
  std::size_t at = 0;
  for (;;) {
    const std::size_t own = body.find(fuzz::kOwn, at);
    const std::string between = body.substr(at, own == std::string::npos ? own : own - at);
    sent.failed = sent.failed || between.find(fuzz::kForeign) != std::string::npos;
    sent.text += between;
    if (own == std::string::npos) {
      return sent;
    }
    sent.text += value.view();
    at = own + fuzz::kOwn.size();
  }
}

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  // Shorthand, so that the fuzzer need not guess the placeholders.
  std::string body;
  for (std::size_t i = 1; i < size; ++i) {
    if (data[i] == 1) {
      body += fuzz::kOwn;
    } else if (data[i] == 2) {
      body += fuzz::kForeign;
    } else {
      body.push_back(static_cast<char>(data[i]));
    }
  }
  const Sent want = reference(body);
  for (const std::size_t step : {std::size_t{1} + data[0] % 32, body.size()}) {
    const Sent got = through(body, step);
    require(got.failed == want.failed);
    if (want.failed) {
      require(want.text.starts_with(got.text) &&
              got.text.find(fuzz::kForeign) == std::string::npos);
    } else {
      require(got.text == want.text);
    }
  }
  return 0;
}
