#pragma once
// The one row of table `key`: the wrapped data key and how it is unwrapped.

#include <cstdint>
#include <string>

#include "core/crypto.h"
#include "core/expected.h"
#include "store/database.h"
#include "store/store.h"

namespace av::store {

struct KeyRow {
  KeyMode mode = KeyMode::kFile;
  std::uint64_t generation = 1;
  crypto::Argon2Params kdf{0, 0, 0};  // passphrase mode only
  crypto::Bytes salt;
  crypto::Bytes kek_id;
  crypto::Bytes retired_kek_id;  // of the key file that this row made useless; removed when seen
  crypto::Bytes wrapped;
  std::int64_t created_ms = 0;
  std::int64_t rotated_ms = 0;
};

// These two throw SQLite::Exception: for use inside a transaction.
[[nodiscard]] Expected<KeyRow> load_key_row(Database& database);
void save_key_row(Database& database, const KeyRow& row);

// What the wrapped key is bound to: everything else in the row that decides how it is unwrapped.
[[nodiscard]] std::string associated_data(const KeyRow& row);

// "t=3 m=65536 p=4"
[[nodiscard]] std::string kdf_text(const crypto::Argon2Params& kdf);

// The parameters come from the file: kCorrupt for ones that would take the machine down.
[[nodiscard]] Status check_kdf(const KeyRow& row);

}  // namespace av::store
