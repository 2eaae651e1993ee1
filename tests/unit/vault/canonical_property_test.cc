// Properties of the canonical form over generated targets: one form whatever the spelling, one
// service whatever the spelling, and no lenient server that reads its way out of what was matched.

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "vault/canonical.h"
#include "vault/matcher.h"

using namespace av::vault;

namespace {

constexpr int kRounds = 20000;

std::string pick(std::mt19937& random, const std::vector<std::string>& from) {
  return from[random() % from.size()];
}

// Any bytes that a client might send, ambiguous ones included.
std::string random_target(std::mt19937& random) {
  static const std::vector<std::string> kPieces = {
      "/",    "/",     "/",       "/",      "v1",     "admin", "a",        "B",      ".",
      "..",   "...",   "%2e",     "%2E",    "%2f",    "%2F",   "%41",      "%7e",    "%25",
      "%252", "%252e", "%25252f", "%3b",    ";",      ";x",    "//",       "/./",    "/../",
      "\\",   "%5c",   "%00",     "%c0%ae", "%c0%af", " ",     "|",        "*",      "@",
      "a.b",  "..;",   "%0d",     "%0a",    "%",      "%zz",   "\xc3\xa9", "%C3%A9", "?",
      "?q",   "#",     ":8080",   "~",      "%u002e", "+",     "%E2%80%AE"};
  std::string out = "/";
  for (std::size_t i = random() % 10; i > 0; --i) {
    out += pick(random, kPieces);
  }
  return out;
}

// The same target in another spelling that RFC 3986 section 6.2.2 calls equivalent.
std::string respelt(std::mt19937& random, const Target& target) {
  static constexpr char kHex[] = "0123456789abcdef0123456789ABCDEF";
  std::string out;
  bool at_segment = false;
  for (std::size_t i = 0; i < target.path.size(); ++i) {
    const char c = target.path[i];
    const bool unreserved = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' ||
                            c == '.' || c == '_' || c == '~';
    if (at_segment && random() % 8 == 0) {
      out += random() % 2 == 0 ? "./" : "gone/%2e%2E/";
    }
    at_segment = c == '/';
    if (c == '%') {
      out += c;
      for (const char digit : target.path.substr(i + 1, 2)) {
        out += static_cast<char>(random() % 2 == 0 ? std::tolower(digit) : std::toupper(digit));
      }
      i += 2;
    } else if (unreserved && random() % 6 == 0) {
      const unsigned upper = random() % 2 == 0 ? 16 : 0;
      out += '%';
      out += kHex[(static_cast<unsigned>(c) >> 4U) + upper];
      out += kHex[(static_cast<unsigned>(c) & 15U) + upper];
    } else {
      out += c;
    }
  }
  if (target.has_query) {
    out += '?' + target.query;
  }
  return out;
}

// What the most obliging server makes of a path: escapes read `layers` times, overlong UTF-8 too,
// backslashes taken for slashes, parameters dropped, slashes merged, dots resolved.
std::string lenient(std::string path, int layers) {
  for (; layers > 0; --layers) {
    std::string out;
    for (std::size_t i = 0; i < path.size(); ++i) {
      if (path[i] == '%' && i + 2 < path.size() && std::isxdigit(path[i + 1]) != 0 &&
          std::isxdigit(path[i + 2]) != 0) {
        out += static_cast<char>(std::stoi(path.substr(i + 1, 2), nullptr, 16));
        i += 2;
      } else {
        out += path[i];
      }
    }
    path = out;
    for (const auto& [from, to] : {std::pair<std::string, std::string>{"\xc0\xae", "."},
                                   {"\xc0\xaf", "/"},
                                   {"\xc1\x9c", "\\"}}) {
      for (std::size_t at = path.find(from); at != std::string::npos; at = path.find(from)) {
        path.replace(at, from.size(), to);
      }
    }
  }
  std::vector<std::string> segments;
  std::string segment;
  for (const char c : path + "/") {
    if (c != '/' && c != '\\') {
      segment += c;
      continue;
    }
    segment = segment.substr(0, segment.find(';'));
    if (segment == ".." && !segments.empty()) {
      segments.pop_back();
    } else if (!segment.empty() && segment != "." && segment != "..") {
      segments.push_back(segment);
    }
    segment.clear();
  }
  std::string out;
  for (const std::string& s : segments) {
    out += '/' + s;
  }
  return out.empty() ? "/" : out;
}

Matcher some_services() {
  std::vector<Service> services;
  for (const std::string path :
       {"", "/v1/*", "/v1/admin/*", "/v1", "/a", "/a.b/*", "/v1/*/admin"}) {
    Service service;
    service.name = "s" + std::to_string(services.size());
    service.host = "h.test";
    service.path = path;
    services.push_back(service);
  }
  return Matcher(services);
}

std::string found(const Matcher& matcher, const Target& target) {
  RequestIdentity identity;
  identity.authority = {"h.test", 443};
  identity.method = "GET";
  identity.target = target;
  const Service* const service = matcher.find(identity);
  return service == nullptr ? "none" : service->name;
}

}  // namespace

