#include "store/key_store.h"

#include <unistd.h>

#include "core/encoding.h"
#include "store/key_file.h"

namespace av::store {
namespace {

constexpr std::size_t kSaltSize = 16;
constexpr std::string_view kCannotRead = "cannot read the key";
constexpr std::string_view kCannotChange = "cannot change the key";

void use_passphrase(KeyRow& row) {
  row.mode = KeyMode::kPassphrase;
  row.kdf = crypto::Argon2Params{};
  row.salt.resize(kSaltSize);
  crypto::random_bytes(row.salt);
}

void use_no_kdf(KeyRow& row, KeyMode mode) {
  row.mode = mode;
  row.kdf = {0, 0, 0};
  row.salt.clear();
}

// What fs::replace_file() of a process that was killed has left of `file`.
void remove_unfinished(const std::filesystem::path& file) {
  const std::string beginning = file.filename().string() + ".tmp-";
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(file.parent_path(), ec)) {
    if (entry.path().filename().native().starts_with(beginning)) {
      ::unlink(entry.path().c_str());
    }
  }
}

Expected<Secret> ask(const KeySources& sources, bool confirm) {
  if (!sources.passphrase) {
    return make_error(ErrorCode::kLocked, "the store is locked by a passphrase",
                      "set AGENT_VAULT_MASTER_PASSWORD");
  }
  return sources.passphrase(confirm);
}

}  // namespace

std::filesystem::path KeyStore::new_key_file() const {
  return paths_.data / "key.new";
}

Status KeyStore::reached(std::string_view step) const {
  return test_only_step ? test_only_step(step) : Status{};
}

Status KeyStore::wrap_with(KeyRow& row, const Secret& data_key, const Secret& kek) const {
  row.kek_id = key_id(kek);
  AV_TRY(row.wrapped, data_key.reveal([&](std::string_view bytes) {
    return crypto::seal(kek, bytes, associated_data(row));
  }));
  return {};
}

Status KeyStore::initialise(Database& database, const Clock& clock) {
  KeyRow row;
  row.created_ms = clock.wall_ms();
  Secret kek;
  if (!sources_.environment_key.empty()) {
    use_no_kdf(row, KeyMode::kEnvironment);
    AV_TRY(kek, sources_.environment_key.clone());
  } else if (sources_.passphrase_from_environment) {
    use_passphrase(row);
    AV_TRY(const Secret passphrase, ask(sources_, true));
    AV_TRY(kek, crypto::argon2id(passphrase, row.salt, row.kdf));
  } else {
    AV_TRY(kek, ensure_key_file(paths_.key_file()));
  }
  AV_TRY(const Secret data_key, crypto::random_secret(crypto::kKeySize));
  AV_CHECK(wrap_with(row, data_key, kek));
  save_key_row(database, row);
  return {};
}

Expected<Secret> KeyStore::kek_from_files(const KeyRow& row) const {
  const auto path = paths_.key_file();
  // A rotation may rename the second over the first between two looks, hence the third.
  Expected<Secret> first = read_key_file(path);
  if (first && key_id(*first) == row.kek_id) {
    return first;
  }
  for (const auto& file : {new_key_file(), path}) {
    Expected<Secret> key = read_key_file(file);
    if (key && key_id(*key) == row.kek_id) {
      return key;
    }
  }
  if (!first && first.error().code == ErrorCode::kNotFound) {
    return make_error(ErrorCode::kLocked, "the key file " + path.string() + " is missing",
                      "put back the key file that this store was made with (key id " +
                          encoding::hex(row.kek_id) + "); without it the values are lost");
  }
  if (!first) {
    return first;
  }
  return make_error(ErrorCode::kLocked,
                    "the key file " + path.string() + " belongs to another store (key id " +
                        encoding::hex(key_id(*first)) + ")",
                    "put back the key file with key id " + encoding::hex(row.kek_id));
}

Expected<Secret> KeyStore::kek_from_passphrase(const KeyRow& row) {
  AV_CHECK(check_kdf(row));
  // An open store never asks again: in a run the terminal is the command's, which could read along.
  if (asked_ || (ring_ != nullptr && !sources_.passphrase_from_environment)) {
    return make_error(ErrorCode::kLocked, "another process changed the passphrase of the store",
                      "start this command again");
  }
  asked_ = true;
  AV_TRY(const Secret passphrase, ask(sources_, false));
  AV_TRY(Secret kek, crypto::argon2id(passphrase, row.salt, row.kdf));
  if (key_id(kek) != row.kek_id) {
    return make_error(
        ErrorCode::kLocked, "wrong passphrase",
        sources_.passphrase_from_environment ? "check AGENT_VAULT_MASTER_PASSWORD" : "try again");
  }
  return kek;
}

