#include "source/one_time_code.h"

#include <catch2/catch.hpp>

#include "unit/source/aac_device.h"

namespace av::source {
namespace {

using testing::secret_of;
using testing::shown;

std::string code(std::string_view kept, std::int64_t seconds) {
  const auto made = totp_code(secret_of(kept), seconds * 1'000);
  return made ? shown(made->code) : "(none)";
}

// RFC 6238 appendix B: seeds of 20, 32 and 64 bytes, in base32.
constexpr std::string_view kSha1 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
constexpr std::string_view kSha256 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA====";
constexpr std::string_view kSha512 =
    "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQO"
    "JQ"
    "GEZDGNA=";

TEST_CASE("one-time codes: the vectors of RFC 6238") {
  struct Known {
    std::int64_t seconds;
    std::string_view sha1, sha256, sha512;
  };
  for (const Known& known : {Known{59, "94287082", "46119246", "90693936"},
                             Known{1111111109, "07081804", "68084774", "25091201"},
                             Known{1111111111, "14050471", "67062674", "99943326"},
                             Known{1234567890, "89005924", "91819424", "93441116"},
                             Known{2000000000, "69279037", "90698825", "38618901"},
                             Known{20000000000, "65353130", "77737706", "47863826"}}) {
    const std::string head = "otpauth://totp/A%3Ab?digits=8&issuer=A&secret=";
    CHECK(code(head + std::string(kSha1), known.seconds) == known.sha1);
    CHECK(code(head + std::string(kSha1) + "&algorithm=sha1", known.seconds) == known.sha1);
    CHECK(code(head + std::string(kSha256.substr(0, 52)) + "&algorithm=SHA256", known.seconds) ==
          known.sha256);
    CHECK(code(head + std::string(kSha512.substr(0, 103)) + "%3D&algorithm=SHA512",
               known.seconds) == known.sha512);
    // Six digits are the last ones.
    CHECK(code(kSha1, known.seconds) == known.sha1.substr(2));
  }
}

TEST_CASE("one-time codes: seeds as people copy them, and codes that are there already") {
  CHECK(code("gezd gnbv gy3t qojq gezd gnbv gy3t qojq", 59) == "287082");
  CHECK(code(" GEZDGNBVGY3TQOJQ-GEZDGNBVGY3TQOJQ ", 59) == "287082");
  CHECK(code("123456", 59) == "123456");
  CHECK(code("OTPAUTH://TOTP/x?SECRET=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 59) == "287082");
  CHECK(code("otpauth://totp?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 59) == "287082");
}

TEST_CASE("one-time codes: Steam's spelling") {
  // 5 of its 26 characters, of the same number: RFC 4226's truncation at this time is 1094287082
  // (modulo 2^31), the least significant digit first.
  std::uint64_t number = 1094287082;
  std::string expected;
  for (int i = 0; i < 5; ++i) {
    expected += std::string_view("23456789BCDFGHJKMNPQRTVWXY")[number % 26];
    number /= 26;
  }
  CHECK(code("steam://GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 59) == expected);
  CHECK(code("otpauth://totp/Steam:x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&encoder=steam", 59) ==
        expected);
}

TEST_CASE("one-time codes: what is left of the period") {
  const auto left = [](std::string_view kept, std::int64_t ms) {
    return totp_code(secret_of(kept), ms)->left_ms;
  };
  CHECK(left(kSha1, 0) == 30'000);
  CHECK(left(kSha1, 29'999) == 1);
  CHECK(left(kSha1, 30'000) == 30'000);
  CHECK(left("otpauth://totp/x?period=60&secret=GEZDGNBV", 45'000) == 15'000);
  CHECK(left("123456", 59'000) == 1'000);
  CHECK(code("otpauth://totp/x?period=60&secret=GEZDGNBV", 59) ==
        code("otpauth://totp/x?period=60&secret=GEZDGNBV", 0));
  CHECK(code("otpauth://totp/x?period=60&secret=GEZDGNBV", 60) !=
        code("otpauth://totp/x?period=60&secret=GEZDGNBV", 0));
}

TEST_CASE("one-time codes: what is none of it makes none") {
  for (const std::string_view bad :
       {"", "   ", "no seed!", "A1", "=", "GEZD=GNBV", "https://example.com", "steam://",
        "otpauth://hotp/x?secret=GEZDGNBV", "otpauth://totp/x",
        "otpauth://totp/x?secret=", "otpauth://totp/x?secret=%4",
        "otpauth://totp/x?secret=GEZD&digits=0", "otpauth://totp/x?secret=GEZD&digits=11",
        "otpauth://totp/x?secret=GEZD&period=0", "otpauth://totp/x?secret=GEZD&period=-30",
        "otpauth://totp/x?secret=GEZD&period=1e9", "otpauth://totp/x?secret=GEZD&algorithm=MD5",
        "otpauth://totp/x?secret=GEZD&secret=GEZDGNBV"}) {
    INFO(bad);
    CHECK(code(bad, 59) == "(none)");
  }
  CHECK(code(std::string(5'000, 'A'), 59) == "(none)");
}

}  // namespace
}  // namespace av::source
