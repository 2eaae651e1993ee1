#include "proxy/request_body_filter.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <ctime>
#include <string>

#include "unit/proxy/guard_fixture.h"

using namespace av;
using proxy::RequestBodyFilter;
using test::GuardFixture;
using test::service_of;
using test::substitution_of;
using vault::Surface;

namespace {

const std::string kRun = "sk-av-0123456789abcdef0123456789abcdef";

// body.test substitutes __TOKEN__ and __OTHER__ in bodies; plain.test has a credential of its own.
GuardFixture fixture(std::string_view token, std::uint32_t max_count = 0) {
  GuardFixture f;
  f.credential("TOKEN", token);
  f.credential("OTHER", "o-value");
  f.credential("PLAIN", "real-plain-value");
  f.run_placeholder("PLAIN", kRun);
  f.services = {service_of("body", "body.test", vault::PassthroughAuth{}),
                service_of("plain", "plain.test", vault::BearerAuth{"PLAIN"})};
  f.services[0].substitutions = {
      substitution_of("TOKEN", "__TOKEN__", {Surface::kBody, Surface::kHeader}, max_count),
      substitution_of("OTHER", "__OTHER__", {Surface::kBody})};
  return f;
}

std::string post(const std::string& host, const std::string& fields = "") {
  return "POST / HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding: chunked\r\n" + fields +
         "\r\n";
}

// What comes out, "!" and the fault's code at the end when it failed.
std::string filtered(RequestBodyFilter& filter, const std::string& body, std::size_t step) {
  std::string out;
  std::size_t at = 0;
  do {
    const std::string piece = body.substr(at, step);  // its own memory: nothing may be read later
    at += step;
    filter.supply(piece, at >= body.size());
    for (std::string_view bytes = filter.next(); !bytes.empty(); bytes = filter.next()) {
      out += bytes;
    }
  } while (at < body.size() && filter.status() == RequestBodyFilter::Status::kOk);
  if (filter.status() != RequestBodyFilter::Status::kOk) {
    out += "!" + std::string(filter.fault().code);
  }
  return out;
}

std::string sent(GuardFixture& f, const std::string& host, const std::string& fields,
                 const std::string& body, std::size_t step = 1 << 20) {
  const auto request = f.request(post(host, fields), host);
  REQUIRE(request->fault.empty());
  RequestBodyFilter filter(*request->guard, request->values.get(), request->head);
  return filtered(filter, body, step);
}

}  // namespace

TEST_CASE("request body: values are put in at every split of the body", "[proxy][body]") {
  GuardFixture f = fixture("the-real-value");
  const std::string body = "__TO__TOKEN__TOKEN____TOKEN_ __OTHER____TOKEN__ _";
  const std::string want = "__TOthe-real-valueTOKEN____TOKEN_ o-valuethe-real-value _";
  CHECK(sent(f, "body.test", "", body) == want);
  for (std::size_t step = 1; step <= body.size(); ++step) {
    CAPTURE(step);
    CHECK(sent(f, "body.test", "", body, step) == want);
  }
  for (std::size_t split = 0; split <= body.size(); ++split) {
    CAPTURE(split);
    const auto request = f.request(post("body.test"), "body.test");
    RequestBodyFilter filter(*request->guard, request->values.get(), request->head);
    const std::string first = body.substr(0, split);
    const std::string second = body.substr(split);
    std::string out;
    filter.supply(first, false);
    for (auto piece = filter.next(); !piece.empty(); piece = filter.next()) {
      out += piece;
    }
    // No more is held back than could still become a placeholder.
    CHECK(out.size() + 8 >= std::min(first.size(), std::size_t{8}));
    filter.supply(second, true);
    for (auto piece = filter.next(); !piece.empty(); piece = filter.next()) {
      out += piece;
    }
    CHECK(out == want);
  }
}

TEST_CASE("request body: a value takes the form of the body", "[proxy][body]") {
  GuardFixture f = fixture("q\"u\\o\nt&e<d>'s +%\xc3\xa4");
  const auto with_type = [&](const std::string& type) {
    return sent(f, "body.test", "Content-Type: " + type + "\r\n", "[__TOKEN__]");
  };
  const std::string json = "[q\\\"u\\\\o\\nt&e<d>'s +%\xc3\xa4]";
  const std::string form = "[q%22u%5Co%0At%26e%3Cd%3E%27s%20%2B%25%C3%A4]";
  const std::string xml = "[q&quot;u\\o\nt&amp;e&lt;d&gt;&#39;s +%\xc3\xa4]";
  const std::string raw = "[q\"u\\o\nt&e<d>'s +%\xc3\xa4]";
  CHECK(with_type("application/json") == json);
  CHECK(with_type("Application/JSON; charset=utf-8") == json);
  CHECK(with_type("application/vnd.api+json") == json);
  CHECK(with_type("application/x-ndjson") == json);
  CHECK(with_type("application/x-www-form-urlencoded") == form);
  CHECK(with_type("application/x-www-form-urlencoded;charset=UTF-8") == form);
  CHECK(with_type("text/xml") == xml);
  CHECK(with_type("application/xml; charset=utf-8") == xml);
  CHECK(with_type("application/soap+xml") == xml);
  CHECK(with_type("text/html") == xml);
  CHECK(with_type("multipart/form-data; boundary=x") == raw);
  CHECK(with_type("text/plain") == raw);
  CHECK(with_type("application/octet-stream") == raw);
  CHECK(sent(f, "body.test", "", "[__TOKEN__]") == raw);
}

