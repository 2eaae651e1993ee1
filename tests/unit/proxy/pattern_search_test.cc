#include "proxy/pattern_search.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

using av::proxy::PatternSearch;

namespace {

using Places = std::vector<std::pair<std::size_t, std::size_t>>;

Places found_by(const PatternSearch& search, const std::string& text) {
  std::vector<PatternSearch::Match> matches;
  search.find(text, matches);
  Places places;
  for (const auto& m : matches) {
    places.emplace_back(m.begin, m.size);
  }
  std::sort(places.begin(), places.end());
  return places;
}

Places naive(const std::vector<std::string>& patterns, const std::string& text) {
  Places places;
  for (const std::string& p : patterns) {
    for (std::size_t at = text.find(p); at != std::string::npos; at = text.find(p, at + 1)) {
      places.emplace_back(at, p.size());
    }
  }
  std::sort(places.begin(), places.end());
  return places;
}

}  // namespace

TEST_CASE("search: finds what a naive search finds, whatever lengths and positions",
          "[proxy][search]") {
  // NOLINTNEXTLINE: the same texts each time
  std::mt19937 random(20240601);
  const auto letters = [&](std::size_t size, unsigned kinds) {
    std::string s;
    for (std::size_t i = 0; i < size; ++i) {
      s += static_cast<char>('a' + random() % kinds);
    }
    return s;
  };
  for (const std::size_t shortest : {8U, 9U, 15U, 19U, 20U, 23U, 35U, 36U, 50U, 200U}) {
    for (int round = 0; round < 40; ++round) {
      // Few letters: many near misses, and patterns that overlap themselves and each other.
      const unsigned kinds = 1 + static_cast<unsigned>(round) % 3;
      std::vector<std::string> patterns{letters(shortest, kinds)};
      for (std::size_t more = random() % 4; more > 0; --more) {
        patterns.push_back(letters(shortest + random() % 60, kinds));
      }
      std::sort(patterns.begin(), patterns.end());
      patterns.erase(std::unique(patterns.begin(), patterns.end()), patterns.end());
      PatternSearch search;
      for (const std::string& p : patterns) {
        search.add(p);
      }
      search.build();
      CHECK(search.shortest() == shortest);
      std::string text = letters(random() % 40, kinds);
      for (std::size_t pieces = random() % 6; pieces > 0; --pieces) {
        text += patterns[random() % patterns.size()];
        text += letters(random() % 9, kinds);
      }
      INFO(shortest << " " << text);
      REQUIRE(found_by(search, text) == naive(patterns, text));
    }
  }
}

TEST_CASE("search: finds at every position of texts of every size", "[proxy][search]") {
  for (const std::size_t size : {8U, 21U, 40U}) {
    std::string pattern;
    for (std::size_t i = 0; i < size; ++i) {
      pattern += static_cast<char>('A' + i);
    }
    PatternSearch search;
    search.add(pattern);
    search.build();
    for (std::size_t before = 0; before < 70; ++before) {
      for (std::size_t after = 0; after < 20; ++after) {
        const std::string text = std::string(before, '.') + pattern + std::string(after, '.');
        REQUIRE(found_by(search, text) == Places{{before, size}});
      }
      std::string almost = std::string(before, '.') + pattern;
      almost.back() = '.';
      REQUIRE(found_by(search, almost).empty());
    }
  }
}

TEST_CASE("search: thousands of patterns", "[proxy][search]") {
  PatternSearch search;
  std::vector<std::string> patterns;
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    patterns.push_back("pattern number " + std::to_string(i * 7919) + " of many");
    search.add(patterns.back());
    text += i % 100 == 0 ? patterns.back() : std::string("no pattern at all ");
  }
  search.build();
  CHECK(found_by(search, text).size() == 50);
}
