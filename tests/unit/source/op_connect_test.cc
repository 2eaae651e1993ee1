#include "source/op_connect.h"

#include "source/store_url.h"
#include "unit/source/op_fixture.h"

namespace av::source {
namespace {

using namespace av::test::programs;

constexpr const char* kVault = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
constexpr const char* kItem = "cccccccccccccccccccccccccc";
const std::string kBase = "https://connect.example";
const std::string kVaults = kBase + "/v1/vaults?filter=name%20eq%20%22API%20Keys%22";
const std::string kItems =
    kBase + "/v1/vaults/aaaaaaaaaaaaaaaaaaaaaaaaaa/items?filter=title%20eq%20%22OpenAI%22";
const std::string kFull = kBase + "/v1/vaults/aaaaaaaaaaaaaaaaaaaaaaaaaa/items/" + kItem;

constexpr const char* kFullItem = R"({"id":"cccccccccccccccccccccccccc","title":"OpenAI",
  "vault":{"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa"},"category":"LOGIN",
  "sections":[{"id":"Section_1","label":"Admin"},{"id":"add more"}],
  "fields":[
   {"id":"username","type":"STRING","purpose":"USERNAME","label":"Benutzer","value":"me"},
   {"id":"password","type":"CONCEALED","purpose":"PASSWORD","label":"password","value":"p\u00e4ss\"w"},
   {"id":"notesPlain","type":"STRING","purpose":"NOTES","label":"notesPlain","value":"a note"},
   {"id":"f1","label":"token","type":"CONCEALED","section":{"id":"Section_1"},"value":"admin-token"},
   {"id":"f2","label":"token","type":"CONCEALED","section":{"id":"add more"},"value":"other-token"},
   {"id":"f3","label":"password","section":{"id":"Section_1"},"value":"admin-password"},
   {"id":"f4","label":"empty"},
   {"id":"TOTP_1","label":"one-time password","type":"OTP","value":"otpauth://totp/x?secret=ABC",
    "totp":"134253"}]})";

struct ConnectInMemory : PortsInMemory {
  ConnectInMemory() {
    http.replies[kVaults] = {200, R"([{"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"API Keys"}])", {}};
    http.replies[kItems] = {200, R"([{"id":"cccccccccccccccccccccccccc","title":"OpenAI"}])", {}};
    http.replies[kFull] = {200, kFullItem, {}};
  }
  std::unique_ptr<Provider> provider() {
    auto out = kOnePasswordConnect.make(store_with({{"url", kBase + "/"}}),
                                        secrets_with("token", "eyJ.connect.token"), ports());
    REQUIRE(out);
    return std::move(*out);
  }
};

