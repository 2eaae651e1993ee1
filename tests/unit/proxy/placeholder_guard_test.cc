#include "proxy/placeholder_guard.h"

#include <catch2/catch.hpp>
#include <string>

#include "core/encoding.h"
#include "unit/proxy/guard_fixture.h"

using namespace av;
using test::GuardFixture;
using test::service_of;
using test::substitution_of;
using vault::Surface;

namespace {

const std::string kAlpha = "sk-av-0123456789abcdef0123456789abcdef";
const std::string kBeta = "ghp_av0123456789ABCDEF0123456789ABCDEF";
const std::string kGamma = "av_ph_aaaaBBBBccccDDDDeeeeFFFFgggg0000";

// Three credentials, three hosts with a service each, and one without.
GuardFixture three_hosts() {
  GuardFixture f;
  f.credential("ALPHA", "real-alpha-value");
  f.credential("BETA", "real-beta-value");
  f.credential("GAMMA", "real-gamma-value");
  f.run_placeholder("ALPHA", kAlpha);
  f.run_placeholder("BETA", kBeta);
  f.run_placeholder("GAMMA", kGamma);
  f.services = {service_of("alpha", "alpha.test", vault::BearerAuth{"ALPHA"}),
                service_of("beta", "beta.test", vault::BasicAuth{"", "x-access-token", "BETA"}),
                service_of("gamma", "gamma.test", vault::ApiKeyAuth{"GAMMA", "", "", "key"})};
  return f;
}

std::string get(const std::string& host, const std::string& target, const std::string& fields) {
  return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n";
}

}  // namespace

TEST_CASE("placeholder guard: credentials x hosts x placements", "[proxy][placeholder]") {
  GuardFixture f = three_hosts();
  const std::vector<std::pair<std::string, std::string>> credentials = {
      {"alpha.test", kAlpha}, {"beta.test", kBeta}, {"gamma.test", kGamma}};
  for (const auto& [home, placeholder] : credentials) {
    for (const std::string host : {"alpha.test", "beta.test", "gamma.test", "evil.test"}) {
      const std::string basic = encoding::base64("x-access-token:" + placeholder);
      struct Placement {
        std::string target;
        std::string fields;
        std::string slot_of;  // the only host where it may stand there
      };
      const std::vector<Placement> placements = {
          {"/", "Authorization: Bearer " + placeholder + "\r\n", "alpha.test"},
          {"/", "authorization: token " + placeholder + "\r\n", "alpha.test"},
          {"/", "Authorization: Basic " + basic + "\r\n", "beta.test"},
          {"/?a=1&key=" + placeholder + "&b=2", "", "gamma.test"},
          {"/?%6Bey=" + placeholder, "", "gamma.test"},
          {"/" + placeholder, "", ""},
          {"/p/x" + placeholder + "y/z", "", ""},
          {"/?q=" + placeholder, "", ""},
          {"/?" + placeholder, "", ""},
          {"/?" + placeholder + "=1", "", ""},
          {"/", "X-Anything: before " + placeholder + " after\r\n", ""},
          {"/", "Cookie: a=b; t=" + placeholder + "\r\n", ""},
          {"/", "X-" + placeholder + ": 1\r\n", ""},
          {"/", "X-Api-Key: " + placeholder + "\r\n", ""},
          {"/", "X-Other: Basic " + basic + "\r\n", ""},
      };
      for (const Placement& p : placements) {
        CAPTURE(home, host, p.target, p.fields);
        // Authorization is filled for both alpha and beta, whatever the scheme that the client
        // uses.
        const bool authorization = p.fields.find("uthorization:") != std::string::npos;
        const bool own_slot =
            host == home && (p.slot_of == host || (authorization && host != "gamma.test"));
        const auto request = f.request(get(host, p.target, p.fields), host);
        CHECK(request->fault == (own_slot ? "" : "placeholder_misuse"));
        CHECK(request->rendered.find(placeholder) == std::string::npos);
        CHECK(request->detail.find(placeholder) == std::string::npos);
      }
    }
  }
}

TEST_CASE("placeholder guard: a request without placeholders passes everywhere",
          "[proxy][placeholder]") {
  GuardFixture f = three_hosts();
  for (const std::string host : {"alpha.test", "beta.test", "gamma.test", "evil.test"}) {
    CHECK(f.request(get(host, "/sk-av-0123456789abcdef?key=ghp_av&x=av_ph_",
                        "Authorization: Bearer sk-av-something-else\r\n"),
                    host)
              ->fault.empty());
  }
}

