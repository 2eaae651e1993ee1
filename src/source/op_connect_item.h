#pragma once
// One whole item as Connect gives it (FullItem of its API), as a record. Internal to this library.

#include <string_view>

#include "source/provider.h"
#include "vault/json_view.h"

namespace av::source {

// The fields by all the names that a reference may have for them, in lower case: label or id,
// behind the label or id of their section if they have one. A name that means several fields stands
// for the one outside of sections, or for none. `codes`: the one-time codes instead of the values.
// kInvalid: more than 512 KiB.
[[nodiscard]] Result<Record> connect_record(const vault::JsonView& item, bool codes);

}  // namespace av::source