TEST_CASE("Connect: names become ids by filters, the item comes as a whole") {
  ConnectInMemory memory;
  const auto record = memory.provider()->fetch("API Keys/OpenAI");
  REQUIRE(record);
  CHECK(memory.http.urls ==
        std::vector<std::string>{"GET " + kVaults, "GET " + kItems, "GET " + kFull});
  for (const std::string& fields : memory.http.fields) {
    CHECK(fields == "Authorization: Bearer eyJ.connect.token\r\nAccept: application/json\r\n");
  }
  CHECK(record->keep_ms == 60'000);
  CHECK(field_text(*record, "benutzer") == "me");
  CHECK(field_text(*record, "username") == "me");
  CHECK(field_text(*record, "password") == "p\xc3\xa4ss\"w");  // the one outside of sections
  CHECK(field_text(*record, "admin/password") == "admin-password");
  CHECK(field_text(*record, "section_1/password") == "admin-password");
  CHECK(field_text(*record, "admin/token") == "admin-token");
  CHECK(field_text(*record, "f1") == "admin-token");
  CHECK(field_text(*record, "add more/token") == "other-token");
  CHECK(field_text(*record, "notesplain") == "a note");
  CHECK(field_text(*record, "one-time password") == "otpauth://totp/x?secret=ABC");
}

TEST_CASE("Connect: a name that means two fields means none, and the error says what there is") {
  ConnectInMemory memory;
  const auto record = memory.provider()->fetch("API Keys/OpenAI");
  REQUIRE(record);
  const auto found = field_of(*record, "token");
  REQUIRE_FALSE(found);
  CHECK(found.error().message.find("admin/token") != std::string::npos);
  CHECK(found.error().message.find("admin-token") == std::string::npos);
  CHECK(field_text(*record, "empty") == "(none)");
}

TEST_CASE("Connect: one-time codes are an item of their own, kept until the next code") {
  ConnectInMemory memory;
  memory.clock.now = 1'700'000'000'000 - 1'700'000'000'000 % 30'000 + 10'000;
  const auto record = memory.provider()->fetch("API Keys/OpenAI?attribute=otp");
  REQUIRE(record);
  CHECK(record->keep_ms == 20'000);
  CHECK(field_text(*record, "one-time password") == "134253");
  CHECK(field_text(*record, "totp_1") == "134253");
  CHECK(field_text(*record, "password") == "(none)");
}

TEST_CASE("Connect: ids are used as they are") {
  ConnectInMemory memory;
  CHECK(memory.provider()->fetch(std::string(kVault) + "/" + kItem));
  CHECK(memory.http.urls == std::vector<std::string>{"GET " + kFull});
}

TEST_CASE("Connect: of several items of one name none is taken, and their ids are told") {
  ConnectInMemory memory;
  memory.http.replies[kItems].body =
      R"([{"id":"cccccccccccccccccccccccccc","title":"OpenAI"},
          {"id":"dddddddddddddddddddddddddd","title":"OpenAI"},
          {"id":"eeeeeeeeeeeeeeeeeeeeeeeeee","title":"Something else"}])";
  const auto out = memory.provider()->fetch("API Keys/OpenAI");
  REQUIRE_FALSE(out);
  CHECK(out.error().why == Failure::Why::kInvalid);
  CHECK(out.error().hint.find("dddddddddddddddddddddddddd") != std::string::npos);
}

TEST_CASE("Connect: a server that filters nothing, or answers with others' ids, fools nobody") {
  ConnectInMemory memory;
  memory.http.replies[kVaults].body =
      R"([{"id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","name":"Other"},
          {"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"API Keys"},
          {"id":"../../../evil","name":"API Keys"}])";
  memory.http.replies[kItems].body =
      R"([{"id":"cccccccccccccccccccccccccc","title":"OpenAI"},
          {"id":"ffffffffffffffffffffffffff","title":"OpenAI","trashed":true},
          {"id":"gggggggggggggggggggggggggg","title":"OpenAI","state":"ARCHIVED"}])";
  CHECK(memory.provider()->fetch("API Keys/OpenAI"));
  memory.http.replies[kVaults].body = "[]";
  CHECK(memory.provider()->fetch("API Keys/OpenAI").error().why == Failure::Why::kNotFound);
}

TEST_CASE("Connect: statuses say what to do") {
  const auto failed = [](int status, std::string body, std::string retry = {}) {
    ConnectInMemory memory;
    memory.http.replies[kFull] = {status, std::move(body), std::move(retry)};
    const auto out = memory.provider()->fetch("API Keys/OpenAI");
    REQUIRE_FALSE(out);
    return out.error();
  };
  using Why = Failure::Why;
  const Failure denied = failed(401, R"({"status":401,"message":"Invalid token signature"})");
  CHECK(denied.why == Why::kDenied);
  CHECK(denied.message.find("Invalid token signature") != std::string::npos);
  CHECK(denied.hint.find("pair the store again") != std::string::npos);
  CHECK(failed(403, R"({"status":403,"message":"vault x is not in scope"})").why == Why::kDenied);
  CHECK(failed(404, R"({"status":404,"message":"item not found"})").why == Why::kNotFound);
  CHECK(failed(400, "{}").why == Why::kInvalid);
  CHECK(failed(429, "{}", "7").retry_ms == 7'000);
  CHECK(failed(429, "{}").why == Why::kBusy);
  CHECK(failed(429, "{}", "soon").retry_ms == 60'000);
  CHECK(failed(503, "").why == Why::kBusy);
  CHECK(failed(500, "<html>canary-body</html>").why == Why::kUnreachable);
  CHECK(failed(500, "<html>canary-body</html>").message.find("canary") == std::string::npos);
  CHECK(failed(302, "").why == Why::kMalformed);
  CHECK(failed(200, "<html>").why == Why::kMalformed);
  CHECK(failed(200, "[]").why == Why::kMalformed);
  CHECK(failed(200, R"({"fields":[{"id":"a","value":")" + std::string(600 << 10, 'x') + "\"}]}")
            .why == Why::kInvalid);
}

TEST_CASE("Connect: pairing asks for the vaults that the token sees") {
  ConnectInMemory memory;
  memory.http.replies[kBase + "/v1/vaults"] = {
      200,
      R"([{"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"API Keys"},{"id":"b","name":"Dev"}])",
      {}};
  const auto about = memory.provider()->pair();
  REQUIRE(about);
  CHECK(about->account == "connect.example");
  CHECK(about->detail == "2 vaults: API Keys, Dev");
  memory.http.replies[kBase + "/v1/vaults"] = {401, "{}", {}};
  CHECK(memory.provider()->test().error().why == Failure::Why::kDenied);
}

