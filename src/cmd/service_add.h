#pragma once
// `vault service add` and `vault service set`: the ways by which services come in.

#include "cmd/command.h"

namespace av::cmd {

class OptionSet;

Run setup_service_add(OptionSet& app);
Run setup_service_set(OptionSet& app);

// Says on stderr which of the services' credentials are not stored, and how to store them.
[[nodiscard]] Status warn_about_missing(Context& context, const std::string& vault,
                                        const std::vector<vault::Service>& services);

}  // namespace av::cmd
