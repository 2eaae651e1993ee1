#include "proxy/http1_parser.h"

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

using namespace std::string_literals;
using av::proxy::BodyKind;
using av::proxy::check_request_head;
using av::proxy::check_response_head;
using av::proxy::ChunkDecoder;
using av::proxy::HeadScanner;
using av::proxy::parse_request_head;
using av::proxy::parse_response_head;
using av::proxy::RequestHead;
using av::proxy::ResponseHead;

namespace {

// Scan, parse, check: the way that a session takes. 0 for accepted, else the status.
int judge_request(const std::string& bytes, RequestHead& head) {
  HeadScanner scanner;
  switch (scanner.scan(bytes)) {
    case HeadScanner::State::kMore:
      return -1;
    case HeadScanner::State::kBad:
      return 400;
    case HeadScanner::State::kTooLong:
      return 431;
    case HeadScanner::State::kComplete:
      break;
  }
  if (const auto error = parse_request_head(bytes.substr(0, scanner.size()), head)) {
    return error->status;
  }
  if (const auto error = check_request_head(head)) {
    return error->status;
  }
  return 0;
}

int judge_response(const std::string& bytes, std::string_view method, ResponseHead& head) {
  HeadScanner scanner;
  if (scanner.scan(bytes) != HeadScanner::State::kComplete) {
    return -1;
  }
  if (const auto error = parse_response_head(bytes.substr(0, scanner.size()), head)) {
    return error->status;
  }
  if (const auto error = check_response_head(head, method)) {
    return error->status;
  }
  return 0;
}

std::string request_with(const std::string& fields) {
  return "POST /x HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
}

}  // namespace

TEST_CASE("parser: a plain request head is taken apart", "[proxy][http1]") {
  RequestHead head;
  REQUIRE(judge_request(
              "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nX-A:  v v \t\r\nEmpty:\r\n\r\n", head) ==
          0);
  CHECK(head.method == "GET");
  CHECK(head.target == "/a?b=c");
  CHECK(head.host == "example.com");
  REQUIRE(head.fields.size() == 3);
  CHECK(head.fields[1].value == "v v");
  CHECK(head.fields[2].value.empty());
  CHECK(head.body == BodyKind::kNone);
  CHECK(head.keep_alive);
}

