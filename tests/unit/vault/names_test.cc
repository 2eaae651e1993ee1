#include "vault/names.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using av::vault::check_credential_key;
using av::vault::check_slug;
using av::vault::did_you_mean;

TEST_CASE("check_slug: the rule of vault, service and agent names", "[vault][names]") {
  for (const std::string good : {"abc", "a-b", "default", "my-vault-2", "007"}) {
    CHECK(check_slug("vault", good));
  }
  CHECK(check_slug("vault", std::string(64, 'a')));
  for (const std::string bad :
       {"", "ab", "Abc", "a_b", "-ab", "ab-", "a--b", "a b", "a.b", "é-a"}) {
    CAPTURE(bad);
    const auto checked = check_slug("vault", bad);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == av::ErrorCode::kInvalid);
    CHECK_FALSE(checked.error().hint.empty());
  }
  CHECK_FALSE(check_slug("vault", std::string(65, 'a')));
}

TEST_CASE("check_slug: the message names the name, safely", "[vault][names]") {
  CHECK(check_slug("service", "a--b").error().message ==
        "service name \"a--b\" has two hyphens in a row");
  CHECK(check_slug("vault", "\x1b[2Jxx").error().message.find('\x1b') == std::string::npos);
}

TEST_CASE("check_credential_key: capitals, digits, underscores", "[vault][names]") {
  for (const std::string good : {"A", "OPENAI_API_KEY", "K2", "A_", "A__B"}) {
    CHECK(check_credential_key(good));
  }
  CHECK(check_credential_key(std::string(128, 'A')));
  for (const std::string bad : {"", "a", "Ab", "_A", "2A", "A-B", "A B", "A=B", "Ä"}) {
    CAPTURE(bad);
    CHECK_FALSE(check_credential_key(bad));
  }
  CHECK_FALSE(check_credential_key(std::string(129, 'A')));
}

TEST_CASE("did_you_mean: finds the slip, not a stranger", "[vault][names]") {
  const std::vector<std::string> words = {"credential", "service", "vault", "OPENAI_API_KEY",
                                          "list"};
  CHECK(did_you_mean("credentail", words) == "credential");
  CHECK(did_you_mean("servce", words) == "service");
  CHECK(did_you_mean("vualt", words) == "vault");
  CHECK(did_you_mean("OPENAI_APIKEY", words) == "OPENAI_API_KEY");
  CHECK(did_you_mean("openai_api_key", words) == "OPENAI_API_KEY");
  CHECK(did_you_mean("lst", words) == "list");
  CHECK(did_you_mean("cred", words) == "credential");
  CHECK(did_you_mean("zzz", words).empty());
  CHECK(did_you_mean("", words).empty());
  CHECK(did_you_mean("vault", {}).empty());
  CHECK(did_you_mean(std::string(100000, 'v'), words).empty());
}
