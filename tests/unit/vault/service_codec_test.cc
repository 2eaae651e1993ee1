#include "vault/service_codec.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "vault/preset.h"

using namespace av::vault;

namespace {

std::string json_problem(std::string_view text) {
  const auto read = service_from_json(text);
  return read ? "" : read.error().message;
}

std::string file_problem(std::string_view text) {
  const auto read = services_from_file_text(text);
  return read ? "" : read.error().message;
}

std::vector<Service> read_all(std::string_view text) {
  auto read = services_from_file_text(text);
  if (!read) {
    FAIL(read.error().message);
  }
  return std::move(*read);
}

// Everything that a service can say.
constexpr std::string_view kFull = R"({
  "name": "everything",
  "host": "*.example.com:8443/v1/*",
  "enabled": false,
  "auth": {"type": "custom", "headers": {"X-B": "{{ B }}", "X-A": "a {{ A }} \"quoted\" \\"}},
  "substitutions": [
    {"key": "C", "placeholder": "__C__"},
    {"key": "D", "placeholder": "d-d.d", "in": ["websocket", "header", "body"], "max_count": 3}
  ],
  "methods": ["GET", "post"],
  "env": {"VAR_B": "B", "VAR_A": "A"},
  "allow_http": true,
  "allow_uninspected": true,
  "allow_quoted_placeholders": true,
  "drop_cookies": true,
  "tls": {"certificate": "CERT", "key": "CERT_KEY",
          "ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
  "placeholder": "sk-{40}"
})";

}  // namespace