TEST_CASE("parser: request heads that two readers could read differently are refused",
          "[proxy][http1][smuggling]") {
  const std::vector<std::pair<int, std::string>> cases = {
      {400, request_with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")},
      {400, request_with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n")},
      {400, request_with("Transfer-Encoding: chunked, identity\r\n")},
      {400, request_with("Transfer-Encoding: identity\r\n")},
      {400, request_with("Transfer-Encoding: gzip, chunked\r\n")},
      {400, request_with("Transfer-Encoding: xchunked\r\n")},
      {400, request_with("Transfer-Encoding: \"chunked\"\r\n")},
      {400, request_with("Transfer-Encoding:\x0b"s + "chunked\r\n")},
      {400, request_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
      {400, request_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")},
      {400, request_with("Transfer-Encoding:\r\n")},
      {400, request_with("Content-Length: 3\r\nContent-Length: 3\r\n")},
      {400, request_with("Content-Length: 3\r\nContent-Length: 4\r\n")},
      {400, request_with("Content-Length: 3, 3\r\n")},
      {400, request_with("Content-Length: +3\r\n")},
      {400, request_with("Content-Length: -3\r\n")},
      {400, request_with("Content-Length: 0x3\r\n")},
      {400, request_with("Content-Length: 3 3\r\n")},
      {400, request_with("Content-Length:\r\n")},
      {400, request_with("Content-Length: 99999999999999999999\r\n")},
      {400, request_with("Content-Length : 3\r\n")},
      {400, request_with(" Content-Length: 3\r\n")},
      {400, request_with("X: a\r\n folded\r\n")},
      {400, request_with("X: a\r\n\tfolded\r\n")},
      {400, request_with("X: a\x00z\r\n"s)},
      {400, request_with("X: a\rb\r\n")},
      {400, request_with("X\x01: a\r\n")},
      {400, request_with("NoColon\r\n")},
      {400, request_with(": novalue\r\n")},
      {400, request_with("X: a\nY: b\r\n")},
      {400, "GET / HTTP/1.1\nHost: h\n\n"},
      {400, "GET / HTTP/1.1\r\nHost: h\n\r\n"},
      {400, "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {400, "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {400, "GET /  HTTP/1.1\r\nHost: h\r\n\r\n"},
      {400, "GET / x HTTP/1.1\r\nHost: h\r\n\r\n"},
      {400, "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n"},
      {400, "GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n"},
      {400, "G(T / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {400, "GET HTTP/1.1\r\nHost: h\r\n\r\n"},
      {505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n"},
      {505, "GET / HTTP/1.2\r\nHost: h\r\n\r\n"},
      {505, "GET / http/1.1\r\nHost: h\r\n\r\n"},
      {505, "GET / HTTP/1.10\r\nHost: h\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {417, request_with("Expect: something\r\n")},
      // CGI and WSGI read these as framing.
      {400, request_with("Content_Length: 3\r\n")},
      {400, request_with("TRANSFER_ENCODING: chunked\r\n")},
  };
  for (const auto& [status, bytes] : cases) {
    INFO(bytes);
    RequestHead head;
    CHECK(judge_request(bytes, head) == status);
  }
}

TEST_CASE("parser: credentials that two readers could take from two fields are refused",
          "[proxy][http1][attack]") {
  RequestHead head;
  CHECK(judge_request(request_with("Authorization: a\r\nProxy-Authorization: b\r\n"), head) == 0);
  for (const char* const twice :
       {"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
        "Authorization: Bearer a\r\nX: y\r\naUTHORIZATION: Bearer a\r\n",
        "Proxy-Authorization: Bearer a\r\nproxy-authorization: Bearer b\r\n"}) {
    CHECK(judge_request(request_with(twice), head) == 400);
  }
}

TEST_CASE("parser: a head may arrive at any split", "[proxy][http1]") {
  const std::string bytes = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
  const std::size_t head_size = bytes.size() - 3;
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    HeadScanner scanner;
    const auto first = scanner.scan(std::string_view(bytes).substr(0, split));
    CHECK((first == HeadScanner::State::kComplete) == (split >= head_size));
    if (first != HeadScanner::State::kComplete) {
      REQUIRE(scanner.scan(bytes) == HeadScanner::State::kComplete);
    }
    CHECK(scanner.size() == head_size);
  }
}

TEST_CASE("parser: a refused head leaves no view into the one before it", "[proxy][http1]") {
  RequestHead head;
  REQUIRE(judge_request("GET / HTTP/1.1\r\nHost: h\r\n\r\n", head) == 0);
  CHECK(judge_request(std::string(4000, 'A') + "\r\n\r\n", head) == 400);
  CHECK(head.method.empty());
  CHECK(head.target.empty());
  CHECK(head.host.empty());
}

TEST_CASE("parser: endless heads and lines are cut off", "[proxy][http1]") {
  HeadScanner line;
  CHECK(line.scan(std::string(av::proxy::kMaxHeadSize + 1, 'a')) == HeadScanner::State::kTooLong);
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (std::size_t i = 0; i < av::proxy::kMaxFields; ++i) {
    many += "A: b\r\n";
  }
  RequestHead head;
  CHECK(judge_request(many + "\r\n", head) == 431);
}

TEST_CASE("parser: only a proper WebSocket handshake upgrades", "[proxy][http1]") {
  const auto upgrades = [](const std::string& bytes) {
    RequestHead head;
    REQUIRE(judge_request(bytes, head) == 0);
    return head.websocket_upgrade;
  };
  CHECK(
      upgrades("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n"
               "Upgrade: WebSocket\r\n\r\n"));
  CHECK_FALSE(upgrades("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n"));
  CHECK_FALSE(upgrades("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"));
  CHECK_FALSE(
      upgrades("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Upgrade: h2c\r\n\r\n"));
  CHECK_FALSE(
      upgrades("POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Content-Length: 2\r\n\r\n"));
}

TEST_CASE("parser: the body of a response follows from its head and the request's method",
          "[proxy][http1]") {
  const auto kind = [](const std::string& fields, int status, std::string_view method) {
    ResponseHead head;
    REQUIRE(judge_response("HTTP/1.1 " + std::to_string(status) + " X\r\n" + fields + "\r\n",
                           method, head) == 0);
    return head.body;
  };
  CHECK(kind("Content-Length: 3\r\n", 200, "GET") == BodyKind::kLength);
  CHECK(kind("Content-Length: 3\r\n", 200, "HEAD") == BodyKind::kNone);
  CHECK(kind("Content-Length: 3\r\n", 304, "GET") == BodyKind::kNone);
  CHECK(kind("", 204, "GET") == BodyKind::kNone);
  CHECK(kind("Transfer-Encoding: chunked\r\n", 200, "GET") == BodyKind::kChunked);
  CHECK(kind("", 200, "GET") == BodyKind::kUntilClose);
  CHECK(kind("Content-Length: 0\r\n", 200, "GET") == BodyKind::kNone);
  ResponseHead head;
  CHECK(judge_response("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                       "GET", head) == 502);
  CHECK(judge_response("HTTP/1.1 20 OK\r\n\r\n", "GET", head) == 400);
  CHECK(judge_response("HTTP/1.1 999 OK\r\n\r\n", "GET", head) == 400);
  CHECK(judge_response("HTTP/1.1 200\r\n\r\n", "GET", head) == 0);
  CHECK(head.reason.empty());
}

TEST_CASE("chunked: decoded at every split, payload compacted in place", "[proxy][http1]") {
  const std::string coded = "4\r\nWiki\r\n5;ext=\"v\"\r\npedia\r\n0\r\nX-T: 1\r\n\r\nNEXT";
  for (std::size_t split = 0; split <= coded.size(); ++split) {
    ChunkDecoder decoder;
    std::string payload;
    std::string rest;
    ChunkDecoder::State state = ChunkDecoder::State::kMore;
    for (std::string piece : {coded.substr(0, split), coded.substr(split)}) {
      piece.insert(0, rest);
      const auto result = decoder.decode(piece.data(), piece.size());
      payload += piece.substr(0, result.produced);
      rest = piece.substr(result.consumed);
      state = result.state;
    }
    CHECK(state == ChunkDecoder::State::kDone);
    CHECK(payload == "Wikipedia");
    CHECK(decoder.trailers() == "X-T: 1\r\n");
    CHECK(rest == "NEXT");
  }
}

TEST_CASE("chunked: malformed framing is refused", "[proxy][http1][smuggling]") {
  for (const std::string& bad :
       {"\r\n"s, "g\r\n"s, "-1\r\n"s, "+1\r\n"s, "0x1\r\n"s, " 1\r\n"s, "1 \r\na\r\n"s, "1\na\r\n"s,
        "1\r\nab\r\n"s, "1\r\na\n0\r\n\r\n"s, "1;\x01\r\na\r\n"s, "ffffffffffffffff\r\n"s,
        "1;a\nb\r\na\r\n"s, "0\r\n\n"s, "0\r\nX: 1\n\r\n"s, "1\r\na\rX"s,
        "1;" + std::string(400, 'x') + "\r\n",
        // Trailers are dropped from requests, but what is none must not be.
        "0\r\nGET / HTTP/1.1\r\n\r\n"s, "0\r\nX\r\n\r\n"s, "0\r\nX : 1\r\n\r\n"s,
        "0\r\nX: 1\r\n 2\r\n\r\n"s, "0\r\nX: 1\r2\r\n\r\n"s, "0\r\nX: \0\r\n\r\n"s}) {
    INFO(bad);
    ChunkDecoder decoder;
    std::string bytes = bad;
    CHECK(decoder.decode(bytes.data(), bytes.size()).state == ChunkDecoder::State::kBad);
  }
}

TEST_CASE("trailers: framing, routing and authentication fields do not pass", "[proxy][http1]") {
  std::vector<av::proxy::Field> fields;
  REQUIRE(av::proxy::parse_trailers(
      "grpc-status: 0\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nProxy-X: 1\r\n"
      "Set-Cookie: a=b\r\nX-Sum: 9\r\nContent_Length: 4\r\nX-HTTP-Method-Override: DELETE\r\n"
      "PROXY_AUTHORIZATION: a\r\n",
      fields));
  REQUIRE(fields.size() == 2);
  CHECK(fields[0].name == "grpc-status");
  CHECK(fields[1].name == "X-Sum");
  CHECK_FALSE(av::proxy::parse_trailers("bad trailer\r\n", fields));
}
