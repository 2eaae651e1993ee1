#pragma once
// Failures on the way to an upstream: 504 when something did not happen in time, else 502.

#include <string>
#include <string_view>
#include <utility>

#include "proxy/fault.h"

namespace av::proxy {

[[nodiscard]] inline Fault gateway_fault(std::string_view code, std::string message,
                                         std::string help, bool transient) {
  Fault fault;
  fault.status = code.ends_with("timeout") ? 504 : 502;
  fault.code = code;
  fault.message = std::move(message);
  fault.help = std::move(help);
  fault.transient = transient;
  return fault;
}

}  // namespace av::proxy