TEST_CASE("codec: reads every field", "[vault][codec]") {
  const Service s = service_from_json(kFull).value();
  CHECK(s.name == "everything");
  CHECK(s.host == "*.example.com");
  CHECK(s.port == 8443);
  CHECK(s.path == "/v1/*");
  CHECK_FALSE(s.enabled);
  CHECK(s.allow_http);
  CHECK(s.methods == std::vector<std::string>{"GET", "POST"});
  CHECK(s.env.at("VAR_A") == "A");
  CHECK(s.placeholder_shape == "sk-{40}");
  CHECK(s.allow_uninspected);
  CHECK(s.allow_quoted_placeholders);
  CHECK(s.drop_cookies);
  CHECK(s.tls.certificate_key == "CERT");
  CHECK(s.tls.private_key_key == "CERT_KEY");
  CHECK(s.tls.ca_pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
  const auto& auth = std::get<CustomAuth>(s.auth);
  REQUIRE(auth.headers.size() == 2);
  CHECK(auth.headers[0].name == "X-B");  // order is kept
  CHECK(auth.headers[1].source == "a {{ A }} \"quoted\" \\");
  REQUIRE(s.substitutions.size() == 2);
  CHECK(s.substitutions[0].in(Surface::kPath));
  CHECK(s.substitutions[0].in(Surface::kQuery));
  CHECK_FALSE(s.substitutions[0].in(Surface::kHeader));
  CHECK_FALSE(s.substitutions[1].in(Surface::kPath));
  CHECK(s.substitutions[1].in(Surface::kBody));
  CHECK(s.substitutions[1].in(Surface::kWebSocket));
  CHECK(s.substitutions[1].max_count == 3);
  CHECK(s.credential_keys() == std::vector<std::string>{"B", "A", "C", "D", "CERT", "CERT_KEY"});
}

TEST_CASE("codec: reads the published shape of each way to authenticate", "[vault][codec]") {
  const auto auth = [](std::string_view text) {
    const std::string json = R"({"host": "api.example.com", "auth": )" + std::string(text) + "}";
    auto read = service_from_json(json);
    if (!read) {
      FAIL(read.error().message);
    }
    return read->auth;
  };
  CHECK(std::get<BearerAuth>(auth(R"({"type":"bearer","token":"K"})")).token_key == "K");
  const auto basic = std::get<BasicAuth>(auth(R"({"type":"basic","username":"U","password":"P"})"));
  CHECK(basic.username_key == "U");
  CHECK(basic.password_key == "P");
  CHECK(std::get<BasicAuth>(auth(R"({"type":"basic","username":"U"})")).password_key.empty());
  CHECK(std::get<BasicAuth>(auth(R"({"type":"basic","user":"x-access-token","password":"P"})"))
            .username_literal == "x-access-token");
  const auto plain = std::get<ApiKeyAuth>(auth(R"({"type":"api-key","key":"K"})"));
  CHECK(plain.header == "Authorization");
  CHECK(plain.prefix.empty());
  const auto bot = std::get<ApiKeyAuth>(
      auth(R"({"type":"api-key","key":"K","header":"X-Bot","prefix":"Bot "})"));
  CHECK(bot.header == "X-Bot");
  CHECK(bot.prefix == "Bot ");
  CHECK(std::get<ApiKeyAuth>(auth(R"({"type":"api-key","key":"K","query":"key"})")).query == "key");
  CHECK(std::holds_alternative<PassthroughAuth>(auth(R"({"type":"passthrough"})")));
}

TEST_CASE("codec: JSON, TOML and the service say the same", "[vault][codec]") {
  std::vector<Service> services = {service_from_json(kFull).value()};
  for (const Preset& preset : presets()) {
    services.insert(services.end(), preset.services.begin(), preset.services.end());
  }
  const std::string json = services_to_json(services, false);
  CHECK(services_to_json(read_all(json), false) == json);
  CHECK(services_to_json(read_all(services_to_json(services, true)), false) == json);
  const std::string toml = services_to_toml(services);
  CHECK(services_to_json(read_all(toml), false) == json);
  CHECK(services_to_toml(read_all(toml)) == toml);
  for (const Service& service : services) {
    const std::string one = service_to_json(service);
    CHECK(one.find('\n') == std::string::npos);
    CHECK(service_to_json(service_from_json(one).value()) == one);
  }
}

TEST_CASE("codec: what is written is what people would write", "[vault][codec]") {
  const Service service =
      service_from_json(R"({"host":"api.example.com","auth":{"type":"bearer","token":"K"}})")
          .value();
  CHECK(service_to_json(service) ==
        R"({"name":"api-example-com","host":"api.example.com","enabled":true,)"
        R"("auth":{"type":"bearer","token":"K"}})");
  CHECK(services_to_toml({service}) ==
        "[[services]]\n"
        "name = \"api-example-com\"\n"
        "host = \"api.example.com\"\n"
        "enabled = true\n"
        "auth = { type = \"bearer\", token = \"K\" }\n");
  CHECK(services_to_toml({}) == "services = []\n");
  CHECK(services_to_json({}, false) == "{\"services\":[]}");
}

TEST_CASE("codec: a service without a name is named after host and path", "[vault][codec]") {
  const auto name = [](const std::string& host) {
    return service_from_json(R"({"host":")" + host + R"(","auth":{"type":"passthrough"}})")
        .value()
        .name;
  };
  CHECK(name("api.example.com") == "api-example-com");
  CHECK(name("*.example.com/v1/*") == "example-com-v1");
  CHECK(name("Example.com:8443/A_b//c") == "example-com-8443-a-b-c");
  CHECK(name("[::1]") == "service-1");
  CHECK(name(std::string(60, 'a') + ".bbb.com").size() == 64);
  CHECK(name(std::string(63, 'a') + ".com") == std::string(63, 'a'));
}

TEST_CASE("codec: a misspelt field is an error that names it", "[vault][codec]") {
  const std::string text = R"({"host":"api.example.com",
  "method":["GET"],"auth":{"type":"passthrough"}})";
  const auto read = service_from_json(text);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == av::ErrorCode::kInvalid);
  CHECK(read.error().message == "line 2, column 3: unknown field \"method\"");
  CHECK(read.error().hint == "did you mean \"methods\"?");
  const auto with = [](std::string_view fields) {
    return json_problem(R"({"host":"a.example.com",)" + std::string(fields) + "}");
  };
  CHECK(with(R"("auth":{"type":"bearer","token":"K","header":"X"})")
            .find("unknown field \"header\"") != std::string::npos);
  CHECK(with(R"("auth":{"type":"passthrough","token":"K"})").find("unknown field \"token\"") !=
        std::string::npos);
  CHECK(with(R"("description":"x","auth":{"type":"passthrough"})")
            .find("unknown field \"description\"") != std::string::npos);
  CHECK(with(R"("auth":{"type":"passthrough"},"substitutions":[{"key":"K","placeholder":"__K__",
             "max":1}])")
            .find("unknown field \"max\"") != std::string::npos);
  CHECK(service_from_json(R"({"host":"a.example.com","auth":{"type":"baerer","token":"K"}})")
            .error()
            .hint == "did you mean \"bearer\"?");
}

