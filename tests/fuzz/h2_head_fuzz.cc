// Any list of HTTP/2 fields as a request, a response and trailers: what is accepted can be written
// as HTTP/1.1 and is read back there as the same message. First byte: 1 ends the stream, 2 asks for
// a response, 4 for HEAD. Then fields: a byte for each length, name, value.
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "proxy/h2_head.h"
#include "proxy/http1_parser.h"

using namespace av::proxy;

namespace {

void fill(H2Head& head, std::string_view rest) {
  while (rest.size() >= 2) {
    const std::size_t name = static_cast<unsigned char>(rest[0]);
    const std::size_t value = static_cast<unsigned char>(rest[1]);
    rest.remove_prefix(2);
    const std::string_view name_text = rest.substr(0, name);
    rest.remove_prefix(name_text.size());
    const std::string_view value_text = rest.substr(0, value);
    rest.remove_prefix(value_text.size());
    if (!head.add(name_text, value_text)) {
      require(head.too_large());
      return;
    }
  }
}

std::string lines(const std::vector<Field>& fields) {
  std::string out;
  for (const Field& field : fields) {
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  return out;
}

// What HTTP/1.1 cannot say otherwise: framing without a length.
std::string framing(const Head& head) {
  return head.body == BodyKind::kChunked ? "Transfer-Encoding: chunked\r\n" : "";
}

void check_request(const RequestHead& head) {
  require(head.http2 && !head.host.empty() && !head.scheme.empty() && !head.target.empty());
  require(head.method != "CONNECT");
  require(head.find("host") == nullptr && head.find("connection") == nullptr);
  if (head.target.find(' ') != std::string_view::npos) {
    return;  // refused with the identity of the request, where targets become canonical
  }
  for (const char c : head.target) {
    if (static_cast<unsigned char>(c) <= 0x20) {
      return;
    }
  }
  std::string text(head.method);
  text.append(" ").append(head.target).append(" HTTP/1.1\r\nHost: ").append(head.host);
  text.append("\r\n").append(lines(head.fields)).append(framing(head)).append("\r\n");
  RequestHead again;
  HeadScanner scanner;
  require(scanner.scan(text) == HeadScanner::State::kComplete && scanner.size() == text.size());
  const auto malformed = parse_request_head(text, again);
  require(!malformed || malformed->status == 431);
  if (malformed) {
    return;
  }
  require(!check_request_head(again));
  require(again.method == head.method && again.target == head.target && again.host == head.host);
  require(again.fields.size() == head.fields.size() + 1 + (framing(head).empty() ? 0U : 1U));
  require(again.content_length == head.content_length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const bool end = (data[0] & 1U) != 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  H2Head collected;
  fill(collected, rest);
  if ((data[0] & 2U) != 0) {
    ResponseHead head;
    if (!collected.to_response(head, end, (data[0] & 4U) != 0 ? "HEAD" : "GET")) {
      require(head.status >= 100 && head.status <= 599 && head.status != 101);
      require((data[0] & 4U) == 0 || head.body == BodyKind::kNone);
      const std::string text = "HTTP/1.1 " + std::to_string(head.status) + " \r\n" +
                               lines(head.fields) + framing(head) + "\r\n";
      ResponseHead again;
      const auto malformed = parse_response_head(text, again);
      require(!malformed || malformed->status == 431);
      require(malformed || !check_response_head(again, "GET"));
    }
  } else {
    RequestHead head;
    if (!collected.to_request(head, end)) {
      check_request(head);
    }
  }
  H2Head trailer;
  fill(trailer, rest);
  std::string text;
  std::vector<Field> fields;
  if (trailer.to_trailers(text, fields)) {
    std::vector<Field> again;
    const std::string section = lines(fields);
    require(parse_trailers(section, again) && again.size() == fields.size());
  }
  return 0;
}
