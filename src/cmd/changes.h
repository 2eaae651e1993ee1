#pragma once
// What a command that writes a list of named things, services or rules, changes in it.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/command.h"

namespace av::cmd {

struct Changes {
  std::vector<std::string> added, changed, removed, unchanged;  // names
  [[nodiscard]] std::vector<std::string> touched() const;       // added, changed
  // For the audit record: "added a, b; changed c; removed d".
  [[nodiscard]] std::string text() const;
};

// From `before` to `after`; `to_json` tells whether two of a name are the same. Removed ones are in
// the order of `before`.
template <typename T, typename ToJson>
[[nodiscard]] Changes changes_between(const std::vector<T>& before, const std::vector<T>& after,
                                      const ToJson& to_json) {
  Changes changes;
  std::map<std::string, std::string> old;
  for (const T& item : before) {
    old[item.name] = to_json(item);
  }
  for (const T& item : after) {
    const auto it = old.find(item.name);
    if (it == old.end()) {
      changes.added.push_back(item.name);
    } else {
      const bool same = it->second == to_json(item);
      (same ? changes.unchanged : changes.changed).push_back(item.name);
      old.erase(it);
    }
  }
  for (const T& item : before) {
    if (old.contains(item.name)) {
      changes.removed.push_back(item.name);
    }
  }
  return changes;
}

void report(const Context& context, const std::string& vault, const Changes& changes);

}  // namespace av::cmd
