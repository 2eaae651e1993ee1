#include "proxy/net_guard.h"

#include <catch2/catch.hpp>

using av::proxy::AddressClass;
using av::proxy::classify;
using av::proxy::NetGuard;
using av::proxy::NetOptions;
using av::proxy::parse_cidr;
using av::proxy::parse_ip;
using av::proxy::parse_resolve;

TEST_CASE("net guard: what is not the public internet is private", "[proxy][net]") {
  for (const char* text : {"127.0.0.1",
                           "127.8.9.10",
                           "10.1.2.3",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "169.254.1.1",
                           "100.64.0.1",
                           "0.0.0.0",
                           "0.1.2.3",
                           "224.0.0.1",
                           "239.1.1.1",
                           "255.255.255.255",
                           "240.0.0.1",
                           "192.0.0.1",
                           "198.18.0.1",
                           "203.0.113.9",
                           "::",
                           "::1",
                           "fe80::1",
                           "fc00::1",
                           "fd12::1",
                           "ff02::1",
                           "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1",
                           "::127.0.0.1",
                           "64:ff9b::7f00:1",
                           "64:ff9b::a00:1",
                           "64:ff9b:1::1",
                           "2002:7f00:1::",
                           "2001:db8::1",
                           "2001::1",
                           "100::1",
                           "fec0::1"}) {
    INFO(text);
    CHECK(classify(*parse_ip(text)) == AddressClass::kPrivate);
  }
  for (const char* text :
       {"169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254",
        "168.63.129.16", "169.254.170.2", "169.254.170.23", "100.100.100.200"}) {
    INFO(text);
    CHECK(classify(*parse_ip(text)) == AddressClass::kMetadata);
  }
  for (const char* text : {"1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1",
                           "::ffff:8.8.8.8", "64:ff9b::808:808"}) {
    INFO(text);
    CHECK(classify(*parse_ip(text)) == AddressClass::kPublic);
  }
}

