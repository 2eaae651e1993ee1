#pragma once
// The log of a vault at a `serve` elsewhere: requests through the proxy, as the API lists them.

#include <functional>
#include <string>
#include <vector>

#include "cmd/api_client.h"
#include "store/audit_reader.h"

namespace av::cmd {

class RemoteLog {
 public:
  RemoteLog(ApiClient& api, std::string vault) : api_(api), vault_(std::move(vault)) {}
  using Keep = store::AuditReader::Keep;
  // The newest `limit` (0: all) that `keep` wants and that are not older than `since_ms`, oldest
  // first.
  [[nodiscard]] Expected<std::vector<store::AuditEntry>> read(std::size_t limit,
                                                              std::int64_t since_ms,
                                                              const Keep& keep);
  // What has come since.
  [[nodiscard]] Expected<std::vector<store::AuditEntry>> poll(const Keep& keep);

 private:
  ApiClient& api_;
  std::string vault_;
  std::int64_t latest_ = 0;
};

}  // namespace av::cmd
