#include "vault/matcher.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <random>
#include <string>

using av::vault::Matcher;
using av::vault::path_matches;
using av::vault::RequestIdentity;
using av::vault::Scheme;
using av::vault::Service;

namespace {

Service service(std::string name, std::string_view pattern) {
  Service out;
  out.name = std::move(name);
  const auto set = av::vault::set_matcher_text(out, pattern);
  if (!set) {
    FAIL(set.error().message);
  }
  return out;
}

// "GET https://host/path"
RequestIdentity request(std::string_view url, std::string method = "GET") {
  RequestIdentity out;
  out.method = std::move(method);
  const std::size_t colon = url.find("://");
  out.scheme = url.substr(0, colon) == "http" ? Scheme::kHttp : Scheme::kHttps;
  url.remove_prefix(colon + 3);
  const std::size_t slash = url.find('/');
  out.authority =
      av::vault::parse_authority(url.substr(0, slash), av::vault::default_port(out.scheme)).value();
  out.target = av::vault::canonical_target(url.substr(slash)).value();
  return out;
}

std::string found(const Matcher& matcher, std::string_view url, std::string method = "GET") {
  const Service* service = matcher.find(request(url, std::move(method)));
  return service == nullptr ? "none" : service->name;
}

// The rules said again in the slowest way, as a judge of the fast one.
const Service* slow_find(const std::vector<Service>& services, const RequestIdentity& r) {
  const auto rank = [](const Service& s) {
    return std::make_tuple(
        s.host.substr(0, 2) != "*.", s.port != 0,
        s.path.find('*') == std::string::npos ? s.path.size() : s.path.find('*'));
  };
  const Service* best = nullptr;
  for (const Service& s : services) {
    const std::size_t dot = r.authority.host.find('.');
    const bool host = s.host == r.authority.host ||
                      (dot != std::string::npos && s.host == "*" + r.authority.host.substr(dot));
    const bool scheme = r.scheme == Scheme::kHttps || s.allow_http;
    const bool port = (s.port != 0                  ? s.port
                       : r.scheme == Scheme::kHttps ? 443
                                                    : 80) == r.authority.port;
    const bool method =
        s.methods.empty() || std::count(s.methods.begin(), s.methods.end(), r.method) != 0;
    if (host && scheme && port && method && path_matches(s.path, r.target.path) &&
        (best == nullptr || rank(s) > rank(*best))) {
      best = &s;
    }
  }
  return best;
}

}  // namespace

TEST_CASE("path_matches: what a pattern covers", "[vault][matcher]") {
  CHECK(path_matches("", "/"));
  CHECK(path_matches("", "*"));
  CHECK(path_matches("/x", "/x"));
  CHECK_FALSE(path_matches("/x", "/x/"));
  CHECK_FALSE(path_matches("/x", "/X"));
  CHECK(path_matches("/x/*", "/x"));
  CHECK(path_matches("/x/*", "/x/"));
  CHECK(path_matches("/x/*", "/x/y/z"));
  CHECK_FALSE(path_matches("/x/*", "/xy"));
  CHECK_FALSE(path_matches("/x/*", "/"));
  CHECK(path_matches("/x*", "/xy/z"));
  CHECK(path_matches("/*", "/"));
  CHECK_FALSE(path_matches("/*", "*"));
  CHECK(path_matches("/a/*/c", "/a/b/c"));
  CHECK(path_matches("/a/*/c", "/a/b/b/c"));
  CHECK_FALSE(path_matches("/a/*/c", "/a/c"));
  CHECK_FALSE(path_matches("/a/*/c", "/a/b/c/d"));
  CHECK(path_matches("/a/*/c/*", "/a/b/c"));
  CHECK(path_matches("/a*b*c", "/axxbyybzc"));
  CHECK_FALSE(path_matches("/a*b*c", "/axxbyyb"));
}

