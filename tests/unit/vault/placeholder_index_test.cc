#include "vault/placeholder_index.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <random>
#include <string>

#include "vault/placeholder.h"

using namespace av::vault;

namespace {

PlaceholderIndex index_of(const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& text : texts) {
    pairs.emplace_back(text, "KEY_" + text);
  }
  return PlaceholderIndex(std::move(pairs));
}

// "12:text", or "" when there is none.
std::string found(const PlaceholderIndex& index, std::string_view text) {
  const auto match = index.find(text);
  return match ? std::to_string(match->at) + ":" + match->entry->text : "";
}

// The same, by trying everything.
std::string naive(const std::vector<std::string>& texts, std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string* best = nullptr;
    for (const std::string& candidate : texts) {
      if (text.substr(at).starts_with(candidate) &&
          (best == nullptr || candidate.size() > best->size())) {
        best = &candidate;
      }
    }
    if (best != nullptr) {
      return std::to_string(at) + ":" + *best;
    }
  }
  return "";
}

}  // namespace

TEST_CASE("placeholder index: an empty one finds nothing", "[vault][placeholder]") {
  CHECK(PlaceholderIndex().empty());
  CHECK(found(PlaceholderIndex(), "anything at all") == "");
  CHECK(index_of({"abc"}).empty());  // shorter than kMinSize
}

TEST_CASE("placeholder index: finds a placeholder at every place of a text",
          "[vault][placeholder]") {
  for (const std::string text : {"a__b", "__TOKEN__", "sk-av-0123456789abcdef0123456789abcdef"}) {
    const PlaceholderIndex index = index_of({text, "another-one-that-is-not-there"});
    for (std::size_t before = 0; before < 80; ++before) {
      const std::string in = std::string(before, 'x') + text + "tail";
      CAPTURE(text, before);
      CHECK(found(index, in) == std::to_string(before) + ":" + text);
      CHECK(found(index, in.substr(0, before + text.size() - 1)) == "");
    }
  }
}

TEST_CASE("placeholder index: the first wins, and the longest of those that begin at one place",
          "[vault][placeholder]") {
  const PlaceholderIndex index = index_of({"__A__", "__A__B__", "__A__B__C__", "X__A__", "__B__"});
  CHECK(found(index, "..__A__B__C__") == "2:__A__B__C__");
  CHECK(found(index, "..__A__B__C_") == "2:__A__B__");
  CHECK(found(index, "..__A__BB__") == "2:__A__");
  CHECK(found(index, "..X__A__B__") == "2:X__A__");
  CHECK(index.longest() == 11);
}

TEST_CASE("placeholder index: a placeholder of several credentials names them all",
          "[vault][placeholder]") {
  const PlaceholderIndex index({{"__KEY__", "B"}, {"__KEY__", "A"}, {"__KEY__", "B"}});
  const auto match = index.find("=__KEY__");
  REQUIRE(match);
  CHECK(match->entry->keys == std::vector<std::string>{"A", "B"});
}

TEST_CASE("placeholder index: agrees with a search that tries everything", "[vault][placeholder]") {
  std::mt19937 random(7);  // NOLINT: the same in every run
  const auto word = [&](std::size_t least, std::size_t most) {
    std::string out(least + random() % (most - least + 1), ' ');
    for (char& c : out) {
      c = "ab_"[random() % 3];
    }
    return out;
  };
  for (int round = 0; round < 400; ++round) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < 1 + random() % 12; ++i) {
      texts.push_back(word(4, 9));
    }
    const PlaceholderIndex index = index_of(texts);
    const std::string text = word(0, 60);
    CAPTURE(texts, text);
    CHECK(found(index, text) == naive(texts, text));
  }
}

TEST_CASE("placeholder index: disabled services declare theirs too", "[vault][placeholder]") {
  Service service;
  service.enabled = false;
  service.substitutions.push_back({"KEY", "__KEY__", 1, 0});
  CHECK(found(PlaceholderIndex::declared_by({&service, 1}), "/__KEY__") == "1:__KEY__");
}

TEST_CASE("placeholder index: a hundred thousand services cost a search little",
          "[vault][placeholder]") {
  std::vector<Service> services(100'000);
  for (std::size_t i = 0; i < services.size(); ++i) {
    // What they have in common is longer than the window.
    services[i].substitutions.push_back(
        {"KEY", "__SHARED_PREFIX_" + std::to_string(i) + "__", 1, 0});
  }
  const PlaceholderIndex index = PlaceholderIndex::declared_by(services);
  CHECK(found(index, "a __SHARED_PREFIX_77777__ b") == "2:__SHARED_PREFIX_77777__");
  // Every place is a candidate, none is a placeholder.
  std::string hostile;
  while (hostile.size() < (1U << 20)) {
    hostile += "__SHARED_PREFIX_";
  }
  const auto start = std::chrono::steady_clock::now();
  CHECK(found(index, hostile) == "");
  // 65 536 candidates; each tried against all services would take a minute.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}
