#include "cmd/token_audit.h"

#include "cmd/find_named.h"
#include "cmd/output.h"

namespace av::cmd {

void audit_refreshes(Context& context, TokenKeeper& keeper) {
  for (const oauth::Refresher::Event& event : keeper.take_events()) {
    vault::AuditRecord record;
    record.time_ms = context.clock->wall_ms();
    record.event = "oauth.refresh";
    record.vault = vault_of_uid(*context.store, event.name.vault_uid);
    record.credentials = {event.name.key};
    record.decision = event.refreshed ? "allow" : "error";
    record.error = event.code;
    record.detail = event.message;
    if (const Status written = context.audit(record); !written) {
      warn(context, "a refresh of " + event.name.key +
                        " is not in the audit log: " + written.error().message);
    }
  }
}

void warn_of_damaged_tokens(Context& context, const std::string& vault) {
  const auto all = context.store->list_oauth(vault);
  if (!all) {
    return;  // the store says why wherever it matters
  }
  for (const store::Store::OauthInfo& info : *all) {
    if (info.damaged) {
      warn(context, "the OAuth credential " + info.key + " of the vault '" + info.vault +
                        "' cannot be used: " + info.status.last_error);
    }
  }
}

}  // namespace av::cmd
