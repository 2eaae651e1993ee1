#pragma once
// `audit export`: the records as lines on standard output, or to an OpenTelemetry collector.

#include "cmd/command.h"

namespace av::cmd {

Run setup_audit_export(OptionSet& app);

}  // namespace av::cmd
