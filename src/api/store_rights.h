#pragma once
// Who may pair which external store with a vault of `serve`. Admins of a vault are not the owner of
// the machine: what would run a program, read a file or the environment of the server's machine, or
// reach its private networks, is the owner's alone. What is not named here is the owner's too, so a
// new kind or setting is closed until somebody has thought about it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "source/kinds.h"
#include "vault/external.h"

namespace av::api {

// Why only the owner of the instance may pair this, in words; nothing when an admin may.
[[nodiscard]] std::optional<std::string> owners_alone(const source::Kind& kind,
                                                      const vault::StoreSettings& settings);
// Whatever its settings are.
[[nodiscard]] bool is_owners_kind(const source::Kind& kind);
[[nodiscard]] bool is_owners_setting(const source::Kind& kind, std::string_view name);
// Values of a setting that an admin may give; empty: any.
[[nodiscard]] std::vector<std::string_view> admins_values(const source::Kind& kind,
                                                          std::string_view name);
// Whether a reference to a store of this kind reaches what was not given to the vault: every file,
// every variable, all that a person keeps. Such ones are written by the owner, too.
[[nodiscard]] bool are_owners_references(std::string_view kind);

}  // namespace av::api