TEST_CASE("placeholder guard: the fault names the credential and the place, never the text",
          "[proxy][placeholder]") {
  GuardFixture f = three_hosts();
  const auto request = f.request(get("evil.test", "/", "X-Leak: " + kAlpha + "\r\n"), "evil.test");
  CHECK(request->fault == "placeholder_misuse");
  CHECK(request->detail == "placeholder of ALPHA in the field X-Leak");
  CHECK(f.request(get("evil.test", "/?" + kBeta, ""), "evil.test")->detail ==
        "placeholder of BETA in the query");
  CHECK(f.request(get("evil.test", "/", kBeta + ": 1\r\n"), "evil.test")->detail ==
        "placeholder of BETA in the name of a field");
}

TEST_CASE(
    "placeholder guard: a declared placeholder may stand where it is declared and nowhere else",
    "[proxy][placeholder]") {
  GuardFixture f;
  f.credential("BOT", "12:AA");
  f.services = {service_of("bot", "bot.test/v1/*", vault::PassthroughAuth{}),
                service_of("off", "off.test", vault::PassthroughAuth{})};
  REQUIRE(vault::set_matcher_text(f.services[0], "bot.test/v1/*"));
  f.services[0].methods = {"GET"};
  f.services[0].substitutions = {substitution_of("BOT", "__BOT__", {Surface::kPath})};
  f.services[1].substitutions = {substitution_of("BOT", "__OFF__", {Surface::kPath})};
  f.services[1].enabled = false;
  const auto outcome = [&](const std::string& host, const std::string& target,
                           const std::string& fields = "", const std::string& method = "GET") {
    const auto request = f.request(
        method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n", host);
    return request->fault.empty() ? request->rendered.substr(0, request->rendered.find(" HTTP"))
                                  : request->fault;
  };
  CHECK(outcome("bot.test", "/v1/bot__BOT__/x") == "GET /v1/bot12%3AAA/x");
  CHECK(outcome("bot.test", "/v1/x?t=__BOT__") == "placeholder_misuse");
  CHECK(outcome("bot.test", "/v1/x", "X-T: __BOT__\r\n") == "placeholder_misuse");
  CHECK(outcome("bot.test", "/v2/__BOT__") == "placeholder_misuse");                // another path
  CHECK(outcome("bot.test", "/v1/__BOT__", "", "DELETE") == "placeholder_misuse");  // or method
  CHECK(outcome("other.test", "/__BOT__") == "placeholder_misuse");
  // A service that is switched off still has its placeholders.
  CHECK(outcome("bot.test", "/v1/__OFF__") == "placeholder_misuse");
  CHECK(outcome("other.test", "/__OFF__") == "placeholder_misuse");
}

TEST_CASE(
    "placeholder guard: the service's own placeholder comes before one of another that holds it",
    "[proxy][placeholder]") {
  GuardFixture f;
  f.credential("A", "aaaa");
  f.credential("B", "bbbb");
  f.services = {service_of("a", "a.test", vault::PassthroughAuth{}),
                service_of("b", "b.test", vault::PassthroughAuth{})};
  f.services[0].substitutions = {substitution_of("A", "__T__", {Surface::kPath})};
  f.services[1].substitutions = {substitution_of("B", "x__T__y", {Surface::kPath})};
  CHECK(f.request(get("a.test", "/x__T__y", ""), "a.test")->rendered.starts_with("GET /xaaaay "));
  CHECK(f.request(get("b.test", "/x__T__y", ""), "b.test")->rendered.starts_with("GET /bbbb "));
  CHECK(f.request(get("b.test", "/__T__", ""), "b.test")->fault == "placeholder_misuse");
}

TEST_CASE("placeholder guard: max_count holds over all places of a request together",
          "[proxy][placeholder]") {
  GuardFixture f;
  f.credential("BOT", "12:AA");
  f.services = {service_of("bot", "bot.test", vault::PassthroughAuth{})};
  f.services[0].substitutions = {substitution_of(
      "BOT", "__BOT__", {Surface::kPath, Surface::kQuery, Surface::kHeader, Surface::kBody}, 2)};
  const auto fault = [&](const std::string& target, const std::string& fields) {
    return f.request(get("bot.test", target, fields), "bot.test")->fault;
  };
  CHECK(fault("/__BOT____BOT__", "") == "");
  CHECK(fault("/__BOT__?__BOT__", "") == "");
  CHECK(fault("/__BOT__?__BOT__", "X: __BOT__\r\n") == "placeholder_misuse");
  CHECK(fault("/__BOT____BOT____BOT__", "") == "placeholder_misuse");
  CHECK(fault("/", "X: __BOT____BOT__\r\nY: __BOT__\r\n") == "placeholder_misuse");
  // What the head has used up is gone for the body.
  const auto request = f.request(get("bot.test", "/__BOT__", "X: __BOT__\r\n"), "bot.test");
  REQUIRE(request->fault.empty());
  CHECK_FALSE(request->guard->count(0));
}

TEST_CASE("placeholder guard: conversations may quote, heads may not", "[proxy][placeholder]") {
  GuardFixture f = three_hosts();
  f.services[0].allow_quoted_placeholders = true;
  const auto request = f.request(get("alpha.test", "/", ""), "alpha.test");
  CHECK_FALSE(request->guard->searches(Surface::kBody));
  CHECK_FALSE(request->guard->searches(Surface::kWebSocket));
  CHECK_FALSE(request->guard->needs_plain_websocket());
  CHECK(f.request(get("alpha.test", "/?x=" + kAlpha, ""), "alpha.test")->fault ==
        "placeholder_misuse");
  const auto other = f.request(get("beta.test", "/", ""), "beta.test");
  CHECK(other->guard->searches(Surface::kBody));
  CHECK(other->guard->needs_plain_websocket());
}

TEST_CASE("placeholder guard: trailers are searched", "[proxy][placeholder]") {
  GuardFixture f = three_hosts();
  const auto request = f.request(get("alpha.test", "/", ""), "alpha.test");
  const std::vector<proxy::Field> clean = {{"X-Sum", "1"}};
  const std::vector<proxy::Field> dirty = {{"X-Sum", "1"}, {"X-T", kAlpha}};
  CHECK(request->guard->check_trailers(clean));
  CHECK_FALSE(request->guard->check_trailers(dirty));
}

TEST_CASE("injector: a rewritten body goes out with its new framing and without digests",
          "[proxy][injector]") {
  GuardFixture f = three_hosts();
  proxy::InjectOptions options;
  options.body_rewritten = true;
  const std::string head =
      "POST / HTTP/1.1\r\nHost: evil.test\r\nA: 1\r\nContent-Length: 5\r\nContent-MD5: x\r\n"
      "Digest: x\r\nContent-Digest: x\r\nRepr-Digest: x\r\nB: 2\r\n\r\n";
  CHECK(f.request(head, "evil.test", options)->rendered ==
        "POST / HTTP/1.1\r\nHost: evil.test\r\nA: 1\r\nTransfer-Encoding: chunked\r\nB: 2\r\n\r\n");
  options.body_length = 42;
  CHECK(f.request(head, "evil.test", options)->rendered ==
        "POST / HTTP/1.1\r\nHost: evil.test\r\nA: 1\r\nContent-Length: 42\r\nB: 2\r\n\r\n");
  // Over HTTP/2 a request need not have had a field that frames it.
  CHECK(f.request("POST / HTTP/1.1\r\nHost: evil.test\r\nA: 1\r\n\r\n", "evil.test", options)
            ->rendered ==
        "POST / HTTP/1.1\r\nHost: evil.test\r\nA: 1\r\nContent-Length: 42\r\n\r\n");
  options = {};
  CHECK(f.request(head, "evil.test", options)->rendered.find("Content-MD5: x") !=
        std::string::npos);
}

TEST_CASE("injector: no WebSocket extension is offered where messages are looked into",
          "[proxy][injector]") {
  GuardFixture f = three_hosts();
  const std::string head =
      "GET / HTTP/1.1\r\nHost: evil.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
  proxy::InjectOptions options;
  CHECK(f.request(head, "evil.test", options)->rendered.find("permessage") != std::string::npos);
  options.plain_websocket = true;
  CHECK(f.request(head, "evil.test", options)->rendered.find("permessage") == std::string::npos);
}
