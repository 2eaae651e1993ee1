#include "vault/service.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace av::vault;

namespace {

Service valid() {
  Service service;
  service.name = "example";
  service.host = "api.example.com";
  service.auth = BearerAuth{"TOKEN"};
  return service;
}

std::string problem(const Service& service) {
  const auto checked = check_service(service);
  return checked ? "" : checked.error().message;
}

Service with_auth(AuthScheme auth) {
  Service service = valid();
  service.auth = std::move(auth);
  return service;
}

CustomAuth custom(std::string name, std::string source) {
  return CustomAuth{{parse_header_template(std::move(name), std::move(source)).value()}};
}

Service with_placeholder(std::string text) {
  Service service = valid();
  service.substitutions = {Substitution{"TOKEN", std::move(text)}};
  return service;
}

}  // namespace

TEST_CASE("matcher text: splits, canonical, and joins again", "[vault][service]") {
  struct Row {
    std::string text, host;
    int port;
    std::string path, joined;
  };
  const std::vector<Row> rows = {
      {"api.example.com", "api.example.com", 0, "", "api.example.com"},
      {"API.Example.com.", "api.example.com", 0, "", "api.example.com"},
      {"api.example.com:8443/v1/*", "api.example.com", 8443, "/v1/*", "api.example.com:8443/v1/*"},
      {"*.Example.com/x", "*.example.com", 0, "/x", "*.example.com/x"},
      {"*.example.com:443", "*.example.com", 443, "", "*.example.com:443"},
      {"[::1]:3000/a", "[::1]", 3000, "/a", "[::1]:3000/a"},
      {"[2001:DB8::1]", "[2001:db8::1]", 0, "", "[2001:db8::1]"},
      {"127.0.0.1:80", "127.0.0.1", 80, "", "127.0.0.1:80"},
      {"localhost:8080/", "localhost", 8080, "/", "localhost:8080/"}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    Service service = valid();
    REQUIRE(set_matcher_text(service, row.text));
    CHECK(service.host == row.host);
    CHECK(service.port == row.port);
    CHECK(service.path == row.path);
    CHECK(service.matcher_text() == row.joined);
    CHECK(problem(service).empty());
  }
}

TEST_CASE("matcher text: what is refused leaves the service as it was", "[vault][service]") {
  for (const std::string bad : {"",
                                "*",
                                "*.com",
                                "com",
                                "intranet",
                                "**.example.com",
                                "a.*.example.com",
                                "api.*",
                                "*example.com",
                                "*.*.example.com",
                                "*.127.0.0.1",
                                "*.[::1]",
                                "*.localhost",
                                "2130706433",
                                "api.example.com:0",
                                "api.example.com:",
                                "api.example.com:x/",
                                "https://api.example.com/v1",
                                "user@api.example.com",
                                "api.example.com/a?b",
                                "api.example.com/a**",
                                "api.example.com/a#b",
                                "api.example.com/a/../b",
                                "api.example.com/%7Ea",
                                "api.example.com/%2f",
                                "api.example.com//a",
                                "api.example.com/a b",
                                "api.example.com/..;/",
                                "exa mple.com",
                                "exämple.com",
                                "/v1",
                                "api.example.com/\n"}) {
    CAPTURE(bad);
    Service service = valid();
    const auto set = set_matcher_text(service, bad);
    CHECK_FALSE(set);
    CHECK(service.matcher_text() == "api.example.com");
  }
  Service service = valid();
  CHECK_FALSE(set_matcher_text(service, "api.example.com/" + std::string(256, 'a')));
  CHECK(set_matcher_text(service, "api.example.com/" + std::string(255, 'a')));
}

TEST_CASE("matcher text: the hint says what to write", "[vault][service]") {
  Service service = valid();
  const auto hint = [&](std::string_view text) {
    return set_matcher_text(service, text).error().hint;
  };
  CHECK(hint("https://api.example.com/v1").find("api.example.com/v1") != std::string::npos);
  CHECK(hint("api.example.com/a/../b") == "write /b");
  CHECK(hint("api.example.com/@s%2fp") == "write /@s%2Fp");
}