TEST_CASE("Connect: lists have names and hosts, no values") {
  ConnectInMemory memory;
  memory.http.replies[kBase + "/v1/vaults"] = {
      200, R"([{"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"API Keys"}])", {}};
  memory.http.replies[kBase + "/v1/vaults/" + kVault + "/items"] = {
      200,
      R"([{"id":"cccccccccccccccccccccccccc","title":"OpenAI","category":"LOGIN",
               "urls":[{"href":"https://platform.openai.com/"}]}])",
      {}};
  const auto provider = memory.provider();
  CHECK(provider->list("")->at(0).reference == "op://API Keys");
  const auto items = provider->list("op://API Keys");
  REQUIRE(items);
  CHECK(items->at(0).reference == "op://API Keys/OpenAI");
  CHECK(items->at(0).hosts == std::vector<std::string>{"platform.openai.com"});
  const auto fields = provider->list("op://API Keys/OpenAI");
  REQUIRE(fields);
  CHECK(fields->size() == 8);
  const auto record = provider->fetch("API Keys/OpenAI");
  REQUIRE(record);
  for (const Listed& field : *fields) {
    INFO(field.reference);
    CHECK(field.title.find("token-") == std::string::npos);
    const auto parsed = kOnePasswordConnect.parse(field.reference);
    REQUIRE(parsed);
    if (parsed->item == "API Keys/OpenAI" && field.title != "empty") {
      CHECK(field_of(*record, parsed->field));
    }
  }
}

TEST_CASE("Connect: the token goes over TLS, unless a private network was named") {
  PortsInMemory memory;
  const auto made = [&](const vault::StoreSettings& settings, std::string_view token) {
    return kOnePasswordConnect
        .make(store_with(settings), secrets_with("token", token), memory.ports())
        .has_value();
  };
  CHECK(made({{"url", "https://connect.example"}}, "t"));
  CHECK_FALSE(made({{"url", "http://connect.example"}}, "t"));
  CHECK(made({{"url", "http://connect.example"}, {"plain_http", "yes"}}, "t"));
  CHECK_FALSE(made({{"url", "http://connect.example"}, {"allow_net", "10.0.0.0/8"}}, "t"));
  CHECK_FALSE(made({{"url", "http://connect.example"}, {"plain_http", "maybe"}}, "t"));
  CHECK(made({{"url", "http://127.0.0.1:8080"}}, "t"));
  CHECK_FALSE(made({{"url", "http://127.evil.example"}}, "t"));
  CHECK_FALSE(made({{"url", "https://connect.example"}}, ""));
  CHECK_FALSE(made({{"url", "https://connect.example"}}, "a\r\nX: y"));
  CHECK_FALSE(made({}, "t"));
}

TEST_CASE("the URL of a store is plain and canonical") {
  CHECK(*store_url("Connect.Example:443/", false) == "https://connect.example");
  CHECK(*store_url("https://connect.example:8443/op/", false) == "https://connect.example:8443/op");
  CHECK(*store_url("http://localhost:8080", false) == "http://localhost:8080");
  for (const std::string_view bad :
       {"", "ftp://x", "https://user@x", "https://x?y", "https://x#y", "https://x/../y",
        "https://x/%2e%2e/y", "https://x y", "https://x:99999", "https:///v1", "http://x"}) {
    INFO(bad);
    CHECK_FALSE(store_url(bad, false));
  }
}

}  // namespace
}  // namespace av::source
