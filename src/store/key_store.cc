#include "store/key_store.h"

#include <algorithm>

#include "store/key_file.h"
#include "store/local_keks.h"

namespace av::store {
namespace {

constexpr std::string_view kCannotRead = "cannot read the key";
constexpr std::string_view kCannotChange = "cannot change the key";

Error nobody_to_ask(const vault::KeyQuestion& question) {
  if (question.what == vault::Asked::kPassphrase) {
    return make_error(ErrorCode::kLocked, "the store is locked by a passphrase",
                      "set AGENT_VAULT_MASTER_PASSWORD");
  }
  return make_error(ErrorCode::kLocked, "the store is locked by a PIN",
                    "agent-vault unlock, in a terminal");
}

}  // namespace

KeyStore::KeyStore(fs::Paths paths, KeySources sources)
    : paths_(std::move(paths)),
      all_(std::move(sources.devices)),
      questions_(static_cast<KeyQuestions&&>(sources)),
      first_by_environment_(!sources.environment_key.empty()) {
  all_.push_back(make_file_kek(paths_));
  all_.push_back(make_passphrase_kek());
  all_.push_back(make_environment_kek(std::move(sources.environment_key)));
}

Status KeyStore::reached(std::string_view step) const {
  return test_only_step ? test_only_step(step) : Status{};
}

Expected<KeyStore::Source> KeyStore::source_of(KeyMode mode) const {
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const Source& each) {
    return each->mode() == to_string(mode);
  });
  if (found == all_.end()) {
    return make_error(
        ErrorCode::kUnsupported,
        "this build of agent-vault cannot open a store by " + std::string(to_string(mode)),
        "use one that was built with it");
  }
  return *found;
}

vault::Keyholder KeyStore::holder() {
  vault::Keyholder out;
  // An open store never asks again: in a run the terminal is the command's, which could read along.
  out.may_prompt = questions_.may_prompt && ring_ == nullptr;
  out.ask = [this](const vault::KeyQuestion& question) -> Expected<Secret> {
    const bool passphrase = question.what == vault::Asked::kPassphrase;
    const auto& pins = questions_.pins_from_environment;
    const bool from_environment =
        passphrase ? questions_.passphrase_from_environment
                   : std::find(pins.begin(), pins.end(), question.what) != pins.end();
    if (asked_ || (ring_ != nullptr && !from_environment)) {
      return make_error(ErrorCode::kLocked,
                        "another process changed how the store is locked (passphrase or PIN)",
                        "start this command again");
    }
    asked_ = true;
    if (passphrase ? !questions_.passphrase : !questions_.pin) {
      return nobody_to_ask(question);
    }
    return passphrase ? questions_.passphrase(question.is_new) : questions_.pin(question);
  };
  return out;
}

Status KeyStore::wrap_with(KeyRow& row, const Secret& data_key, const Secret& kek) const {
  row.kek.kek_id = key_id(kek);
  AV_TRY(row.wrapped, data_key.reveal([&](std::string_view bytes) {
    return crypto::seal(kek, bytes, associated_data(row));
  }));
  return {};
}

Status KeyStore::initialise(Database& database, const Clock& clock) {
  KeyRow row;
  row.created_ms = clock.wall_ms();
  if (first_by_environment_) {
    row.mode = KeyMode::kEnvironment;
  } else if (questions_.passphrase_from_environment) {
    row.mode = KeyMode::kPassphrase;
  }
  vault::KekSource::Protected made;
  if (row.mode == KeyMode::kFile) {
    AV_TRY(made, first_file_kek(paths_));
  } else {
    AV_TRY(const Source source, source_of(row.mode));
    AV_TRY(made, source->protect(holder()));
    asked_ = false;  // it is opened next
  }
  row.kek.descriptor = std::move(made.descriptor);
  AV_TRY(const Secret data_key, crypto::random_secret(crypto::kKeySize));
  AV_CHECK(wrap_with(row, data_key, made.kek));
  save_key_row(database, row);
  return {};
}

Status KeyStore::find_kek(const KeyRow& row) {
  if (!kek_.empty() && kek_id_ == row.kek.kek_id) {
    return {};
  }
  AV_TRY(const Source source, source_of(row.mode));
  Secret kek;
  if (questions_.kept && source->asks(row.kek)) {
    kek = questions_.kept(row.kek.kek_id).value_or(Secret());
  }
  if (kek.empty() || key_id(kek) != row.kek.kek_id) {
    auto recovered = source->recover(row.kek, holder());
    if (!recovered) {
      // Whatever is missing, the store is locked by it.
      ErrorCode& code = recovered.error().code;
      code = code == ErrorCode::kNotFound || code == ErrorCode::kUnsupported ? ErrorCode::kLocked
                                                                             : code;
      return recovered.error();
    }
    kek = std::move(*recovered);
  }
  if (key_id(kek) != row.kek.kek_id) {
    return make_error(ErrorCode::kLocked,
                      "what " + source->detail(row.kek) + " gives is not the key of this store",
                      "restore the store and its key from the same time");
  }
  kek_ = std::move(kek);
  kek_id_ = row.kek.kek_id;
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
    // What is not needed is not kept. The constructor puts it last.
    all_.back() = make_environment_kek(Secret());
  }
  const bool leftover =
      row.retired ||
      std::any_of(all_.begin(), all_.end(), [](const Source& each) { return each->unfinished(); });
  if (leftover) {
    // Only tidying: the store is usable without, and a read-only or busy one stays so.
    (void)settle(database);
  }
  return {};
}