TEST_CASE("request body: an empty value and a value that looks like a placeholder",
          "[proxy][body]") {
  GuardFixture f = fixture("__OTHER__");
  CHECK(sent(f, "body.test", "", "a__TOKEN__b", 1) == "a__OTHER__b");  // not looked into again
  GuardFixture g = fixture(kRun);
  CHECK(sent(g, "body.test", "", "a__TOKEN__b", 1) == "a" + kRun + "b");
}

TEST_CASE("request body: a placeholder that does not belong there ends it, at every split",
          "[proxy][body]") {
  GuardFixture f = fixture("the-real-value");
  const std::string body = "before " + kRun + " after";
  for (const std::string host : {"evil.test", "plain.test", "body.test"}) {
    for (std::size_t step = 1; step <= body.size() + 1; ++step) {
      CAPTURE(host, step);
      const std::string out = sent(f, host, "", body, step);
      CHECK(out.ends_with("!placeholder_misuse"));
      // The whole of it never went out.
      CHECK(out.find(kRun) == std::string::npos);
      CHECK(out.find("after") == std::string::npos);
    }
  }
  CHECK(sent(f, "plain.test", "", "x__TOKEN__").ends_with("!placeholder_misuse"));
  CHECK(sent(f, "evil.test", "", "x__TOKEN__").ends_with("!placeholder_misuse"));
  // The control: nearly one.
  CHECK(sent(f, "evil.test", "", kRun.substr(1) + kRun.substr(0, 30), 1) ==
        kRun.substr(1) + kRun.substr(0, 30));
}

TEST_CASE("request body: a conversation may quote placeholders", "[proxy][body]") {
  GuardFixture f = fixture("the-real-value");
  f.services[0].allow_quoted_placeholders = true;
  f.services[1].allow_quoted_placeholders = true;
  CHECK(sent(f, "plain.test", "", "x" + kRun + "__TOKEN__", 1) == "x" + kRun + "__TOKEN__");
  CHECK(sent(f, "body.test", "", "x" + kRun + "__TOKEN__", 1) == "x" + kRun + "the-real-value");
  const auto request = f.request(post("plain.test"), "plain.test");
  const RequestBodyFilter filter(*request->guard, request->values.get(), request->head);
  CHECK_FALSE(filter.active());
}

TEST_CASE("request body: max_count counts head and body together", "[proxy][body]") {
  GuardFixture f = fixture("v", 3);
  CHECK(sent(f, "body.test", "", "__TOKEN____TOKEN____TOKEN__", 1) == "vvv");
  CHECK(sent(f, "body.test", "", "__TOKEN____TOKEN____TOKEN____TOKEN__", 1) ==
        "vvv!placeholder_misuse");
  CHECK(sent(f, "body.test", "X: __TOKEN__\r\n", "__TOKEN____TOKEN__", 1) == "vv");
  CHECK(sent(f, "body.test", "X: __TOKEN__\r\n", "__TOKEN____TOKEN____TOKEN__", 1) ==
        "vv!placeholder_misuse");
  const auto request = f.request(post("body.test"), "body.test");
  RequestBodyFilter filter(*request->guard, request->values.get(), request->head);
  filter.supply("__TOKEN____TOKEN____TOKEN____TOKEN__", true);
  while (!filter.next().empty()) {
  }
  CHECK(filter.status() == RequestBodyFilter::Status::kTooMany);
}

