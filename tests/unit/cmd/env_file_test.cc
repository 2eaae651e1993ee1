#include "cmd/env_file.h"

#include <catch2/catch.hpp>

using namespace av;

namespace {

std::string parsed(std::string_view text) {
  const auto entries = cmd::parse_env_file("x.env", text);
  if (!entries) {
    return "error: " + entries.error().message;
  }
  std::string out;
  for (const auto& entry : *entries) {
    out += std::to_string(entry.line) + " " + entry.key + "=[" +
           entry.value.reveal([](std::string_view v) { return std::string(v); }) + "]";
  }
  return out;
}

}  // namespace

TEST_CASE("env file: what is accepted and what it means", "[cmd][env_file]") {
  init_secret_arena();
  struct Case {
    std::string_view text, expected;
  };
  const Case cases[] = {
      {"", ""},
      {"\n\n  \n", ""},
      {"# comment\n   # another\nA=1", "3 A=[1]"},
      {"A=1\nB=2\n", "1 A=[1]2 B=[2]"},
      {"A=1\r\nB=2\r\n", "1 A=[1]2 B=[2]"},
      {"\xef\xbb\xbf"
       "A=1",
       "1 A=[1]"},
      {"  A = spaced out \t \n", "1 A=[spaced out]"},
      {"export A=1", "1 A=[1]"},
      {"export\tA=1", "1 A=[1]"},
      {"export=1", "1 export=[1]"},
      {"exported=1", "1 exported=[1]"},
      {"A=", "1 A=[]"},
      {"A= # nothing", "1 A=[]"},
      {"A=#nothing", "1 A=[]"},
      {"A=a#b", "1 A=[a#b]"},
      {"A=a #b", "1 A=[a]"},
      {"A=a=b==", "1 A=[a=b==]"},
      {"A=it's", "1 A=[it's]"},
      {"A=$HOME ${B}", "1 A=[$HOME ${B}]"},
      {"A=back\\nslash", "1 A=[back\\nslash]"},
      {"A='lit\\n$x \"q\" # no'", "1 A=[lit\\n$x \"q\" # no]"},
      {"A=\"a\\nb\\tc\\r\\\"\\\\\\$\"", "1 A=[a\nb\tc\r\"\\$]"},
      {"A=\"other \\x \\u0041\"", "1 A=[other \\x \\u0041]"},
      {"A=\"#no comment\" # comment", "1 A=[#no comment]"},
      {"A=''", "1 A=[]"},
      {"A=\"line one\nline two\"\nB=1", "1 A=[line one\nline two]3 B=[1]"},
      {"A='-----BEGIN\n\nEND-----\n'\nB=1", "1 A=[-----BEGIN\n\nEND-----\n]5 B=[1]"},
      {"A=\"crlf\r\nkept\"\r\nB=1", "1 A=[crlf\r\nkept]3 B=[1]"},
      {"a.b-c=1", "1 a.b-c=[1]"},
      {"A=1\nA=2", "1 A=[1]2 A=[2]"},
      {"A=\xc3\xa9", "1 A=[\xc3\xa9]"},
      {"A", "error: x.env:1: expected '=' after the name"},
      {"A=1\nB C=2", "error: x.env:2: expected '=' after the name"},
      {"=1", "error: x.env:1: expected a name"},
      {"1A=1", "error: x.env:1: expected a name"},
      {"\nA='open\nmore\n", "error: x.env:2: the quote is never closed"},
      {"A=\"open\\\"", "error: x.env:1: the quote is never closed"},
      {"A=\"x\"y", "error: x.env:1: unexpected text behind the closing quote"},
      {"A='x'#y", "error: x.env:1: unexpected text behind the closing quote"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    CHECK(parsed(c.text) == c.expected);
  }
}

TEST_CASE("env file: an error never shows what stands behind the equals sign", "[cmd][env_file]") {
  init_secret_arena();
  for (const std::string_view text :
       {"A=\"canary", "A='canary' canary", "A=1\ncanary canary", "A=\"\\ncanary\ncanary"}) {
    CAPTURE(text);
    const auto entries = cmd::parse_env_file("x.env", text);
    REQUIRE_FALSE(entries);
    CHECK(entries.error().message.find("canary") == std::string::npos);
    CHECK(entries.error().hint.find("canary") == std::string::npos);
  }
}

TEST_CASE("env file: NUL bytes and a cut at every place do no harm", "[cmd][env_file]") {
  init_secret_arena();
  const std::string text("export A=\"x\\n\0y\" # c\r\nB='q\nr'\nC=plain # d\n", 42);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    (void)cmd::parse_env_file("x.env", std::string_view(text).substr(0, cut));
  }
  CHECK(cmd::parse_env_file("x.env", text)->size() == 3);
}
