#pragma once
// JournalCloser: closes the audit log, which waits for the disk, on a thread of its own while the
// rest of the run is taken down. Belongs to the main thread; signals must be blocked there.

#include <pthread.h>

#include <memory>
#include <system_error>
#include <thread>

#include "store/audit_journal.h"

namespace av::cmd {

class JournalCloser {
 public:
  JournalCloser() = default;
  JournalCloser(const JournalCloser&) = delete;
  JournalCloser& operator=(const JournalCloser&) = delete;
  ~JournalCloser() { wait(); }

  void close(std::unique_ptr<store::AuditJournal> journal) {
    journal_ = std::move(journal);
    try {
      thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "av-close");
        journal_.reset();
      });
    } catch (const std::system_error&) {
      journal_.reset();  // no thread to be had: here and now
    }
  }
  // Returns when the log is on the disk.
  void wait() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

 private:
  std::unique_ptr<store::AuditJournal> journal_;
  std::thread thread_;
};

}  // namespace av::cmd
