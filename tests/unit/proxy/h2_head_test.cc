#include "proxy/h2_head.h"

#include <catch2/catch.hpp>
#include <utility>

using namespace av::proxy;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

H2Head block(const Fields& fields) {
  H2Head head;
  for (const auto& [name, value] : fields) {
    (void)head.add(name, value);
  }
  return head;
}

const Fields kGet = {
    {":method", "GET"}, {":scheme", "https"}, {":authority", "h.test"}, {":path", "/x?y"}};

Fields with(Fields fields, const Fields& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

// The status that the request is refused with; 0 when it is not.
int refusal(const Fields& fields, bool end = true) {
  RequestHead head;
  const auto error = block(fields).to_request(head, end);
  return error ? error->status : 0;
}

int response_refusal(const Fields& fields, bool end = true, const char* method = "GET") {
  ResponseHead head;
  const auto error = block(fields).to_response(head, end, method);
  return error ? error->status : 0;
}

std::string value_of(const Head& head, std::string_view name) {
  std::string all;
  for (const Field& field : head.fields) {
    if (field.name == name) {
      all += all.empty() ? "" : "|";
      all += field.value;
    }
  }
  return all;
}

}  // namespace

TEST_CASE("h2 head: a request's pseudo-header fields become its line", "[proxy][h2]") {
  RequestHead head;
  REQUIRE_FALSE(block(with(kGet, {{"x-a", "1"}, {"x-a", "2"}})).to_request(head, true));
  CHECK(head.http2);
  CHECK(head.method == "GET");
  CHECK(head.target == "/x?y");
  CHECK(head.host == "h.test");
  CHECK(head.scheme == "https");
  CHECK(head.body == BodyKind::kNone);
  CHECK(head.fields.size() == 2);
  CHECK(value_of(head, "x-a") == "1|2");
}

TEST_CASE("h2 head: a head that is used again keeps nothing of the last one", "[proxy][h2]") {
  RequestHead head;
  REQUIRE_FALSE(block(with(kGet, {{"expect", "100-continue"}, {"cookie", "a"}}))
                    .to_request(head, /*end=*/false));
  CHECK(head.expect_continue);
  REQUIRE_FALSE(block(kGet).to_request(head, true));
  CHECK_FALSE(head.expect_continue);
  CHECK(head.fields.empty());
}

TEST_CASE("h2 head: the body's kind follows from END_STREAM and Content-Length", "[proxy][h2]") {
  RequestHead head;
  REQUIRE_FALSE(block(kGet).to_request(head, /*end=*/false));
  CHECK(head.body == BodyKind::kChunked);
  REQUIRE_FALSE(block(with(kGet, {{"content-length", "5"}})).to_request(head, /*end=*/false));
  CHECK(head.body == BodyKind::kLength);
  CHECK(head.content_length == 5);
  REQUIRE_FALSE(block(with(kGet, {{"content-length", "0"}})).to_request(head, /*end=*/true));
  CHECK(head.body == BodyKind::kNone);
  // Sent on, this length would make the server take the next request for a body.
  CHECK(refusal(with(kGet, {{"content-length", "5"}}), /*end=*/true) == 400);
  for (const char* bad : {"", "+5", "5,5", "0x5", "99999999999999999999", "-1"}) {
    INFO(bad);
    CHECK(refusal(with(kGet, {{"content-length", bad}}), false) == 400);
  }
  CHECK(refusal(with(kGet, {{"content-length", "5"}, {"content-length", "5"}}), false) == 400);
}

TEST_CASE("h2 head: two fields with credentials are refused", "[proxy][h2][attack]") {
  CHECK(refusal(with(kGet, {{"authorization", "Bearer a"}})) == 0);
  CHECK(refusal(with(kGet, {{"authorization", "Bearer a"}, {"authorization", "Bearer b"}})) == 400);
}