Expected<KeyStore> KeyStore::another() const {
  KeyStore out(paths_, all_);
  out.questions_ = questions_;
  out.questions_.may_prompt = false;
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
  AV_TRY(const Source source, source_of(row.mode));
  return KeyStatus{row.mode,       row.generation,          row.created_ms,
                   row.rotated_ms, source->detail(row.kek), source->asks(row.kek),
                   row.kek.kek_id};
}

Expected<OpenKek> KeyStore::open_kek() const {
  OpenKek out;
  AV_TRY(out.kek, kek_.clone());
  out.kek_id = kek_id_;
  return out;
}

Status KeyStore::settle(Database& database) const {
  const auto settle_all = [&]() -> Status {
    AV_TRY(KeyRow row, load_key_row(database));
    for (const Source& each : all_) {
      AV_CHECK(each->settle(each->mode() == to_string(row.mode) ? &row.kek : nullptr));
    }
    if (row.retired) {
      AV_TRY(const Source source, source_of(row.retired->mode));
      AV_CHECK(source->forget(row.retired->kek));
      row.retired.reset();
      save_key_row(database, row);
    }
    return {};
  };
  const Status settled = database.write(kCannotChange, settle_all);
  database.truncate_log();
  return settled;
}

Status KeyStore::settle_after_change(Database& database) const {
  Status settled = settle(database);
  if (!settled) {
    settled.error().message =
        "the key was changed, but what kept the old one could not be put in order: " +
        settled.error().message;
  }
  return settled;
}

Status KeyStore::commit_protected(Database& database, const vault::KekSource& source, KeyMode mode,
                                  vault::KekSource::Protected& made) {
  const auto change = [&]() -> Status {
    AV_CHECK(refresh(database));
    AV_TRY(KeyRow row, load_key_row(database));
    AV_CHECK(source.place(made.kek, row.mode == mode ? &row.kek : nullptr));
    AV_CHECK(reached("key written"));
    if (row.retired) {
      // What an earlier change could not forget has this last chance.
      const auto earlier = source_of(row.retired->mode);
      (void)(earlier ? (*earlier)->forget(row.retired->kek) : Status{});
    }
    if (row.mode == KeyMode::kFile && mode == KeyMode::kFile) {
      row.retired.reset();  // the new file replaces the old one
    } else {
      row.retired = KeyRow::Retired{row.mode, row.kek};
    }
    row.mode = mode;
    row.kek.descriptor = made.descriptor;
    AV_CHECK(wrap_with(row, ring_->data_key(), made.kek));
    save_key_row(database, row);
    return reached("saved");
  };
  return database.write(kCannotChange, change);
}

Status KeyStore::protect(Database& database, const vault::KekSource& source,
                         const vault::Keyholder& holder) {
  const auto mode = key_mode(source.mode());
  if (!mode) {
    return make_error(ErrorCode::kInternal, "a way to keep the key without a name");
  }
  AV_TRY(vault::KekSource::Protected made, source.protect(holder));
  AV_CHECK(reached("protected"));
  const Status changed = commit_protected(database, source, *mode, made);
  if (!changed) {
    // Nobody will ask for what was made, unless the commit went through after all.
    const auto load = [&] { return load_key_row(database); };
    const auto row = database.read(kCannotRead, load);
    if (row && row->kek.kek_id != key_id(made.kek) && !test_only_step) {
      (void)source.forget({made.descriptor, key_id(made.kek)});
    }
    return changed;
  }
  kek_id_ = key_id(made.kek);
  kek_ = std::move(made.kek);
  AV_CHECK(reached("committed"));
  return settle_after_change(database);
}

Status KeyStore::set_passphrase(Database& database, const Secret& passphrase) {
  const vault::Keyholder chosen{[&](const vault::KeyQuestion&) { return passphrase.clone(); },
                                false};
  return protect(database, *make_passphrase_kek(), chosen);
}

Status KeyStore::remove_passphrase(Database& database) {
  AV_TRY(const KeyStatus now, status(database));
  if (now.mode != KeyMode::kPassphrase) {
    return make_error(ErrorCode::kInvalid, "the store has no passphrase", "agent-vault key status");
  }
  return protect(database, *make_file_kek(paths_), {});
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
    AV_TRY(const Source source, source_of(row.mode));
    AV_TRY(Secret data_key, crypto::random_secret(crypto::kKeySize));
    ring = std::make_shared<const vault::KeyRing>(std::move(data_key));
    AV_CHECK(reseal(*ring_, *ring));
    ++row.generation;
    row.rotated_ms = clock.wall_ms();
    if (row.mode == KeyMode::kFile) {
      // The file is as easily copied as the data: it goes with the data key. Others stay.
      AV_TRY(vault::KekSource::Protected made, source->protect({}));
      AV_CHECK(source->place(made.kek, &row.kek));
      AV_CHECK(reached("key written"));
      kek = std::move(made.kek);
      row.kek.descriptor = std::move(made.descriptor);
    } else {
      AV_TRY(kek, kek_.clone());
    }
    AV_CHECK(wrap_with(row, ring->data_key(), kek));
    save_key_row(database, row);
    return reached("saved");
  };
  AV_CHECK(database.write(kCannotChange, change));
  kek_ = std::move(kek);
  kek_id_ = row.kek.kek_id;
  generation_ = row.generation;
  ring_ = std::move(ring);
  AV_CHECK(reached("committed"));
  return settle_after_change(database);
}

}  // namespace av::store
