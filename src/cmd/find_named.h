#pragma once
// One of a list by its name.

#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "vault/names.h"

namespace av::cmd {

// kNotFound with the nearest name in the hint, or with the command that lists them. `what`: "rule".
template <typename T>
[[nodiscard]] Expected<const T*> find_named(const std::vector<T>& items, std::string_view what,
                                            const std::string& name,
                                            std::string_view list_command) {
  std::vector<std::string> names;
  for (const T& item : items) {
    if (item.name == name) {
      return &item;
    }
    names.push_back(item.name);
  }
  const std::string near = vault::did_you_mean(name, names);
  return make_error(
      ErrorCode::kNotFound, "no " + std::string(what) + " named '" + name + "'",
      near.empty() ? "see: " + std::string(list_command) : "did you mean '" + near + "'?");
}

}  // namespace av::cmd
