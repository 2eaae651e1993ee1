// Which requests a rule matches: each field, and every way in which a server may read a path.

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "rule_fixture.h"

using namespace av::vault;
using namespace av::test;

namespace {

constexpr auto kBlock = RuleAction::kBlock;
constexpr auto kAllow = RuleAction::kAllow;

struct Case {
  std::string pattern;
  std::string url;
  bool blocked;
  bool allowed;
};

void check(const std::vector<Case>& cases) {
  for (const Case& each : cases) {
    CAPTURE(each.pattern, each.url);
    CHECK(matches(rule_for(kBlock, each.pattern), "GET " + each.url) == each.blocked);
    CHECK(matches(rule_for(kAllow, each.pattern), "GET " + each.url) == each.allowed);
  }
}

}  // namespace

TEST_CASE("rules: hosts are exact, one label deep, any depth, or any", "[vault][rules]") {
  check({
      {"api.example.com", "https://api.example.com/", true, true},
      {"api.example.com", "https://API.Example.COM./", true, true},
      {"api.example.com", "https://x.api.example.com/", false, false},
      {"api.example.com", "https://api.example.com.evil.test/", false, false},
      {"api.example.com", "https://xapi.example.com/", false, false},
      {"*.example.com", "https://api.example.com/", true, true},
      {"*.example.com", "https://example.com/", false, false},
      {"*.example.com", "https://a.b.example.com/", false, false},
      {"*.example.com", "https://evilexample.com/", false, false},
      {"**.example.com", "https://api.example.com/", true, true},
      {"**.example.com", "https://a.b.c.example.com/", true, true},
      {"**.example.com", "https://example.com/", false, false},
      {"**.example.com", "https://evilexample.com/", false, false},
      {"**.example.com", "https://example.com.evil.test/", false, false},
      {"*", "https://anything.test/", true, true},
      {"*", "https://192.0.2.1/", true, true},
      {"*", "https://[2001:db8::1]/", true, true},
      {"/v1/*", "https://anything.test/v1/x", true, true},
      {"/v1/*", "https://anything.test/v2/x", false, false},
      {"*/v1", "https://anything.test/v1", true, true},
      {"192.0.2.1", "https://192.0.2.1/", true, true},
      {"192.0.2.1", "https://192.0.2.2/", false, false},
      {"[2001:db8::1]", "https://[2001:DB8:0::1]/", true, true},
      {"localhost", "https://localhost/", true, true},
  });
}

TEST_CASE(
    "rules: without a port a restriction covers all ports and schemes, a permission none "
    "but the scheme's own",
    "[vault][rules]") {
  check({
      {"a.test", "https://a.test/", true, true},
      {"a.test", "http://a.test/", true, true},
      {"a.test", "https://a.test:8443/", true, false},
      {"a.test", "http://a.test:443/", true, false},
      {"a.test:443", "https://a.test/", true, true},
      {"a.test:443", "http://a.test:443/", true, true},
      {"a.test:443", "http://a.test/", false, false},
      {"a.test:8443", "https://a.test:8443/", true, true},
      {"a.test:8443", "https://a.test/", false, false},
  });
}

TEST_CASE("rules: paths are prefixes, exact, or have stars", "[vault][rules]") {
  check({
      {"a.test", "https://a.test/any/thing", true, true},
      {"a.test/x", "https://a.test/x", true, true},
      {"a.test/x", "https://a.test/x/y", false, false},
      {"a.test/x", "https://a.test/xy", false, false},
      {"a.test/x", "https://a.test/", false, false},
      {"a.test/x", "https://a.test/x?q=/y", true, true},
      {"a.test/x/*", "https://a.test/x", true, true},
      {"a.test/x/*", "https://a.test/x/y/z", true, true},
      {"a.test/x/*", "https://a.test/xy", false, false},
      {"a.test/x*", "https://a.test/xy", true, true},
      {"a.test/repos/*/keys", "https://a.test/repos/me/it/keys", true, true},
      {"a.test/repos/*/keys", "https://a.test/repos/me/it/keys/1", false, false},
      {"a.test/repos/*/keys/*", "https://a.test/repos/me/it/keys/1", true, true},
      {"a.test/*.json", "https://a.test/deep/x.json", true, true},
  });
}

