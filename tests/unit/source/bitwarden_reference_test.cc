#include "source/bitwarden_reference.h"

#include <catch2/catch.hpp>

namespace av::source {
namespace {

using Parse = Result<Reference> (*)(std::string_view);

std::string read(Parse parse, std::string_view text) {
  const auto found = parse(text);
  return found ? found->item + " " + found->field : "(" + found.error().message + ")";
}

constexpr std::string_view kId = "01234567-89AB-cdef-0123-456789abcdef";
constexpr std::string_view kLower = "01234567-89ab-cdef-0123-456789abcdef";

TEST_CASE("references to Bitwarden: sites, identifiers, searches, names") {
  CHECK(read(parse_bitwarden_access, "bw://domain/GitHub.com.#username") ==
        "domain/github.com username");
  CHECK(read(parse_bitwarden_access, "bw://domain/github.com") == "domain/github.com password");
  CHECK(read(parse_bitwarden_access, "bw://id/item-1#notes") == "id/item-1 notes");
  CHECK(read(parse_bitwarden_access, "bw://search/Open%20AI%23#totp") == "search/Open AI# totp");
  CHECK(read(parse_bitwarden_access, "bw://search/a/b#uri") == "search/a/b uri");
  CHECK(read(parse_bitwarden_cli, "bw://id/" + std::string(kId)) ==
        "id/" + std::string(kLower) + " password");
  CHECK(read(parse_bitwarden_cli, "bw://search/x#field:API%20key") == "search/x field:API key");
  CHECK(read(parse_bitwarden_sm, "bw://id/" + std::string(kId)) ==
        "id/" + std::string(kLower) + " value");
  CHECK(read(parse_bitwarden_sm, "bw://key/OPENAI_API_KEY#note") == "key/OPENAI_API_KEY note");
}

TEST_CASE("references to Bitwarden: what is wrong is told, and where") {
  for (const std::string_view bad : {"bw:/x",
                                     "bw://",
                                     "bw://domain",
                                     "bw://domain/",
                                     "bw://domain/a b",
                                     "bw://domain/127.1",
                                     "bw://domain/github.com/x",
                                     "bw://domain/github.com:443",
                                     "bw://item/x",
                                     "bw://id/",
                                     "bw://id/a b",
                                     "bw://id/../x",
                                     "bw://search/",
                                     "bw://search/%",
                                     "bw://search/%4",
                                     "bw://search/%zz",
                                     "bw://search/%00",
                                     "bw://search/%0a",
                                     "bw://search/%ff",
                                     "bw://search/x#",
                                     "bw://search/x#secret",
                                     "bw://search/x#field:y",
                                     "bw://search/x#totp#uri",
                                     "bw://key/x",
                                     "op://x/y/z"}) {
    INFO(bad);
    const auto found = parse_bitwarden_access(bad);
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().why == Failure::Why::kInvalid);
    CHECK_FALSE(found.error().message.empty());
  }
  CHECK_FALSE(parse_bitwarden_cli("bw://id/item-1").has_value());
  CHECK_FALSE(parse_bitwarden_cli("bw://search/x#field:").has_value());
  CHECK_FALSE(parse_bitwarden_sm("bw://domain/github.com").has_value());
  CHECK_FALSE(parse_bitwarden_sm("bw://search/x").has_value());
  CHECK_FALSE(parse_bitwarden_access("bw://search/" + std::string(257, 'x')).has_value());
  CHECK(parse_bitwarden_access("bw://search/" + std::string(256, 'x')).has_value());
  CHECK_FALSE(parse_bitwarden_access("bw://id/" + std::string(129, 'x')).has_value());
}

TEST_CASE("an item of Bitwarden is taken apart at its first slash") {
  const std::string item = "search/a/b";
  CHECK(bitwarden_item(item).kind == "search");
  CHECK(bitwarden_item(item).text == "a/b");
  CHECK(bitwarden_item("x").text.empty());
}

}  // namespace
}  // namespace av::source
