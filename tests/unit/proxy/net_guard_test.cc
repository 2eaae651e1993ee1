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
