#pragma once
// What the proxy's own port answers to origin-form requests: the part of the API that an agent
// needs inside a run. Never a value, never a change.

#include <string>
#include <string_view>

#include "proxy/head.h"
#include "proxy/local_reply.h"
#include "proxy/worker.h"

namespace av::proxy {

// `authorised`: the request carried the session's token.
[[nodiscard]] LocalReply agent_api_reply(const Worker& worker, const RequestHead& head,
                                         bool authorised);

}  // namespace av::proxy
