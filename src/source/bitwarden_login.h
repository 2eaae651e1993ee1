#pragma once
// An item as the Bitwarden CLI prints it, and `bw serve` answers it (@bitwarden/cli 2026.6), and
// the envelope around both: {"success":true,"data":...} or {"success":false,"message":"..."}.

#include <cstdint>
#include <string_view>

#include "source/bitwarden_reference.h"
#include "source/provider.h"
#include "vault/json_view.h"

namespace av::source {

// The `data` of an envelope. kNotFound, kLocked, kDenied... by its message; kMalformed: it is none.
[[nodiscard]] Result<vault::JsonView> bitwarden_data(const vault::JsonDocument& answer);

// Fields: username, password, totp (a code of now), uri, notes, field:NAME of each custom field.
[[nodiscard]] Result<Record> bitwarden_record(const vault::JsonView& item, std::int64_t now_ms);

// The one item among those that a search or a site has given. Bitwarden gives the logins of a whole
// domain for a site: of several, the one that is for this very host, else the one whose name it is.
// kNotFound; kInvalid tells how many there are.
[[nodiscard]] Result<Record> bitwarden_choice(const vault::JsonView& data,
                                              const BitwardenItem& wanted, std::int64_t now_ms);

// Names, identifiers and hosts of items; never values.
[[nodiscard]] Result<std::vector<Listed>> bitwarden_listed(const vault::JsonView& data);

// What `status` said: who is logged in. kLocked, kDenied.
[[nodiscard]] Result<About> bitwarden_status(const vault::JsonView& data);

}  // namespace av::source