TEST_CASE("codec: a repeated field is an error, not a choice", "[vault][codec]") {
  CHECK(json_problem(R"({"host":"a.example.com","auth":{"type":"passthrough"},
"enabled":false,"enabled":true})") == "line 2, column 17: field \"enabled\" is repeated");
  CHECK_FALSE(json_problem(R"({"host":"a.example.com","auth":{"type":"bearer","token":"A",
"to\u006ben":"B"}})")
                  .empty());
  CHECK_FALSE(file_problem("host = \"a.example.com\"\nhost = \"b.example.com\"\n").empty());
}

TEST_CASE("codec: wrong types and missing fields", "[vault][codec]") {
  for (
      const std::string_view bad : {
          R"([])",
          R"("text")",
          R"(null)",
          R"({})",
          R"({"host":"a.example.com"})",
          R"({"host":1,"auth":{"type":"passthrough"}})",
          R"({"host":"","auth":{"type":"passthrough"}})",
          R"({"host":"a.example.com","auth":"bearer"})",
          R"({"host":"a.example.com","auth":{}})",
          R"({"host":"a.example.com","auth":null})",
          R"({"host":"a.example.com","auth":{"type":"bearer"}})",
          R"({"host":"a.example.com","auth":{"type":"bearer","token":null}})",
          R"({"host":"a.example.com","auth":{"type":"bearer","token":"lower"}})",
          R"({"host":"a.example.com","auth":{"type":"api-key","key":"K","query":""}})",
          R"({"host":"a.example.com","auth":{"type":"api-key","key":"K","query":"q","header":"X"}})",
          R"({"host":"a.example.com","auth":{"type":"custom"}})",
          R"({"host":"a.example.com","auth":{"type":"custom","headers":{}}})",
          R"({"host":"a.example.com","auth":{"type":"custom","headers":{"X":1}}})",
          R"({"host":"a.example.com","auth":{"type":"passthrough"},"enabled":"yes"})",
          R"({"host":"a.example.com","auth":{"type":"passthrough"},"enabled":1})",
          R"({"host":"a.example.com","auth":{"type":"passthrough"},"methods":"GET"})",
          R"({"host":"a.example.com","auth":{"type":"passthrough"},"methods":[1]})",
          R"({"host":"a.example.com","auth":{"type":"passthrough"},"env":["K"]})",
          R"({"host":"a.example.com","auth":{"type":"bearer","token":"K"},"env":{"A":1}})",
          R"({"host":"a.example.com","auth":{"type":"passthrough"},"substitutions":{}})",
          R"({"host":"a.example.com","auth":{"type":"passthrough"},"substitutions":[1]})",
          R"({"host":"a.example.com","auth":{"type":"passthrough"},"name":"No Slug"})",
      }) {
    CAPTURE(bad);
    CHECK_FALSE(json_problem(bad).empty());
  }
  const auto count = [](std::string_view value) {
    return json_problem(R"({"host":"a.example.com","auth":{"type":"passthrough"},"substitutions":)"
                        R"([{"key":"K","placeholder":"__K__","max_count":)" +
                        std::string(value) + "}]}");
  };
  CHECK(count("0").empty());
  CHECK(count("4294967295").empty());
  for (const std::string_view bad : {"-1", "1.5", "4294967296", "\"1\"", "true", "1e3"}) {
    CHECK_FALSE(count(bad).empty());
  }
  const auto places = [](std::string_view value) {
    return json_problem(R"({"host":"a.example.com","auth":{"type":"passthrough"},"substitutions":)"
                        R"([{"key":"K","placeholder":"__K__","in":)" +
                        std::string(value) + "}]}");
  };
  CHECK(places(R"(["path"])").empty());
  CHECK_FALSE(places("[]").empty());
  CHECK_FALSE(places(R"("path")").empty());
  CHECK_FALSE(places(R"(["headers"])").empty());
}

TEST_CASE("codec: errors in JSON say where", "[vault][codec]") {
  CHECK(json_problem("{\n  \"host\": nope\n}").find("line 2, column ") == 0);
  CHECK(json_problem("{\n \"host\": \"a.example.com\",\n \"auth\": {\"type\": 5}}") ==
        "line 3, column 11: \"type\" must be a string");
  CHECK(json_problem("{\"host\": \"\xc3\xa9\"").find("line 1, column ") == 0);
  CHECK(file_problem(R"({"services": [{"host": "a.example.com", "auth": {"type": "passthrough"}},
    {"host": "com", "auth": {"type": "passthrough"}}]})")
            .find("line 2, column 6: host pattern \"com\" has only one label") == 0);
}