TEST_CASE("check_service: names, methods, shape", "[vault][service]") {
  CHECK(problem(valid()).empty());
  Service service = valid();
  service.name = "No";
  CHECK_FALSE(problem(service).empty());
  service = valid();
  service.host = "API.example.com";
  CHECK(problem(service).find("canonical") != std::string::npos);
  service = valid();
  service.methods = {"GET", "PATCH", "X-CUSTOM"};
  CHECK(problem(service).empty());
  for (const std::string bad : {"", "get", "GE T", "GET\r\n"}) {
    service.methods = {bad};
    CHECK_FALSE(problem(service).empty());
  }
  service.methods = {"GET", "GET"};
  CHECK(problem(service) == "method GET is given twice");
  service = valid();
  service.placeholder_shape = "sk-{4}";
  CHECK_FALSE(problem(service).empty());
}

TEST_CASE("check_service: bearer and basic", "[vault][service]") {
  CHECK_FALSE(problem(with_auth(BearerAuth{"token"})).empty());
  CHECK_FALSE(problem(with_auth(BearerAuth{""})).empty());
  CHECK(problem(with_auth(BasicAuth{"USER", "", "PASSWORD"})).empty());
  CHECK(problem(with_auth(BasicAuth{"USER", "", ""})).empty());
  CHECK(problem(with_auth(BasicAuth{"", "x-access-token", "PASSWORD"})).empty());
  CHECK_FALSE(problem(with_auth(BasicAuth{"", "", "PASSWORD"})).empty());
  CHECK_FALSE(problem(with_auth(BasicAuth{"USER", "literal", "PASSWORD"})).empty());
  CHECK_FALSE(problem(with_auth(BasicAuth{"", "a:b", "PASSWORD"})).empty());
  CHECK_FALSE(problem(with_auth(BasicAuth{"", "a\nb", "PASSWORD"})).empty());
  CHECK_FALSE(problem(with_auth(BasicAuth{"USER", "", "password"})).empty());
}

TEST_CASE("check_service: api-key in a header or in the query", "[vault][service]") {
  CHECK(problem(with_auth(ApiKeyAuth{"KEY", "X-Api-Key", "", ""})).empty());
  CHECK(problem(with_auth(ApiKeyAuth{"KEY", "Authorization", "Bot ", ""})).empty());
  CHECK(problem(with_auth(ApiKeyAuth{"KEY", "Authorization", "", "api_key"})).empty());
  CHECK_FALSE(problem(with_auth(ApiKeyAuth{"KEY", "X Api", "", ""})).empty());
  CHECK_FALSE(problem(with_auth(ApiKeyAuth{"KEY", "", "", ""})).empty());
  CHECK_FALSE(problem(with_auth(ApiKeyAuth{"KEY", "X-Key", "a\r\nb", ""})).empty());
  CHECK_FALSE(problem(with_auth(ApiKeyAuth{"KEY", "X-Key", "p ", "key"})).empty());
  CHECK_FALSE(problem(with_auth(ApiKeyAuth{"KEY", "X-Key", "", "a&b"})).empty());
}

TEST_CASE("check_service: fields that frame the message or steer the connection are refused",
          "[vault][service]") {
  for (const std::string name :
       {"Host", "content-length", "Transfer-Encoding", "CONNECTION", "Proxy-Authorization",
        "proxy-anything", "TE", "Trailer", "Upgrade", "Keep-Alive", "Expect"}) {
    CAPTURE(name);
    CHECK_FALSE(problem(with_auth(ApiKeyAuth{"KEY", name, "", ""})).empty());
    CHECK_FALSE(problem(with_auth(custom(name, "{{ KEY }}"))).empty());
  }
}

TEST_CASE("header template: literals and credentials", "[vault][service]") {
  const auto header = parse_header_template("Authorization", "Token token={{ A }};x={{B_2}}!");
  REQUIRE(header);
  REQUIRE(header->pieces.size() == 5);
  CHECK(header->pieces[0].text == "Token token=");
  CHECK(header->pieces[1].credential_key == "A");
  CHECK(header->pieces[2].text == ";x=");
  CHECK(header->pieces[3].credential_key == "B_2");
  CHECK(header->pieces[4].text == "!");
  CHECK(header->source == "Token token={{ A }};x={{B_2}}!");
  CHECK(parse_header_template("X", "").value().pieces.empty());
  CHECK(parse_header_template("X", "{{A}}{{B}}").value().pieces.size() == 2);
  CHECK(parse_header_template("X", "{\"a\":1}").value().pieces.size() == 1);
  for (const std::string bad : {"{{ A", "{{}}", "{{ }}", "{{ a }}", "{{ {{ A }} }}", "{{ A B }}",
                                "a\r\nX: {{ A }}", "caf\xc3\xa9 {{ A }}"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_header_template("X", bad));
  }
}

