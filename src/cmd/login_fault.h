#pragma once
// The words for logins that are not captured, and for those that could not be kept.

#include <string>
#include <string_view>
#include <utility>

#include "proxy/fault.h"

namespace av::cmd {

[[nodiscard]] inline proxy::Fault login_fault(int status, std::string_view code,
                                              std::string message, std::string help) {
  proxy::Fault fault;
  fault.status = status;
  fault.code = code;
  fault.message = std::move(message);
  fault.help = std::move(help);
  fault.transient = status == 503 || status == 429;
  return fault;
}

// Nothing was redeemed.
[[nodiscard]] inline proxy::Fault not_captured(std::string message) {
  return login_fault(403, "login_not_captured", std::move(message),
                     "the run keeps logins in the vault (--capture-logins); agent-vault-oauth(1) "
                     "says which, and how they are allowed");
}

// It was, and what came of it is lost.
[[nodiscard]] inline proxy::Fault not_kept(std::string message, int status = 502) {
  return login_fault(status, "login_not_kept", std::move(message), "log in again");
}

}  // namespace av::cmd