TEST_CASE(
    "rules: a restriction reads a path in every way in which a server might, a permission in "
    "one",
    "[vault][rules][security]") {
  check({
      // case
      {"a.test/admin", "https://a.test/Admin", true, false},
      {"a.test/Admin", "https://a.test/admin", true, false},
      {"a.test/ADMIN/*", "https://a.test/aDmin/x", true, false},
      // a slash at the end
      {"a.test/x", "https://a.test/x/", true, false},
      {"a.test/x/", "https://a.test/x", true, false},
      {"a.test/x/", "https://a.test/x/", true, true},
      {"a.test/x", "https://a.test/x//", true, false},
      // ";parameters"
      {"a.test/admin", "https://a.test/admin;v=1", true, false},
      {"a.test/admin/x", "https://a.test/admin;a/x;b", true, false},
      {"a.test/admin", "https://a.test/admin%3Bv=1", true, false},
      {"a.test/pub/*", "https://a.test/pub;x/y", true, false},
      {"a.test/m;v=1/y", "https://a.test/m;v=1/y", true, true},
      // slashes merged, and not
      {"a.test/admin/x", "https://a.test/admin//x", true, false},
      {"a.test/admin/x", "https://a.test/admin///x", true, false},
      {"a.test/a/*/b", "https://a.test/a//b", true, false},
      {"a.test/a//b", "https://a.test/a//b", true, true},
      {"a.test/a//b", "https://a.test/a/b", true, false},
      // %2F as a slash
      {"a.test/admin/x", "https://a.test/admin%2Fx", true, false},
      {"a.test/admin/x", "https://a.test/admin%2fx", true, false},
      {"a.test/p/g%2Fx", "https://a.test/p/g%2fx", true, true},
      {"a.test/p/g%2Fx", "https://a.test/p/g/x", true, false},
      {"a.test/admin", "https://a.test/admin%2F", true, false},
      {"a.test/a/q/b", "https://a.test/a;p%2Fq/b", true, false},
      {"a.test/a/b", "https://a.test/a;p%2Fq/b", true, false},
      // escapes of characters that may stand as they are
      {"a.test/m:delete", "https://a.test/m%3Adelete", true, false},
      {"a.test/m:delete", "https://a.test/m%3adelete", true, false},
      {"a.test/m%3Adelete", "https://a.test/m:delete", true, false},
      {"a.test/users/@me", "https://a.test/users/%40me", true, false},
      {"a.test/users/@me", "https://a.test/users/%40ME", true, false},
      {"a.test/admin", "https://a.test/%61dmin", true, true},  // one spelling since canonical form
      // more than one layer of them
      {"a.test/admin", "https://a.test/%2561dmin", true, false},
      {"a.test/admin", "https://a.test/%252561dmin", true, false},
      {"a.test/admin/x", "https://a.test/admin%252Fx", true, false},
      {"a.test/100%25", "https://a.test/100%25", true, true},
      {"a.test/100%25", "https://a.test/100%2525", true, false},
      // ASCII in two bytes
      {"a.test/admin", "https://a.test/%C1%A1dmin", true, false},
      {"a.test/admin/x", "https://a.test/admin%C0%AFx", true, false},
      // dots are resolved before
      {"a.test/admin", "https://a.test/x/../admin", true, true},
      {"a.test/admin", "https://a.test/x/%2e%2E/admin", true, true},
      // and what is another path under every reading
      {"a.test/admin", "https://a.test/administrator", false, false},
      {"a.test/admin", "https://a.test/x/admin", false, false},
      {"a.test/admin", "https://a.test/;admin", false, false},
      {"a.test/dir/*/", "https://a.test/dir", false, false},
      {"a.test/caf%C3%A9", "https://a.test/caf%c3%a9", true, true},
  });
}

TEST_CASE("rules: a restriction holds in the readings of old decoders and of Windows",
          "[vault][rules][security][attack]") {
  check({
      // "/" and letters in more bytes than they have
      {"a.test/admin/keys", "https://a.test/admin%C0%AFkeys", true, false},
      {"a.test/admin/keys", "https://a.test/admin%E0%80%AFkeys", true, false},
      {"a.test/admin/keys", "https://a.test/admin%F0%80%80%AFkeys", true, false},
      {"a.test/admin/keys", "https://a.test/admin%F8%80%80%80%AFkeys", true, false},
      {"a.test/admin/keys", "https://a.test/admin%FC%80%80%80%80%AFkeys", true, false},
      {"a.test/admin/keys", "https://a.test/admin/%E0%81%ABeys", true, false},
      {"a.test/admin/keys", "https://a.test/admin/%25E0%2581%25ABeys", true, false},
      {"a.test/admin/keys", "https://a.test/%E0%81%81dmin/keys", true, false},
      // characters that are meant
      {"a.test/admin/keys", "https://a.test/admin/%E0%A0%80eys", false, false},
      {"a.test/caf%C3%A9", "https://a.test/caf%C3%A9", true, true},
      {"a.test/%E2%82%AC", "https://a.test/%E2%82%AC", true, true},
      // dots and blanks at the end of a segment
      {"a.test/admin/keys", "https://a.test/admin/keys.", true, false},
      {"a.test/admin/keys", "https://a.test/admin./keys", true, false},
      {"a.test/admin/keys", "https://a.test/admin/keys%20", true, false},
      {"a.test/admin/keys", "https://a.test/admin%20.%20/keys...", true, false},
      {"a.test/admin/keys", "https://a.test/Admin.//keys%20/", true, false},
      {"a.test/files/a.b", "https://a.test/files/a.b", true, true},
      {"a.test/admin/keys", "https://a.test/admin/keys.x", false, false},
      {"a.test/admin/keys", "https://a.test/admin/.keys", false, false},
      // what follows an escaped "?" or "#", or ";"
      {"a.test/admin/keys", "https://a.test/admin/keys%3Fx", true, false},
      {"a.test/admin/keys", "https://a.test/admin/keys%23x", true, false},
      {"a.test/admin/keys", "https://a.test/admin/keys%3Bx", true, false},
      {"a.test/admin/keys", "https://a.test/admin/keys%253Fx/y", true, false},
      {"a.test/admin/keys", "https://a.test/admin/keys.%3Fx", true, false},
      {"a.test/admin/keys", "https://a.test/admin/x%3F/keys", false, false},
  });
}

