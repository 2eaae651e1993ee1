// Pages of other origins: those that were named may read answers, with a token of their own.

#include "api/cors.h"
#include "api_fixture.h"

using namespace av;
using namespace av::test;

namespace {

constexpr const char* kApp = "https://app.example.org";

Sent from(const std::string& origin) {
  Sent sent;
  sent.fields = {{"origin", origin}};
  return sent;
}

Sent asking(const std::string& origin) {
  Sent sent = from(origin);
  sent.fields.emplace_back("access-control-request-method", "PATCH");
  sent.fields.emplace_back("access-control-request-headers", "authorization, content-type");
  return sent;
}

}  // namespace

TEST_CASE("cors: an origin that was named may ask and read; others learn nothing",
          "[api][cors][attack]") {
  ApiFixture api;
  api.options().cors_origins = {kApp, "http://localhost:3000"};
  const Got asked = api.ask("OPTIONS", "/v1/vaults", "", asking(kApp));
  CHECK(asked.status == 200);
  CHECK(asked.field("Access-Control-Allow-Origin") == kApp);
  CHECK(asked.field("Access-Control-Allow-Methods").find("PATCH") != std::string::npos);
  CHECK(asked.field("Access-Control-Allow-Headers") == "Authorization, Content-Type, X-Vault");
  CHECK(asked.field("Vary") == "Origin");
  Sent sent = from(kApp);
  sent.bearer = "alice";
  const Got read = api.ask("GET", "/v1/vaults", "", sent);
  CHECK(read.status == 200);
  CHECK(read.field("Access-Control-Allow-Origin") == kApp);
  // An error can be read as well; credentials are never allowed to come along.
  const Got nobody = api.ask("GET", "/v1/vaults", "", from("http://localhost:3000"));
  CHECK(nobody.status == 401);
  CHECK(nobody.field("Access-Control-Allow-Origin") == "http://localhost:3000");
  for (const Got& got : {asked, read, nobody}) {
    CHECK(got.field("Access-Control-Allow-Credentials").empty());
  }
  for (const char* const other :
       {"https://evil.example.org", "https://app.example.org:8443", "http://app.example.org",
        "https://app.example.org.evil.example", "null", "*", "https://APP.example.org"}) {
    CAPTURE(other);
    CHECK(api.ask("OPTIONS", "/v1/vaults", "", asking(other)).status == 405);
    Sent their = from(other);
    their.bearer = "alice";
    const Got got = api.ask("GET", "/v1/vaults", "", their);
    CHECK(got.field("Access-Control-Allow-Origin").empty());
    CHECK(got.field("Vary") == "Origin");
  }
  // At the proxy's port there are no pages, and none of others.
  Sent at_proxy = asking(kApp);
  at_proxy.at_proxy = true;
  CHECK(api.ask("OPTIONS", "/discover", "", at_proxy).field("Access-Control-Allow-Origin").empty());
}

TEST_CASE("cors: a cookie that comes along from another origin is nobody's",
          "[api][cors][attack]") {
  for (const bool named : {false, true}) {
    CAPTURE(named);
    ApiFixture api;
    if (named) {
      api.options().cors_origins = {kApp, "http://127.0.0.1:14321"};
    }
    Sent sent = from(kApp);
    sent.cookie = "alice";
    // The control: where the origin is not named, its page cannot read what the cookie would get.
    const Got got = api.ask("GET", "/v1/vaults", "", sent);
    CHECK(got.status == (named ? 401 : 200));
    CHECK(got.field("Access-Control-Allow-Origin") == (named ? kApp : ""));
    sent.fields.emplace_back("x-agent-vault", "1");
    CHECK(api.ask("POST", "/v1/vaults", R"({"name":"mine"})", sent).status == 403);
    CHECK_FALSE(api.store().get_vault("mine"));
    // Our own pages keep theirs, whatever the list says.
    Sent own = from("http://127.0.0.1:14321");
    own.cookie = "alice";
    CHECK(api.ask("GET", "/v1/vaults", "", own).status == 200);
  }
}

TEST_CASE("cors: without a list nothing is said at all", "[api][cors]") {
  ApiFixture api;
  CHECK(api.ask("OPTIONS", "/v1/vaults", "", asking(kApp)).status == 405);
  const Got got = api.ask("GET", "/health", "", from(kApp));
  CHECK(got.head.find("Access-Control") == std::string::npos);
  CHECK(got.head.find("Vary") == std::string::npos);
}

TEST_CASE("cors: an origin is written as a browser writes it", "[api][cors]") {
  for (const char* const good : {"https://app.example.org", "http://localhost:3000",
                                 "https://app.example.org:8443", "http://[::1]:3000"}) {
    CAPTURE(good);
    CHECK(api::check_origin(good));
  }
  for (const char* const bad :
       {"", "*", "null", "https://*.example.org", "https://app.example.org/", "app.example.org",
        "https://APP.example.org", "https://app.example.org:443", "ftp://app.example.org",
        "https://a@app.example.org", "https://app.example.org/path", "https://a b"}) {
    CAPTURE(bad);
    CHECK_FALSE(api::check_origin(bad));
  }
}