TEST_CASE("path_matches: a hostile pattern and path cost little", "[vault][matcher]") {
  std::string pattern = "/";
  for (int i = 0; i < 100; ++i) {
    pattern += "a*";
  }
  CHECK_FALSE(path_matches(pattern + "b", "/" + std::string(8000, 'a')));
}

TEST_CASE("matcher: exact host beats wildcard, a wildcard is one label", "[vault][matcher]") {
  const Matcher matcher({service("wild", "*.example.com"), service("exact", "api.example.com")});
  CHECK(found(matcher, "https://api.example.com/") == "exact");
  CHECK(found(matcher, "https://other.example.com/") == "wild");
  CHECK(found(matcher, "https://example.com/") == "none");
  CHECK(found(matcher, "https://a.b.example.com/") == "none");
  CHECK(found(matcher, "https://apiexample.com/") == "none");
}

TEST_CASE("matcher: longer path prefix beats shorter, explicit port beats none",
          "[vault][matcher]") {
  const Matcher matcher({service("all", "h.example.com"), service("v1", "h.example.com/v1/*"),
                         service("v1-chat", "h.example.com/v1/chat*"),
                         service("port", "h.example.com:443"),
                         service("other-port", "h.example.com:8443/v1/*")});
  CHECK(found(matcher, "https://h.example.com/v1/chat/x") == "port");
  CHECK(found(matcher, "https://h.example.com:8443/v1/chat") == "other-port");
  CHECK(found(matcher, "https://h.example.com:8443/v2") == "none");
  CHECK(found(matcher, "https://h.example.com:9000/v1/") == "none");
  const Matcher paths({service("all", "h.example.com"), service("v1", "h.example.com/v1/*"),
                       service("v1-chat", "h.example.com/v1/chat*")});
  CHECK(found(paths, "https://h.example.com/v1/chat/x") == "v1-chat");
  CHECK(found(paths, "https://h.example.com/v1") == "v1");
  CHECK(found(paths, "https://h.example.com/v1x") == "all");
}

TEST_CASE("matcher: of equals the first wins", "[vault][matcher]") {
  const Matcher matcher({service("first", "h.example.com/a/*"),
                         service("second", "h.example.com/a/*"),
                         service("third", "h.example.com/a/*b")});
  CHECK(found(matcher, "https://h.example.com/a/b") == "first");
}

TEST_CASE("matcher: without a port https on 443 only", "[vault][matcher]") {
  const Matcher matcher({service("plain", "h.example.com")});
  CHECK(found(matcher, "https://h.example.com/") == "plain");
  CHECK(found(matcher, "http://h.example.com/") == "none");
  CHECK(found(matcher, "http://h.example.com:443/") == "none");
  CHECK(found(matcher, "https://h.example.com:80/") == "none");
}

TEST_CASE("matcher: cleartext only where the service says so", "[vault][matcher]") {
  Service open = service("open", "h.example.com");
  open.allow_http = true;
  Service port = service("port", "p.example.com:8080");
  port.allow_http = true;
  const Matcher matcher({open, port, service("strict", "s.example.com:8080")});
  CHECK(found(matcher, "http://h.example.com/") == "open");
  CHECK(found(matcher, "https://h.example.com/") == "open");
  CHECK(found(matcher, "http://h.example.com:8080/") == "none");
  CHECK(found(matcher, "http://h.example.com:443/") == "none");
  CHECK(found(matcher, "http://p.example.com:8080/") == "port");
  CHECK(found(matcher, "https://p.example.com:8080/") == "port");
  CHECK(found(matcher, "http://p.example.com/") == "none");
  CHECK(found(matcher, "http://s.example.com:8080/") == "none");
  CHECK(found(matcher, "https://s.example.com:8080/") == "strict");
}

TEST_CASE("matcher: a service for other methods makes room for the next", "[vault][matcher]") {
  Service reader = service("reader", "h.example.com/v1/*");
  reader.methods = {"GET", "HEAD"};
  const Matcher matcher({reader, service("all", "h.example.com")});
  CHECK(found(matcher, "https://h.example.com/v1/x") == "reader");
  CHECK(found(matcher, "https://h.example.com/v1/x", "POST") == "all");
  CHECK(found(matcher, "https://h.example.com/v1/x", "get") == "all");
}

