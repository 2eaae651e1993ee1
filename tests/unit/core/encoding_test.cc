#include "core/encoding.h"

#include <array>
#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "core/secret.h"

using namespace std::string_literals;
using namespace std::string_view_literals;
namespace encoding = av::encoding;
using encoding::Base64;

namespace {

std::optional<std::string> decode(std::string_view text, Base64 kind = Base64::kStandard) {
  std::vector<std::uint8_t> out(encoding::base64_decoded_bound(text.size()));
  const auto size = encoding::from_base64(text, out, kind);
  if (!size) {
    return std::nullopt;
  }
  return std::string(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*size));
}

}  // namespace

TEST_CASE("base64: vectors of RFC 4648 section 10", "[core][encoding]") {
  const std::array<std::pair<std::string_view, std::string_view>, 7> vectors = {
      {{"", ""},
       {"f", "Zg=="},
       {"fo", "Zm8="},
       {"foo", "Zm9v"},
       {"foob", "Zm9vYg=="},
       {"fooba", "Zm9vYmE="},
       {"foobar", "Zm9vYmFy"}}};
  for (const auto& [plain, encoded] : vectors) {
    CHECK(encoding::base64(plain) == encoded);
    CHECK(decode(encoded) == std::string(plain));
    const std::string_view bare = encoded.substr(0, encoded.find('='));
    CHECK(encoding::base64(plain, Base64::kUrl) == bare);
    CHECK(decode(bare, Base64::kUrl) == std::string(plain));
    av::SecretBuffer buffer;
    encoding::append_base64(buffer, plain);
    CHECK(buffer.view() == encoded);
  }
}

TEST_CASE("base64: the two alphabets differ in two letters and refuse each other's",
          "[core][encoding]") {
  const std::string bytes = "\xfb\xff\xbf";
  CHECK(encoding::base64(bytes) == "+/+/");
  CHECK(encoding::base64(bytes, Base64::kUrl) == "-_-_");
  CHECK_FALSE(decode("-_-_"));
  CHECK_FALSE(decode("+/+/", Base64::kUrl));
}

TEST_CASE("base64: text that could mean two things is refused", "[core][encoding]") {
  for (const std::string_view bad : {"Zg="sv, "Zg==="sv, "Z"sv, "Zh=="sv, "Zm9="sv, "Zm 8="sv,
                                     "Zm8=\n"sv, "Z=g="sv, "===="sv, "Zm9vZ"sv, "Zm9v\0"sv}) {
    CAPTURE(bad);
    CHECK_FALSE(decode(bad));
  }
}

TEST_CASE("base64: a buffer that is too small is refused, not overrun", "[core][encoding]") {
  std::array<std::uint8_t, 2> small{};
  CHECK_FALSE(encoding::from_base64("Zm9v", small));
}

TEST_CASE("base64 and hex: what goes in comes out", "[core][encoding]") {
  std::mt19937 random(1);
  for (std::size_t size = 0; size < 200; ++size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) {
      c = static_cast<char>(random());
    }
    CHECK(decode(encoding::base64(bytes)) == bytes);
    CHECK(decode(encoding::base64(bytes, Base64::kUrl), Base64::kUrl) == bytes);
    const std::vector<std::uint8_t> vector(bytes.begin(), bytes.end());
    CHECK(encoding::from_hex(encoding::hex(vector)) == vector);
  }
}

TEST_CASE("hex: both cases are read, odd lengths and other letters are not", "[core][encoding]") {
  CHECK(encoding::from_hex("00fFAb") == std::vector<std::uint8_t>{0x00, 0xff, 0xab});
  CHECK_FALSE(encoding::from_hex("0"));
  CHECK_FALSE(encoding::from_hex("0g"));
}

TEST_CASE("percent: only unreserved characters stay", "[core][encoding]") {
  CHECK(encoding::percent("AZaz09-._~") == "AZaz09-._~");
  CHECK(encoding::percent(" /?#[]@!$&'()*+,;=%\""s + "\xc3\xa9") ==
        "%20%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%25%22%C3%A9");
  CHECK(encoding::percent("a\0b"sv) == "a%00b");
}

TEST_CASE("json_escaped: everything that RFC 8259 wants escaped", "[core][encoding]") {
  CHECK(encoding::json_escaped("a\"\\\b\f\n\r\t\x01\x7f"s + "\xc3\xa9") ==
        "a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007f\xc3\xa9");
  CHECK(encoding::json_escaped("a\0b"sv) == "a\\u0000b");
}

TEST_CASE("printable: nothing that moves a cursor or disguises text passes", "[core][encoding]") {
  CHECK(encoding::printable("plain text, \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") ==
        "plain text, \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(encoding::printable("\x1b[31mred\r\n\x7f") == "\\x1b[31mred\\x0d\\x0a\\x7f");
  CHECK(encoding::printable("a\xe2\x80\xae"
                            "b") == "a\\u{202e}b");  // right-to-left override
  CHECK(encoding::printable("a\xe2\x80\x8b"
                            "b") == "a\\u{200b}b");     // zero-width space
  CHECK(encoding::printable("\xc2\x9b") == "\\u{9b}");  // C1 control sequence introducer
  CHECK(encoding::printable("\xef\xbb\xbf") == "\\u{feff}");
}

TEST_CASE("printable: bytes that are not UTF-8 are shown as bytes", "[core][encoding]") {
  CHECK(encoding::printable("\xff\xc0\xaf") == "\\xff\\xc0\\xaf");
  CHECK(encoding::printable("\xe2\x82") == "\\xe2\\x82");           // cut short
  CHECK(encoding::printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // a surrogate
  CHECK(encoding::printable("\xe0\x80\xaf") == "\\xe0\\x80\\xaf");  // overlong
  CHECK(encoding::printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
}
