#pragma once
// What somebody gives to pair an external store, checked against the table of kinds; the same for
// the command and for the API.

#include <string>
#include <string_view>

#include "core/expected.h"
#include "source/kinds.h"
#include "vault/external.h"

namespace av::api {

// kNotFound, with those that there are.
[[nodiscard]] Expected<const source::Kind*> kind_named(std::string_view id);
// Null: the kind has none of that name.
[[nodiscard]] const source::Setting* find_setting(const source::Kind& kind, std::string_view name);
// A setting that every kind with an address has: ca, allow_net, plain_http.
[[nodiscard]] bool is_common_setting(std::string_view name);
[[nodiscard]] Error no_such_setting(const source::Kind& kind, std::string_view name);
// A new store of that kind; an empty name: the kind's.
[[nodiscard]] vault::ExternalStore new_store(const source::Kind& kind, std::string_view name);
// Settings that name a program become its place and what it is. Reads the program.
[[nodiscard]] source::Result<void> pin_programs(const source::Kind& kind,
                                                vault::StoreSettings& settings);
[[nodiscard]] Expected<vault::StoreSecrets> copy_of(const vault::StoreSecrets& secrets);

}  // namespace av::api
