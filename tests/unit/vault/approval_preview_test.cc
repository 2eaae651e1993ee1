#include "vault/approval_preview.h"

#include <catch2/catch.hpp>
#include <string>

using namespace av::vault;

TEST_CASE("preview: what moves a cursor or reorders text is shown as bytes", "[vault][approval]") {
  const std::string escape =
      "a\x1b[2J\x1b]0;title\x07"
      "b\x9b"
      "31m\xe2\x80\xae"
      "evil\xe2\x81\xa6\r\x08z";
  for (const std::string& shown : {preview_of_body(escape).text, preview_of_line(escape)}) {
    for (const char c : shown) {
      CHECK((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f));
    }
    CHECK(shown.find("\xe2\x80\xae") == std::string::npos);
    CHECK(shown.find("\xe2\x81\xa6") == std::string::npos);
    CHECK(shown.find("evil") != std::string::npos);
  }
  CHECK(preview_of_line("one\ntwo").find('\n') == std::string::npos);
  CHECK(preview_of_body("one\r\ntwo\n").text == "one\ntwo\n");
}

TEST_CASE("preview: what looks like a secret is masked", "[vault][approval]") {
  struct Case {
    const char* text;
    const char* shown;
  };
  const Case cases[] = {
      {R"({"password": "hunter2", "to": "bob"})", R"({"password": "********", "to": "bob"})"},
      {R"({"user_Token":"a\"b","n":1})", R"({"user_Token":"********","n":1})"},
      {R"({"token": {"to":"evil","amount":9}})", R"({"token": {"to":"evil","amount":9}})"},
      {R"({"secret":["pay 5"],"a":1})", R"({"secret":["pay 5"],"a":1})"},
      {"api_key=abc&q=hello", "api_key=********&q=hello"},
      {"Authorization: Bearer abc", "Authorization: ********"},
      {"key sk-abcdefghijkl123 end", "key ******** end"},
      {"ghp_0123456789abcdefghij", "********"},
      {"eyJhbGciOiJIUzI1NiJ9.e30.abc", "********"},
      {"x A0B1C2D3E4F5A6B7C8D9E0F1A2B3C4D5E6 y", "x ******** y"},
      {"https://api.example.com/v1/items?limit=10", "https://api.example.com/v1/items?limit=10"},
      {"https://x.example/cb?access_token=zzz&a=1",
       "https://x.example/cb?access_token=********&a=1"},
      // keys in paths, alone
      {"https://api.example.com/m102/sk-abcdefghijkl123", "https://api.example.com/m102/********"},
      {"https://api.example.com/m102/sk-abcdefghijkl123/x?a=1",
       "https://api.example.com/m102/********/x?a=1"},
      {"/bot/A0B1C2D3E4F5A6B7C8D9E0F1A2B3C4D5E6/send", "/bot/********/send"},
      {"m102/ghp_0123456789abcdefghij", "m102/********"},
      {"/a%2Fsk-abcdefghijkl123", "/a%2F********"},
      {"https://api.example.com/v1/projects/42/tokens",
       "https://api.example.com/v1/projects/42/tokens"},
      // XML
      {"<password>hunter2</password>", "<password>********</password>"},
      {"<a:Password type=\"x\">hunter2</a:Password><to>bob</to>",
       "<a:Password type=\"x\">********</a:Password><to>bob</to>"},
      {"<token><![CDATA[abc<d]]></token><n>1</n>", "<token>********]]></token><n>1</n>"},
      {"<credentials><to>bob</to></credentials>", "<credentials><to>bob</to></credentials>"},
      {"<secret/><to>bob</to>", "<secret/><to>bob</to>"},
      {"<user password=\"hunter2\" to=\"bob\"/>", "<user password=\"********\" to=\"bob\"/>"},
      {"<add key=\"ApiKey\" value=\"abc\"/>", "<add key=\"ApiKey\" value=\"********\"/>"},
      {R"({"name":"DB_PASSWORD","value":"hunter2","n":1})",
       R"({"name":"DB_PASSWORD","value":"********","n":1})"},
      // name=value
      {"user=bob password=hunter2", "user=bob password=********"},
      {"pwd=hunter2; db=x", "pwd=********; db=x"},
      {"DB_PASS=x\nAPI_KEY = a b\nN=1", "DB_PASS=x\nAPI_KEY = ********\nN=1"},
      {"passenger=bob&author=ann", "passenger=bob&author=ann"},
      {"plain words stay, also long-hyphenated-words-without-any-number",
       "plain words stay, also long-hyphenated-words-without-any-number"},
  };
  for (const Case& c : cases) {
    CHECK(preview_of_body(c.text).text == c.shown);
    CHECK(preview_of_body(c.text).complete);
    if (std::string_view(c.text).find('\n') == std::string_view::npos) {
      CHECK(preview_of_line(c.text) == c.shown);
    }
  }
}

TEST_CASE("preview: it is bounded, and a key at the cut does not show its half",
          "[vault][approval]") {
  const std::string key = "sk-" + std::string(60, 'a') + "1";
  for (std::size_t before = kPreviewSize - 100; before <= kPreviewSize + 5; ++before) {
    const std::string shown = preview_of_body(std::string(before, ' ') + key).text;
    CHECK(shown.size() <= kPreviewSize);
    CHECK(shown.find("sk-a") == std::string::npos);
  }
  CHECK(preview_of_body(std::string(100'000, 'x')).text.size() <= kPreviewSize);
  CHECK(preview_of_body(std::string(100'000, '\x01')).text.size() <= kPreviewSize);
  CHECK(preview_of_line(std::string(100'000, 'x')).size() <= 2100);
  std::string umlauts;
  while (umlauts.size() < 2 * kPreviewSize) {
    umlauts += "\xc3\xa4";
  }
  CHECK(preview_of_body(umlauts).text.size() == kPreviewSize);
  CHECK(preview_of_body("a" + umlauts).text.back() != '\xc3');
}

TEST_CASE("preview: it says whether it shows all", "[vault][approval]") {
  CHECK(preview_of_body("").complete);
  CHECK(preview_of_body(std::string(kPreviewSize, 'x')).complete);
  CHECK_FALSE(preview_of_body(std::string(kPreviewSize + 1, 'x')).complete);
  CHECK_FALSE(preview_of_body(std::string(100'000, 'x')).complete);
  // Bytes that take more room when they are shown.
  const std::string tabs = R"({"amount":1,)" + std::string(1100, '\t') + R"("amount":1000000})";
  REQUIRE(tabs.size() < kPreviewSize);
  CHECK_FALSE(preview_of_body(tabs).complete);
  CHECK_FALSE(preview_of_body(std::string(kPreviewSize, '\n') + "x").complete);
}