TEST_CASE("rules: a method that the query puts in place of the request's counts too",
          "[vault][rules][security][attack]") {
  const Rule block = rule(R"(action = "block"; host = "a.test"; methods = ["DELETE"])");
  for (const char* const query :
       {"_method=DELETE", "_method=delete", "_METHOD=DELETE", "x=1&_method=DELETE",
        "x=1;_method=DELETE", "_method=%44ELETE", "%5Fmethod=DELETE", "%5fMetho%64=delete",
        ".method=DELETE", "+_method=DELETE", "_method=GET&_method=DELETE", "_method=%20DELETE%20",
        "X-HTTP-Method-Override=DELETE", "x_http_method_override=DELETE", "$httpMethod=DELETE",
        "_method=A&_method=B&_method=C&_method=D&_method=E&_method=F&_method=G&_method=H&"
        "_method=DELETE"}) {
    CAPTURE(query);
    CHECK(matches(block, "POST https://a.test/x?" + std::string(query)));
  }
  for (const char* const query : {"method=DELETE", "_method=PATCH", "_methods=DELETE", "q=_method",
                                  "q=DELETE", "payment_method=DELETE", "_method", "_method="}) {
    CAPTURE(query);
    CHECK_FALSE(matches(block, "POST https://a.test/x?" + std::string(query)));
  }
  // One that allows must list all of them.
  const Rule allow = rule(R"(action = "allow"; host = "a.test"; methods = ["POST"])");
  CHECK(matches(allow, "POST https://a.test/x?q=1"));
  CHECK_FALSE(matches(allow, "POST https://a.test/x?_method=DELETE"));
}

TEST_CASE("rules: a form is asked for the method that it puts in place of POST",
          "[vault][rules][security][attack]") {
  const Rule block = rule(R"(action = "block"; host = "a.test"; methods = ["DELETE"])");
  const RuleSet rules({block});
  RequestIdentity post = request("POST https://a.test/x");
  post.form = true;
  CHECK(rules.find(post, "", nullptr).needs_body);
  const auto blocked = [&](std::string_view body, BodyView::State state = BodyView::State::kWhole) {
    BodyView view;
    view.state = state;
    view.bytes = body;
    const auto found = rules.find(post, "", &view);
    CHECK(found.block == (rules.matching(post, "", &view).empty() ? nullptr : found.block));
    return found.block != nullptr;
  };
  const auto part = [](const std::string& head, const std::string& value) {
    return "--b\r\n" + head + "\r\n\r\n" + value + "\r\n--b--\r\n";
  };
  CHECK(blocked("a=1&_method=DELETE"));
  CHECK(blocked("_method=delete\r\n"));
  CHECK(blocked("_method=DELETE&x=\r\nContent-Type: text/plain\r\n\r\n"));
  CHECK(blocked(part("Content-Disposition: form-data; name=\"_method\"", "DELETE")));
  CHECK(blocked(part("content-disposition:form-data;name=_method", "delete")));
  CHECK(blocked(part("Content-Disposition: form-data; name=\"_me\\thod\"", "DELETE")));
  CHECK(blocked(part("Content-Disposition: form-data;\r\n name=\"_method\"", "DELETE")));
  CHECK(blocked(part("Content-Disposition: form-data; name*=utf-8''%5Fmethod", "DELETE")));
  CHECK(
      blocked(part("Content-Type: text/plain\r\nContent-Disposition: form-data; "
                   "name=\"_method\"",
                   "DELETE")));
  CHECK(
      blocked(part("Content-Disposition: form-data; name=\"_method\"\r\n"
                   "Content-Transfer-Encoding: base64",
                   "REVMRVRF")));
  CHECK(blocked("", BodyView::State::kUnreadable));
  CHECK_FALSE(blocked("a=1&method=DELETE"));
  CHECK_FALSE(blocked("_method=PUT"));
  CHECK_FALSE(blocked(part("Content-Disposition: form-data; name=\"payment_method\"", "DELETE")));
  CHECK_FALSE(blocked(
      part("Content-Disposition: form-data; name=\"file\"; filename=\"_method\"", "DELETE")));
  CHECK_FALSE(
      blocked(part("Content-Disposition: form-data; name=\"text\"", "_method=DELETE, DELETE")));
  // What is no form is not read for it, nor where no other method matters.
  RequestIdentity json = request("POST https://a.test/x");
  CHECK_FALSE(rules.find(json, "", nullptr).needs_body);
  const RuleSet any(
      {rule(R"(action = "rate_limit"; host = "a.test"; limit = 5; window = "minute")")});
  CHECK_FALSE(any.find(post, "", nullptr).needs_body);
}

