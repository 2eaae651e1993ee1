// Request and response heads: whatever is accepted obeys the rules that the rest relies on.
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "proxy/http1_downstream.h"
#include "proxy/http1_parser.h"
#include "proxy/response_plan.h"

using namespace av::proxy;

namespace {

bool clean(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  HeadScanner scanner;
  if (scanner.scan(bytes) != HeadScanner::State::kComplete) {
    return 0;
  }
  // A head that arrives byte by byte ends at the same place.
  HeadScanner slow;
  std::size_t fed = 0;
  while (slow.scan(bytes.substr(0, fed)) == HeadScanner::State::kMore) {
    ++fed;
  }
  require(slow.size() == scanner.size());
  const std::string_view head = bytes.substr(0, scanner.size());
  RequestHead request;
  if (!parse_request_head(head, request) && !check_request_head(request)) {
    require(is_token(request.method) && clean(request.target) && !request.target.empty());
    std::size_t lengths = 0;
    std::size_t encodings = 0;
    for (const Field& field : request.fields) {
      require(is_token(field.name) && clean(field.value));
      lengths += iequals(field.name, "content-length") ? 1U : 0U;
      encodings += iequals(field.name, "transfer-encoding") ? 1U : 0U;
    }
    require(lengths + encodings <= 1);
    require((request.body == BodyKind::kChunked) == (encodings == 1));
  }
  ResponseHead response;
  if (!parse_response_head(head, response) && !check_response_head(response, "GET") &&
      response.fields.size() < kMaxFields - 4) {
    require(response.status >= 100 && response.status <= 599);
    RequestHead get;
    require(!parse_request_head("GET / HTTP/1.1\r\nHost: h\r\n\r\n", get));
    PatternSet patterns;
    patterns.add_value("super-secret-value");
    patterns.compile();
    const ResponsePlan plan = plan_response(response, &patterns, nullptr);
    // What we write parses again, and holds no injected value.
    ResponseHead again;
    av::SecretBuffer sent;
    append_http1_head(sent, plan, get, frame_response(plan, get, /*draining=*/false));
    const std::string text(sent.view());
    require(!parse_response_head(text, again));
    require(text.find("super-secret-value") == std::string::npos);
  }
  return 0;
}