Expected<Secret> KeyStore::kek_from_environment(const KeyRow& row) const {
  if (sources_.environment_key.empty()) {
    return make_error(ErrorCode::kLocked, "the store is locked by SECRET_ENCRYPTION_KEY",
                      "set SECRET_ENCRYPTION_KEY to the key that this store was made with");
  }
  if (key_id(sources_.environment_key) != row.kek_id) {
    return make_error(ErrorCode::kLocked,
                      "SECRET_ENCRYPTION_KEY is not the key of this store (key id " +
                          encoding::hex(row.kek_id) + ")",
                      "set SECRET_ENCRYPTION_KEY to the key that this store was made with");
  }
  return sources_.environment_key.clone();
}

Status KeyStore::find_kek(const KeyRow& row) {
  if (!kek_.empty() && kek_id_ == row.kek_id) {
    return {};
  }
  Expected<Secret> kek = Secret();
  switch (row.mode) {
    case KeyMode::kFile:
      kek = kek_from_files(row);
      break;
    case KeyMode::kPassphrase:
      kek = kek_from_passphrase(row);
      break;
    case KeyMode::kEnvironment:
      kek = kek_from_environment(row);
      break;
  }
  if (!kek) {
    return kek.error();
  }
  kek_ = std::move(*kek);
  kek_id_ = row.kek_id;
  return {};
}

Status KeyStore::adopt(const KeyRow& row) {
  AV_CHECK(find_kek(row));
  Expected<Secret> data_key = crypto::open(kek_, row.wrapped, associated_data(row));
  if (!data_key || data_key->size() != crypto::kKeySize) {
    return make_error(ErrorCode::kCorrupt, "the data key in the store was damaged or tampered with",
                      "restore the store from a backup");
  }
  ring_ = std::make_shared<const vault::KeyRing>(std::move(*data_key));
  generation_ = row.generation;
  return {};
}

Status KeyStore::unlock(Database& database) {
  const auto load = [&] { return load_key_row(database); };
  AV_TRY(const KeyRow row, database.read(kCannotRead, load));
  AV_CHECK(adopt(row));
  if (row.mode != KeyMode::kEnvironment) {
    sources_.environment_key = Secret();
  }
  const bool leftover = ::access(new_key_file().c_str(), F_OK) == 0 || !row.retired_kek_id.empty();
  if (leftover) {
    // Only tidying: the store is usable without, and a read-only or busy one stays so.
    (void)settle_files(database);
  }
  return {};
}

Expected<KeyStore> KeyStore::another() const {
  KeySources sources;
  AV_TRY(sources.environment_key, sources_.environment_key.clone());
  sources.passphrase_from_environment = sources_.passphrase_from_environment;
  if (sources_.passphrase_from_environment) {
    sources.passphrase = sources_.passphrase;
  }
  KeyStore out(paths_, std::move(sources));
  AV_TRY(out.kek_, kek_.clone());
  out.kek_id_ = kek_id_;
  out.asked_ = asked_;
  out.generation_ = generation_;
  out.ring_ = ring_;
  return out;
}

Status KeyStore::refresh(Database& database) {
  const auto generation = database.integer("SELECT generation FROM key WHERE id = 1");
  if (ring_ != nullptr && static_cast<std::uint64_t>(generation) == generation_) {
    return {};
  }
  AV_TRY(const KeyRow row, load_key_row(database));
  return adopt(row);
}

Expected<KeyStatus> KeyStore::status(Database& database) const {
  const auto load = [&] { return load_key_row(database); };
  AV_TRY(const KeyRow row, database.read(kCannotRead, load));
  KeyStatus status{row.mode, row.generation, row.created_ms, row.rotated_ms, {}};
  switch (row.mode) {
    case KeyMode::kFile:
      status.detail = paths_.key_file().string();
      break;
    case KeyMode::kPassphrase:
      status.detail = "Argon2id " + kdf_text(row.kdf);
      break;
    case KeyMode::kEnvironment:
      status.detail = "SECRET_ENCRYPTION_KEY";
      break;
  }
  return status;
}

