#pragma once
// The one row of table `key`: the wrapped data key and how it is unwrapped.

#include <cstdint>
#include <optional>
#include <string>

#include "core/crypto.h"
#include "core/expected.h"
#include "store/database.h"
#include "store/store.h"
#include "vault/kek_source.h"

namespace av::store {

struct KeyRow {
  KeyMode mode = KeyMode::kFile;
  std::uint64_t generation = 1;
  vault::KekRecord kek;
  struct Retired {
    KeyMode mode = KeyMode::kFile;
    vault::KekRecord kek;
  };
  // What this row made useless; forgotten by its source when seen.
  std::optional<Retired> retired;
  crypto::Bytes wrapped;
  std::int64_t created_ms = 0;
  std::int64_t rotated_ms = 0;
};

// These two throw SQLite::Exception: for use inside a transaction.
[[nodiscard]] Expected<KeyRow> load_key_row(Database& database);
void save_key_row(Database& database, const KeyRow& row);

// What the wrapped key is bound to: everything else in the row that decides how it is unwrapped.
[[nodiscard]] std::string associated_data(const KeyRow& row);

}  // namespace av::store