TEST_CASE("matcher: a disabled service still matches, so that it can be named",
          "[vault][matcher]") {
  Service off = service("off", "h.example.com/v1/*");
  off.enabled = false;
  const Matcher matcher({off, service("all", "h.example.com")});
  CHECK(found(matcher, "https://h.example.com/v1/x") == "off");
}

TEST_CASE("matcher: addresses match as they stand and no wildcard takes them", "[vault][matcher]") {
  const Matcher matcher({service("v4", "192.0.2.1"), service("v6", "[2001:db8::1]:8443"),
                         service("local", "localhost:3000")});
  CHECK(found(matcher, "https://192.0.2.1/") == "v4");
  CHECK(found(matcher, "https://[2001:DB8::1]:8443/") == "v6");
  CHECK(found(matcher, "https://localhost:3000/") == "local");
  CHECK(found(matcher, "https://192.0.2.2/") == "none");
}

TEST_CASE("matcher: agrees with the plain reading of the rules", "[vault][matcher][property]") {
  std::mt19937 random(3);
  const auto pick = [&](std::initializer_list<const char*> from) {
    return std::string(*(from.begin() + random() % from.size()));
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<Service> services;
    // Hosts with few services and hosts with many are looked through in different ways.
    const std::size_t count = random() % (round % 2 == 0 ? 12 : 80);
    for (std::size_t i = 0; i < count; ++i) {
      Service s =
          service("s" + std::to_string(i),
                  pick({"a.x.com", "b.x.com", "*.x.com", "x.com"}) + pick({"", "", ":443", ":80"}) +
                      pick({"", "/*", "/a", "/a/*", "/a*", "/a/b", "/a/b/*", "/*/b", "/a/*b"}));
      s.allow_http = random() % 3 == 0;
      if (random() % 4 == 0) {
        s.methods = {pick({"GET", "POST"})};
      }
      services.push_back(s);
    }
    const Matcher matcher(services);
    for (int i = 0; i < 30; ++i) {
      const RequestIdentity r =
          request(pick({"http://", "https://"}) + pick({"a.x.com", "b.x.com", "c.x.com", "x.com"}) +
                      pick({"", "", ":443", ":80", ":1"}) +
                      pick({"/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/c/b"}),
                  pick({"GET", "POST"}));
      const Service* fast = matcher.find(r);
      const Service* slow = slow_find(services, r);
      REQUIRE((fast == nullptr ? "none" : fast->name) == (slow == nullptr ? "none" : slow->name));
    }
  }
}

TEST_CASE("matcher: time does not grow with the number of services", "[vault][matcher]") {
  const auto time_of = [](std::size_t count, bool one_host) {
    std::vector<Service> services;
    for (std::size_t i = 0; i < count; ++i) {
      Service s;
      s.name = "s" + std::to_string(i);
      s.host = one_host ? "h.example.com" : "h" + std::to_string(i) + ".example.com";
      s.path = one_host ? "/" + std::to_string(100000 + i) + "/x/*" : "/v1/*";
      services.push_back(std::move(s));
    }
    const Matcher matcher(std::move(services));
    const RequestIdentity hit =
        request(one_host ? "https://h.example.com/100003/x/y" : "https://h3.example.com/v1/x");
    REQUIRE(matcher.find(hit) != nullptr);
    auto best = std::chrono::nanoseconds::max();
    for (int round = 0; round < 5; ++round) {
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < 20000; ++i) {
        REQUIRE(matcher.find(hit)->name == "s3");
      }
      best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
    }
    return best;
  };
  // Wide margin: this is to catch a search through all of them, not to measure.
  CHECK(time_of(50000, false) < 5 * time_of(10, false));
  CHECK(time_of(50000, true) < 5 * time_of(10, true));
}
