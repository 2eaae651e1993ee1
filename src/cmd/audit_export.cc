#include "cmd/audit_export.h"
#include "cmd/option_set.h"
namespace av::cmd {
Run setup_audit_export(OptionSet&) {
  return [](Context&) -> Expected<int> { return 0; };
}
}  // namespace av::cmd
