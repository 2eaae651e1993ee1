#include "proxy/response_plan.h"

#include <catch2/catch.hpp>

#include "core/encoding.h"
#include "proxy/authenticator.h"
#include "proxy/http1_downstream.h"
#include "proxy/http1_parser.h"

using namespace av::proxy;

namespace {

// What a client of HTTP/1 gets to see.
struct Planned : ResponsePlan {
  std::string head;
  Http1Framing framing;
};

Planned plan(const std::string& response_text, const std::string& request_text,
             const PatternSet* patterns, const av::vault::Service* service = nullptr) {
  ResponseHead response;
  RequestHead request;
  REQUIRE_FALSE(parse_request_head(request_text, request));
  REQUIRE_FALSE(check_request_head(request));
  REQUIRE_FALSE(parse_response_head(response_text, response));
  REQUIRE_FALSE(check_response_head(response, request.method));
  Planned planned{plan_response(response, patterns, service), {}, {}};
  planned.framing = frame_response(planned, request, /*draining=*/false);
  av::SecretBuffer text;
  append_http1_head(text, planned, request, planned.framing);
  planned.head = std::string(text.view());
  return planned;
}

const std::string kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

}  // namespace

TEST_CASE("response: fields keep order and spelling; hop-by-hop ones and Alt-Svc go",
          "[proxy][response]") {
  const auto p = plan(
      "HTTP/1.1 200 Fine\r\nX-b: 1\r\nx-A: 2\r\nX-b: 3\r\nAlt-Svc: h3\r\n"
      "Connection: X-Hop\r\nX-Hop: 1\r\nSet-Cookie: a\r\nContent-Length: 3\r\n\r\n",
      kGet, nullptr);
  CHECK(p.head ==
        "HTTP/1.1 200 Fine\r\nX-b: 1\r\nx-A: 2\r\nX-b: 3\r\nSet-Cookie: a\r\n"
        "Content-Length: 3\r\n\r\n");
  CHECK(p.framing.keep_alive);
  CHECK_FALSE(p.framing.chunked);
}

TEST_CASE("response: injected values are masked in names, values and the reason",
          "[proxy][response]") {
  PatternSet set;
  set.add_value("super-secret-value");
  set.compile();
  const auto p = plan(
      "HTTP/1.1 401 super-secret-value\r\nX: a super-secret-value b\r\n"
      "Location: https://x/?k=super-secret-value\r\nContent-Length: 0\r\n\r\n",
      kGet, &set);
  CHECK(p.head.find("super-secret-value") == std::string::npos);
  CHECK(p.head.find("X: a ") != std::string::npos);
}

TEST_CASE("response: what cannot be searched is refused, only where something was injected",
          "[proxy][response]") {
  PatternSet set;
  set.add_value("super-secret-value");
  set.compile();
  const auto coded = [&](const std::string& coding, const PatternSet* patterns, int status = 200) {
    return plan("HTTP/1.1 " + std::to_string(status) + " OK\r\nContent-Encoding: " + coding +
                    "\r\nContent-Length: 9\r\n\r\n",
                kGet, patterns);
  };
  CHECK(coded("compress", &set).refused);
  CHECK(coded("gzip, br, gzip", &set).refused);
  CHECK(coded("gzip\r\nContent-Encoding: br\r\nContent-Encoding: zstd", &set).refused);
  CHECK(coded("dcz", &set).refused);
  CHECK(coded("gzip", &set, 206).refused);
  CHECK_FALSE(coded("dcz", nullptr).refused);
  for (const std::string known : {"br", "zstd", "deflate", "x-gzip", "gzip, br", "identity, gzip",
                                  "gzip\r\ncontent-encoding: br"}) {
    INFO(known);
    CHECK_FALSE(coded(known, &set).refused);
    CHECK(coded(known, &set).decode);
    CHECK(coded(known, &set).head.find("ontent-") == std::string::npos);
  }
  CHECK_FALSE(coded("identity", &set).decode);
  const auto decoded = coded("gzip", &set);
  CHECK(decoded.decode);
  CHECK(decoded.framing.chunked);
  CHECK(decoded.head.find("Content-Encoding") == std::string::npos);
  CHECK(decoded.head.find("Content-Length") == std::string::npos);
  CHECK_FALSE(coded("gzip", nullptr).decode);
}

