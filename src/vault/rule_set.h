#pragma once
// RuleSet: the enabled rules of a vault, compiled so that the cost of a request does not grow with
// their number: rules are found by host, agent and the beginning of the path, as services are
// (matcher.h).
//
// Immutable; find() may be called from any thread.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault/canonical.h"
#include "vault/flat_table.h"
#include "vault/path_readings.h"
#include "vault/rule.h"

namespace av::vault {

// A request's body, as far as rules look at it: decoded, the whole of it or nothing.
struct BodyView {
  // At most this much is looked at, before and after decoding.
  static constexpr std::size_t kMaxSize = std::size_t{1} << 20;
  enum class State : std::uint8_t {
    kWhole,
    kUnreadable,  // longer, in a coding that is not known, malformed, or a WebSocket's messages
  };
  State state = State::kWhole;
  std::string_view bytes;
};

class RuleSet {
 public:
  RuleSet() = default;
  // Leaves disabled ones out.
  explicit RuleSet(std::vector<Rule> rules);
  [[nodiscard]] bool empty() const { return rules_.empty(); }

  struct Found {
    const Rule* block = nullptr;
    const Rule* allow = nullptr;
    std::vector<const Rule*> approvals;  // all of them ask
    std::vector<const Rule*> limits;     // all of them count
    // Some rule matches but for its conditions, or would if the form that the body is named another
    // method, and no body is given.
    bool needs_body = false;
    // `block` matched because the body cannot be read.
    bool body_unreadable = false;
  };
  // Of several of one action the first in order, except where all count. A rule with conditions on
  // a body that cannot be read matches when it restricts, and does not when it allows. When a rule
  // without conditions blocks, the others may be left out.
  [[nodiscard]] Found find(const RequestIdentity& request, std::string_view agent,
                           const BodyView* body) const;
  // Every rule that matches, in order; for `rule test`.
  [[nodiscard]] std::vector<const Rule*> matching(const RequestIdentity& request,
                                                  std::string_view agent,
                                                  const BodyView* body) const;

  // Whether some rule is about this host at all. Looks at each of them.
  [[nodiscard]] bool concern(std::string_view host) const;

  [[nodiscard]] std::span<const Rule> rules() const { return rules_; }
  // How many rules find() looks at closely for a request, some of them more than once: for tests,
  // which count instead of measuring.
  [[nodiscard]] std::size_t candidates(const RequestIdentity& request,
                                       std::string_view agent) const;

 private:
  // Where a rule is found: the kind of its host pattern and the host, one of its agents, and what
  // all paths that a reading of its pattern covers begin with.
  struct Entry;
  // The readings of a request's path, made when the first rule needs them.
  class Readings;
  // Rules of one host and agent whose beginnings are equally long.
  struct Group {
    std::uint32_t start_size = 0;
    bool last = false;  // of its place
  };
  struct Place {
    std::string key;
    std::uint32_t group = 0;  // the first
  };
  struct Bucket {
    std::string start;
    std::uint32_t group = 0;
    std::uint32_t begin = 0;  // in order_
    std::uint32_t end = 0;
  };

  void compile(std::vector<Entry> entries);
  template <typename Take>
  void each_candidate(const RequestIdentity& request, std::string_view agent, Readings& readings,
                      const Take& take) const;
  template <typename Take>
  void each_at(std::string_view key, Readings& readings, const Take& take) const;

  std::vector<Rule> rules_;
  std::vector<std::vector<std::string>> patterns_;  // the readings of the paths of rules_
  std::vector<std::uint32_t> order_;                // indices of rules_, by bucket
  std::vector<Place> places_;
  std::vector<Group> groups_;
  std::vector<Bucket> buckets_;
  FlatTable place_table_;   // index + 1 in places_
  FlatTable bucket_table_;  // index + 1 in buckets_
};

// Why a rule does not match a request, told by its own fields: what `rule test` says. A rule
// matches when it is kNothing, and only then.
enum class Mismatch : std::uint8_t {
  kNothing,
  kDisabled,
  kHost,
  kAgent,
  kPort,
  kMethod,
  kPath,
  kBody,
};
[[nodiscard]] Mismatch mismatch(const Rule& rule, const RequestIdentity& request,
                                std::string_view agent, const BodyView& body);

}  // namespace av::vault