TEST_CASE("net guard: every special range, up to its edges", "[proxy][net]") {
  // First and last address of the range, and the public neighbours, where they are public.
  struct Range {
    const char* before;
    const char* first;
    const char* last;
    const char* after;
  };
  for (const Range& range : {
           Range{nullptr, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
           Range{"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
           Range{"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
           Range{"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
           Range{"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
           Range{"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
           Range{"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
           Range{"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
           Range{"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
           Range{"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
           Range{"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
           Range{"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
           Range{"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
           Range{"223.255.255.255", "224.0.0.0", "239.255.255.255", nullptr},
           Range{nullptr, "240.0.0.0", "255.255.255.255", nullptr},
           // Everything below 2000:: (loopback, mapped, NAT64, discard) and from 4000:: on (unique
           // local, link-local, site-local, multicast) is not global unicast.
           Range{nullptr, "::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"},
           Range{"2000:ffff:ffff:ffff::", "2001::", "2001:1ff:ffff:ffff::", "2001:200::"},
           Range{"2001:db7:ffff::", "2001:db8::", "2001:db8:ffff:ffff::", "2001:db9::"},
           Range{"2001:ffff:ffff::", "2002::", "2002:ffff:ffff:ffff::", "2003::"},
           Range{"3ffe:ffff::", "3fff::", "3fff:fff:ffff::", "3fff:1000::"},
           Range{"3fff:ffff:ffff::", "4000::", "ffff:ffff::", nullptr},
           Range{nullptr, "100::", "100::ffff:ffff:ffff:ffff", nullptr},
           Range{nullptr, "fc00::", "fdff:ffff::", nullptr},
           Range{nullptr, "fe80::", "febf:ffff::", nullptr},
           Range{nullptr, "fec0::", "feff:ffff::", nullptr},
           Range{nullptr, "ff00::", "ffff:ffff::", nullptr},
       }) {
    INFO(range.first << " to " << range.last);
    CHECK(classify(*parse_ip(range.first)) == AddressClass::kPrivate);
    CHECK(classify(*parse_ip(range.last)) == AddressClass::kPrivate);
    for (const char* const neighbour : {range.before, range.after}) {
      if (neighbour != nullptr) {
        INFO(neighbour);
        CHECK(classify(*parse_ip(neighbour)) == AddressClass::kPublic);
      }
    }
  }
}

TEST_CASE("net guard: an address inside an address counts", "[proxy][net]") {
  for (const char* const text :
       {"64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8", "2002:808:808::1", "2001:0:808:808::1",
        "::8.8.8.8", "::ffff:0:8.8.8.8", "2600::5efe:10.0.0.1", "2600::200:5efe:127.0.0.1"}) {
    INFO(text);
    CHECK(classify(*parse_ip(text)) == AddressClass::kPrivate);
  }
  for (const char* const text : {
           "64:ff9b::169.254.169.254",      // NAT64
           "64:ff9b:1::169.254.169.254",    // local NAT64, /96
           "64:ff9b:1:0:a9:fea9:fe00:0",    // /64
           "64:ff9b:1:a9:fe:a9fe:0:0",      // /56
           "64:ff9b:1:a9fe:a9:fe00:0:0",    // /48
           "2002:a9fe:a9fe::1",             // 6to4
           "2001:0:a9fe:a9fe::1",           // Teredo, server
           "2001:0:808:808:0:0:5601:5601",  // Teredo, client, inverted
           "::169.254.169.254",             // IPv4-compatible
           "::ffff:0:169.254.169.254",      // IPv4-translated
           "2600::5efe:169.254.169.254",    // ISATAP
           "::ffff:168.63.129.16",
           "64:ff9b::100.100.100.200",
       }) {
    INFO(text);
    CHECK(classify(*parse_ip(text)) == AddressClass::kMetadata);
  }
  for (const char* const text :
       {"64:ff9b::8.8.8.8", "2600::5efe:8.8.8.8", "2600::1:5eff:10.0.0.1"}) {
    INFO(text);
    CHECK(classify(*parse_ip(text)) == AddressClass::kPublic);
  }
  // A range that holds the carrier does not open the metadata service inside it.
  NetOptions options;
  options.allow_net.push_back(*parse_cidr("64:ff9b::/96"));
  options.allow_net.push_back(*parse_cidr("169.254.169.254"));
  CHECK_FALSE(NetGuard(options).allows(*parse_ip("64:ff9b::169.254.169.254")));
  CHECK(NetGuard(options).allows(*parse_ip("64:ff9b::10.0.0.1")));
}

TEST_CASE("net guard: every metadata service needs its own entry", "[proxy][net]") {
  for (const char* const text :
       {"169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200",
        "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"}) {
    INFO(text);
    CHECK(classify(*parse_ip(text)) == AddressClass::kMetadata);
    NetOptions wide;
    wide.allow_net.push_back(*parse_cidr("0.0.0.0/0"));
    wide.allow_net.push_back(*parse_cidr("::/0"));
    CHECK_FALSE(NetGuard(wide).allows(*parse_ip(text)));
    wide.allow_net.push_back(*parse_cidr(text));
    CHECK(NetGuard(wide).allows(*parse_ip(text)));
  }
}

TEST_CASE("net guard: names that others look up", "[proxy][net]") {
  const NetGuard guard{NetOptions{}};
  CHECK_FALSE(guard.allows_name("metadata.google.internal"));
  CHECK_FALSE(guard.allows_name("instance-data.ec2.internal"));
  CHECK(guard.allows_name("api.example.com"));
  NetOptions options;
  options.allow_net.push_back(*parse_cidr("169.254.169.254"));
  CHECK(NetGuard(options).allows_name("metadata.google.internal"));
}

TEST_CASE("net guard: the broker's own listeners", "[proxy][net]") {
  using av::proxy::Endpoint;
  NetGuard guard{NetOptions{}};
  guard.add_own_listener(Endpoint{*parse_ip("127.0.0.1"), 4321});
  for (const char* const text : {"127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"}) {
    INFO(text);
    CHECK(guard.is_own_listener(Endpoint{*parse_ip(text), 4321}));
    CHECK_FALSE(guard.is_own_listener(Endpoint{*parse_ip(text), 4322}));
  }
  CHECK_FALSE(guard.is_own_listener(Endpoint{*parse_ip("127.0.0.2"), 4321}));
  NetGuard everywhere{NetOptions{}};
  everywhere.add_own_listener(Endpoint{*parse_ip("0.0.0.0"), 4321});
  for (const char* const text : {"127.0.0.1", "127.9.9.9", "::1", "0.0.0.0"}) {
    INFO(text);
    CHECK(everywhere.is_own_listener(Endpoint{*parse_ip(text), 4321}));
  }
  CHECK_FALSE(everywhere.is_own_listener(Endpoint{*parse_ip("192.0.2.1"), 4321}));
}

TEST_CASE("net guard: ranges open private addresses, metadata only by its exact address",
          "[proxy][net]") {
  NetOptions options;
  options.allow_net.push_back(*parse_cidr("10.0.0.0/8"));
  options.allow_net.push_back(*parse_cidr("169.254.0.0/16"));
  const NetGuard guard(options);
  CHECK(guard.allows(*parse_ip("10.9.9.9")));
  CHECK(guard.allows(*parse_ip("169.254.1.1")));
  CHECK_FALSE(guard.allows(*parse_ip("169.254.169.254")));
  CHECK_FALSE(guard.allows(*parse_ip("127.0.0.1")));
  options.allow_net.push_back(*parse_cidr("169.254.169.254"));
  CHECK(NetGuard(options).allows(*parse_ip("169.254.169.254")));
}

TEST_CASE("net guard: option syntax", "[proxy][net]") {
  CHECK(parse_cidr("10.0.0.0/8")->contains(*parse_ip("10.255.0.1")));
  CHECK_FALSE(parse_cidr("10.0.0.0/8")->contains(*parse_ip("11.0.0.1")));
  CHECK(parse_cidr("10.1.0.0/15")->contains(*parse_ip("10.0.0.1")));
  CHECK(parse_cidr("fd00::/8")->contains(*parse_ip("fd12::3")));
  for (const char* bad :
       {"", "10.0.0.0/33", "10.0.0/8", "x", "10.0.0.0/", "10.0.0.0/-1", "::/129"}) {
    INFO(bad);
    CHECK_FALSE(parse_cidr(bad));
  }
  const auto plain = parse_resolve("API.example.com:443:127.0.0.1:8443");
  REQUIRE(plain);
  CHECK(plain->from.host == "api.example.com");
  CHECK(plain->address == *parse_ip("127.0.0.1"));
  CHECK(plain->port == 8443);
  CHECK(parse_resolve("a.test:443:[::1]:99")->port == 99);
  CHECK(parse_resolve("a.test:443:::1")->port == 443);
  CHECK(parse_resolve("a.test:443:10.0.0.1")->port == 443);
  for (const char* bad : {"", "a.test", "a.test:443", "a.test:443:nonsense", "a.test:0:1.1.1.1",
                          "a.test:443:1.1.1.1:0", "a.test:443:1.1.1.1:70000"}) {
    INFO(bad);
    CHECK_FALSE(parse_resolve(bad));
  }
}
