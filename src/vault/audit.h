#pragma once
// AuditLog: the port that the data plane and the commands write to. A record names things; it never
// carries a value, a body or a query.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace av::vault {

struct AuditRecord {
  std::int64_t time_ms = 0;  // wall clock, UTC
  std::string event;         // "request.begin", "request", "credential.set", "run.start", ...
  std::string vault;
  std::string agent;
  std::string run;
  std::uint64_t request = 0;  // pairs request.begin with request; 0: not about a request
  std::string method;
  std::string scheme;
  std::string host;
  std::uint16_t port = 0;
  std::string path;  // canonical, without the query
  std::string service;
  std::vector<std::string> credentials;  // keys
  std::string rule;
  std::string decision;  // "allow", "deny", "error"
  int status = 0;
  std::uint64_t bytes_in = 0;   // from the client
  std::uint64_t bytes_out = 0;  // to the client
  std::int64_t latency_us = 0;
  std::string upstream;  // address that was connected to
  std::string error;     // stable code
  std::string detail;    // free text of ours: what a command changed
};

class AuditLog {
 public:
  virtual ~AuditLog() = default;
  // Returns when the record would survive the death of every process of ours (it has been handed to
  // the kernel); power-loss durability follows within 100 ms. An error means: not recorded, so the
  // thing itself must not happen.
  [[nodiscard]] virtual Status append(const AuditRecord& record) = 0;
  // For a record that nothing waits for, because an earlier one already says that the thing was
  // done: it may go out with the next one. The caller flushes every now and then; until then the
  // death of the process loses it.
  virtual void append_later(const AuditRecord& record) { (void)append(record); }
  virtual void flush() {}
};

}  // namespace av::vault
