#include "vault/canonical.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace std::string_literals;
using av::vault::canonical_host;
using av::vault::canonical_target;
using av::vault::parse_authority;
using av::vault::Scheme;

namespace {

std::string path_of(std::string_view target) {
  const auto result = canonical_target(target);
  return result ? result->path : "refused";
}

std::string query_of(std::string_view target) {
  const auto result = canonical_target(target);
  return result ? result->query : "refused";
}

// Every segment, however it is spelled, that must not be there once a path is canonical.
bool has_dot_segment(const std::string& path) {
  const std::string padded = path + "/";
  return padded.find("/./") != std::string::npos || padded.find("/../") != std::string::npos;
}

std::string random_path(std::mt19937& random, bool with_escapes) {
  static const std::vector<std::string> kPieces = {
      "/",   "/",   "/",      "a",      "B",        "v1",   ".",   "..",  "...",  "-_~",
      ":",   "@",   "*",      ";",      ";x=1",     "%2e",  "%2E", "%2f", "%41",  "%7e",
      "%25", "%3b", "%3F",    " ",      "|",        "\"",   "\\",  "%5c", "%252", "%00",
      "%",   "%zz", "%c0%ae", "%C3%A9", "\xc3\xa9", "\x01", "?",   "#"};
  std::string out = "/";
  const std::size_t count = random() % 12;
  for (std::size_t i = 0; i < count; ++i) {
    out += kPieces[random() % (with_escapes ? kPieces.size() : 13)];
  }
  return out;
}

}  // namespace

TEST_CASE("host: names come out lower case without their root dot", "[vault][canonical]") {
  const std::vector<std::pair<std::string, std::string>> good = {
      {"API.Example.COM", "api.example.com"},
      {"api.example.com.", "api.example.com"},
      {"localhost", "localhost"},
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},
      {"1.example.com", "1.example.com"},
      {"0x7f.example", "0x7f.example"},
      {"192.0.2.1", "192.0.2.1"},
      {"[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]"},
      {"[::]", "[::]"},
      {"[::FFFF:192.0.2.1]", "[::ffff:192.0.2.1]"},
      {"[1:0:0:2:0:0:0:3]", "[1:0:0:2::3]"},
      {std::string(63, 'a') + ".example", std::string(63, 'a') + ".example"}};
  for (const auto& [raw, canonical] : good) {
    CAPTURE(raw);
    const auto host = canonical_host(raw);
    REQUIRE(host);
    CHECK(*host == canonical);
    CHECK(canonical_host(*host).value() == canonical);
  }
}

TEST_CASE("host: what two parsers could read in two ways is refused", "[vault][canonical]") {
  const std::vector<std::string> bad = {
      "", ".", "..", ".example.com", "example..com", "example.com..", "exa_mple.com", "exämple.com",
      "example.com\0.evil.com"s, "a b.com", "-a.com", "a-.com", "a.-b.com", "user@example.com",
      "example.com:443", "example.com/", "example%2ecom", "*.example.com",
      std::string(64, 'a') + ".com",
      std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + "." +
          std::string(60, 'd') + "." + std::string(20, 'e'),
      // inet_aton reads all of these as 127.0.0.1 or another address
      "0x7f.1", "017700000001", "2130706433", "127.1", "127.0.1", "0177.0.0.1", "127.0.0.01",
      "0x7f.0.0.1", "127.0.0.0x1", "0x7f000001", "127.0.0.1.", "256.0.0.1", "1.2.3.4.5", "1.2.3",
      "foo.0x", "foo.123", "::1", "[::1", "[]", "[::1]x", "[fe80::1%eth0]", "[fe80::1%25eth0]",
      "[1::2::3]", "[::1.2.3]", "[12345::]", "[v1.fe80::a]", "[::1\0]"s, "\xef\xbc\x8e"};
  for (const std::string& raw : bad) {
    CAPTURE(raw);
    const auto host = canonical_host(raw);
    CHECK_FALSE(host);
    if (!host) {
      CHECK(host.error().code == av::ErrorCode::kInvalid);
    }
  }
}