TEST_CASE("path: canonical form and service do not depend on the spelling",
          "[vault][canonical][property]") {
  std::mt19937 random(20240501);
  const Matcher matcher = some_services();
  int accepted = 0;
  for (int i = 0; i < kRounds; ++i) {
    const std::string raw = random_target(random);
    const auto target = canonical_target(raw);
    if (!target) {
      continue;
    }
    ++accepted;
    const auto again = canonical_target(target->to_string());
    const std::string other = respelt(random, *target);
    const auto same = canonical_target(other);
    INFO("raw " << raw << " other " << other);
    REQUIRE(again);
    REQUIRE(again->to_string() == target->to_string());
    REQUIRE(same);
    REQUIRE(same->to_string() == target->to_string());
    REQUIRE(found(matcher, *same) == found(matcher, *target));
  }
  CHECK(accepted > kRounds / 10);  // or the generator tests nothing
}

TEST_CASE("path: no lenient reading leads out of the prefix that was matched",
          "[vault][canonical][property]") {
  std::mt19937 random(7);
  int matched = 0;
  for (int i = 0; i < kRounds * 3; ++i) {
    const std::string raw = "/v1" + random_target(random);
    const auto target = canonical_target(raw);
    if (!target || !path_matches("/v1/*", target->path)) {
      continue;
    }
    ++matched;
    for (int layers = 0; layers <= 3; ++layers) {
      const std::string seen = lenient(target->path, layers);
      INFO("raw " << raw << " canonical " << target->path << " layers " << layers);
      REQUIRE((seen == "/v1" || seen.starts_with("/v1/")));
    }
  }
  CHECK(matched > kRounds / 10);
}

TEST_CASE("path: the lenient reader of the test does lead out of a raw path",
          "[vault][canonical][property]") {
  // The control: without the canonical form the property above does not hold.
  CHECK(lenient("/v1/../admin", 0) == "/admin");
  CHECK(lenient("/v1/%2e%2e/admin", 1) == "/admin");
  CHECK(lenient("/v1/x%252f..%252f..%252f..%252fadmin", 2) == "/admin");
  CHECK(lenient("/v1/..;x/admin", 0) == "/admin");
  CHECK(lenient("/v1\\..\\admin", 0) == "/admin");
}

TEST_CASE("authority: whatever is accepted has one spelling, and that means itself",
          "[vault][canonical][property]") {
  static const std::vector<std::string> kPieces = {
      "a",    "b-c", "API", ".",  "..",   "-",     "_",   "xn--", "com",  "1",   "127",
      "0x7f", "0",   "[",   "]",  "::",   "::1",   ":",   ":443", ":0",   ":80", ":65536",
      ":-1",  "@",   "/",   "?",  "%",    "%2e",   " ",   "\t",   "\r\n", "é",   "fe80::1%eth0",
      ",",    "*",   "#",   "\\", "255.", "[::1]", "test"};
  std::mt19937 random(11);
  int accepted = 0;
  for (int i = 0; i < kRounds; ++i) {
    std::string raw;
    for (std::size_t n = 1 + random() % 5; n > 0; --n) {
      raw += pick(random, kPieces);
    }
    if (random() % 16 == 0) {
      raw += '\0';
    }
    // CONNECT wants the port; Host may leave it out.
    for (const std::uint16_t port : {std::uint16_t{0}, std::uint16_t{443}}) {
      const auto authority = parse_authority(raw, port);
      if (!authority) {
        continue;
      }
      ++accepted;
      INFO(raw);
      const auto again = parse_authority(to_string(*authority, Scheme::kHttps), 443);
      REQUIRE(again);
      REQUIRE(*again == *authority);
      REQUIRE(authority->port != 0);
      REQUIRE(authority->host.find_first_of("@/?#%\\ ,*_") == std::string::npos);
      REQUIRE_FALSE(authority->host.ends_with('.'));
    }
  }
  CHECK(accepted > 500);
}
