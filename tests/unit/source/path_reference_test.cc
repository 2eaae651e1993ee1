#include <catch2/catch.hpp>

#include "source/hashi_reference.h"
#include "source/infisical_reference.h"
#include "source/reference_path.h"

using namespace av;
using namespace av::source;
using Why = Failure::Why;

namespace {

struct Bad {
  std::string text;
  std::string says;
};

void check_bad(Result<Reference> (*parse)(std::string_view), const std::vector<Bad>& all) {
  for (const Bad& bad : all) {
    INFO(bad.text);
    const auto got = parse(bad.text);
    REQUIRE_FALSE(got);
    CHECK(got.error().why == Why::kInvalid);
    CHECK(got.error().message.find(bad.says) != std::string::npos);
    INFO(got.error().message);
    CHECK(got.error().message.find('\n') == std::string::npos);
  }
}

std::string canonical(Result<Reference> (*parse)(std::string_view), std::string_view text) {
  const auto got = parse(text);
  return got ? got->item + " " + got->field : got.error().message;
}

}  // namespace

TEST_CASE("vault references: one meaning has one spelling", "[source][reference]") {
  const auto read = [](std::string_view text) { return canonical(&parse_hashi, text); };
  CHECK(read("vault://secret/openai#api_key") == "secret/openai api_key");
  CHECK(read("vault://secret/%6fpenai#%61pi_key") == "secret/openai api_key");
  CHECK(read("vault://team/nested/kv/a b#k") == "team/nested/kv/a%20b k");
  CHECK(read("vault://team/nested/kv/a%20b#k") == "team/nested/kv/a%20b k");
  CHECK(read("vault://secret/a%23b%3fc%25#k e y") == "secret/a%23b%3Fc%25 k e y");
  CHECK(read("vault://secret/\xc3\xa4#k") == "secret/%C3%A4 k");
  CHECK(read("vault://secret/app?version=12#k") == "secret/app?version=12 k");
  CHECK(read("vault://database/creds/role#username") == "database/creds/role username");
  CHECK(read("vault://secret/auth/token#k") == "secret/auth/token k");

  const auto item = hashi_item("secret/a%20b?version=3");
  REQUIRE(item);
  CHECK(item->path == "secret/a b");
  CHECK(item->version == 3);
}

TEST_CASE("vault references: what is wrong, and where", "[source][reference]") {
  check_bad(&parse_hashi, {{"vault://secret/app", "which field"},
                           {"vault://secret/app#", "which field"},
                           {"vault://secret#k", "names a mount"},
                           {"vault://#k", "empty"},
                           {"vault:///secret/app#k", "slash"},
                           {"vault://secret//app#k", "part 2 of the path is empty"},
                           {"vault://secret/app/#k", "part 3 of the path is empty"},
                           {"vault://secret/../sys/raw#k", "part 2 of the path is \"..\""},
                           {"vault://secret/%2e%2e/x#k", "part 2 of the path is \"..\""},
                           {"vault://secret/./x#k", "\".\""},
                           {"vault://secret/a%2fb#k", "slash in it"},
                           {"vault://secret/a%0ab#k", "control character"},
                           {"vault://secret/a\nb#k", "control character"},
                           {"vault://secret/a%00#k", "control character"},
                           {"vault://secret/a%#k", "broken escape"},
                           {"vault://secret/a%4#k", "broken escape"},
                           {"vault://secret/a%zz#k", "broken escape"},
                           {"vault://secret/\xff#k", "UTF-8"},
                           {"vault://secret/app?version=0#k", "version=N"},
                           {"vault://secret/app?version=01#k", "version=N"},
                           {"vault://secret/app?version=-1#k", "version=N"},
                           {"vault://secret/app?version=99999999999#k", "version=N"},
                           {"vault://secret/app?version=1&list=true#k", "version=N"},
                           {"vault://secret/app?list=true#k", "version=N"},
                           {"vault://secret/app?#k", "version=N"},
                           {"vault://secret/app#a/b", "slash"},
                           {"vault://sys/raw/x#value", "Vault's own"},
                           {"vault://auth/token/lookup-self#id", "Vault's own"},
                           {"vault://%61uth/token/lookup-self#id", "Vault's own"},
                           {"vault://secret/" + std::string(600, 'x') + "#k", "longer than"},
                           {"vault://secret/app#" + std::string(300, 'x'), "longer than"}});
}

TEST_CASE("vault references: folders", "[source][reference]") {
  CHECK(*hashi_folder("vault://secret") == "secret");
  CHECK(*hashi_folder("vault://secret/") == "secret/");
  CHECK(*hashi_folder("vault://secret/a%20b/") == "secret/a b/");
  for (const char* bad : {"vault://", "vault:///", "vault://secret//", "vault://secret/?version=1",
                          "vault://secret/#k", "vault://sys/", "vault://secret/../x/"}) {
    INFO(bad);
    CHECK_FALSE(hashi_folder(bad));
  }
}

TEST_CASE("infisical references: secrets, environments, dynamic secrets", "[source][reference]") {
  const auto read = [](std::string_view text) { return canonical(&parse_infisical, text); };
  CHECK(read("infisical://API_KEY") == "API_KEY ");
  CHECK(read("infisical://backend/db/PASSWORD") == "backend/db/PASSWORD ");
  CHECK(read("infisical://API_KEY?env=dev") == "API_KEY?env=dev ");
  CHECK(read("infisical://backend/postgres#DB_PASSWORD") == "dynamic:backend/postgres DB_PASSWORD");
  CHECK(read("infisical://backend/postgres?env=prod#DB_PASSWORD") ==
        "dynamic:backend/postgres?env=prod DB_PASSWORD");
  // A secret cannot be spelt as a dynamic one.
  CHECK(read("infisical://dynamic:x") == "dynamic%3Ax ");

  const auto item = infisical_item("dynamic:a/b/c?env=dev");
  REQUIRE(item);
  CHECK(item->dynamic);
  CHECK(item->folder == "a/b");
  CHECK(item->name == "c");
  CHECK(item->environment == "dev");
  const auto plain = infisical_item("dynamic%3Ax");
  REQUIRE(plain);
  CHECK_FALSE(plain->dynamic);
  CHECK(plain->name == "dynamic:x");

  check_bad(&parse_infisical, {{"infisical://", "names no secret"},
                               {"infisical://?env=dev", "names no secret"},
                               {"infisical:///API_KEY", "part 1 of the path is empty"},
                               {"infisical://a//b", "part 2"},
                               {"infisical://a/../b", "\"..\""},
                               {"infisical://a?env=", "env=SLUG"},
                               {"infisical://a?env=a%20b", "env=SLUG"},
                               {"infisical://a?env=dev&secretPath=/", "env=SLUG"},
                               {"infisical://a?projectId=x", "env=SLUG"},
                               {"infisical://a#", "the field is empty"},
                               {"infisical://a\r\nb", "control"}});
  const auto folder = infisical_folder("infisical://backend/?env=dev");
  REQUIRE(folder);
  CHECK(folder->folder == "backend");
  CHECK(folder->environment == "dev");
  CHECK(infisical_folder("infisical://")->folder.empty());
  CHECK_FALSE(infisical_folder("infisical://a#b"));
}