Status KeyStore::settle_files(Database& database) const {
  const auto settle = [&]() -> Status {
    AV_TRY(KeyRow row, load_key_row(database));
    const auto is = [](const std::filesystem::path& path, const crypto::Bytes& id) {
      const Expected<Secret> key = read_key_file(path);
      return key && key_id(*key) == id;
    };
    if (row.mode == KeyMode::kFile && !is(paths_.key_file(), row.kek_id)) {
      if (is(new_key_file(), row.kek_id)) {
        return rename_durably(new_key_file(), paths_.key_file());
      }
      return {};  // both are foreign: not ours to touch
    }
    AV_CHECK(remove_durably(new_key_file()));
    if (row.mode != KeyMode::kFile && !row.retired_kek_id.empty()) {
      if (is(paths_.key_file(), row.retired_kek_id)) {
        AV_CHECK(remove_durably(paths_.key_file()));
      }
      row.retired_kek_id.clear();
      save_key_row(database, row);
    }
    return {};
  };
  const Status settled = database.write(kCannotChange, settle);
  database.truncate_log();
  return settled;
}

Status KeyStore::settle_after_change(Database& database) const {
  Status settled = settle_files(database);
  if (!settled) {
    settled.error().message = "the key was changed, but the key files could not be put in order: " +
                              settled.error().message;
  }
  return settled;
}

Status KeyStore::set_passphrase(Database& database, const Secret& passphrase) {
  Secret kek;
  crypto::Bytes kek_id;
  const auto change = [&]() -> Status {
    AV_CHECK(refresh(database));
    AV_TRY(KeyRow row, load_key_row(database));
    const bool had_file = row.mode == KeyMode::kFile;
    row.retired_kek_id = had_file ? row.kek_id : crypto::Bytes{};
    use_passphrase(row);
    AV_TRY(kek, crypto::argon2id(passphrase, row.salt, row.kdf));
    AV_CHECK(wrap_with(row, ring_->data_key(), kek));
    kek_id = row.kek_id;
    save_key_row(database, row);
    return reached("saved");
  };
  AV_CHECK(database.write(kCannotChange, change));
  kek_ = std::move(kek);
  kek_id_ = std::move(kek_id);
  AV_CHECK(reached("committed"));
  return settle_after_change(database);
}

Status KeyStore::remove_passphrase(Database& database) {
  AV_TRY(Secret kek, crypto::random_secret(crypto::kKeySize));
  const auto change = [&]() -> Status {
    AV_CHECK(refresh(database));
    AV_TRY(KeyRow row, load_key_row(database));
    if (row.mode != KeyMode::kPassphrase) {
      return make_error(ErrorCode::kInvalid, "the store has no passphrase",
                        "agent-vault key status");
    }
    use_no_kdf(row, KeyMode::kFile);
    row.retired_kek_id.clear();
    AV_CHECK(wrap_with(row, ring_->data_key(), kek));
    AV_CHECK(write_key_file(new_key_file(), kek));
    AV_CHECK(reached("key written"));
    save_key_row(database, row);
    return reached("saved");
  };
  AV_CHECK(database.write(kCannotChange, change));
  kek_id_ = key_id(kek);
  kek_ = std::move(kek);
  AV_CHECK(reached("committed"));
  return settle_after_change(database);
}

Status KeyStore::rotate(Database& database, const Clock& clock, const Reseal& reseal) {
  Secret kek;
  KeyRow row;
  std::shared_ptr<const vault::KeyRing> ring;
  const auto change = [&]() -> Status {
    AV_CHECK(refresh(database));
    AV_TRY(row, load_key_row(database));
    // The wrapping may have changed while the data key did not.
    AV_CHECK(find_kek(row));
    AV_TRY(Secret data_key, crypto::random_secret(crypto::kKeySize));
    ++row.generation;
    row.rotated_ms = clock.wall_ms();
    if (row.mode == KeyMode::kFile) {
      // A committed but not yet renamed key must not be overwritten by the next one.
      const Expected<Secret> current = read_key_file(paths_.key_file());
      if (!current || key_id(*current) != row.kek_id) {
        AV_CHECK(write_key_file(paths_.key_file(), kek_));
      }
      AV_TRY(kek, crypto::random_secret(crypto::kKeySize));
    } else {
      AV_TRY(kek, kek_.clone());
    }
    AV_CHECK(wrap_with(row, data_key, kek));
    ring = std::make_shared<const vault::KeyRing>(std::move(data_key));
    AV_CHECK(reseal(*ring_, *ring));
    if (row.mode == KeyMode::kFile) {
      // Of rotations that were killed while they wrote. This one alone writes: it has the database.
      remove_unfinished(new_key_file());
      AV_CHECK(write_key_file(new_key_file(), kek));
      AV_CHECK(reached("key written"));
    }
    save_key_row(database, row);
    return reached("saved");
  };
  AV_CHECK(database.write(kCannotChange, change));
  kek_ = std::move(kek);
  kek_id_ = row.kek_id;
  generation_ = row.generation;
  ring_ = std::move(ring);
  AV_CHECK(reached("committed"));
  return settle_after_change(database);
}

}  // namespace av::store
