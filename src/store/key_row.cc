#include "store/key_row.h"

#include "core/encoding.h"

namespace av::store {
namespace {

Expected<KeyMode> mode_from(std::string_view text) {
  for (const KeyMode mode : {KeyMode::kFile, KeyMode::kPassphrase, KeyMode::kEnvironment}) {
    if (text == to_string(mode)) {
      return mode;
    }
  }
  return make_error(ErrorCode::kCorrupt, "the store names an unknown kind of key");
}

}  // namespace

std::string_view to_string(KeyMode mode) {
  switch (mode) {
    case KeyMode::kFile:
      return "file";
    case KeyMode::kPassphrase:
      return "passphrase";
    case KeyMode::kEnvironment:
      return "environment";
  }
  return "file";
}

Expected<KeyRow> load_key_row(Database& database) {
  auto statement = database.prepare(
      "SELECT mode, generation, kdf_passes, kdf_memory_kib, kdf_lanes, salt, kek_id, "
      "retired_kek_id,"
      " wrapped, created_ms, rotated_ms FROM key WHERE id = 1");
  if (!statement.executeStep()) {
    return make_error(ErrorCode::kCorrupt, "the store holds no key", "restore it from a backup");
  }
  KeyRow row;
  AV_TRY(row.mode, mode_from(statement.getColumn(0).getString()));
  row.generation = unsigned_of(statement.getColumn(1));
  row.kdf = {statement.getColumn(2).getUInt(), statement.getColumn(3).getUInt(),
             statement.getColumn(4).getUInt()};
  row.salt = blob(statement.getColumn(5));
  row.kek_id = blob(statement.getColumn(6));
  row.retired_kek_id = blob(statement.getColumn(7));
  row.wrapped = blob(statement.getColumn(8));
  row.created_ms = statement.getColumn(9).getInt64();
  row.rotated_ms = statement.getColumn(10).getInt64();
  return row;
}

void save_key_row(Database& database, const KeyRow& row) {
  auto statement = database.prepare(
      "INSERT OR REPLACE INTO key (id, mode, generation, kdf_passes, kdf_memory_kib, kdf_lanes, "
      "salt,"
      " kek_id, retired_kek_id, wrapped, created_ms, rotated_ms)"
      " VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  put(statement, 1, to_string(row.mode));
  put(statement, 2, row.generation);
  put(statement, 3, std::int64_t{row.kdf.passes});
  put(statement, 4, std::int64_t{row.kdf.memory_kib});
  put(statement, 5, std::int64_t{row.kdf.lanes});
  put(statement, 6, row.salt);
  put(statement, 7, row.kek_id);
  put(statement, 8, row.retired_kek_id);
  put(statement, 9, row.wrapped);
  put(statement, 10, row.created_ms);
  put(statement, 11, row.rotated_ms);
  statement.exec();
}

std::string kdf_text(const crypto::Argon2Params& kdf) {
  return "t=" + std::to_string(kdf.passes) + " m=" + std::to_string(kdf.memory_kib) +
         " p=" + std::to_string(kdf.lanes);
}

std::string associated_data(const KeyRow& row) {
  return "agent-vault data key, version 1\n" + std::string(to_string(row.mode)) + "\n" +
         std::to_string(row.generation) + "\n" + kdf_text(row.kdf) + "\n" + encoding::hex(row.salt);
}

Status check_kdf(const KeyRow& row) {
  if (row.kdf.passes == 0 || row.kdf.passes > 64 || row.kdf.memory_kib < 8 ||
      row.kdf.memory_kib > (4U << 20) || row.kdf.lanes == 0 || row.kdf.lanes > 64 ||
      row.salt.size() < 8) {
    return make_error(ErrorCode::kCorrupt, "the store names impossible Argon2id parameters",
                      "restore it from a backup");
  }
  return {};
}

}  // namespace av::store
