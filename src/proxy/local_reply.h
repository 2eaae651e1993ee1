#pragma once
// LocalReply: a response that the broker itself gives.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/secret.h"
#include "proxy/fault.h"
#include "proxy/head_text.h"

namespace av::proxy {

struct LocalReply {
  int status = 200;
  HeadText fields;    // Content-Length included
  SecretBuffer body;  // wiped: the API answers with values when it is asked to reveal them
};

// Who answers: the proxy marks what did not come from the server that was asked for.
enum class FaultOf : std::uint8_t { kProxy, kApi };

// JSON `{"error", "message", "help"}` and the fields that SDKs look at (agent-vault-errors(7)).
[[nodiscard]] LocalReply fault_reply(const Fault& fault, FaultOf whose = FaultOf::kProxy);
// JSON that is not to be kept by whoever is on the way.
[[nodiscard]] LocalReply json_reply(int status, std::string_view json);
// The whole message in HTTP/1.1; into wiped memory where the body may carry a value. `close` adds
// `Connection: close`.
[[nodiscard]] std::string to_http1(const LocalReply& reply, bool close, bool head_only);
void append_http1(SecretBuffer& out, const LocalReply& reply, bool close, bool head_only);
[[nodiscard]] std::string_view reason_phrase(int status);

}  // namespace av::proxy
