#pragma once
// 1Password through its `op` program and a service account: developer.1password.com/docs/cli,
// service accounts (op 2.18 to 2.39).

#include "source/kinds.h"

namespace av::source {

extern const Kind kOnePassword;

}  // namespace av::source