TEST_CASE("authority: host and port, or a default where one is allowed", "[vault][canonical]") {
  CHECK(parse_authority("Example.com:8443", 0).value() ==
        av::vault::Authority{"example.com", 8443});
  CHECK(parse_authority("example.com", 443).value().port == 443);
  CHECK(parse_authority("[::1]:80", 0).value() == av::vault::Authority{"[::1]", 80});
  CHECK(parse_authority("[::1]", 443).value().port == 443);
  CHECK(parse_authority("example.com.:443", 0).value().host == "example.com");
  for (const std::string bad :
       {"example.com", "", ":443", "example.com:", "example.com:0", "example.com:65536",
        "example.com:0443", "example.com:+443", "example.com:443x", "example.com:99999999999999",
        "a@example.com:443", "example.com:443:443", "[::1]443", "[::1]:", "::1:443", "a:b@c:443"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_authority(bad, 0));
  }
}

TEST_CASE("authority: the default port is left out again", "[vault][canonical]") {
  using av::vault::to_string;
  CHECK(to_string({"example.com", 443}, Scheme::kHttps) == "example.com");
  CHECK(to_string({"example.com", 443}, Scheme::kHttp) == "example.com:443");
  CHECK(to_string({"example.com", 80}, Scheme::kHttp) == "example.com");
  CHECK(to_string({"[::1]", 8080}, Scheme::kHttp) == "[::1]:8080");
}

TEST_CASE("target: paths come out in one spelling", "[vault][canonical]") {
  const std::vector<std::pair<std::string, std::string>> good = {
      {"/", "/"},
      {"/v1/models", "/v1/models"},
      {"/v1/models/gemini:generate", "/v1/models/gemini:generate"},
      {"/%7euser/%41", "/~user/A"},
      {"/a/b%2fc", "/a/b%2Fc"},
      {"/@scope%2fname", "/@scope%2Fname"},
      {"/a b", "/a%20b"},
      {"/\xc3\xa9", "/%C3%A9"},
      {"/a|\"<>^`{}[]", "/a%7C%22%3C%3E%5E%60%7B%7D%5B%5D"},
      {"/a/./b", "/a/b"},
      {"/a/../b", "/b"},
      {"/a/%2e%2E/b", "/b"},
      {"/a/%2e", "/a/"},
      {"/a/..", "/"},
      {"/a/b/..", "/a/"},
      {"/../../a", "/a"},
      {"/..", "/"},
      {"/a//b", "/a//b"},
      {"/a//../b", "/a/b"},
      {"/a/...", "/a/..."},
      {"/a/.well-known", "/a/.well-known"},
      {"/a;v=1/b", "/a;v=1/b"},
      {"/a/b;c=..", "/a/b;c=.."},
      {"/100%25", "/100%25"},
      {"/a%252fb", "/a%252fb"},
      {"/a/%2520", "/a/%2520"},
      // RFC 3986 section 5.2.4's own example
      {"/a/b/c/./../../g", "/a/g"}};
  for (const auto& [raw, canonical] : good) {
    CAPTURE(raw);
    CHECK(path_of(raw) == canonical);
    CHECK(path_of(canonical) == canonical);
  }
}

TEST_CASE("target: paths that servers read in different ways are refused", "[vault][canonical]") {
  const std::vector<std::string> bad = {"",
                                        "a",
                                        "http://example.com/",
                                        "//evil.com/",
                                        "/.//evil.com",
                                        "/a/..//evil.com",
                                        "/x/..%2fy",
                                        "/x/..%2Fy",
                                        "/x/..;/y",
                                        "/x/..;a=b/y",
                                        "/x/.;/y",
                                        "/x/%252e%252e/y",
                                        "/x/%25252e./y",
                                        "/x/..%252fy",
                                        "/x/..%3b/y",
                                        "/x/y%2f..%2fz",
                                        "/x/%2f..",
                                        "/x/..%5cy",
                                        "/x\\..\\y",
                                        "/x/..%255cy",
                                        "/x/%c0%ae%c0%ae/y",
                                        "/x/%e0%80%ae%e0%80%ae/y",
                                        "/x/%f0%80%80%ae./y",
                                        "/x/..%20/y",
                                        "/x/%2e%2e%20%20/y",
                                        "/x/..%3fz",
                                        "/x/..%23z/y",
                                        "/x/..%c0%afy",
                                        "/x/%5c",
                                        "/a%00b",
                                        "/a%0d%0ab",
                                        "/a%7f",
                                        "/a\r\nb",
                                        "/a\0b"s,
                                        "/a\tb",
                                        "/a\x7f",
                                        "/a%",
                                        "/a%2",
                                        "/a%zz",
                                        "/a%2g",
                                        "/a#b",
                                        "/a?b#c",
                                        "/x/%25252525252525252e/y"};
  for (const std::string& raw : bad) {
    CAPTURE(raw);
    CHECK(path_of(raw) == "refused");
  }
}

