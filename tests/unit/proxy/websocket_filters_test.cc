#include "proxy/websocket_filters.h"

#include <catch2/catch.hpp>
#include <string>

#include "unit/proxy/guard_fixture.h"
#include "unit/proxy/websocket_text.h"

using namespace av;
using namespace av::test;
using proxy::ClientMessageFilter;
using proxy::PatternSet;
using proxy::ServerMessageFilter;
using vault::Surface;
using Strings = std::vector<std::string>;

namespace {

const std::string kRun = "sk-av-0123456789abcdef0123456789abcdef";
const std::string kReal = "re\"al-value";

GuardFixture fixture(std::uint32_t max_count = 0) {
  GuardFixture f;
  f.credential("TOKEN", kReal);
  f.credential("PLAIN", "real-plain-value");
  f.run_placeholder("PLAIN", kRun);
  f.services = {service_of("chat", "chat.test", vault::PassthroughAuth{}),
                service_of("plain", "plain.test", vault::BearerAuth{"PLAIN"})};
  f.services[0].substitutions = {
      substitution_of("TOKEN", "__TOKEN__", {Surface::kWebSocket, Surface::kHeader}, max_count)};
  return f;
}

struct Client {
  std::string out;
  std::string fault;
};

Client through(GuardFixture& f, const std::string& host, std::string bytes, std::size_t step,
               const std::string& fields = "", bool extensions = false) {
  const auto request =
      f.request("GET / HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n", host);
  REQUIRE(request->fault.empty());
  ClientMessageFilter filter(*request->guard, request->values.get(), extensions);
  REQUIRE(filter.active());
  Client result;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    std::string piece = bytes.substr(at, step);
    filter.supply(piece);
    for (auto out = filter.next(); !out.empty(); out = filter.next()) {
      result.out += out;
    }
    if (filter.status() != ClientMessageFilter::Status::kOk) {
      result.fault = filter.fault().code;
      break;
    }
  }
  return result;
}

std::string through_server(const PatternSet& patterns, std::string bytes, std::size_t step,
                           bool extensions = false, std::size_t* hits = nullptr) {
  ServerMessageFilter filter(&patterns, extensions);
  std::string result;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    std::string piece = bytes.substr(at, step);
    filter.supply(piece);
    for (auto out = filter.next(); !out.empty(); out = filter.next()) {
      result += out;
    }
  }
  if (hits != nullptr) {
    *hits = filter.hits();
  }
  return filter.status() == ServerMessageFilter::Status::kOk ? result : result + "!";
}

PatternSet patterns_of(const std::string& value) {
  PatternSet set;
  set.add_value(value);
  set.compile();
  return set;
}

}  // namespace

TEST_CASE("websocket client: values are put into text messages at every split",
          "[proxy][websocket]") {
  GuardFixture f = fixture();
  const std::string bytes =
      masked_frame(1, "say __TOKEN__ and __TOKEN") + masked_frame(9, "__TOKEN__") +
      masked_frame(1, " {\"t\":\"__TOKEN__\"}") + masked_frame(1, "") + masked_frame(8, "\x03\xe8");
  const Strings want = {"1:say " + kReal + " and __TOKEN", "9:__TOKEN__",
                        "1: {\"t\":\"re\\\"al-value\"}", "1:", "8:\x03\xe8"};
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    CAPTURE(step);
    const Client client = through(f, "chat.test", bytes, step);
    CHECK(client.fault.empty());
    std::vector<std::size_t> frames;
    CHECK(messages(client.out, &frames) == want);
    CHECK(frames.size() == 3);  // one frame for each
  }
}

TEST_CASE("websocket client: a placeholder may be cut by fragments and control frames",
          "[proxy][websocket]") {
  GuardFixture f = fixture();
  const std::string text = "[\"__TOKEN__\", \"__TOK\"]";
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      const std::string bytes = masked_frame(1, text.substr(0, first), false) +
                                masked_frame(9, "beat") +
                                masked_frame(0, text.substr(first, second - first), false) +
                                masked_frame(0, text.substr(second)) + masked_frame(2, "end");
      for (const std::size_t step : {std::size_t{1}, std::size_t{7}, bytes.size()}) {
        CAPTURE(first, second, step);
        const Client client = through(f, "chat.test", bytes, step);
        CHECK(client.fault.empty());
        CHECK(messages(client.out) ==
              Strings{"9:beat", "1:[\"re\\\"al-value\", \"__TOK\"]", "2:end"});
      }
    }
  }
}

