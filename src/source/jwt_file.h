#pragma once
// Workload identity: a JWT that the platform puts into a file (a Kubernetes service account's).

#include <string>

#include "core/secret.h"
#include "source/provider.h"

namespace av::source {

inline constexpr std::string_view kServiceAccountFile =
    "/var/run/secrets/kubernetes.io/serviceaccount/token";

// Reads it; a file that holds anything else than a JWT is not given to anybody. kInvalid.
[[nodiscard]] Result<Secret> read_jwt_file(const std::string& path);
// Without white space at its end. `from`: what holds no JWT, in the message.
[[nodiscard]] Result<Secret> checked_jwt(Secret jwt, const std::string& from);

}  // namespace av::source