TEST_CASE("rules: no path has more than 128 readings, and most have one", "[vault][rules]") {
  CHECK(path_readings("/v1/items/7") == std::vector<std::string>{"/v1/items/7"});
  CHECK(path_readings("/V1/Items") == std::vector<std::string>{"/v1/items"});
  CHECK(path_readings("*") == std::vector<std::string>{"*"});
  CHECK(path_readings("/a/") == std::vector<std::string>{"/a/", "/a"});
  CHECK(path_readings("/") == std::vector<std::string>{"/"});
  const auto target = canonical_target("/a;b%2Fc//d%252Fe;f/%3Bg%2F/;//");
  REQUIRE(target);
  const auto readings = path_readings(target->path);
  CHECK(readings.size() > 8);
  CHECK(readings.size() <= 128);
  CHECK(path_readings("/v1/items.json") == std::vector<std::string>{"/v1/items.json"});
  const auto worst = canonical_target("/a.;b%2Fc//d%252Fe;f/%3Bg%2F/;//%3Fx%20/y");
  REQUIRE(worst);
  CHECK(path_readings(worst->path).size() <= 128);
}

TEST_CASE("rules: GET covers HEAD where it restricts, and methods have no case there",
          "[vault][rules]") {
  const Rule block = rule(R"(action = "block"; host = "a.test"; methods = ["get", "DELETE"])");
  const Rule allow = rule(R"(action = "allow"; host = "a.test"; methods = ["GET", "DELETE"])");
  CHECK(block.methods == std::vector<std::string>{"GET", "DELETE"});
  for (const std::string method : {"GET", "DELETE"}) {
    CHECK(matches(block, method + " https://a.test/"));
    CHECK(matches(allow, method + " https://a.test/"));
  }
  CHECK(matches(block, "HEAD https://a.test/"));
  CHECK_FALSE(matches(allow, "HEAD https://a.test/"));
  CHECK_FALSE(matches(block, "POST https://a.test/"));
  RequestIdentity lower = request("DELETE https://a.test/");
  lower.method = "delete";
  CHECK(RuleSet({block}).find(lower, "", nullptr).block != nullptr);
  CHECK(RuleSet({allow}).find(lower, "", nullptr).allow == nullptr);
  CHECK(matches(rule(R"(action = "block"; host = "a.test"; method = "PROPFIND")"),
                "PROPFIND https://a.test/"));
}

TEST_CASE("rules: agents are named, or all", "[vault][rules]") {
  const Rule all = rule_for(kBlock, "a.test");
  const Rule two = rule(R"(action = "block"; host = "a.test"; agents = ["claude", "codex"])");
  for (const std::string agent : {"claude", "codex"}) {
    CHECK(matches(all, "GET https://a.test/", agent));
    CHECK(matches(two, "GET https://a.test/", agent));
  }
  CHECK(matches(all, "GET https://a.test/"));
  CHECK_FALSE(matches(two, "GET https://a.test/"));
  CHECK_FALSE(matches(two, "GET https://a.test/", "gemini"));
  CHECK_FALSE(matches(two, "GET https://a.test/", "claud"));
}

TEST_CASE("rules: a disabled one does nothing", "[vault][rules]") {
  CHECK_FALSE(matches(rule(R"(action = "block"; host = "a.test"; enabled = false)"),
                      "GET https://a.test/"));
  CHECK(RuleSet({rule(R"(action = "block"; enabled = false)")}).empty());
}
