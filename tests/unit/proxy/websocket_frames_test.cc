#include "proxy/websocket_frames.h"

#include <catch2/catch.hpp>
#include <string>

#include "unit/proxy/websocket_text.h"

using namespace av;
using namespace av::test;
using proxy::WebSocketFrameReader;
using proxy::WebSocketFrameWriter;
using proxy::WebSocketOpcode;
using proxy::WebSocketSender;

namespace {

// "ok", "more" or "error" after these bytes from a client or server.
std::string verdict(std::string bytes, WebSocketSender sender, bool extensions = false,
                    std::size_t step = 1000) {
  WebSocketFrameReader reader(sender, extensions);
  bool complete = true;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    std::span<char> in(bytes.data() + at, std::min(step, bytes.size() - at));
    for (;;) {
      const auto event = reader.next(in);
      if (event == WebSocketFrameReader::Event::kMore) {
        break;
      }
      if (event == WebSocketFrameReader::Event::kError) {
        CHECK(reader.next(in) == WebSocketFrameReader::Event::kError);
        return "error";
      }
      complete = event == WebSocketFrameReader::Event::kEnd;
    }
  }
  return complete ? "ok" : "more";
}

std::string client(const std::string& bytes) {
  return verdict(bytes, WebSocketSender::kClient);
}
std::string server(const std::string& bytes, bool extensions = false) {
  const std::string whole = verdict(bytes, WebSocketSender::kServer, extensions);
  CHECK(verdict(bytes, WebSocketSender::kServer, extensions, 1) == whole);
  return whole;
}

}  // namespace

TEST_CASE("websocket frames: a client's are masked, a server's are not", "[proxy][websocket]") {
  CHECK(client(masked_frame(1, "hello")) == "ok");
  CHECK(server(plain_frame(1, "hello")) == "ok");
  CHECK(client(plain_frame(1, "hello")) == "error");
  CHECK(server(masked_frame(1, "hello")) == "error");
}

TEST_CASE("websocket frames: reserved bits and opcodes", "[proxy][websocket]") {
  for (const unsigned bit : {0x40U, 0x20U, 0x10U}) {
    std::string bytes = plain_frame(1, "x");
    bytes[0] = static_cast<char>(static_cast<unsigned char>(bytes[0]) | bit);
    CHECK(server(bytes) == "error");
    CHECK(server(bytes, /*extensions=*/true) == "ok");
  }
  for (unsigned opcode = 0; opcode < 16; ++opcode) {
    const bool known = opcode == 1 || opcode == 2 || (opcode >= 8 && opcode <= 10);
    CAPTURE(opcode);
    CHECK(server(plain_frame(opcode, "xx")) == (known ? "ok" : "error"));
  }
}

TEST_CASE("websocket frames: lengths are written in the fewest bytes", "[proxy][websocket]") {
  for (const std::size_t size : {0, 1, 125, 126, 127, 65535, 65536, 70000}) {
    CAPTURE(size);
    CHECK(server(plain_frame(2, std::string(size, 'x'))) == "ok");
  }
  CHECK(server(std::string("\x82\x7e\x00\x7d", 4) + std::string(125, 'x')) == "error");
  CHECK(server(std::string("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 10)) == "error");
  CHECK(server(std::string("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 10)) == "error");
  CHECK(server(std::string("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10)) == "more");
}

TEST_CASE("websocket frames: control frames are short and whole", "[proxy][websocket]") {
  CHECK(server(plain_frame(9, std::string(125, 'x'))) == "ok");
  CHECK(server(plain_frame(9, std::string(126, 'x'))) == "error");
  CHECK(server(plain_frame(9, "x", /*fin=*/false)) == "error");
}

TEST_CASE("websocket frames: fragments stand in order", "[proxy][websocket]") {
  const std::string first = plain_frame(1, "a", false);
  const std::string middle = plain_frame(0, "b", false);
  const std::string last = plain_frame(0, "c");
  CHECK(server(first + middle + last) == "ok");
  CHECK(server(first + plain_frame(9, "ping") + last + plain_frame(1, "x")) == "ok");
  CHECK(server(middle) == "error");
  CHECK(server(last) == "error");
  CHECK(server(first + plain_frame(1, "x")) == "error");
  CHECK(server(first + last + last) == "error");
}

TEST_CASE("websocket frames: masking is its own inverse at every offset", "[proxy][websocket]") {
  const proxy::WebSocketMask mask{0x12, 0x34, 0x56, 0x78};
  for (std::size_t size = 0; size < 40; ++size) {
    for (std::size_t offset = 0; offset < 9; ++offset) {
      std::string data(size, '\0');
      proxy::apply_websocket_mask({data.data(), data.size()}, mask, offset);
      for (std::size_t i = 0; i < size; ++i) {
        REQUIRE(static_cast<unsigned char>(data[i]) == mask[(offset + i) % 4]);
      }
    }
  }
}

TEST_CASE("websocket frames: what the writer writes, the reader reads", "[proxy][websocket]") {
  for (const std::size_t size : {0, 1, 125, 126, 65535, 65536}) {
    const std::string payload(size, 'p');
    WebSocketFrameWriter to_server(WebSocketSender::kClient);
    WebSocketFrameWriter to_client(WebSocketSender::kServer);
    SecretBuffer up;
    SecretBuffer down;
    to_server.append(up, WebSocketOpcode::kText, true, payload);
    to_client.append(down, WebSocketOpcode::kText, true, payload);
    CHECK(messages(std::string(up.view())) == std::vector<std::string>{"1:" + payload});
    CHECK(std::string(down.view()) == plain_frame(1, payload));
    // Another mask each time.
    SecretBuffer again;
    to_server.append(again, WebSocketOpcode::kText, true, payload);
    CHECK(again.view() != up.view());
  }
  SecretBuffer close;
  WebSocketFrameWriter(WebSocketSender::kServer).append_close(close, 1008, "placeholder_misuse");
  CHECK(std::string(close.view()) == plain_frame(8, "\x03\xf0placeholder_misuse"));
}