TEST_CASE("codec: errors in JSON never repeat what was read", "[vault][codec]") {
  CHECK(json_problem("{\"token\": sk-live-0123456789}").find("sk-live") == std::string::npos);
}

TEST_CASE("codec: errors in TOML say where and show the line", "[vault][codec]") {
  CHECK(file_problem("[[services]]\nhost = \"a.example.com\"\n"
                     "auth = { type = \"passthrough\" }\nmethds = [\"GET\"]\n") ==
        "line 4, column 1: unknown field \"methds\"\n"
        "  methds = [\"GET\"]\n"
        "  ^");
  CHECK(file_problem("[[services]]\nhost = \"a.example.com\"\nauth = { typ = \"x\" }\n")
            .find("line 3, column ") == 0);
  const std::string syntax = file_problem("[[services]]\nhost = \n");
  CHECK(syntax.find("line 2, column ") == 0);
  CHECK(syntax.find("\n  host = \n") != std::string::npos);
}

TEST_CASE("codec: a file may be an object, a list, one service or TOML", "[vault][codec]") {
  const std::string one = R"({"host":"a.example.com","auth":{"type":"passthrough"}})";
  CHECK(read_all(one).size() == 1);
  CHECK(read_all("[" + one + "]").size() == 1);
  CHECK(read_all(" [\n" + one + "]").size() == 1);
  CHECK(read_all("{\"services\":[" + one + "]}").size() == 1);
  CHECK(read_all("[]").empty());
  CHECK(read_all("{\"services\":[]}").empty());
  CHECK(read_all("services = []").empty());
  CHECK(read_all("# none\nservices = []").empty());
  CHECK(read_all("host = \"a.example.com\"\nauth = { type = \"passthrough\" }").size() == 1);
  CHECK(read_all("[[services]]\nhost = \"a.example.com\"\n[services.auth]\ntype = \"passthrough\"")
            .size() == 1);
  CHECK(read_all("\xef\xbb\xbf[[services]]\nhost=\"a.example.com\"\nauth={type=\"passthrough\"}")
            .size() == 1);
}

TEST_CASE("codec: a file that names no services does not clear them", "[vault][codec]") {
  for (const std::string_view bad : {"", " \n", "# only a comment\n", "{}", "[service]\nhost=\"x\"",
                                     "service = []", "services = {}", "{\"services\":{}}",
                                     "{\"services\":[],\"vault\":\"x\"}", "[1]", "[[1]]", "["}) {
    CAPTURE(bad);
    CHECK_FALSE(file_problem(bad).empty());
  }
}

TEST_CASE("codec: two services of one name are refused", "[vault][codec]") {
  const std::string one = R"({"host":"a.example.com","auth":{"type":"passthrough"}})";
  CHECK(file_problem("[" + one + "," + one + "]").find("two services are named") !=
        std::string::npos);
}

TEST_CASE("codec: hostile nesting is refused without harm", "[vault][codec]") {
  CHECK_FALSE(json_problem(std::string(1000000, '[')).empty());
  CHECK_FALSE(
      json_problem("{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}").empty());
  CHECK_FALSE(file_problem("a = " + std::string(100000, '[')).empty());
  CHECK_FALSE(file_problem("a" +
                           [] {
                             std::string keys;
                             for (int i = 0; i < 5000; ++i) {
                               keys += ".a";
                             }
                             return keys;
                           }() +
                           " = 1")
                  .empty());
  CHECK_FALSE(file_problem(std::string(17U << 20U, ' ') + "{}").empty());
}

TEST_CASE("codec: refuses TLS settings that cannot work or would expose a key", "[vault][codec]") {
  const auto refused = [](const std::string& tls) {
    const auto s = service_from_json(
        R"({"host": "a.test", "auth": {"type": "passthrough"}, "tls": )" + tls + "}");
    REQUIRE_FALSE(s);
    return s.error().message;
  };
  CHECK_THAT(refused(R"({"key": "K"})"), Catch::Contains("without a certificate"));
  CHECK_THAT(refused(R"({"certificate": "lower case"})"), Catch::Contains("credential name"));
  CHECK_THAT(refused(R"({"ca": "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----"})"),
             Catch::Contains("private key"));
  CHECK_THAT(refused(R"({"ca": "/etc/ssl/certs/ca.pem"})"), Catch::Contains("not a PEM"));
  CHECK_THAT(refused(R"({"cert": "K"})"), Catch::Contains("unknown field"));
}
