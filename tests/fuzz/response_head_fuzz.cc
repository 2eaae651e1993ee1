// Response heads for every kind of request: what is accepted has one framing, and a response that
// can have no body has none. The first byte chooses the request's method.
#include <cstdint>
#include <string_view>

#include "fuzz/require.h"
#include "proxy/http1_parser.h"

using namespace av::proxy;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "CONNECT"};
  if (size == 0) {
    return 0;
  }
  const std::string_view method = kMethods[data[0] % std::size(kMethods)];
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  HeadScanner scanner;
  if (scanner.scan(bytes) != HeadScanner::State::kComplete) {
    return 0;
  }
  ResponseHead head;
  if (parse_response_head(bytes.substr(0, scanner.size()), head)) {
    return 0;
  }
  if (const auto error = check_response_head(head, method)) {
    require(error->status == 502);
    return 0;
  }
  std::size_t lengths = 0;
  std::size_t encodings = 0;
  for (const Field& field : head.fields) {
    require(is_token(field.name));
    require(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
    lengths += iequals(field.name, "content-length") ? 1U : 0U;
    encodings += iequals(field.name, "transfer-encoding") ? 1U : 0U;
  }
  require(lengths + encodings <= 1);
  require(head.reason.find_first_of("\r\n") == std::string_view::npos);
  const bool bodiless =
      head.status < 200 || head.status == 204 || head.status == 304 || method == "HEAD";
  require(!bodiless || head.body == BodyKind::kNone);
  require(bodiless || (head.body == BodyKind::kChunked) == (encodings == 1));
  require(bodiless || (head.body == BodyKind::kUntilClose) == (lengths + encodings == 0));
  // A connection whose body ends with it cannot carry another.
  require(head.body != BodyKind::kUntilClose || !head.keep_alive);
  require(head.status == 101 || !head.websocket_upgrade);
  return 0;
}
