#include "vault/audit_action.h"

namespace av::vault {

AuditRecord action(std::string_view event, std::string vault, std::string detail,
                   std::vector<std::string> credentials) {
  AuditRecord record;
  record.event = event;
  record.vault = std::move(vault);
  record.detail = std::move(detail);
  record.credentials = std::move(credentials);
  return record;
}

Status note_intention(ActionLog& log, AuditRecord& record) {
  record.request = log.next_action();
  AuditRecord announced = record;
  announced.event += ".begin";
  return log.audit(std::move(announced));
}

Status note_outcome(ActionLog& log, AuditRecord record, const Error* error) {
  record.decision = "allow";
  if (error != nullptr) {
    const bool refused =
        error->code == ErrorCode::kNotPermitted || error->code == ErrorCode::kLocked;
    record.decision = refused ? "deny" : "error";
    record.error = to_string(error->code);
  }
  Status noted = log.audit(std::move(record));
  if (!noted && error == nullptr) {
    noted.error().message =
        "it was done, but the audit log does not say so: " + noted.error().message;
  }
  return noted;
}

}  // namespace av::vault
