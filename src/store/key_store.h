#pragma once
// KeyStore: the one row of table `key`, which holds the data key (DEK) wrapped by a key-encryption
// key (KEK), and the ways to get at that KEK (KekSource).
//
// A change of KEK survives a crash at any point. What the new one needs is made and kept first,
// without a lock; under the write lock it is put in its place and the row that names it is
// committed; again under the write lock the old one is forgotten. So whatever the row names can be
// had, and what nobody committed is never taken for it. See KekSource for each step.
//
// Another process may change the row at any time; each transaction that touches sealed values calls
// refresh() first. Belongs to the thread of its Database.

#include <functional>
#include <memory>
#include <vector>

#include "core/clock.h"
#include "core/fs.h"
#include "store/database.h"
#include "store/key_row.h"
#include "store/store.h"
#include "vault/kek_source.h"
#include "vault/key_ring.h"

namespace av::store {

class KeyStore {
 public:
  KeyStore(fs::Paths paths, KeySources sources);

  // First use: makes a DEK, wraps it by the mode that the sources imply, writes the row. Call
  // inside a write transaction of the new database.
  [[nodiscard]] Status initialise(Database& database, const Clock& clock);

  // Unlocks, and finishes what a crashed change left behind.
  [[nodiscard]] Status unlock(Database& database);

  // One that is as far as this one, for another connection to the same store. It asks nobody for a
  // passphrase or PIN; one that the environment has given still counts.
  [[nodiscard]] Expected<KeyStore> another() const;
  [[nodiscard]] const fs::Paths& paths() const { return paths_; }

  // Inside any transaction: makes ring() the one that the row means now. kLocked when another
  // process changed the key and this one cannot follow.
  [[nodiscard]] Status refresh(Database& database);

  [[nodiscard]] std::shared_ptr<const vault::KeyRing> ring() const { return ring_; }
  [[nodiscard]] Expected<KeyStatus> status(Database& database) const;
  [[nodiscard]] Expected<OpenKek> open_kek() const;

  // Wraps the data key under a new KEK of `source`, which asks `holder`.
  [[nodiscard]] Status protect(Database& database, const vault::KekSource& source,
                               const vault::Keyholder& holder);
  [[nodiscard]] Status set_passphrase(Database& database, const Secret& passphrase);
  [[nodiscard]] Status remove_passphrase(Database& database);

  // `reseal(old, new)` re-seals everything and runs in the transaction that changes the row.
  using Reseal = std::function<Status(const vault::KeyRing&, const vault::KeyRing&)>;
  [[nodiscard]] Status rotate(Database& database, const Clock& clock, const Reseal& reseal);

  // Test seam: called between the steps of a change of key; an error stops there, as a crash would.
  std::function<Status(std::string_view step)> test_only_step;

 private:
  using Source = std::shared_ptr<const vault::KekSource>;

  KeyStore(fs::Paths paths, std::vector<Source> all) : paths_(std::move(paths)), all_(all) {}
  [[nodiscard]] Status reached(std::string_view step) const;
  [[nodiscard]] Expected<Source> source_of(KeyMode mode) const;
  [[nodiscard]] vault::Keyholder holder();
  // Makes kek_ the key that the row names.
  [[nodiscard]] Status find_kek(const KeyRow& row);
  [[nodiscard]] Status adopt(const KeyRow& row);
  [[nodiscard]] Status wrap_with(KeyRow& row, const Secret& data_key, const Secret& kek) const;
  // Under the write lock: makes what the sources keep fit the row.
  [[nodiscard]] Status settle(Database& database) const;
  [[nodiscard]] Status settle_after_change(Database& database) const;
  [[nodiscard]] Status commit_protected(Database& database, const vault::KekSource& source,
                                        KeyMode mode, vault::KekSource::Protected& made);

  fs::Paths paths_;
  std::vector<Source> all_;  // one for each mode that this process knows
  KeyQuestions questions_;
  bool first_by_environment_ = false;
  Secret kek_;
  crypto::Bytes kek_id_;
  bool asked_ = false;  // a person
  std::uint64_t generation_ = 0;
  std::shared_ptr<const vault::KeyRing> ring_;
};

}  // namespace av::store
