#pragma once
// AuditJournal: the audit log as append-only files of JSON lines, one per writing process, under
// <data>/audit. A file and not a table because a record must be handed to the kernel before each
// use of a credential: that costs microseconds at most, where a commit costs fifty.
//
// Each line ends in `,"hash":"<hex>"}`, the SHA-256 of the previous line's hash (32 bytes) and of
// this line up to that comma. The first line's previous hash is the SHA-256 of the file's name. A
// torn last line (power loss) is dropped by the reader and reported.
//
// A journal that grows is mapped into memory and made longer in steps: behind its last line come
// zeros until it is closed, and for good when its process was killed. Whoever cuts off a file that
// is being written to ends its writer.
//
// The root chain (audit_chain.h) names the journal before its first record, signs where its lines
// stand at most once a second while there are new ones, and signs its end. The file is locked as
// long as its writer lives.
//
// append(), append_later() and flush() belong to one thread. A background thread makes the file
// durable within 100 ms.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "core/expected.h"
#include "store/audit_chain.h"
#include "vault/audit.h"

namespace av::store {

class AuditJournal final : public vault::AuditLog {
 public:
  // Creates <directory>/<UTC time>-<name>.jsonl, 0600. `name`: the run's id, or "cli-<pid>".
  static Expected<std::unique_ptr<AuditJournal>> create(const std::filesystem::path& directory,
                                                        const std::string& name,
                                                        std::shared_ptr<RootChain> chain);
  ~AuditJournal() override;
  [[nodiscard]] Status append(const vault::AuditRecord& record) override;
  void append_later(const vault::AuditRecord& record) override;
  void flush() override;

 private:
  struct Impl;
  explicit AuditJournal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Appends one line, without the hash and the line feed. The hash goes in front of the brace.
void append_json(std::string& line, const vault::AuditRecord& record);

}  // namespace av::store
