#include "proxy/egress_proxy.h"

#include <catch2/catch.hpp>

using av::Secret;
using av::proxy::EgressOptions;
using av::proxy::EgressProxy;
using av::proxy::NoProxyList;
using av::vault::Authority;
using av::vault::Scheme;

namespace {

std::string shown(const Secret& secret) {
  return secret.reveal([](std::string_view bytes) { return std::string(bytes); });
}

}  // namespace

TEST_CASE("egress proxy: URLs as HTTPS_PROXY has them", "[proxy][egress]") {
  struct Case {
    const char* url;
    EgressProxy::Kind kind;
    const char* label;
    const char* user;
    const char* password;
  };
  using Kind = EgressProxy::Kind;
  for (const Case& c : {
           Case{"http://Proxy.Example:3128", Kind::kHttp, "http://proxy.example:3128", "", ""},
           Case{"http://proxy.example/", Kind::kHttp, "http://proxy.example:80", "", ""},
           Case{"proxy.example:8080", Kind::kHttp, "http://proxy.example:8080", "", ""},
           Case{"HTTPS://proxy.example", Kind::kHttps, "https://proxy.example:443", "", ""},
           Case{"socks5://10.0.0.1", Kind::kSocks5, "socks5://10.0.0.1:1080", "", ""},
           Case{"socks5h://[::1]:9050", Kind::kSocks5Remote, "socks5h://[::1]:9050", "", ""},
           Case{"http://u:p@proxy.example:1", Kind::kHttp, "http://proxy.example:1", "u", "p"},
           Case{"http://u@proxy.example:1", Kind::kHttp, "http://proxy.example:1", "u", ""},
           Case{"http://u:p%40ss%2Fw@proxy.example:1", Kind::kHttp, "http://proxy.example:1", "u",
                "p@ss/w"},
           Case{"http://u:p@ss:w@proxy.example:1", Kind::kHttp, "http://proxy.example:1", "u",
                "p@ss:w"},
       }) {
    INFO(c.url);
    const auto proxy = EgressProxy::parse(c.url);
    REQUIRE(proxy);
    CHECK(proxy->kind() == c.kind);
    CHECK(proxy->label() == c.label);
    CHECK(shown(proxy->user()) == c.user);
    CHECK(shown(proxy->password()) == c.password);
    CHECK(proxy->has_credentials() == (*c.user != '\0'));
  }
  CHECK(EgressProxy::parse("socks5h://a")->looks_up_names());
  CHECK_FALSE(EgressProxy::parse("socks5://a")->looks_up_names());
}

TEST_CASE("egress proxy: what cannot be used is refused without being quoted", "[proxy][egress]") {
  for (const std::string& url :
       {std::string("ftp://s3cret@proxy"), std::string("socks4://s3cret@proxy"),
        std::string("http://u:s3cret@"), std::string("http://u:s3cret@proxy/path"),
        std::string("http://u:s3cret@proxy:0"), std::string("http://u:s3cret@proxy:70000"),
        std::string("http://u:s3cret@pro xy"), std::string("http://u:s3cret%0d%0aX-A:1@proxy"),
        std::string("http://u:s3cret%@proxy"), std::string("http://u:s3cret%4@proxy"),
        std::string("http://s3%3Acret:p@proxy"), std::string("socks5://:s3cret@proxy"),
        "socks5://u:s3cret" + std::string(256, 'x') + "@proxy", std::string("http://"),
        std::string(""), "http://s3cret" + std::string(5000, 'x')}) {
    INFO(url);
    auto proxy = EgressProxy::parse(url);
    REQUIRE_FALSE(proxy);
    CHECK(proxy.error().message.find("s3") == std::string::npos);
    CHECK(proxy.error().hint.find("s3cret") == std::string::npos);
  }
}

TEST_CASE("egress proxy: NO_PROXY covers hosts and what is below, addresses, ranges, ports",
          "[proxy][egress]") {
  const NoProxyList list(
      "example.com, .dot.test *.star.test\t10.0.0.0/8,192.0.2.7,::1,fd00::/8,port.test:8443,"
      "198.51.100.1:80,[2001:db8::1]:443,not a host!,:,,UPPER.Test,Bad_Name");
  for (const Authority& target :
       {Authority{"example.com", 443}, Authority{"a.b.example.com", 1}, Authority{"dot.test", 443},
        Authority{"x.dot.test", 443}, Authority{"x.star.test", 443}, Authority{"10.1.2.3", 443},
        Authority{"192.0.2.7", 443}, Authority{"[::1]", 443}, Authority{"[fd12::1]", 443},
        Authority{"port.test", 8443}, Authority{"198.51.100.1", 80},
        Authority{"[2001:db8::1]", 443}, Authority{"upper.test", 443}}) {
    INFO(target.host << ' ' << target.port);
    CHECK(list.matches(target));
  }
  for (const Authority& target :
       {Authority{"badexample.com", 443}, Authority{"example.com.evil.test", 443},
        Authority{"com", 443}, Authority{"11.0.0.1", 443}, Authority{"192.0.2.8", 443},
        Authority{"port.test", 443}, Authority{"198.51.100.1", 443}, Authority{"[2001:db8::1]", 80},
        Authority{"other.test", 443}}) {
    INFO(target.host << ' ' << target.port);
    CHECK_FALSE(list.matches(target));
  }
  CHECK(NoProxyList("*").matches(Authority{"anything.test", 1}));
  CHECK_FALSE(NoProxyList("").matches(Authority{"anything.test", 1}));
}

TEST_CASE("egress proxy: each scheme has its own, and this machine none", "[proxy][egress]") {
  EgressOptions options;
  options.https = std::make_shared<const EgressProxy>(*EgressProxy::parse("http://a:1"));
  options.no_proxy = NoProxyList("direct.test");
  CHECK(options.proxy_for(Scheme::kHttps, {"api.test", 443}) == options.https.get());
  CHECK(options.proxy_for(Scheme::kHttp, {"api.test", 80}) == nullptr);
  CHECK(options.proxy_for(Scheme::kHttps, {"direct.test", 443}) == nullptr);
  for (const char* const host : {"localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]"}) {
    INFO(host);
    CHECK(options.proxy_for(Scheme::kHttps, {host, 443}) == nullptr);
  }
  CHECK(options.proxy_for(Scheme::kHttps, {"10.0.0.1", 443}) != nullptr);
}