TEST_CASE("request body: what cannot be rewritten is refused, what is only searched passes",
          "[proxy][body]") {
  GuardFixture f = fixture("v");
  const auto status = [&](const std::string& host, const std::string& fields) {
    const auto request = f.request(post(host, fields), host);
    const RequestBodyFilter filter(*request->guard, request->values.get(), request->head);
    return std::pair(filter.active(), filter.status());
  };
  using Status = RequestBodyFilter::Status;
  CHECK(status("body.test", "Content-Encoding: gzip\r\n") == std::pair(true, Status::kUncodable));
  CHECK(status("body.test", "Content-Encoding: identity\r\n") == std::pair(true, Status::kOk));
  CHECK(status("body.test", "Content-Type: application/grpc+proto\r\n") ==
        std::pair(true, Status::kUncodable));
  CHECK(status("plain.test", "Content-Encoding: gzip\r\n") == std::pair(false, Status::kOk));
  CHECK(status("plain.test", "Content-Type: application/grpc\r\n") == std::pair(true, Status::kOk));
  const auto request = f.request(post("body.test", "Content-Encoding: br\r\n"), "body.test");
  RequestBodyFilter filter(*request->guard, request->values.get(), request->head);
  CHECK(filtered(filter, "__TOKEN__", 100) == "!body_uninspectable");
  CHECK(filter.fault().status == 415);
  // Without a body there is nothing to refuse.
  const auto bodiless =
      f.request("GET / HTTP/1.1\r\nHost: body.test\r\nContent-Encoding: gzip\r\n\r\n", "body.test");
  const RequestBodyFilter none(*bodiless->guard, bodiless->values.get(), bodiless->head);
  CHECK_FALSE(none.active());
  CHECK(none.status() == Status::kOk);
}

TEST_CASE("request body: a small body is rewritten whole, with a known length", "[proxy][body]") {
  GuardFixture f = fixture(std::string(100, 'v'), 2);
  const auto request = f.request(post("body.test"), "body.test");
  RequestBodyFilter filter(*request->guard, request->values.get(), request->head);
  REQUIRE(filter.changes_length());
  SecretBuffer out;
  CHECK(filter.render_whole("a__TOKEN__b", out) == RequestBodyFilter::Whole::kDone);
  CHECK(out.view() == "a" + std::string(100, 'v') + "b");
  const auto second = f.request(post("body.test"), "body.test");
  RequestBodyFilter limited(*second->guard, second->values.get(), second->head);
  CHECK(limited.render_whole("__TOKEN____TOKEN____TOKEN__", out) ==
        RequestBodyFilter::Whole::kFailed);
  CHECK(limited.status() == RequestBodyFilter::Status::kTooMany);
}

TEST_CASE("request body: one that would grow too large is streamed, and counted once",
          "[proxy][body]") {
  GuardFixture f = fixture(std::string(1 << 20, 'v'), 5);
  const auto request = f.request(post("body.test"), "body.test");
  RequestBodyFilter filter(*request->guard, request->values.get(), request->head);
  const std::string body = "__TOKEN____TOKEN____TOKEN____TOKEN____TOKEN__.";
  SecretBuffer out;
  CHECK(filter.render_whole(body, out) == RequestBodyFilter::Whole::kStream);
  std::uint64_t bytes = 0;
  filter.supply(body, true);
  for (auto piece = filter.next(); !piece.empty(); piece = filter.next()) {
    bytes += piece.size();
  }
  CHECK(filter.status() == RequestBodyFilter::Status::kOk);
  CHECK(bytes == (5U << 20) + 1);
}

TEST_CASE("request body: nothing is copied where nothing is changed", "[proxy][body]") {
  GuardFixture f = fixture("v");
  const auto request = f.request(post("plain.test"), "plain.test");
  RequestBodyFilter filter(*request->guard, request->values.get(), request->head);
  const std::string piece(10'000, 'x');
  for (int i = 0; i < 3; ++i) {
    filter.supply(piece, false);
    const std::string_view out = filter.next();
    CHECK(out.data() == piece.data());
    CHECK(out.size() == piece.size());  // and nothing is held back
    CHECK(filter.next().empty());
  }
}

TEST_CASE("request body: 200 MB pass in bounded memory, searched and rewritten", "[proxy][body]") {
  GuardFixture f = fixture("the-real-value");
  std::string piece;
  while (piece.size() < 16384 - 40) {
    piece += "{\"text\": \"some ordinary text\", \"n\": 12345}\n";
  }
  const auto rss_kib = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  for (const std::string host : {"plain.test", "body.test"}) {
    const auto request = f.request(post(host), host);
    RequestBodyFilter filter(*request->guard, request->values.get(), request->head);
    const std::string with = host == "body.test" ? piece + "__TOKEN__" : piece;
    const std::size_t grown = host == "body.test" ? piece.size() + 14 : piece.size();
    const auto before = rss_kib();
    const std::size_t pieces = (std::size_t{200} << 20) / with.size();
    std::uint64_t bytes = 0;
    const std::clock_t start = std::clock();
    for (std::size_t i = 0; i <= pieces; ++i) {
      filter.supply(with, i == pieces);
      for (auto out = filter.next(); !out.empty(); out = filter.next()) {
        bytes += out.size();
      }
    }
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    CAPTURE(host, static_cast<double>(bytes) / 1e9 / seconds);  // GB per CPU second
    CHECK(bytes == grown * (pieces + 1));
    CHECK(filter.status() == RequestBodyFilter::Status::kOk);
    CHECK(rss_kib() - before < 4096);
  }
}
