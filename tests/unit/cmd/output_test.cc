#include "cmd/output.h"

#include <catch2/catch.hpp>
#include <sstream>

using namespace av;

namespace {

std::size_t widest(const std::string& text) {
  std::istringstream lines(text);
  std::size_t most = 0;
  for (std::string line; std::getline(lines, line);) {
    std::size_t width = 0;
    for (const char c : line) {
      width += (static_cast<unsigned char>(c) & 0xc0U) != 0x80U ? 1 : 0;
    }
    most = std::max(most, width);
  }
  return most;
}

}  // namespace

TEST_CASE("table: one column gives way to the terminal, in the middle of its cells",
          "[cmd][output]") {
  const std::string url = "POST https://api.example.com/" + std::string(200, 'x') + "/refund";
  cmd::Table table({"ID", "REQUEST", "LEFT"});
  table.add({"apr_1", url, "12s"});
  table.add({"apr_2", "GET https://a.test/", "3m"});
  CHECK(table.text(80).find(url) != std::string::npos);  // nobody said which column
  table.shorten(1);
  CHECK(table.text(0).find(url) != std::string::npos);
  CHECK(table.text(1000).find(url) != std::string::npos);
  const std::string narrow = table.text(80);
  CHECK(widest(narrow) <= 80);
  CHECK(narrow.find("POST https://api.example.com/x") != std::string::npos);
  CHECK(narrow.find("...") != std::string::npos);
  CHECK(narrow.find("x/refund  12s\n") != std::string::npos);
  CHECK(narrow.find("GET https://a.test/ ") != std::string::npos);
  // Something of it stays, however narrow the terminal.
  CHECK(table.text(10).find("POST https") != std::string::npos);
}

TEST_CASE("table: no character is cut in two", "[cmd][output]") {
  cmd::Table table({"A", "B"});
  table.shorten(0);
  std::string wide;
  for (int i = 0; i < 100; ++i) {
    wide += "\xc3\xa4";
  }
  table.add({wide, "end"});
  for (std::size_t width = 24; width < 60; ++width) {
    const std::string text = table.text(width);
    const std::size_t dots = text.find("...");
    REQUIRE(dots != std::string::npos);
    CHECK((static_cast<unsigned char>(text[dots - 1]) & 0xc0U) == 0x80U);
    CHECK(static_cast<unsigned char>(text[dots + 3]) == 0xc3U);
    CHECK(widest(text) <= std::max<std::size_t>(width, 29));
  }
}