TEST_CASE("websocket client: where nothing is substituted, bytes pass as they are",
          "[proxy][websocket]") {
  GuardFixture f = fixture();
  const std::string bytes = masked_frame(1, "hello", false) + masked_frame(10, "") +
                            masked_frame(0, std::string(70000, 'x')) + masked_frame(2, "bin");
  for (const std::size_t step : {std::size_t{1}, std::size_t{1000}, bytes.size()}) {
    CHECK(through(f, "plain.test", bytes, step).out == bytes);
    CHECK(through(f, "evil.test", bytes, step).out == bytes);
  }
}

TEST_CASE("websocket client: a foreign placeholder ends the tunnel, in text and in binary",
          "[proxy][websocket]") {
  GuardFixture f = fixture();
  for (const unsigned opcode : {1U, 2U}) {
    const std::string bytes =
        masked_frame(1, "fine") + masked_frame(opcode, "x" + kRun.substr(0, 20), false) +
        masked_frame(9, "p") + masked_frame(0, kRun.substr(20) + "y") + masked_frame(1, "late");
    for (const std::string host : {"chat.test", "plain.test", "evil.test"}) {
      for (std::size_t step = 1; step <= bytes.size(); step += step < 60 ? 1 : 13) {
        CAPTURE(opcode, host, step);
        const Client client = through(f, host, bytes, step);
        CHECK(client.fault == "placeholder_misuse");
        for (const std::string& message : messages(client.out)) {
          CHECK(message.find(kRun) == std::string::npos);
          CHECK(message.find("late") == std::string::npos);
        }
      }
    }
  }
  // In a control frame it reaches nobody who would read it; messages are what is searched.
  CHECK(through(f, "evil.test", masked_frame(1, "__TOKEN__"), 3).fault == "placeholder_misuse");
  CHECK(through(f, "chat.test", masked_frame(2, "__TOKEN__"), 3).fault == "placeholder_misuse");
}

TEST_CASE("websocket client: a conversation may quote", "[proxy][websocket]") {
  GuardFixture f = fixture();
  f.services[0].allow_quoted_placeholders = true;
  const Client client = through(f, "chat.test", masked_frame(1, kRun + "__TOKEN__"), 5);
  CHECK(messages(client.out) == Strings{"1:" + kRun + kReal});
}

TEST_CASE("websocket client: max_count counts handshake and messages together",
          "[proxy][websocket]") {
  GuardFixture f = fixture(2);
  const std::string one = masked_frame(1, "__TOKEN__");
  CHECK(through(f, "chat.test", one + one, 5).fault.empty());
  CHECK(through(f, "chat.test", one + one + one, 5).fault == "placeholder_misuse");
  CHECK(through(f, "chat.test", one + one, 5, "X: __TOKEN__\r\n").fault == "placeholder_misuse");
}

TEST_CASE("websocket client: frames that RFC 6455 does not allow end the tunnel",
          "[proxy][websocket]") {
  GuardFixture f = fixture();
  CHECK(through(f, "chat.test", plain_frame(1, "unmasked"), 100).fault == "websocket_protocol");
  CHECK(through(f, "evil.test", masked_frame(0, "astray"), 100).fault == "websocket_protocol");
}

TEST_CASE("websocket client: coded messages pass unsearched where an extension was accepted",
          "[proxy][websocket]") {
  GuardFixture f = fixture();
  std::string coded = masked_frame(1, kRun);
  coded[0] = static_cast<char>(static_cast<unsigned char>(coded[0]) | 0x40U);
  const Client client =
      through(f, "chat.test", coded + masked_frame(1, "__TOKEN__"), 5, "", /*extensions=*/true);
  CHECK(client.fault.empty());
  CHECK(client.out.starts_with(coded));
  CHECK(messages(client.out.substr(coded.size())) == Strings{"1:" + kReal});
}

