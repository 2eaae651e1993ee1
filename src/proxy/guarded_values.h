#pragma once
// GuardedValues: every value that a service has injected and that may still be worth something, not
// only the one that it injects now. A server that keeps what it was sent (a log, an echo) can give
// back a token after that was refreshed; and a response that was begun before can give back the
// token that came after. So what is looked for grows while responses are under way: their filters
// look at the same PatternSet, which is replaced between two of their pieces.
//
// Of the server's thread. Shared by all workers: what one agent's request showed to a server,
// another agent's can be told.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/secret.h"
#include "proxy/pattern_set.h"

namespace av::proxy {

class GuardedValues {
 public:
  // Of a credential's earlier values, as many are looked for; and of all of them together, where
  // one credential has a value for each of many hosts.
  static constexpr std::size_t kMostOfKey = 8;
  static constexpr std::size_t kMostValues = 64;

  // At the same place for as long as this lives.
  [[nodiscard]] const PatternSet& patterns() const { return patterns_; }

  struct Name {
    std::string key;
    std::uint64_t version = 0;
    bool external = false;  // versions of stores are counted apart
    auto operator<=>(const Name&) const = default;
  };
  [[nodiscard]] bool knows(const Name& name) const;
  // Held by whoever has injected it: as long as somebody does, it is looked for, however many came
  // after it. Null when it is not known.
  using Use = std::shared_ptr<const void>;
  [[nodiscard]] Use use_of(const Name& name) const;
  // `literal`: only as it is (the token of Basic authentication). `until_ms`: wall clock, from when
  // on it is worthless; 0: not known.
  Status add(const Name& name, std::string_view value, bool literal, std::int64_t until_ms);
  // After the last add and use_of(): forgets what is worthless, and of what nobody uses what is
  // beyond the limits above; looks for the rest.
  void settle(std::int64_t wall_ms);

 private:
  struct Value {
    Name name;
    Secret value;
    bool literal = false;
    std::int64_t until_ms = 0;
    std::shared_ptr<char> use = std::make_shared<char>();
  };
  std::vector<Value> values_;  // the newest last
  PatternSet patterns_;
  bool changed_ = false;
};

// By vault and service.
class GuardTable {
 public:
  // Kept for as long as the server lives: there are as many as services that were used.
  [[nodiscard]] std::shared_ptr<GuardedValues> of(const std::string& name) {
    std::shared_ptr<GuardedValues>& guard = guards_[name];
    if (guard == nullptr) {
      guard = std::make_shared<GuardedValues>();
    }
    return guard;
  }

 private:
  std::map<std::string, std::shared_ptr<GuardedValues>, std::less<>> guards_;
};

}  // namespace av::proxy
