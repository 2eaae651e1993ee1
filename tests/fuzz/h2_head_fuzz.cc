// Any fields as a request's, a response's and a trailer's header block: what is accepted has one
// method, one target, one host, one length, and no bytes that could become something else in the
// syntax of HTTP/1.1. Input: "name\0value\0" again and again; the first byte says whether the
// stream ends with the block.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proxy/h2_head.h"

using namespace av::proxy;

namespace {

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

H2Head block(std::string_view input) {
  H2Head head;
  while (!input.empty()) {
    const std::size_t name_end = input.find('\0');
    const std::string_view name = input.substr(0, name_end);
    input = name_end == std::string_view::npos ? std::string_view() : input.substr(name_end + 1);
    const std::size_t value_end = input.find('\0');
    (void)head.add(name, input.substr(0, value_end));
    input = value_end == std::string_view::npos ? std::string_view() : input.substr(value_end + 1);
  }
  return head;
}

bool clean(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

template <typename Fields>
void require_clean(const Fields& fields) {
  for (const Field& field : fields) {
    require(is_token(field.name) && clean(field.value));
    require(!field.name.starts_with(':') && field.name != "host" && field.name != "connection" &&
            field.name != "transfer-encoding" && field.name != "upgrade");
  }
}

template <typename Fields>
std::size_t count(const Fields& fields, std::string_view name) {
  return static_cast<std::size_t>(std::count_if(
      fields.begin(), fields.end(), [&](const Field& field) { return field.name == name; }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const bool end = (data[0] & 1U) != 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  RequestHead request;
  if (!block(input).to_request(request, end)) {
    require(is_token(request.method) && request.method != "CONNECT");
    require(!request.target.empty() && clean(request.target) && clean(request.host));
    require(!request.host.empty() && !request.scheme.empty());
    require_clean(request.fields);
    require(count(request.fields, "content-length") <= 1);
    require(count(request.fields, "cookie") <= 1);
    require(!end || (request.body == BodyKind::kNone && request.content_length == 0));
  }
  for (const char* method : {"GET", "HEAD"}) {
    ResponseHead response;
    if (!block(input).to_response(response, end, method)) {
      require(response.status >= 100 && response.status <= 599 && response.status != 101);
      require(count(response.fields, "content-length") <= 1);
      require(!end || response.body == BodyKind::kNone);
    }
  }
  std::string text;
  std::vector<Field> trailers;
  if (block(input).to_trailers(text, trailers)) {
    for (const Field& field : trailers) {
      require(is_token(field.name) && clean(field.value) && field.name != "content-length");
    }
  }
  return 0;
}