TEST_CASE("response: digests of what may be masked do not pass, in head or trailers",
          "[proxy][response]") {
  PatternSet set;
  set.add_value("super-secret-value");
  set.compile();
  const PatternSet nothing;
  for (const std::string name :
       {"Content-MD5", "Digest", "Content-Digest", "Repr-Digest", "repr-digest"}) {
    INFO(name);
    const std::string text =
        "HTTP/1.1 200 OK\r\n" + name + ": sha-256=:x:\r\nETag: \"a\"\r\nContent-Length: 9\r\n\r\n";
    CHECK(plan(text, kGet, &set).head ==
          "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 9\r\n\r\n");
    CHECK(plan(text, kGet, &nothing).head == text);
    CHECK(plan(text, kGet, nullptr).head == text);
    Field digest;
    digest.name = name;
    digest.value = "sha-256=:x:";
    Field other;
    other.name = "grpc-status";
    other.value = "0";
    CHECK(scrubbed_trailers({digest, other}, &set).text() == "grpc-status: 0\r\n");
    CHECK(scrubbed_trailers({digest, other}, nullptr).size() == 2);
  }
}

TEST_CASE("response: messages may be compressed only where nobody insists on looking",
          "[proxy][response]") {
  PatternSet set;
  set.add_value("super-secret-value");
  set.compile();
  av::vault::Service service;
  const std::string text =
      "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK(plan(text, kGet, nullptr).messages == Messages::kNone);
  CHECK(plan(text, kGet, &set, &service).messages == Messages::kPrefixedPlain);
  service.allow_uninspected = true;
  CHECK(plan(text, kGet, &set, &service).messages == Messages::kPrefixed);
}

TEST_CASE("response: a service may opt out of inspection and of cookies", "[proxy][response]") {
  PatternSet set;
  set.add_value("super-secret-value");
  set.compile();
  av::vault::Service service;
  const std::string text =
      "HTTP/1.1 200 OK\r\nContent-Encoding: compress\r\nSet-Cookie: a=b\r\nX: y\r\n"
      "Content-Length: 9\r\n\r\n";
  CHECK(plan(text, kGet, &set, &service).refused);
  service.allow_uninspected = true;
  service.drop_cookies = true;
  const auto p = plan(text, kGet, &set, &service);
  CHECK_FALSE(p.refused);
  CHECK(p.head ==
        "HTTP/1.1 200 OK\r\nContent-Encoding: compress\r\nX: y\r\nContent-Length: 9\r\n\r\n");
}

TEST_CASE("response: Connection cannot take the length of a body away", "[proxy][response]") {
  const auto p = plan("HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\n",
                      kGet, nullptr);
  CHECK(p.head == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
}

TEST_CASE("response: an HTTP/1.0 client gets no chunks", "[proxy][response]") {
  const auto p = plan("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                      "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", nullptr);
  CHECK_FALSE(p.framing.chunked);
  CHECK_FALSE(p.framing.keep_alive);
  CHECK(p.head == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

TEST_CASE("authenticator: the token in each form, and nothing else", "[proxy][auth]") {
  SessionGrant grant;
  grant.token_hash = av::crypto::sha256("av_sess_token");
  const auto basic = [](std::string_view pair) { return "Basic " + av::encoding::base64(pair); };
  CHECK(authenticate(grant, "Bearer av_sess_token"));
  CHECK(authenticate(grant, "bearer av_sess_token"));
  CHECK(authenticate(grant, basic("av_sess_token")));
  CHECK(authenticate(grant, basic("av_sess_token:")));
  CHECK(authenticate(grant, basic("av_sess_token:default")));
  CHECK(authenticate(grant, basic("x:av_sess_token")));
  // What stands behind it is the vault of the grant, or nothing.
  const auto hint = [&](std::string_view pair) {
    const auto shown = authenticate(grant, basic(pair));
    REQUIRE(shown);
    const auto why = check_vault_hint(*shown, "default");
    return why ? std::string(why->code) : "";
  };
  CHECK(hint("av_sess_token").empty());
  CHECK(hint("av_sess_token:").empty());
  CHECK(hint("av_sess_token:default").empty());
  CHECK(hint("x:av_sess_token").empty());
  CHECK(hint("av_sess_token:other") == "vault_not_permitted");
  CHECK(hint("av_sess_token:Default") == "malformed_vault_name");
  CHECK(hint("av_sess_token:av_sess_other") == "malformed_vault_name");
  for (const std::string& bad :
       {std::string("Bearer av_sess_tokeN"), std::string("Bearer"), std::string(""), basic("x:y"),
        basic(""), std::string("Basic !!!"), std::string("Digest av_sess_token"),
        basic("a:b:av_sess_token"), std::string("Basic ") + std::string(5000, 'A')}) {
    INFO(bad);
    CHECK_FALSE(authenticate(grant, bad));
  }
}
