#pragma once
// 1Password Connect, a server of one's own: its REST API 1.8.1
// (developer.1password.com/docs/connect/ api-reference) as the SDKs use it.

#include "source/kinds.h"

namespace av::source {

extern const Kind kOnePasswordConnect;

}  // namespace av::source
