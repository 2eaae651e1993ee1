#include "proxy/prefixed_messages.h"

#include <catch2/catch.hpp>

#include "coded_bodies.h"
#include "proxy/body_filter.h"
#include "proxy/websocket_handshake.h"

using namespace av::proxy;

namespace {

std::string message(const std::string& payload, char flags = 0) {
  std::string out(1, flags);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    out.push_back(static_cast<char>(payload.size() >> shift & 0xffU));
  }
  return out + payload;
}

std::size_t through(PrefixedMessages& messages, const std::string& bytes) {
  return messages.through_last_message(std::span(bytes.data(), bytes.size()));
}

std::string filtered(BodyFilter& filter, std::string bytes, bool end = false) {
  std::string out;
  filter.supply(std::span(bytes), end);
  for (std::string_view clean = filter.next(); !clean.empty(); clean = filter.next()) {
    out += clean;
  }
  return out;
}

const std::string kSecret = "super-secret-value-of-a-token";

}  // namespace

TEST_CASE("prefixed messages: media types", "[proxy][messages]") {
  for (const char* type :
       {"application/grpc", "application/grpc+proto", "Application/gRPC;x=y",
        "application/grpc-web", "application/grpc-web+proto", "application/connect+json"}) {
    INFO(type);
    CHECK(has_prefixed_messages(type));
  }
  for (const char* type : {"", "application/json", "application/grpcx", "application/grpc-web-text",
                           "application/connect", "text/plain; application/grpc"}) {
    INFO(type);
    CHECK_FALSE(has_prefixed_messages(type));
  }
}

TEST_CASE("prefixed messages: ends are found at every split", "[proxy][messages]") {
  const std::string first = message("hello");
  const std::string second = message("");
  const std::string third = message(std::string(300, 'x'));
  const std::string all = first + second + third + std::string("\0\0", 2);
  PrefixedMessages whole;
  CHECK(through(whole, all) == first.size() + second.size() + third.size());
  for (std::size_t split = 0; split <= all.size(); ++split) {
    PrefixedMessages messages;
    const std::size_t one = through(messages, all.substr(0, split));
    const std::size_t two = through(messages, all.substr(split));
    std::size_t expected = 0;
    for (const std::size_t end : {first.size(), first.size() + second.size(),
                                  first.size() + second.size() + third.size()}) {
      expected = end <= split ? end : expected;
    }
    INFO(split);
    CHECK(one == expected);
    if (split < all.size() - 2) {
      CHECK(split + two == all.size() - 2);
    }
  }
}

TEST_CASE("prefixed messages: what does not look like them has no ends", "[proxy][messages]") {
  PrefixedMessages text;
  CHECK(through(text, std::string("{\0\0\0\x01x", 6)) == 0);
  CHECK(through(text, message("hello")) == 0);
  PrefixedMessages later;
  CHECK(through(later, message("a")) == 6);
  CHECK(through(later, "text" + message("hello")) == 0);
}

TEST_CASE("prefixed messages: none is held back, and values in them are masked",
          "[proxy][messages]") {
  PatternSet set;
  set.add_value(kSecret);
  set.compile();
  const std::string short_one = message("round 0");
  BodyFilter plain(&set, CodingList());
  CHECK(filtered(plain, short_one).size() < short_one.size());  // why there is PrefixedMessages
  BodyFilter filter(&set, CodingList(), Messages::kPrefixedPlain);
  CHECK(filtered(filter, short_one) == short_one);
  CHECK(filtered(filter, message("")) == message(""));
  const std::string two = message("x" + kSecret + "y") + message("z");
  const std::string masked = filtered(filter, two);
  CHECK(masked.size() == two.size());
  CHECK(masked.find(kSecret) == std::string::npos);
  // In pieces: the value is whole again before it goes out.
  const std::string one = message(kSecret);
  for (std::size_t split = 1; split < one.size(); ++split) {
    std::string out = filtered(filter, one.substr(0, split));
    out += filtered(filter, one.substr(split));
    INFO(split);
    CHECK(out.size() == one.size());
    CHECK(out.find(kSecret.substr(0, 12)) == std::string::npos);
  }
  CHECK(filtered(filter, "", /*end=*/true).empty());
}

TEST_CASE("prefixed messages: one that is compressed without a word ends the body",
          "[proxy][messages]") {
  PatternSet set;
  set.add_value(kSecret);
  set.compile();
  const std::string good = message("round 0");
  for (const char flags : {'\x01', '\x03', '\x81'}) {
    const std::string both = good + message("gzip, say", flags);
    for (std::size_t split = 0; split <= both.size(); ++split) {
      INFO(split);
      BodyFilter filter(&set, CodingList(), Messages::kPrefixedPlain);
      std::string out = filtered(filter, both.substr(0, split));
      out += filtered(filter, both.substr(split), /*end=*/true);
      CHECK(filter.failed());
      CHECK(good.starts_with(out));
    }
    // Where the service opts out of inspection, and where there is nothing to look for, it passes.
    BodyFilter opted_out(&set, CodingList(), Messages::kPrefixed);
    CHECK(filtered(opted_out, both, /*end=*/true) == both);
    const PatternSet nothing;
    BodyFilter unsearched(&nothing, CodingList(), Messages::kPrefixedPlain);
    CHECK(filtered(unsearched, both, /*end=*/true) == both);
  }
  // What is no message is text, whatever its bits say, and is searched as such.
  const std::string text = "\x7b\x01\x01 " + kSecret;
  BodyFilter searched(&set, CodingList(), Messages::kPrefixedPlain);
  CHECK(filtered(searched, text, /*end=*/true).find(kSecret) == std::string::npos);
  CHECK_FALSE(searched.failed());
}

TEST_CASE("prefixed messages: inside a content coding they end and are refused as well",
          "[proxy][messages]") {
  PatternSet set;
  set.add_value(kSecret);
  set.compile();
  const CodingList gzip = *parse_content_encoding("gzip");
  BodyFilter filter(&set, gzip, Messages::kPrefixedPlain);
  const std::string one = message("x" + kSecret);
  const std::string out = filtered(filter, av::testing::gzip(one + message("tail")), /*end=*/true);
  CHECK(out.size() == one.size() + message("tail").size());
  CHECK(out.find(kSecret) == std::string::npos);
  CHECK_FALSE(filter.failed());
  BodyFilter refused(&set, gzip, Messages::kPrefixedPlain);
  (void)filtered(refused, av::testing::gzip(message("x", '\x01')), /*end=*/true);
  CHECK(refused.failed());
}

TEST_CASE("websocket handshake: the example of RFC 6455", "[proxy][websocket]") {
  ResponseHead head;
  const auto answers = [&](const std::vector<std::string>& values) {
    head.fields.clear();
    for (const std::string& value : values) {
      Field field;
      field.name = "Sec-WebSocket-Accept";
      field.value = value;
      head.fields.push_back(field);
    }
    return accepts_websocket_key(head, "dGhlIHNhbXBsZSBub25jZQ==");
  };
  CHECK(answers({"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}));
  CHECK_FALSE(answers({"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}));
  CHECK_FALSE(answers({"S3pPLMBiTxaQ9kYGzzhZRbK+xOo="}));
  CHECK_FALSE(answers({""}));
  CHECK_FALSE(answers({}));
  CHECK(make_websocket_key().size() == 24);
  CHECK(make_websocket_key() != make_websocket_key());
}
