#include "proxy/name_door.h"

#include <catch2/catch.hpp>
#include <string>

using namespace av::proxy;  // NOLINT: a test
using namespace std::string_literals;

namespace {

struct Query {
  std::uint16_t type = kDnsTypeA;
  std::uint16_t dns_class = kDnsClassIn;
  std::uint16_t flags = 0x0100;
  bool extended = false;
};

void put16(std::string& out, unsigned value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value & 0xFF));
}

std::string query_for(const std::string& name, Query how = {}) {
  std::string out;
  put16(out, 0xBEEF);
  put16(out, how.flags);
  put16(out, 1);
  put16(out, 0);
  put16(out, 0);
  put16(out, how.extended ? 1 : 0);
  std::string rest = name;
  while (!rest.empty()) {
    const std::size_t dot = rest.find('.');
    const std::string label = rest.substr(0, dot);
    out.push_back(static_cast<char>(label.size()));
    out += label;
    rest = dot == std::string::npos ? "" : rest.substr(dot + 1);
  }
  out.push_back('\0');
  put16(out, how.type);
  put16(out, how.dns_class);
  if (how.extended) {
    out += "\0\0\x29\x04\xD0\0\0\0\0\0\0"s;
  }
  return out;
}

DnsAnswer ask(const std::string& query, NamePool& names) {
  const auto question = read_dns_query(query);
  REQUIRE(question);
  return answer_name(*question, names);
}

}  // namespace

TEST_CASE("each name has an address of its own, the same every time, that leads back to it") {
  NamePool names;
  const auto a = names.address_of("a.example");
  const auto b = names.address_of("b.example");
  REQUIRE(a != b);
  REQUIRE(names.address_of("a.example") == a);
  REQUIRE(NamePool::is_ours(a));
  REQUIRE(*names.name_of(a) == "a.example");
  REQUIRE(*names.name_of(b) == "b.example");
  REQUIRE(names.name_of(b + 1) == nullptr);
  REQUIRE(names.name_of(0x7F000001) == nullptr);
}

TEST_CASE("asking for ever forgets the oldest names, whose addresses then lead nowhere") {
  NamePool names;
  const auto first = names.address_of("n0.example");
  constexpr std::size_t kAsked = 200'000;  // more than there are addresses
  for (std::size_t i = 1; i < kAsked; ++i) {
    const auto address = names.address_of("n" + std::to_string(i) + ".example");
    REQUIRE(NamePool::is_ours(address));
    if (i == NamePool::kMost) {
      REQUIRE(names.name_of(first) == nullptr);
    }
  }
  for (std::size_t i = kAsked - NamePool::kMost; i < kAsked; ++i) {
    const std::string name = "n" + std::to_string(i) + ".example";
    REQUIRE(*names.name_of(names.address_of(name)) == name);
  }
  // One that was forgotten is a new one.
  REQUIRE(*names.name_of(names.address_of("n0.example")) == "n0.example");
}

TEST_CASE("a question for an address gets one, whatever its spelling, and the question back") {
  NamePool names;
  const std::string query = query_for("Echo.TEST", {.extended = true});
  const auto question = read_dns_query(query);
  REQUIRE(question);
  REQUIRE(question->name == "echo.test");
  REQUIRE(question->extended);
  const DnsAnswer answer = answer_name(*question, names);
  REQUIRE(answer.address == names.address_of("echo.test"));
  const std::string bytes = write_dns_answer(query, *question, answer);
  REQUIRE(bytes.substr(0, 12) == "\xBE\xEF\x81\x80\0\1\0\1\0\0\0\1"s);
  REQUIRE(bytes.substr(12, question->size - 12) == query.substr(12, question->size - 12));
  REQUIRE(bytes.substr(question->size, 12) == "\xC0\x0C\0\1\0\1\0\0\0\x1E\0\4"s);
  REQUIRE(bytes.size() == question->size + 16 + 11);
}

TEST_CASE("other records are not there, so nothing leads past the proxy and nothing is tunnelled") {
  NamePool names;
  for (const std::uint16_t type :
       std::initializer_list<std::uint16_t>{28, 65, 64, 16, 15, 33, 12, 255, 252}) {
    const DnsAnswer answer = ask(query_for("c2VjcmV0.tunnel.example", {.type = type}), names);
    REQUIRE(answer.code == DnsCode::kNoError);
    REQUIRE_FALSE(answer.address);
  }
}

TEST_CASE("localhost is the run's own, and what no request could name does not exist") {
  NamePool names;
  REQUIRE(ask(query_for("localhost"), names).address == 0x7F000001U);
  REQUIRE(ask(query_for("dev.localhost"), names).address == 0x7F000001U);
  for (const char* const name : {"a_b.example", "1.2.3.4", "0x7f.1", "a..b", "b\xC3\xBC.example"}) {
    const auto question = read_dns_query(query_for(name));
    if (question) {
      INFO(name);
      REQUIRE(answer_name(*question, names).code == DnsCode::kNoSuchName);
    }
  }
  REQUIRE(ask(query_for("a.example", {.dns_class = 3}), names).code == DnsCode::kNoSuchName);
  REQUIRE(ask(query_for("a.example", {.flags = 0x2900}), names).code == DnsCode::kNotImplemented);
}

TEST_CASE("what is no single question is not answered, wherever it is cut") {
  const std::string query = query_for("echo.test", {.extended = true});
  const std::size_t whole = query.size() - 11;
  for (std::size_t size = 0; size < whole; ++size) {
    REQUIRE_FALSE(read_dns_query(std::string_view(query).substr(0, size)));
  }
  REQUIRE(read_dns_query(std::string_view(query).substr(0, whole)));
  REQUIRE_FALSE(read_dns_query(query_for("a.example", {.flags = 0x8180})));
  std::string two = query_for("a.example");
  two[5] = 2;
  REQUIRE_FALSE(read_dns_query(two));
  std::string pointer = query_for("a.example");
  pointer[12] = static_cast<char>(0xC0);
  REQUIRE_FALSE(read_dns_query(pointer));
  std::string dotted = query_for("abc.example");
  dotted[14] = '.';
  REQUIRE_FALSE(read_dns_query(dotted));
}
