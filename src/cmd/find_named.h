#pragma once
// One of a list by its name, and the name of a vault by its uid.

#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "store/store.h"
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

// The name that the vault has now: unlike its uid it may change. Empty when there is none, or the
// store cannot be read.
[[nodiscard]] inline std::string vault_of_uid(store::Store& store, std::string_view uid) {
  if (const auto vaults = store.list_vaults()) {
    for (const store::VaultInfo& info : *vaults) {
      if (info.uid == uid) {
        return info.name;
      }
    }
  }
  return {};
}

}  // namespace av::cmd
