#pragma once
// Which proxy of the user's own the traffic of a run goes through.

#include <memory>
#include <string_view>

#include "cmd/ca_bundle.h"
#include "cmd/child_env.h"
#include "core/expected.h"
#include "proxy/egress_proxy.h"

namespace av::cmd {

// `setting`: a URL for all targets; "none"; or "" for what the environment of the user says:
// HTTPS_PROXY, https_proxy, ALL_PROXY, all_proxy for https targets, HTTP_PROXY, http_proxy,
// ALL_PROXY, all_proxy for the others. NO_PROXY, no_proxy apply in any case. Null: no proxy.
[[nodiscard]] Expected<std::shared_ptr<const proxy::EgressOptions>> egress_settings(
    std::string_view setting, const EnvLookup& env);

// Takes the proxy's password out of whatever variable still holds it: the command is given another
// proxy, and has no business with this one.
void remove_proxy_password(EnvBlock& env, const proxy::EgressOptions& egress);

}  // namespace av::cmd
