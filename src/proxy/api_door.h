#pragma once
// The way of a request that is for the broker itself (origin form): its body is read and bounded,
// the ApiHandler is asked, its answer is sent. Bodies may carry values, so they stay in memory that
// is wiped.

#include <memory>
#include <string>

#include "proxy/api_handler.h"
#include "proxy/body.h"
#include "proxy/fault.h"
#include "proxy/head.h"
#include "proxy/stream.h"
#include "proxy/worker.h"

namespace av::proxy {

// A reply of its own: API errors look like the proxy's, but are none of an upstream's.
struct ApiOutcome {
  LocalReply reply;
  bool reusable = false;  // the request has been read to its end
  bool known = false;     // the client has shown who it is
};

// `run`: who the token of the head stands for, on the port of a run. All references must outlive
// the call.
[[nodiscard]] Awaitable<ApiOutcome> serve_api(Worker& worker, Stream& stream, ReadBuffer& buffer,
                                              const RequestHead& head, bool at_proxy,
                                              std::shared_ptr<const vault::Principal> run);

}  // namespace av::proxy
