#include "source/rest.h"

#include "unit/source/fake_http.h"

using namespace av;
using namespace av::source;
using namespace av::test;
using Why = Failure::Why;

namespace {

// One answer to one request.
Result<RestAnswer> answered(Reply reply) {
  init_secret_arena();
  FakeHttp http([&](const Seen&) { return reply; });
  return Rest(http, "https://store.example.com", "Store").send("GET", "/v1/x", {});
}

}  // namespace

TEST_CASE("rest: bodies are JSON whatever the values are", "[source][rest]") {
  const Secret value = secret("a\"\\\n\x01\xc3\xa4");
  JsonBody body;
  body.add("na\"me", "plain").add("secret", value);
  const SecretBuffer text = body.finish();
  CHECK(text.view() == "{\"na\\\"me\":\"plain\",\"secret\":\"a\\\"\\\\\\n\\u0001\xc3\xa4\"}");
  CHECK(JsonBody().finish().view() == "{}");
}

TEST_CASE("rest: what would break a request's head does not get into it", "[source][rest]") {
  CHECK(fits_field(secret("hvs.CAESI_-=+/~!")));
  CHECK_FALSE(fits_field(secret("a\r\nX-Vault-Namespace: root")));
  CHECK_FALSE(fits_field(secret("a b")));
  CHECK_FALSE(fits_field(secret("a\x7f")));
  CHECK_FALSE(fits_field(secret("\xc3\xa4")));
  CHECK_FALSE(fits_field(Secret()));
  CHECK(fits_field(secret(std::string(16384, 'x'))));
  CHECK_FALSE(fits_field(secret(std::string(16385, 'x'))));
}

TEST_CASE("rest: redirects, throttling and pages are failures of their own", "[source][rest]") {
  for (const int status : {301, 302, 303, 307, 308}) {
    const auto got = answered({status, "", "", ""});
    REQUIRE_FALSE(got);
    CHECK(got.error().why == Why::kRefused);
    CHECK_FALSE(got.error().hint.empty());
  }
  const auto busy = [](std::string retry_after) {
    const auto got = answered({429, "{}", "application/json", std::move(retry_after)});
    REQUIRE_FALSE(got);
    CHECK(got.error().why == Why::kBusy);
    return got.error().retry_ms;
  };
  CHECK(busy("7") == 7000);
  CHECK(busy("") == 1000);
  CHECK(busy("0") == 1000);
  CHECK(busy("-5") == 1000);
  CHECK(busy("99999999") == 3'600'000);
  CHECK(busy("999999999999999999999999") == 1000);
  CHECK(busy("Wed, 21 Oct 2026 07:28:00 GMT") == 1000);

  const auto page = answered({200, "<html>sign in</html>", "text/html", ""});
  REQUIRE_FALSE(page);
  CHECK(page.error().why == Why::kMalformed);
  CHECK(page.error().message.find("text/html") != std::string::npos);
  CHECK(page.error().message.find("sign in") == std::string::npos);
  CHECK_FALSE(answered({200, "[]", "application/json", ""}));
  CHECK_FALSE(answered({200, R"({"a":1,"a":2})", "application/json", ""}));
  CHECK(answered({204, "", "", ""}));
  const auto odd = answered({404, "<html>", "text/html", ""});
  REQUIRE(odd);
  CHECK_FALSE(odd->json);
}

TEST_CASE("rest: what the other side says is shown, but never what was sent to it",
          "[source][rest]") {
  const Secret token = secret("hvs.Sup3rS3cretT0ken");
  const Sent sent = {&token};
  const auto said = [&](std::string_view text) {
    const auto got =
        answered({500, R"({"errors":[")" + std::string(text) + R"("]})", "application/json", ""});
    REQUIRE(got);
    return got->said({"errors"}, sent);
  };
  CHECK(said("1 error occurred:\\n\\t* permission denied\\n\\n") ==
        "1 error occurred: * permission denied");
  CHECK(said("bad token hvs.Sup3rS3cretT0ken").empty());
  CHECK(said("bad token HVS.SUP3R...").empty());
  CHECK(said("bad token ...etT0ken").empty());
  CHECK(said("\\u001b[31mred") == "[31mred");
  // What it is worth: without the list of what was sent the token would be shown.
  const auto got = answered({500, R"({"errors":["bad hvs.Sup3rS3cretT0ken"]})", "", ""});
  REQUIRE(got);
  CHECK(got->said({"errors"}, {}) == "bad hvs.Sup3rS3cretT0ken");
  CHECK(got->said({"errors", "x"}, {}).empty());
  CHECK(got->said({"message"}, {}).empty());
}

TEST_CASE("rest: the fields of an object are its strings, and everything else as it stands",
          "[source][rest]") {
  const auto got =
      answered({200, R"({"data":{"a":"x\ny","n":8080,"o":{"k":"v"},"z":null,"":"empty","b":true}})",
                "", ""});
  REQUIRE(got);
  const auto record = record_of(got->find({"data"}), "Store");
  REQUIRE(record);
  CHECK(record->fields.size() == 5);
  CHECK(shown(record->fields.at("a")) == "x\ny");
  CHECK(shown(record->fields.at("n")) == "8080");
  CHECK(shown(record->fields.at("o")) == R"({"k":"v"})");
  CHECK(shown(record->fields.at("b")) == "true");
  CHECK(shown(record->fields.at("")) == "empty");
  CHECK_FALSE(record_of(got->find({"nothing"}), "Store"));
  CHECK_FALSE(record_of(got->find({"data", "a"}), "Store"));

  std::string many = R"({"data":{"f0":1)";
  for (int i = 1; i <= 1024; ++i) {
    many += ",\"f" + std::to_string(i) + "\":1";
  }
  const auto big = answered({200, many + "}}", "", ""});
  REQUIRE(big);
  CHECK_FALSE(record_of(big->find({"data"}), "Store"));
}

TEST_CASE("rest: the address of a store", "[source][rest]") {
  CHECK(*api_url("https://vault.example.com:8200/", false) == "https://vault.example.com:8200");
  CHECK(*api_url("https://vault.example.com/behind/a/proxy//", false) ==
        "https://vault.example.com/behind/a/proxy");
  CHECK(*api_url("http://127.0.0.1:8200", false) == "http://127.0.0.1:8200");
  CHECK(*api_url("http://localhost:8200", false) == "http://localhost:8200");
  CHECK(*api_url("http://vault:8200", true) == "http://vault:8200");
  for (const std::string bad :
       {"", "/", "vault.example.com", "ftp://vault.example.com", "http://vault.example.com:8200",
        "https://user:pw@vault.example.com", "https://vault.example.com?x=1",
        "https://vault.example.com#x", "https://vault.example.com/a b", "https://"}) {
    INFO(bad);
    const auto got = api_url(bad, false);
    REQUIRE_FALSE(got);
    CHECK(got.error().why == Why::kInvalid);
  }
  CHECK_FALSE(api_url("http://user@vault:8200", true));
}