TEST_CASE("h2 head: Host and :authority must agree; one of them is enough", "[proxy][h2]") {
  CHECK(refusal(with(kGet, {{"host", "h.test"}})) == 0);
  CHECK(refusal(with(kGet, {{"host", "H.TEST"}})) == 0);
  CHECK(refusal(with(kGet, {{"host", "other.test"}})) == 400);
  CHECK(refusal(with(kGet, {{"host", "h.test"}, {"host", "h.test"}})) == 400);
  const Fields without = {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}};
  CHECK(refusal(without) == 400);
  RequestHead head;
  REQUIRE_FALSE(block(with(without, {{"host", "h.test"}})).to_request(head, true));
  CHECK(head.host == "h.test");
}

TEST_CASE("h2 head: missing, unknown and malformed pseudo-header fields are refused",
          "[proxy][h2]") {
  for (const char* missing : {":method", ":scheme", ":path"}) {
    Fields fields = kGet;
    std::erase_if(fields, [&](const auto& field) { return field.first == missing; });
    INFO(missing);
    CHECK(refusal(fields) == 400);
  }
  CHECK(refusal(with(kGet, {{":extra", "1"}})) == 400);
  CHECK(refusal(with(kGet, {{":status", "200"}})) == 400);
  Fields odd = kGet;
  odd[0].second = "G ET";
  CHECK(refusal(odd) == 400);
  odd[0].second = std::string(33, 'A');
  CHECK(refusal(odd) == 400);
  odd[0].second = "CONNECT";
  CHECK(refusal(odd) == 400);
}

TEST_CASE("h2 head: fields that HTTP/2 does not have are refused", "[proxy][h2]") {
  for (const auto& [name, value] : Fields{{"connection", "close"},
                                          {"transfer-encoding", "chunked"},
                                          {"keep-alive", "1"},
                                          {"upgrade", "h2c"},
                                          {"proxy-connection", "x"},
                                          {"te", "gzip"},
                                          {"X-Upper", "1"},
                                          {"x y", "1"},
                                          {"", "1"},
                                          {"x:y", "1"},
                                          {"transfer_encoding", "chunked"},
                                          {"content_length", "1"},
                                          {"x-a", "a\r\nb: c"},
                                          {"x-a", "a\nb"},
                                          {"x-a", std::string("a\0b", 3)},
                                          {"x-a", " a"},
                                          {"x-a", "a\t"},
                                          {"x-a", "\x7f"}}) {
    INFO(name << ": " << value);
    CHECK(refusal(with(kGet, {{name, value}}), false) == 400);
    if (name.find('_') == std::string::npos) {
      CHECK(response_refusal({{":status", "200"}, {name, value}}) == 502);
    }
  }
  CHECK(refusal(with(kGet, {{"te", "trailers"}})) == 0);
  CHECK(refusal(with(kGet, {{"x-a", "b\tc \xe4"}})) == 0);
  CHECK(refusal(with(kGet, {{"expect", "else"}})) == 417);
}

TEST_CASE("h2 head: cookie crumbs become one field in the place of the first", "[proxy][h2]") {
  RequestHead head;
  REQUIRE_FALSE(
      block(with(kGet,
                 {{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}, {"cookie", "c=3"}, {"z", ""}}))
          .to_request(head, true));
  REQUIRE(head.fields.size() == 3);
  CHECK(head.fields[0].name == "cookie");
  CHECK(head.fields[0].value == "a=1; b=2; c=3");
  CHECK(head.fields[1].name == "x");
  CHECK(head.fields[2].name == "z");
  REQUIRE_FALSE(block(with(kGet, {{"cookie", "a=1"}})).to_request(head, true));
  CHECK(value_of(head, "cookie") == "a=1");
}