TEST_CASE("check_service: custom headers are named once and use a credential", "[vault][service]") {
  CHECK(problem(with_auth(custom("X-Key", "{{ KEY }}"))).empty());
  CHECK_FALSE(problem(with_auth(CustomAuth{})).empty());
  CHECK_FALSE(problem(with_auth(custom("X-Key", "literal"))).empty());
  CustomAuth twice = custom("X-Key", "{{ KEY }}");
  twice.headers.push_back(parse_header_template("x-key", "{{ KEY }}").value());
  CHECK_FALSE(problem(with_auth(twice)).empty());
  CustomAuth forged = custom("X-Key", "{{ KEY }}");
  forged.headers[0].pieces[0].credential_key = "OTHER";
  CHECK_FALSE(problem(with_auth(forged)).empty());
}

TEST_CASE("check_service: placeholders that cannot be mistaken for text", "[vault][service]") {
  for (const std::string good : {"__TOKEN__", "a-b1", "my.token", "AC__SID__", "~abc"}) {
    CAPTURE(good);
    CHECK(problem(with_placeholder(good)).empty());
  }
  for (const std::string bad : {"", "a-b", "token", "TOKEN_VALUE", "____", "-.~-", "__A B__",
                                "__A/B__", "{{TOKEN}}", "__\xc3\xa9__", "%41__B"}) {
    CAPTURE(bad);
    CHECK_FALSE(problem(with_placeholder(bad)).empty());
  }
  Service service = with_placeholder("__A__");
  service.substitutions.push_back(service.substitutions[0]);
  CHECK(problem(service).find("used twice") != std::string::npos);
  service.substitutions[1].placeholder = "x__A__y";
  CHECK(problem(service).find("contain one another") != std::string::npos);
  service.substitutions[1].placeholder = "__B__";
  CHECK(problem(service).empty());
  service.substitutions[1].surfaces = 0;
  CHECK_FALSE(problem(service).empty());
}

TEST_CASE("check_service: variables stand for credentials of the service", "[vault][service]") {
  Service service = valid();
  service.env = {{"MY_TOKEN", "TOKEN"}, {"_x1", "TOKEN"}};
  CHECK(problem(service).empty());
  service.env = {{"MY_TOKEN", "OTHER"}};
  CHECK(problem(service).find("OTHER") != std::string::npos);
  for (const std::string bad : {"", "1A", "A-B", "A=B", "PATH", "LD_PRELOAD", "HTTPS_PROXY",
                                "no_proxy", "AGENT_VAULT_TOKEN", "HOME"}) {
    CAPTURE(bad);
    service.env = {{bad, "TOKEN"}};
    CHECK_FALSE(problem(service).empty());
  }
}

TEST_CASE("credential keys: once each, in order of appearance", "[vault][service]") {
  Service service = with_auth(BasicAuth{"USER", "", "PASSWORD"});
  service.substitutions = {Substitution{"PASSWORD", "__P__"}, Substitution{"EXTRA", "__E__"}};
  CHECK(service.credential_keys() == std::vector<std::string>{"USER", "PASSWORD", "EXTRA"});
  CHECK(with_auth(PassthroughAuth{}).credential_keys().empty());
  CHECK(with_auth(custom("X", "{{ B }}{{ A }}{{ B }}")).credential_keys() ==
        std::vector<std::string>{"B", "A"});
  CHECK(with_auth(BasicAuth{"", "git", "P"}).credential_keys() == std::vector<std::string>{"P"});
}

TEST_CASE("auth type names are those of the service files", "[vault][service]") {
  CHECK(auth_type_name(BearerAuth{}) == "bearer");
  CHECK(auth_type_name(BasicAuth{}) == "basic");
  CHECK(auth_type_name(ApiKeyAuth{}) == "api-key");
  CHECK(auth_type_name(CustomAuth{}) == "custom");
  CHECK(auth_type_name(PassthroughAuth{}) == "passthrough");
}
