#pragma once
// RootChain: the one file that all journals of the audit log hang on, <audit>/root.chain. Processes
// append to it under a lock, each line with one write(); what a line says is in audit_root.h.
//
// root.head is signed for places only that nobody has cut the chain back to: behind a `gap`, behind
// the first lines, and behind lines that this process has added. (One for the place of a cut, kept
// by whoever made it, would make the same cut good later.)
//
// May be used from several threads. Holds no descriptor between calls: whoever moves the directory
// away gets a chain that says so, not lines that nobody finds.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/fs.h"
#include "store/audit_root.h"
#include "store/store.h"

namespace av::store {

class RootChain {
 public:
  // With the key of the store, which is made at the first use, and the chain with it: it then names
  // the journals that are there already (`adopt`).
  static Expected<std::shared_ptr<RootChain>> open(const std::filesystem::path& directory,
                                                   Store& store, const Clock& clock);
  // With a key of the caller's; the chain is made when it is not there (`fresh`), or that it is
  // missing becomes part of it.
  static Expected<std::shared_ptr<RootChain>> with_key(const std::filesystem::path& directory,
                                                       AuditKey key, const Clock& clock,
                                                       bool fresh);

  // Returns when the line is in the kernel's hands, with its place. Sets the entry's time where it
  // has none. Tells in a line of its own (`gap`) when the chain is not what root.head says. kBusy
  // after ten seconds of waiting for others.
  [[nodiscard]] Expected<RootPosition> append(RootEntry entry);
  // Returns when everything up to `position`, a result of append(), is on the disk; notes so in
  // root.head.
  [[nodiscard]] Status sync(const RootPosition& position);
  [[nodiscard]] const PublicKey& public_key() const { return key_.public_key(); }

 private:
  RootChain(std::filesystem::path directory, AuditKey key, const Clock& clock)
      : directory_(std::move(directory)), key_(std::move(key)), clock_(clock) {}
  struct Tail;
  [[nodiscard]] Status begin(bool fresh);
  [[nodiscard]] Expected<Tail> look_at_tail(int fd) const;
  [[nodiscard]] Status add_gap(std::string& lines, RootPosition& position, Tail& tail) const;
  [[nodiscard]] Status add_line(std::string& lines, RootPosition& position, RootEntry entry) const;
  [[nodiscard]] Status write_lines(int fd, const Tail& tail, std::string_view lines) const;
  [[nodiscard]] Status write_synced_head(int fd, const RootPosition& position) const;
  [[nodiscard]] Status write_head(const RootPosition& position) const;

  std::filesystem::path directory_;
  AuditKey key_;
  const Clock& clock_;
};

// The lock over root.chain and root.head; gone when the descriptor is closed. Retried for ten
// seconds: it is held for microseconds.
[[nodiscard]] Expected<UniqueFd> lock_root(const std::filesystem::path& directory,
                                           bool for_writing);
// Whether another open file holds a lock on this one: a journal's writer does as long as it lives.
[[nodiscard]] bool is_locked(int fd);
// Holds it until the descriptor is closed; false when another one does, or when the file system
// has no locks.
[[nodiscard]] bool hold_lock(int fd);

// The key of this store, public half; nullopt when it has none yet.
[[nodiscard]] Expected<std::optional<PublicKey>> stored_public_key(Store& store);
// Whether the chain is only being made: the store has no key, or one that has not signed all of the
// first lines. After that an empty chain is one that was emptied.
[[nodiscard]] Expected<bool> is_chain_unmade(Store& store);

}  // namespace av::store
