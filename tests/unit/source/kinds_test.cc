#include "source/kinds.h"

#include <catch2/catch.hpp>

#include <set>

namespace av::source {
namespace {

TEST_CASE("kinds of stores: ids are unique, settings are named once, secrets have no fallback") {
  std::set<std::string_view> ids;
  for (const Kind* const kind : kinds()) {
    INFO(kind->id);
    CHECK(ids.insert(kind->id).second);
    CHECK(find_kind(kind->id) == kind);
    CHECK(scheme_of(kind->example) == kind->scheme);
    CHECK(kind->parse(kind->example).has_value());
    std::set<std::string_view> names;
    for (const Setting& setting : kind->settings) {
      CHECK(names.insert(setting.name).second);
      CHECK((!setting.secret || setting.fallback.empty()));
      CHECK_FALSE(setting.help.empty());
    }
  }
  CHECK(find_kind("no-such-kind") == nullptr);
  CHECK(scheme_of("no reference").empty());
}

TEST_CASE("an excerpt of what a store said is one printable line") {
  CHECK(excerpt("a\x1b[31m b\n\n c\t") == "a [31m b c");
  CHECK(excerpt(std::string(500, 'x')).size() == 163);
}

}  // namespace
}  // namespace av::source
