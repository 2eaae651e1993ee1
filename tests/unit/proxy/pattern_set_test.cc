#include "proxy/pattern_set.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/encoding.h"
#include "proxy/body_filter.h"
#include "support/naive_guard.h"

using av::proxy::BodyFilter;
using av::proxy::PatternSet;
using av::proxy::Scrubber;

namespace {

const std::string kSecret = "sk-proj-A1b2/C3d4+E5f6\"G7h8=I9j0";

PatternSet set_of(std::string_view value) {
  PatternSet set;
  set.add_value(value);
  set.compile();
  return set;
}

std::string scrub_in_pieces(const PatternSet& set, const std::string& text, std::size_t split) {
  Scrubber scrubber(set);
  std::string first = text.substr(0, split);
  std::string second = text.substr(split);
  std::string out(scrubber.feed(std::span(first.data(), first.size()), false));
  out += scrubber.feed(std::span(second.data(), second.size()), true);
  return out;
}

std::string as_hex(std::string_view s) {
  return av::encoding::hex(std::span(reinterpret_cast<const std::uint8_t*>(s.data()), s.size()));
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(text.size() + 128, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

TEST_CASE("scrub: every form of a value is masked at every split and at equal length",
          "[proxy][scrub]") {
  const PatternSet set = set_of(kSecret);
  std::string slashes;
  for (const char c : av::encoding::json_escaped(kSecret)) {
    slashes += c == '/' ? "\\/" : std::string(1, c);
  }
  const std::vector<std::string> forms = {
      kSecret, as_hex(kSecret), av::encoding::percent(kSecret), av::encoding::json_escaped(kSecret),
      slashes,
  };
  for (const std::string& form : forms) {
    const std::string text = "before " + form + " after";
    for (std::size_t split = 0; split <= text.size(); ++split) {
      INFO(form << " split at " << split);
      const std::string out = scrub_in_pieces(set, text, split);
      CHECK(out.size() == text.size());
      CHECK(out.find(form) == std::string::npos);
      CHECK(out.starts_with("before "));
      CHECK(out.ends_with(" after"));
    }
  }
}

TEST_CASE("scrub: base64 is found at each alignment, in both alphabets", "[proxy][scrub]") {
  const PatternSet set = set_of(kSecret);
  for (const auto alphabet : {av::encoding::Base64::kStandard, av::encoding::Base64::kUrl}) {
    for (const std::string prefix : {"", "u", "us", "use", "user:", "{\"key\":\""}) {
      const std::string text = av::encoding::base64(prefix + kSecret + "tail", alphabet);
      for (std::size_t split = 0; split <= text.size(); ++split) {
        const std::string out = scrub_in_pieces(set, text, split);
        // What is left decodes to nothing that holds eight bytes of the value.
        std::vector<std::uint8_t> decoded(av::encoding::base64_decoded_bound(out.size()));
        const auto size = av::encoding::from_base64(out, decoded, alphabet);
        const std::string plain =
            size
                ? std::string(decoded.begin(), decoded.begin() + static_cast<std::ptrdiff_t>(*size))
                : std::string();
        CHECK(plain.find(kSecret.substr(4, 8)) == std::string::npos);
        CHECK(out != text);
      }
    }
  }
}

TEST_CASE("scrub: clean data passes unchanged and is not held back", "[proxy][scrub]") {
  const PatternSet set = set_of(kSecret);
  Scrubber scrubber(set);
  std::string event = "data: {\"delta\":\"hello\"}\n\n";
  const std::string copy = event;
  CHECK(scrubber.feed(std::span(event.data(), event.size()), false) == copy);
  CHECK(scrubber.hits() == 0);
}

TEST_CASE("scrub: what is held back does not depend on the value", "[proxy][scrub][oracle]") {
  // The agent can have text of its choice sent in pieces. If "sk-" and a right guess were held and
  // a wrong guess were not, it would learn the value one character at a time.
  const PatternSet set = set_of(kSecret);
  for (const std::string& before :
       std::vector<std::string>{"", "data: hello ", "line\n", "line\nmore "}) {
    for (std::size_t n = 1; n < kSecret.size(); ++n) {
      std::string right = before + kSecret.substr(0, n);
      std::string wrong = right;
      wrong.back() = static_cast<char>(wrong.back() ^ 1);
      Scrubber a(set);
      Scrubber b(set);
      CHECK(a.feed(std::span(right.data(), right.size()), false).size() ==
            b.feed(std::span(wrong.data(), wrong.size()), false).size());
    }
  }
}

TEST_CASE("scrub: each line of a value with line feeds is masked", "[proxy][scrub]") {
  const PatternSet set = set_of("-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nshort\nq8Zr5T7uVwXyZ012\n");
  const std::string out = scrub_in_pieces(set, "x MIIEowIBAAKCAQEA\nq8Zr5T7uVwXyZ012 y", 9);
  CHECK(out.find("MIIEow") == std::string::npos);
  CHECK(out.find("q8Zr5T7u") == std::string::npos);
}

TEST_CASE("scrub: a beginning that comes to nothing is delivered in the end", "[proxy][scrub]") {
  const PatternSet set = set_of(kSecret);
  const std::string text = "x" + kSecret.substr(0, kSecret.size() - 1) + "!";
  for (std::size_t split = 0; split <= text.size(); ++split) {
    CHECK(scrub_in_pieces(set, text, split) == text);
  }
  CHECK(scrub_in_pieces(set, kSecret.substr(0, 5), 3) == kSecret.substr(0, 5));
}

TEST_CASE("scrub: occurrences side by side and overlapping ones are all masked", "[proxy][scrub]") {
  const PatternSet set = set_of("aaaaaaaaaa");
  const std::string text(47, 'a');
  for (std::size_t split = 0; split <= text.size(); ++split) {
    CHECK(scrub_in_pieces(set, text, split).find(std::string(10, 'a')) == std::string::npos);
  }
}

TEST_CASE("scrub: long values are found whole", "[proxy][scrub]") {
  std::string value;
  for (int i = 0; value.size() < 3000; ++i) {
    value += std::to_string(i * 7919) + (i % 11 == 0 ? "\n" : "-");
  }
  const PatternSet set = set_of(value);
  const std::string text = "<" + value + ">";
  for (std::size_t split = 0; split <= text.size(); split += 37) {
    const std::string out = scrub_in_pieces(set, text, split);
    REQUIRE(out.size() == text.size());
    for (std::size_t i = 0; i + 16 <= value.size(); i += 8) {
      REQUIRE(out.find(value.substr(i, 16)) == std::string::npos);
    }
  }
}

TEST_CASE("scrub: a short value inside a long one does not let the long one slip at a split",
          "[proxy][scrub]") {
  PatternSet set;
  const std::string outer = "prefix-0123456789-suffix-SECRET";
  set.add_value(outer);
  set.add_value("0123456789");
  set.compile();
  const std::string text = "a " + outer + " b 0123456789 c";
  for (std::size_t split = 0; split <= text.size(); ++split) {
    INFO(split);
    const std::string out = scrub_in_pieces(set, text, split);
    CHECK(out.size() == text.size());
    CHECK(out.find("SECRET") == std::string::npos);
    CHECK(out.find("0123456789") == std::string::npos);
  }
}

TEST_CASE("scrub: percent-encodings of other libraries are masked too", "[proxy][scrub]") {
  const std::string value = "wJalr/K7+bPx(R)fi=CYz";
  const PatternSet set = set_of(value);
  for (const std::string form : {"wJalr/K7%2BbPx%28R%29fi%3DCYz", "wJalr%2FK7%2BbPx(R)fi%3DCYz",
                                 "wJalr%2fK7+bPx%28R%29fi=CYz", "wJalr/K7+bPx(R)fi=CYz"}) {
    INFO(form);
    CHECK(scrub_in_pieces(set, "x" + form + "y", 9).find("fi") == std::string::npos);
  }
}

TEST_CASE("scrub: values too short to be told from chance are left alone", "[proxy][scrub]") {
  const PatternSet set = set_of("short");
  CHECK(set.empty());
}

TEST_CASE("filter: gzip is taken off and searched, at every split", "[proxy][scrub]") {
  const PatternSet set = set_of(kSecret);
  const std::string text = "{\"echo\":\"" + kSecret + "\"}" + std::string(2000, 'z');
  const std::string coded = gzip(text) + gzip("second member");
  for (std::size_t split = 0; split <= coded.size(); ++split) {
    BodyFilter filter(&set, *av::proxy::parse_content_encoding("gzip"));
    std::string first = coded.substr(0, split);
    std::string second = coded.substr(split);
    std::string out;
    filter.supply(std::span(first.data(), first.size()), false);
    for (auto piece = filter.next(); !piece.empty(); piece = filter.next()) {
      out += piece;
    }
    filter.supply(std::span(second.data(), second.size()), true);
    for (auto piece = filter.next(); !piece.empty(); piece = filter.next()) {
      out += piece;
    }
    CHECK_FALSE(filter.failed());
    CHECK(out.size() == text.size() + 13);
    CHECK(out.find(kSecret) == std::string::npos);
    CHECK(out.ends_with("second member"));
  }
}

TEST_CASE("filter: a damaged or cut coding is a failure, never a short success", "[proxy][scrub]") {
  const PatternSet set = set_of(kSecret);
  const std::string coded = gzip(std::string(500, 'q'));
  for (std::string bad : {coded.substr(0, coded.size() - 3), std::string("not gzip at all") + coded,
                          coded + "trailing garbage"}) {
    BodyFilter filter(&set, *av::proxy::parse_content_encoding("gzip"));
    filter.supply(std::span(bad.data(), bad.size()), true);
    while (!filter.next().empty()) {
    }
    CHECK(filter.failed());
  }
}

TEST_CASE("patterns: characters beyond ASCII are found as Latin-1 and as what becomes of it",
          "[proxy][patterns]") {
  const std::string value = "P\xc3\xa4ssw\xc3\xb6rd-x7Qk9Zt2Lm4";
  const std::string mojibake = "P\xc3\x83\xc2\xa4ssw\xc3\x83\xc2\xb6rd-x7Qk9Zt2Lm4";
  const std::string latin1 = "P\xe4ssw\xf6rd-x7Qk9Zt2Lm4";
  PatternSet set;
  set.add_value(value);
  set.compile();
  PatternSet nothing;
  nothing.compile();
  for (const std::string& form :
       {value, mojibake, latin1, std::string("P\\u00c3\\u00a4ssw\\u00c3\\u00b6rd-x7Qk9Zt2Lm4"),
        std::string("P%E4ssw%F6rd-x7Qk9Zt2Lm4")}) {
    std::string text = "{\"k\": \"" + form + "\"}";
    CHECK(nothing.scrub(std::span(text), /*last=*/true).hits == 0);
    CHECK(set.scrub(std::span(text), /*last=*/true).hits >= 1);
    CHECK(text.find("x7Qk9Zt2Lm4") == std::string::npos);
  }
}

TEST_CASE("patterns: a value in lower case, as HTTP/2 writes names, is found",
          "[proxy][patterns]") {
  PatternSet set;
  set.add_value("Sk-Live-8YreS9tEaynU");
  set.compile();
  std::string text = "x-sk-live-8yres9teaynu";
  CHECK(set.scrub(std::span(text), /*last=*/true).hits == 1);
}

TEST_CASE("patterns: backslashes in front of another kind of escape do not hide a value",
          "[proxy][patterns]") {
  const std::string value = "/k3ywith0dd-chars1234";
  PatternSet set;
  set.add_value(value);
  set.compile();
  for (const std::string form : {"%2Fk3ywith0dd-chars1234", "%2Fk3ywith0dd%2dchars123%34",
                                 "&#47;k3ywith0dd-chars1234", "&sol;k3ywith0dd-chars1234"}) {
    for (std::size_t backslashes = 0; backslashes < 40; ++backslashes) {
      const std::string text = "x" + std::string(backslashes, '\\') + form + "\"y";
      REQUIRE(av::testing::naive_readable(text, value));
      for (std::size_t split = 0; split <= text.size(); ++split) {
        INFO(text << " split at " << split);
        CHECK_FALSE(av::testing::naive_readable(scrub_in_pieces(set, text, split), value));
      }
    }
  }
}