TEST_CASE("h2 head: an extended CONNECT is the GET that opens a WebSocket", "[proxy][h2]") {
  Fields fields = with(kGet, {{":protocol", "websocket"}});
  fields[0].second = "CONNECT";
  RequestHead head;
  REQUIRE_FALSE(block(fields).to_request(head, /*end=*/false));
  CHECK(head.method == "GET");
  CHECK(head.websocket_upgrade);
  CHECK(head.body == BodyKind::kNone);
  CHECK(refusal(fields, /*end=*/true) == 400);
  fields.back().second = "connect-udp";
  CHECK(refusal(fields, false) == 400);
  fields = with(kGet, {{":protocol", "websocket"}});
  CHECK(refusal(fields, false) == 400);
}

TEST_CASE("h2 head: size and number of fields are limited", "[proxy][h2]") {
  H2Head head = block(kGet);
  for (int i = 0; i < 60; ++i) {
    CHECK(head.add("x-" + std::to_string(i), std::string(1024 - 40, 'v')));
  }
  CHECK_FALSE(head.too_large());
  for (int i = 0; i < 10; ++i) {
    (void)head.add("y-" + std::to_string(i), std::string(1024 - 40, 'v'));
  }
  CHECK(head.too_large());
  CHECK_FALSE(head.add("z", "small, but late"));
  RequestHead request;
  CHECK(head.to_request(request, true)->status == 431);
  head.clear();
  CHECK_FALSE(head.too_large());

  H2Head many = block(kGet);
  bool all = true;
  for (int i = 0; i < 100'000 && all; ++i) {
    all = many.add("", "");  // costs more than its bytes
  }
  CHECK(many.too_large());
  ResponseHead response;
  CHECK(many.to_response(response, true, "GET")->status == 502);
  std::string text;
  std::vector<Field> trailers;
  CHECK_FALSE(many.to_trailers(text, trailers));
}

TEST_CASE("h2 head: responses", "[proxy][h2]") {
  ResponseHead head;
  REQUIRE_FALSE(block({{":status", "200"}, {"content-length", "5"}, {"x", "y"}})
                    .to_response(head, /*end=*/false, "GET"));
  CHECK(head.status == 200);
  CHECK(head.body == BodyKind::kLength);
  CHECK(head.fields.size() == 2);
  REQUIRE_FALSE(
      block({{":status", "200"}, {"content-length", "5"}}).to_response(head, true, "HEAD"));
  CHECK(head.body == BodyKind::kNone);
  REQUIRE_FALSE(
      block({{":status", "304"}, {"content-length", "5"}}).to_response(head, true, "GET"));
  CHECK(head.body == BodyKind::kNone);
  REQUIRE_FALSE(block({{":status", "204"}}).to_response(head, false, "GET"));
  CHECK(head.body == BodyKind::kNone);
  CHECK(response_refusal({{":status", "200"}, {"content-length", "5"}}, /*end=*/true) == 502);
  for (const char* bad : {"", "20", "2000", "099", "600", "101", "abc", "+20"}) {
    INFO(bad);
    CHECK(response_refusal({{":status", bad}}) == 502);
  }
  CHECK(response_refusal({{"x", "y"}}) == 502);
  CHECK(response_refusal({{":status", "200"}, {":path", "/"}}) == 502);
  CHECK(block({{":status", "103"}, {"link", "x"}}).is_interim());
  CHECK_FALSE(block({{":status", "200"}}).is_interim());
}

TEST_CASE("h2 head: trailers carry no pseudo-header fields and no framing", "[proxy][h2]") {
  std::string text;
  std::vector<Field> fields;
  REQUIRE(
      block({{"x-sum", "1"}, {"content-length", "5"}, {"authorization", "a"}, {"grpc-status", "0"}})
          .to_trailers(text, fields));
  REQUIRE(fields.size() == 2);
  CHECK(fields[0].name == "x-sum");
  CHECK(fields[1].value == "0");
  fields.clear();
  CHECK_FALSE(block({{"x", "1"}, {":status", "200"}}).to_trailers(text, fields));
  CHECK_FALSE(block({{"x", "a\nb"}}).to_trailers(text, fields));
  CHECK_FALSE(block({{"connection", "x"}}).to_trailers(text, fields));
}