TEST_CASE("websocket client: a huge message is rewritten in bounded fragments",
          "[proxy][websocket]") {
  GuardFixture f = fixture();
  std::string text;
  std::string want;
  while (text.size() < (4U << 20)) {
    text += "some text __TOKEN__ and more ";
    want += "some text " + kReal + " and more ";
  }
  const Client client = through(f, "chat.test", masked_frame(1, text), 16384);
  std::vector<std::size_t> frames;
  CHECK((messages(client.out, &frames) == Strings{"1:" + want}));
  for (const std::size_t size : frames) {
    REQUIRE(size <= ClientMessageFilter::kFragment + text.size() / 100);
  }
  CHECK(frames.size() > 60);
}

TEST_CASE("websocket server: values are masked in messages whatever the frames and the splits",
          "[proxy][websocket]") {
  const std::string value = "very-secret-value";
  const PatternSet patterns = patterns_of(value);
  const std::string text = "a " + value + " b " + value;
  const std::string masked = "a " + std::string(17, '*') + " b " + std::string(17, '*');
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::string bytes = plain_frame(1, text.substr(0, cut), false) + plain_frame(9, value) +
                              plain_frame(0, "", false) + plain_frame(0, text.substr(cut)) +
                              plain_frame(2, "after");
    for (const std::size_t step : {std::size_t{1}, std::size_t{5}, bytes.size()}) {
      CAPTURE(cut, step);
      std::size_t hits = 0;
      const std::string out = through_server(patterns, bytes, step, false, &hits);
      CHECK(messages(out) == Strings{"9:" + std::string(17, '*'), "1:" + masked, "2:after"});
      CHECK(hits == 3);
    }
  }
}

TEST_CASE("websocket server: a message in one frame keeps its frame, whatever its size",
          "[proxy][websocket]") {
  const PatternSet patterns = patterns_of("very-secret-value");
  for (const std::size_t size : {0, 5, 125, 126, 65535, 65536, 300000}) {
    const std::string bytes = plain_frame(1, std::string(size, 'x'));
    CHECK((through_server(patterns, bytes, 4096) == bytes));
    CHECK((through_server(patterns, bytes + plain_frame(2, "\n"), 1 << 20) ==
           bytes + plain_frame(2, "\n")));
  }
}

TEST_CASE("websocket server: what is held back depends on lengths alone", "[proxy][websocket]") {
  const std::string value = "very-secret-value";
  const PatternSet patterns = patterns_of(value);
  const auto shape = [&](const std::string& payload) {
    ServerMessageFilter filter(&patterns, false);
    std::string out;
    std::string first = plain_frame(1, payload, false);
    filter.supply(first);
    for (auto piece = filter.next(); !piece.empty(); piece = filter.next()) {
      out += piece;
    }
    return out.size();
  };
  const std::string other(200, 'x');
  for (std::size_t guessed = 0; guessed <= value.size(); ++guessed) {
    const std::string tail = value.substr(0, guessed);
    CHECK(shape(other.substr(guessed) + tail) == shape(other));
  }
}

TEST_CASE("websocket server: malformed frames end the tunnel", "[proxy][websocket]") {
  const PatternSet patterns = patterns_of("very-secret-value");
  CHECK(through_server(patterns, plain_frame(1, "ok") + masked_frame(1, "no"), 3) ==
        plain_frame(1, "ok") + "!");
}

TEST_CASE("websocket server: coded messages pass where an extension was accepted",
          "[proxy][websocket]") {
  const PatternSet patterns = patterns_of("very-secret-value");
  std::string coded = plain_frame(1, "very-secret-value", false);
  coded[0] = static_cast<char>(static_cast<unsigned char>(coded[0]) | 0x40U);
  coded += plain_frame(0, "very-secret-value");
  CHECK(through_server(patterns, coded + plain_frame(1, "very-secret-value"), 3, true) ==
        coded + plain_frame(1, std::string(17, '*')));
}