TEST_CASE("target: the asterisk form is kept for the caller to judge", "[vault][canonical]") {
  const auto target = canonical_target("*");
  REQUIRE(target);
  CHECK(target->path == "*");
  CHECK(target->to_string() == "*");
  CHECK_FALSE(canonical_target("*?a"));
}

TEST_CASE("target: the query is kept byte for byte where it can be", "[vault][canonical]") {
  CHECK(query_of("/a?b=%2e%2E&c=../..;d\\e\"|%zz") == "b=%2e%2E&c=../..;d\\e\"|%zz");
  CHECK(query_of("/a?b c") == "b%20c");
  CHECK(query_of("/a?\xc3\xa9") == "%C3%A9");
  CHECK(query_of("/a?b?c") == "b?c");
  CHECK(query_of("/a?b\nc") == "refused");
  CHECK(query_of("/a?b\0c"s) == "refused");
  const auto empty = canonical_target("/a?");
  REQUIRE(empty);
  CHECK(empty->has_query);
  CHECK(empty->to_string() == "/a?");
  CHECK_FALSE(canonical_target("/a")->has_query);
}

TEST_CASE("target: properties hold for any text", "[vault][canonical][property]") {
  std::mt19937 random(7);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::string raw = random_path(random, true);
    const auto once = canonical_target(raw);
    if (!once) {
      continue;
    }
    ++accepted;
    CAPTURE(raw, once->path);
    const auto twice = canonical_target(once->to_string());
    REQUIRE(twice);
    REQUIRE(twice->to_string() == once->to_string());
    REQUIRE_FALSE(has_dot_segment(once->path));
    REQUIRE(once->path.substr(0, 2) != "//");
    for (const char c : once->to_string()) {
      REQUIRE(c > ' ');
      REQUIRE(c < 0x7f);
    }
  }
  CHECK(accepted > 1000);
}

TEST_CASE("target: escaping unreserved characters changes nothing",
          "[vault][canonical][property]") {
  std::mt19937 random(11);
  const std::string_view hex = "0123456789abcdefABCDEF";
  const auto digit = [&](unsigned value) {
    return random() % 2 == 0 || value < 10 ? hex[value] : hex[value + 6];
  };
  for (int round = 0; round < 5000; ++round) {
    const std::string raw = random_path(random, false);
    std::string escaped;
    for (const char c : raw) {
      const auto u = static_cast<unsigned char>(c);
      const bool unreserved =
          std::isalnum(u) != 0 || std::string_view("-._~").find(c) != std::string_view::npos;
      if (unreserved && random() % 2 == 0) {
        escaped += {'%', digit(u >> 4U), digit(u & 15U)};
      } else {
        escaped.push_back(c);
      }
    }
    CAPTURE(raw, escaped);
    REQUIRE(path_of(raw) == path_of(escaped));
  }
}

TEST_CASE("target: a long hostile path costs little", "[vault][canonical]") {
  std::string deep = "/%";
  for (int i = 0; i < 20000; ++i) {
    deep += "25";
  }
  CHECK(path_of(deep) == "refused");
  std::string overlong = "/";
  for (int i = 0; i < 20000; ++i) {
    overlong += "%C0%AE";
  }
  CHECK(path_of(overlong).size() == overlong.size());
  std::string dots;
  for (int i = 0; i < 20000; ++i) {
    dots += "/a/..";
  }
  CHECK(path_of(dots) == "/");
}
