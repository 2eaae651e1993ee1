#include "vault/json_view.h"

#include <catch2/catch.hpp>
#include <string>

using namespace av;
using vault::JsonDocument;
using vault::JsonView;

namespace {

std::string reveal(const Secret& value) {
  return value.reveal([](std::string_view bytes) { return std::string(bytes); });
}

// The text must outlive the document.
struct Parsed {
  explicit Parsed(std::string_view text) : body(text), document(JsonDocument::parse(body)) {}
  std::string body;
  Expected<JsonDocument> document;
};

bool accepted(std::string_view text) {
  init_secret_arena();
  return Parsed(text).document.has_value();
}

}  // namespace

TEST_CASE("json_view: names come as text, values as secrets", "[vault][json]") {
  init_secret_arena();
  const Parsed parsed(
      R"( {"credentials": {"A": "one", "B": "\u00e4\ud83d\ude00\n\"\\\/"}, "n": -12, "t": true} )");
  REQUIRE(parsed.document);
  const JsonView root = parsed.document->root();
  const auto credentials = root.find("credentials");
  REQUIRE(credentials);
  const auto children = credentials->children();
  REQUIRE(children.size() == 2);
  CHECK(children[0].name() == "A");
  CHECK(reveal(*children[0].secret()) == "one");
  CHECK(reveal(*children[1].secret()) == "\xc3\xa4\xf0\x9f\x98\x80\n\"\\/");
  CHECK(root.find("n")->integer() == -12);
  CHECK(root.find("t")->boolean() == true);
  CHECK_FALSE(root.find("none"));
  CHECK_FALSE(root.find("n")->secret());
  CHECK(root.find("n")->text().empty());
  CHECK(credentials->source() == R"({"A": "one", "B": "\u00e4\ud83d\ude00\n\"\\\/"})");
  CHECK(children[0].source() == "\"one\"");
}

TEST_CASE("json_view: what two readers could read in two ways is refused", "[vault][json]") {
  for (const char* const bad : {"",
                                " ",
                                "{",
                                "}",
                                "{\"a\":1",
                                "{\"a\":1,}",
                                "[1,]",
                                "{\"a\":1}x",
                                "{} {}",
                                "{a:1}",
                                "01",
                                "1.",
                                ".5",
                                "+1",
                                "1e",
                                "-",
                                "nul",
                                "True",
                                "\"",
                                "\"\\x\"",
                                "\"\\u12\"",
                                "\"\\ud800\"",
                                "\"\\ud800\\u0041\"",
                                "\"\\udc00\"",
                                "\"\n\"",
                                "{\"a\":1,\"a\":2}",
                                "{\"a\":1,\"\\u0061\":2}",
                                "'a'",
                                "// x\n1",
                                "\"\xff\"",
                                "\"\xc0\xaf\"",
                                "NaN",
                                "\xef\xbb\xbf{}"}) {
    CAPTURE(bad);
    CHECK_FALSE(accepted(bad));
  }
  for (const char* const good : {"{}", "[]", "0", "-0", "1.5e-3", "\"\\u0000\"", " null ",
                                 "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":1}]}"}) {
    CAPTURE(good);
    CHECK(accepted(good));
  }
  CHECK_FALSE(accepted(std::string_view("\"\0\"", 3)));
}

TEST_CASE("json_view: depth and number of values are bounded", "[vault][json]") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(accepted(nested(JsonDocument::kMaxDepth + 1)));
  CHECK_FALSE(accepted(nested(JsonDocument::kMaxDepth + 2)));
  CHECK_FALSE(accepted(nested(100'000)));
  const auto list = [](std::size_t count) {
    std::string text = "[1";
    for (std::size_t i = 1; i < count; ++i) {
      text += ",1";
    }
    return text + "]";
  };
  CHECK(accepted(list(JsonDocument::kMaxNodes - 1)));
  CHECK_FALSE(accepted(list(JsonDocument::kMaxNodes)));
}

TEST_CASE("json_view: a text that is cut anywhere is refused", "[vault][json]") {
  const std::string whole = R"({"a":[1,"x\u00e4",{"b":null}],"c":"\ud83d\ude00"})";
  REQUIRE(accepted(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(accepted(whole.substr(0, size)));
  }
}

TEST_CASE("json_view: an error does not quote the body", "[vault][json]") {
  init_secret_arena();
  const Parsed parsed(R"({"value": "hunter2", "value": "hunter2"})");
  REQUIRE_FALSE(parsed.document);
  CHECK(parsed.document.error().message.find("hunter2") == std::string::npos);
}
