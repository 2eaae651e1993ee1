#pragma once
// KeyStore: the one row of table `key`, which holds the data key (DEK) wrapped by a key-encryption
// key (KEK), and the ways to get at that KEK.
//
// Key files change in an order that survives a crash at any point. Under the write lock: the new
// key goes to `key.new`, then the row that names it is committed. Again under the write lock:
// `key.new` is renamed over `key`, if the row still names it. So whatever the row names is in one
// of the two files, and nobody renames a `key.new` that was not committed.
//
// Another process may change the row at any time; each transaction that touches sealed values calls
// refresh() first. Belongs to the thread of its Database.

#include <functional>
#include <memory>

#include "core/clock.h"
#include "core/fs.h"
#include "store/database.h"
#include "store/key_row.h"
#include "store/store.h"
#include "vault/key_ring.h"

namespace av::store {

class KeyStore {
 public:
  KeyStore(fs::Paths paths, KeySources sources)
      : paths_(std::move(paths)), sources_(std::move(sources)) {}

  // First use: makes a DEK, wraps it by the mode that the sources imply, writes the row. Call
  // inside a write transaction of the new database.
  [[nodiscard]] Status initialise(Database& database, const Clock& clock);

  // Unlocks, and finishes what a crashed rotation left behind.
  [[nodiscard]] Status unlock(Database& database);

  // One that is as far as this one, for another connection to the same store. It asks nobody for a
  // passphrase; one that the environment has given still counts.
  [[nodiscard]] Expected<KeyStore> another() const;
  [[nodiscard]] const fs::Paths& paths() const { return paths_; }

  // Inside any transaction: makes ring() the one that the row means now. kLocked when another
  // process changed the key and this one cannot follow.
  [[nodiscard]] Status refresh(Database& database);

  [[nodiscard]] std::shared_ptr<const vault::KeyRing> ring() const { return ring_; }
  [[nodiscard]] Expected<KeyStatus> status(Database& database) const;

  [[nodiscard]] Status set_passphrase(Database& database, const Secret& passphrase);
  [[nodiscard]] Status remove_passphrase(Database& database);

  // `reseal(old, new)` re-seals everything and runs in the transaction that changes the row.
  using Reseal = std::function<Status(const vault::KeyRing&, const vault::KeyRing&)>;
  [[nodiscard]] Status rotate(Database& database, const Clock& clock, const Reseal& reseal);

  // Test seam: called between the steps of a change of key; an error stops there, as a crash would.
  std::function<Status(std::string_view step)> test_only_step;

 private:
  [[nodiscard]] std::filesystem::path new_key_file() const;
  [[nodiscard]] Status reached(std::string_view step) const;
  // Makes kek_ the key that the row names.
  [[nodiscard]] Status find_kek(const KeyRow& row);
  [[nodiscard]] Expected<Secret> kek_from_files(const KeyRow& row) const;
  [[nodiscard]] Expected<Secret> kek_from_passphrase(const KeyRow& row);
  [[nodiscard]] Expected<Secret> kek_from_environment(const KeyRow& row) const;
  [[nodiscard]] Status adopt(const KeyRow& row);
  [[nodiscard]] Status wrap_with(KeyRow& row, const Secret& data_key, const Secret& kek) const;
  // Under the write lock: makes the files fit the row.
  [[nodiscard]] Status settle_files(Database& database) const;
  [[nodiscard]] Status settle_after_change(Database& database) const;

  fs::Paths paths_;
  KeySources sources_;
  Secret kek_;
  crypto::Bytes kek_id_;
  bool asked_ = false;  // for the passphrase
  std::uint64_t generation_ = 0;
  std::shared_ptr<const vault::KeyRing> ring_;
};

}  // namespace av::store
