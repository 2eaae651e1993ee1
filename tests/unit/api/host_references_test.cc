// References with the host of a request in them: what an agent may name as a host, put into what a
// person has written, for each kind of store.

#include <array>
#include <catch2/catch.hpp>
#include <string>

#include "api/store_words.h"
#include "source/kinds.h"
#include "vault/host_reference.h"

using namespace av;

namespace {

struct Written {
  const char* kind;
  const char* reference;
};
constexpr std::array kWritten = {
    Written{"1password", "op://Agents/{host}/credential"},
    Written{"1password", "op://{host}/token/value"},
    Written{"1password-connect", "op://Agents/{host}/section/credential"},
    Written{"bitwarden", "bw://domain/{host}"},
    Written{"bitwarden", "bw://search/{host}#username"},
    Written{"bitwarden-cli", "bw://domain/{host}#field:token"},
    Written{"bitwarden-sm", "bw://key/{host}"},
    Written{"vault", "vault://secret/web/{host}#token"},
    Written{"vault", "vault://secret/{host}/app?version=3#token"},
    Written{"infisical", "infisical://{host}/TOKEN"},
    Written{"pass", "pass://web/{host}"},
    Written{"pass", "pass://web/{host}#login"},
    Written{"keyring", "keyring://{host}/me"},
    Written{"file", "file:///run/tokens/{host}"},
    Written{"cmd", "cmd://{host}"},
    Written{"cmd", "cmd://{host}/path#username"},
};

api::StoreInfos stores_of(const char* kind) {
  api::StoreInfo info;
  info.store.uid = "xst_1";
  info.store.name = "store";
  info.store.kind = kind;
  return {info};
}

Expected<vault::HostMapping> mapped(const char* kind, const std::string& host,
                                    const std::string& reference) {
  auto service = vault::mapping_service(host);
  REQUIRE(service);
  return api::make_mapping(stores_of(kind), "default", std::move(*service), reference, "");
}

}  // namespace

TEST_CASE("a reference with the host in it is what one would have typed for that host",
          "[host_reference]") {
  for (const Written& written : kWritten) {
    INFO(written.kind << " " << written.reference);
    const auto mapping = mapped(written.kind, "*", written.reference);
    if (!mapping) {
      FAIL(mapping.error().message);
    }
    CHECK(vault::names_host(mapping->ref.item));
    const source::Kind* const kind = source::find_kind(written.kind);
    for (const char* const host :
         {"github.com", "api.example.com", "xn--bcher-kva.example", "a-b.c--d.example", "0.example",
          "01234567-89ab-cdef-0123-456789abcdef.example", "data.example", "metadata.co",
          "abcdefghijklmnopqrstuvwxyz.op"}) {
      INFO(host);
      const auto typed = kind->parse(vault::fill_host(written.reference, host));
      REQUIRE(typed);
      CHECK(vault::fill_host(mapping->ref.item, host) == typed->item);
      CHECK(mapping->ref.field == typed->field);
    }
  }
}

TEST_CASE("no host reaches beyond its part of a reference", "[host_reference]") {
  for (const Written& written : kWritten) {
    const auto mapping = mapped(written.kind, "*", written.reference);
    REQUIRE(mapping);
    for (const char* const host :
         {"../../other/item", "..", "x/../y.example", "a.example/other", "a.example#other",
          "a.example?version=1", "a.example%2f..", "%2e%2e.example", "a.example\r\nX: y",
          "a.example --session=x", "--help.example", "{host}.example", "10.0.0.1", "[fe80::1]",
          "localhost", "ADMIN.example", "a.example.", ".example", "a..b.example"}) {
      INFO(written.reference << " " << host);
      CHECK(vault::fill_host(mapping->ref.item, host).empty());
    }
  }
}

TEST_CASE("'*' is mapped to what differs with the host, and to nothing else", "[host_reference]") {
  CHECK_FALSE(mapped("1password", "*", "op://Agents/OpenAI/credential"));
  CHECK(mapped("1password", "api.example.com", "op://Agents/OpenAI/credential"));
  CHECK(mapped("1password", "*.example.com", "op://Agents/{host}/credential"));
  // What its store finds by itself.
  CHECK(mapped("bitwarden", "*", "")->ref.item.empty());
  CHECK_FALSE(mapped("1password", "*", ""));
  for (const char* const bad :
       {"op://Agents/{host}/{host}", "op://Agents/x-{host}/credential", "op://Agents/item/f#{host}",
        "bw://domain/{host}", "op://Agents/item/{host}?attribute=otp/{host}"}) {
    INFO(bad);
    CHECK_FALSE(mapped("1password", "*", bad));
  }
  // A name of a variable is no host's.
  CHECK_FALSE(mapped("env", "*", "env://{host}"));
  CHECK_FALSE(mapped("bitwarden", "*", "bw://id/{host}.x"));
}
