#include "store/key_row.h"

#include <array>

#include "core/encoding.h"

namespace av::store {
namespace {

struct ModeName {
  KeyMode mode;
  std::string_view name;
};

// Names are in databases: none is changed or given again.
constexpr std::array kModes = {
    ModeName{KeyMode::kFile, "file"},
    ModeName{KeyMode::kPassphrase, "passphrase"},
    ModeName{KeyMode::kEnvironment, "environment"},
    ModeName{KeyMode::kKeyring, "keyring"},
    ModeName{KeyMode::kTpm, "tpm"},
    ModeName{KeyMode::kPkcs11, "pkcs11"},
};

Expected<KeyMode> mode_in_row(const std::string& text) {
  if (const auto mode = key_mode(text)) {
    return *mode;
  }
  return make_error(ErrorCode::kCorrupt,
                    "the store is locked in a way that this program does not know: '" +
                        encoding::printable(text.substr(0, 32)) + "'",
                    "use the agent-vault that locked it, or restore the store from a backup");
}

}  // namespace

std::string_view to_string(KeyMode mode) {
  for (const ModeName& each : kModes) {
    if (each.mode == mode) {
      return each.name;
    }
  }
  return kModes.front().name;
}

std::optional<KeyMode> key_mode(std::string_view name) {
  for (const ModeName& each : kModes) {
    if (each.name == name) {
      return each.mode;
    }
  }
  return std::nullopt;
}

Expected<KeyRow> load_key_row(Database& database) {
  auto statement = database.prepare(
      "SELECT mode, generation, descriptor, kek_id, retired_mode, retired_descriptor,"
      " retired_kek_id, wrapped, created_ms, rotated_ms FROM key WHERE id = 1");
  if (!statement.executeStep()) {
    return make_error(ErrorCode::kCorrupt, "the store holds no key", "restore it from a backup");
  }
  KeyRow row;
  AV_TRY(row.mode, mode_in_row(statement.getColumn(0).getString()));
  row.generation = unsigned_of(statement.getColumn(1));
  row.kek = {statement.getColumn(2).getString(), blob(statement.getColumn(3))};
  const std::string retired = statement.getColumn(4).getString();
  if (!retired.empty()) {
    AV_TRY(const KeyMode mode, mode_in_row(retired));
    row.retired =
        KeyRow::Retired{mode, {statement.getColumn(5).getString(), blob(statement.getColumn(6))}};
  }
  row.wrapped = blob(statement.getColumn(7));
  row.created_ms = statement.getColumn(8).getInt64();
  row.rotated_ms = statement.getColumn(9).getInt64();
  return row;
}

void save_key_row(Database& database, const KeyRow& row) {
  auto statement = database.prepare(
      "INSERT OR REPLACE INTO key (id, mode, generation, descriptor, kek_id, retired_mode,"
      " retired_descriptor, retired_kek_id, wrapped, created_ms, rotated_ms)"
      " VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const vault::KekRecord retired = row.retired ? row.retired->kek : vault::KekRecord();
  put(statement, 1, to_string(row.mode));
  put(statement, 2, row.generation);
  put(statement, 3, row.kek.descriptor);
  put(statement, 4, row.kek.kek_id);
  put(statement, 5, row.retired ? to_string(row.retired->mode) : std::string_view());
  put(statement, 6, retired.descriptor);
  put(statement, 7, retired.kek_id);
  put(statement, 8, row.wrapped);
  put(statement, 9, row.created_ms);
  put(statement, 10, row.rotated_ms);
  statement.exec();
}

// The descriptor is last and so may hold anything.
std::string associated_data(const KeyRow& row) {
  return "agent-vault data key, version 1\n" + std::string(to_string(row.mode)) + "\n" +
         std::to_string(row.generation) + "\n" + row.kek.descriptor;
}

}  // namespace av::store
