#pragma once
// Migrations: the schema as a list of numbered steps, each applied in a transaction of its own.
// A step is never edited once released; tests start from every earlier version.

#include "core/expected.h"
#include "store/database.h"

namespace av::store {

// In the file's header (PRAGMA application_id): says whose database it is.
inline constexpr int kApplicationId = 0x41675661;  // "AgVa"

[[nodiscard]] int latest_schema();

// Brings the file from the version it is at to `target`. kTooNew when it is ahead of us, kCorrupt
// when it is another program's. Several processes may do it at once.
[[nodiscard]] Status migrate(Database& database, int target = latest_schema());

}  // namespace av::store
